"""Strategies for the values of every IE that holds no other IEs."""

from __future__ import annotations

import math
from enum import IntEnum, IntFlag
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from hypothesis import strategies as st

from core_stub.pfcp.ies import (
    AdditionalUsageReports,
    ApplyAction,
    AsRspFlags,
    AssociationReleaseFlags,
    AuReqFlags,
    Cause,
    CpFeatures,
    DlFlowLevelMarking,
    DownlinkDataServiceInformation,
    DroppedDlTrafficThreshold,
    FlowDirection,
    FlowInformation,
    FSeid,
    FTeid,
    GateStatus,
    IeType,
    Interface,
    InterfaceType,
    IpAddresses,
    IpVersion,
    MeasurementInformation,
    MeasurementMethod,
    NodeId,
    NodeReportType,
    OciFlags,
    OuterHeaderCreation,
    OuterHeaderCreationDescription,
    OuterHeaderRemoval,
    PacketRate,
    PacketRateLimit,
    PdnType,
    PfdContents,
    RateUnit,
    RedirectAddressType,
    RedirectInformation,
    RemoteGtpuPeer,
    ReportingTriggers,
    ReportType,
    RuleType,
    SdfFilter,
    SeReqFlags,
    SmReqFlags,
    SrReqFlags,
    SrRspFlags,
    TeidRange,
    UeIpAddress,
    UpFeatures,
    UsageInformation,
    UsageReportTrigger,
    UserId,
    UserPlaneIpResource,
    Volume,
    VolumeMeasurement,
)

u8, u16, u24, u32, u40, u64 = (st.integers(0, (1 << bits) - 1) for bits in (8, 16, 24, 32, 40, 64))
bits6 = st.integers(0, 63)
ipv4, ipv6 = st.builds(IPv4Address, u32), st.builds(IPv6Address, st.integers(0, (1 << 128) - 1))
maybe_ipv4, maybe_ipv6 = st.none() | ipv4, st.none() | ipv6
labels = st.lists(st.text("abz09-", min_size=1, max_size=9), min_size=1, max_size=3).map(".".join)
printable = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)
some_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
digits = st.text("0123456789", min_size=1, max_size=16)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def one_of(kind: type[IntEnum]) -> st.SearchStrategy[Any]:
    return st.sampled_from(sorted(kind))


def any_of(kind: type[IntFlag]) -> st.SearchStrategy[Any]:
    return st.sets(st.sampled_from(list(kind))).map(lambda flags: kind(sum(flags)))


def creations() -> st.SearchStrategy[OuterHeaderCreation]:
    kind = OuterHeaderCreationDescription

    def creation(flags: Any, parts: tuple[Any, ...]) -> OuterHeaderCreation:
        teid, v4, v6, port = parts
        return OuterHeaderCreation(
            flags,
            teid if flags & (kind.GTPU_UDP_IPV4 | kind.GTPU_UDP_IPV6) else None,
            v4 if flags & (kind.GTPU_UDP_IPV4 | kind.UDP_IPV4 | kind.IPV4) else None,
            v6 if flags & (kind.GTPU_UDP_IPV6 | kind.UDP_IPV6 | kind.IPV6) else None,
            port if flags & (kind.UDP_IPV4 | kind.UDP_IPV6) else None,
        )

    return st.builds(creation, any_of(kind).filter(bool), st.tuples(u32, ipv4, ipv6, u16))


def redirects() -> st.SearchStrategy[RedirectInformation]:
    single = st.builds(
        RedirectInformation,
        one_of(RedirectAddressType).filter(lambda kind: kind is not RedirectAddressType.IPV4_AND_IPV6),
        some_text,
    )
    both = st.builds(
        RedirectInformation, st.just(RedirectAddressType.IPV4_AND_IPV6), st.just("192.0.2.1"), st.just("2001:db8::1")
    )
    return single | both


RULE_IDS = {RuleType.PDR: u16, RuleType.FAR: u32, RuleType.QER: u32, RuleType.URR: u32, RuleType.BAR: u8}
f_teids = st.one_of(
    st.builds(FTeid, teid=u32, ipv4=ipv4, ipv6=maybe_ipv6),
    st.builds(FTeid, teid=u32, ipv6=ipv6),
    st.builds(FTeid, choose=st.just(True), choose_id=maybe(u8), choose_ipv4=st.just(True), choose_ipv6=st.booleans()),
    st.builds(FTeid, choose=st.just(True), choose_id=maybe(u8), choose_ipv6=st.just(True)),
)
volumes = st.builds(Volume, maybe(u64), maybe(u64), maybe(u64))
timers = st.sampled_from([0, 2, 62, 120, 31 * 60, 600 * 4, 31 * 600, 3600 * 31, 36000 * 31, math.inf])
packet_rates = st.builds(PacketRateLimit, u16, one_of(RateUnit))

NUMBERS: dict[IeType, st.SearchStrategy[Any]] = {
    **dict.fromkeys((IeType.BAR_ID, IeType.METRIC, IeType.SUGGESTED_BUFFERING_PACKETS_COUNT), u8),
    **dict.fromkeys((IeType.PDR_ID, IeType.OFFENDING_IE, IeType.NUMBER_OF_REPORTS), u16),
    IeType.TRANSPORT_LEVEL_MARKING: u16,
    **dict.fromkeys(
        (
            IeType.RECOVERY_TIME_STAMP, IeType.SEQUENCE_NUMBER, IeType.USER_PLANE_INACTIVITY_TIMER, IeType.PRECEDENCE,
            IeType.FAR_ID, IeType.QER_ID, IeType.QER_CORRELATION_ID, IeType.AVERAGING_WINDOW, IeType.URR_ID,
            IeType.LINKED_URR_ID, IeType.MEASUREMENT_PERIOD, IeType.TIME_THRESHOLD, IeType.TIME_QUOTA,
            IeType.SUBSEQUENT_TIME_THRESHOLD, IeType.SUBSEQUENT_TIME_QUOTA, IeType.EVENT_THRESHOLD,
            IeType.EVENT_QUOTA, IeType.QUOTA_HOLDING_TIME, IeType.QUOTA_VALIDITY_TIME, IeType.MONITORING_TIME,
            IeType.INACTIVITY_DETECTION_TIME, IeType.UR_SEQN, IeType.START_TIME, IeType.END_TIME,
            IeType.DURATION_MEASUREMENT, IeType.TIME_OF_FIRST_PACKET, IeType.TIME_OF_LAST_PACKET,
            IeType.QUERY_URR_REFERENCE,
        ),
        u32,
    ),
    IeType.DL_BUFFERING_SUGGESTED_PACKET_COUNT: u16,
    IeType.QFI: bits6,
    IeType.PAGING_POLICY_INDICATOR: st.integers(0, 7),
    IeType.RQI: st.booleans(),
}  # fmt: skip

CODES: dict[IeType, type[IntEnum]] = {
    IeType.CAUSE: Cause,
    IeType.DESTINATION_INTERFACE: Interface,
    IeType.INTERFACE_TYPE: InterfaceType,
    IeType.OUTER_HEADER_REMOVAL: OuterHeaderRemoval,
    IeType.PDN_TYPE: PdnType,
    IeType.SOURCE_INTERFACE: Interface,
}

FLAGS: dict[IeType, type[IntFlag]] = {
    IeType.APPLY_ACTION: ApplyAction,
    IeType.CP_FUNCTION_FEATURES: CpFeatures,
    IeType.IP_VERSION: IpVersion,
    IeType.MEASUREMENT_INFORMATION: MeasurementInformation,
    IeType.MEASUREMENT_METHOD: MeasurementMethod,
    IeType.NODE_REPORT_TYPE: NodeReportType,
    IeType.OCI_FLAGS: OciFlags,
    IeType.PFCPASRSP_FLAGS: AsRspFlags,
    IeType.PFCPAUREQ_FLAGS: AuReqFlags,
    IeType.PFCPSEREQ_FLAGS: SeReqFlags,
    IeType.PFCPSMREQ_FLAGS: SmReqFlags,
    IeType.PFCPSRREQ_FLAGS: SrReqFlags,
    IeType.PFCPSRRSP_FLAGS: SrRspFlags,
    IeType.PFCP_ASSOCIATION_RELEASE_REQUEST: AssociationReleaseFlags,
    IeType.REPORTING_TRIGGERS: ReportingTriggers,
    IeType.REPORT_TYPE: ReportType,
    IeType.UP_FUNCTION_FEATURES: UpFeatures,
    IeType.USAGE_INFORMATION: UsageInformation,
    IeType.USAGE_REPORT_TRIGGER: UsageReportTrigger,
}

STRUCTURES: dict[IeType, st.SearchStrategy[Any]] = {
    **dict.fromkeys(
        (
            IeType.APPLICATION_ID, IeType.APPLICATION_INSTANCE_ID, IeType.FRAMED_ROUTE, IeType.FORWARDING_POLICY,
            IeType.ACTIVATE_PREDEFINED_RULES, IeType.DEACTIVATE_PREDEFINED_RULES, IeType.UE_IP_ADDRESS_POOL_IDENTITY,
            IeType.DATA_NETWORK_ACCESS_IDENTIFIER,
        ),
        some_text,
    ),
    **dict.fromkeys((IeType.APN_DNN, IeType.NETWORK_INSTANCE), labels),
    **dict.fromkeys((IeType.MBR, IeType.GBR), st.tuples(u40, u40)),
    **dict.fromkeys((IeType.TIMER, IeType.GRACEFUL_RELEASE_PERIOD, IeType.DL_BUFFERING_DURATION), timers),
    **dict.fromkeys(
        (
            IeType.VOLUME_THRESHOLD, IeType.VOLUME_QUOTA, IeType.SUBSEQUENT_VOLUME_THRESHOLD,
            IeType.SUBSEQUENT_VOLUME_QUOTA,
        ),
        volumes,
    ),
    IeType.ADDITIONAL_USAGE_REPORTS_INFORMATION: st.builds(
        AdditionalUsageReports, st.booleans(), st.integers(0, 0x7FFF)
    ),
    IeType.CP_PFCP_ENTITY_IP_ADDRESS: st.builds(IpAddresses, ipv4, maybe_ipv6),
    IeType.DL_FLOW_LEVEL_MARKING: st.builds(DlFlowLevelMarking, maybe(u16), maybe(u16)),
    IeType.DOWNLINK_DATA_NOTIFICATION_DELAY: u8.map(lambda count: count * 50),
    IeType.DOWNLINK_DATA_SERVICE_INFORMATION: st.builds(DownlinkDataServiceInformation, maybe(bits6), maybe(bits6)),
    # pycrate always has both.
    IeType.DROPPED_DL_TRAFFIC_THRESHOLD: st.builds(DroppedDlTrafficThreshold, u64, u64),
    IeType.FAILED_RULE_ID: st.sampled_from(sorted(RuleType)).flatmap(
        lambda kind: st.tuples(st.just(int(kind)), RULE_IDS[kind])
    ),
    IeType.FLOW_INFORMATION: st.builds(FlowInformation, one_of(FlowDirection), printable),
    IeType.F_SEID: st.builds(FSeid, u64, ipv4, maybe_ipv6) | st.builds(FSeid, u64, st.none(), ipv6),
    IeType.F_TEID: f_teids,
    IeType.GATE_STATUS: st.tuples(one_of(GateStatus), one_of(GateStatus)),
    IeType.NODE_ID: st.builds(NodeId, ipv4 | ipv6 | labels),
    IeType.OUTER_HEADER_CREATION: creations(),
    IeType.PACKET_RATE: st.builds(PacketRate, maybe(packet_rates), maybe(packet_rates)),
    IeType.PFD_CONTENTS: st.builds(
        PfdContents,
        *(maybe(printable), maybe(some_text), maybe(some_text), maybe(st.binary(max_size=9)), maybe(some_text)),
        *(st.lists(printable, max_size=2).map(tuple), st.lists(some_text, max_size=2).map(tuple)),
    ),
    IeType.REDIRECT_INFORMATION: redirects(),
    IeType.REMOTE_GTP_U_PEER: st.builds(RemoteGtpuPeer, ipv4, maybe_ipv6, maybe(one_of(Interface)), maybe(labels))
    | st.builds(RemoteGtpuPeer, st.none(), ipv6, maybe(one_of(Interface)), maybe(labels)),
    IeType.SDF_FILTER: st.builds(SdfFilter, maybe(printable), u32, maybe(u16), maybe(u32), maybe(u24)),
    IeType.S_NSSAI: st.tuples(u8, maybe(st.integers(0, 0xFFFFFE))),
    IeType.UE_IP_ADDRESS: st.builds(
        UeIpAddress, maybe_ipv4, maybe_ipv6, st.booleans(), st.booleans(), st.booleans(), maybe(u8), maybe(u8)
    ),
    IeType.USER_ID: st.builds(UserId, maybe(digits), maybe(digits), maybe(digits), maybe(some_text)),
    IeType.USER_PLANE_IP_RESOURCE_INFORMATION: st.builds(
        UserPlaneIpResource,
        maybe_ipv4,
        maybe_ipv6,
        maybe(st.builds(TeidRange, st.integers(1, 7), u8)),
        maybe(labels),
        maybe(one_of(Interface)),
    ),
    IeType.VOLUME_MEASUREMENT: st.builds(VolumeMeasurement, *[maybe(u64)] * 6),
}  # fmt: skip

VALUES: dict[IeType, st.SearchStrategy[Any]] = {
    **NUMBERS,
    **STRUCTURES,
    **{ie: one_of(kind) for ie, kind in CODES.items()},
    **{ie: any_of(kind) for ie, kind in FLAGS.items()},
}
