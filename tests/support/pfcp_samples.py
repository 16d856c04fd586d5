"""A PFCP message of every kind; in all of them together there is every IE that we know."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from ipaddress import IPv4Address, IPv6Address

from core_stub.pfcp.ies import (
    AdditionalUsageReports,
    ApplicationDetection,
    ApplicationPfds,
    ApplyAction,
    AsRspFlags,
    AssociationReleaseFlags,
    AuReqFlags,
    Cause,
    CpFeatures,
    CreateBar,
    CreatedPdr,
    CreateFar,
    CreatePdr,
    CreateQer,
    CreateUrr,
    DlFlowLevelMarking,
    DownlinkDataReport,
    DownlinkDataServiceInformation,
    DroppedDlTrafficThreshold,
    DuplicatingParameters,
    FlowDirection,
    FlowInformation,
    ForwardingParameters,
    FSeid,
    FTeid,
    GateStatus,
    IeType,
    Interface,
    InterfaceType,
    IpAddresses,
    IpVersion,
    LoadControl,
    MeasurementInformation,
    MeasurementMethod,
    NodeId,
    NodeReportType,
    OciFlags,
    OuterHeaderCreation,
    OuterHeaderCreationDescription,
    OuterHeaderRemoval,
    OverloadControl,
    PacketRate,
    PacketRateLimit,
    Pdi,
    PdnType,
    PfdContents,
    RateUnit,
    RedirectAddressType,
    RedirectInformation,
    RemoteGtpuPeer,
    ReportingTriggers,
    ReportType,
    SdfFilter,
    SeReqFlags,
    SessionRetention,
    SmReqFlags,
    SrReqFlags,
    SrRspFlags,
    TeidRange,
    UeIpAddress,
    UeIpAddressPool,
    UpdateBar,
    UpdateFar,
    UpdatePdr,
    UpdateQer,
    UpdateUrr,
    UpFeatures,
    UsageInformation,
    UsageReport,
    UsageReportTrigger,
    UserId,
    UserPlaneIpResource,
    Volume,
    VolumeMeasurement,
)
from core_stub.pfcp.messages import (
    AssociationReleaseRequest,
    AssociationReleaseResponse,
    AssociationSetupRequest,
    AssociationSetupResponse,
    AssociationUpdateRequest,
    AssociationUpdateResponse,
    HeartbeatRequest,
    HeartbeatResponse,
    Message,
    NodeReportRequest,
    NodeReportResponse,
    PfdManagementRequest,
    PfdManagementResponse,
    SessionDeletionRequest,
    SessionDeletionResponse,
    SessionEstablishmentRequest,
    SessionEstablishmentResponse,
    SessionModificationRequest,
    SessionModificationResponse,
    SessionReportRequest,
    SessionReportResponse,
    VersionNotSupportedResponse,
)

SMF_NODE, UPF_NODE = NodeId(IPv4Address("10.0.0.1")), NodeId(IPv4Address("10.0.0.2"))
V4, V6 = IPv4Address("10.1.2.3"), IPv6Address("2001:db8::3")
GTPU_V4, UDP_V6 = OuterHeaderCreationDescription.GTPU_UDP_IPV4, OuterHeaderCreationDescription.UDP_IPV6

UPLINK_PDR = CreatePdr(
    pdr_id=2,
    precedence=255,
    pdi=Pdi(
        Interface.ACCESS,
        f_teid=FTeid(choose=True, choose_id=5, choose_ipv4=True, choose_ipv6=True),
        network_instance="internet",
        sdf_filters=(
            SdfFilter("permit out ip from 10.60.0.1 to assigned", 7, 0xB8FC),
            SdfFilter(bidirectional_id=7),
            SdfFilter(spi=0x01020304, flow_label=0x0ABCDE),
        ),
        qfis=(1, 9),
        source_interface_type=InterfaceType.N3_3GPP_ACCESS,
        application_id="video",
    ),
    far_id=2,
    outer_header_removal=OuterHeaderRemoval.GTPU_UDP_IP,
    urr_ids=(1, 2),
    qer_ids=(1,),
    activate_predefined_rules=("gold", "silver"),
    ue_ip_address_pools=("pool-1",),
)
DOWNLINK_PDR = CreatePdr(
    pdr_id=1,
    precedence=65535,
    pdi=Pdi(
        Interface.CORE,
        ue_ip_address=UeIpAddress(V4, V6, is_destination=True, ipv6_delegation_bits=8),
        source_interface_type=InterfaceType.N6,
        framed_routes=("198.51.100.0/24 10.1.2.3 1",),
    ),
    far_id=1,
)
REDIRECT = RedirectInformation(RedirectAddressType.IPV4_AND_IPV6, "192.0.2.1", "2001:db8::1")
FARS = (
    CreateFar(1, ApplyAction.BUFF | ApplyAction.NOCP, bar_id=1),
    CreateFar(
        2,
        ApplyAction.FORW | ApplyAction.DUPL,
        ForwardingParameters(
            Interface.CORE,
            "internet",
            OuterHeaderCreation(GTPU_V4, 0xABC, V4),
            InterfaceType.N9,
            transport_level_marking=0xB8FC,
            forwarding_policy="mec",
            dnai="edge-1",
        ),
        duplicating=(
            DuplicatingParameters(Interface.CP_FUNCTION, OuterHeaderCreation(UDP_V6, ipv6=V6, port=99), 0x2800, "li"),
        ),
    ),
    CreateFar(3, ApplyAction.FORW, ForwardingParameters(Interface.CORE, redirect=REDIRECT)),
)
FULL_URR = CreateUrr(
    urr_id=2,
    method=MeasurementMethod.VOLUM | MeasurementMethod.DURAT | MeasurementMethod.EVENT,
    triggers=ReportingTriggers.VOLTH | ReportingTriggers.VOLQU | ReportingTriggers.QUVTI | ReportingTriggers.REEMR,
    volume_threshold=Volume(1 << 40, 2, 3),
    volume_quota=Volume(uplink=5),
    time_threshold=60,
    time_quota=61,
    event_threshold=62,
    event_quota=63,
    measurement_period=10,
    quota_holding_time=64,
    quota_validity_time=65,
    dropped_dl_traffic_threshold=DroppedDlTrafficThreshold(66, 67),
    monitoring_time=4_004_387_010,
    subsequent_volume_threshold=Volume(68),
    subsequent_time_threshold=69,
    subsequent_volume_quota=Volume(downlink=70),
    subsequent_time_quota=71,
    inactivity_detection_time=72,
    linked_urr_ids=(1, 3),
    measurement_information=MeasurementInformation.MNOP | MeasurementInformation.ISTM,
    quota_action_far_id=3,
    number_of_reports=1,
)
FULL_QER = CreateQer(
    2, GateStatus.OPEN, GateStatus.CLOSED, 100_000, (1 << 40) - 1, 1, 2, 9,
    correlation_id=4,
    packet_rate=PacketRate(PacketRateLimit(6, RateUnit.HOUR), PacketRateLimit(7, RateUnit.MINUTE)),
    dl_flow_level_marking=DlFlowLevelMarking(0xB8FC, 0x0102),
    reflective_qos=True,
    paging_policy_indicator=5,
    averaging_window_ms=2000,
)  # fmt: skip
FULL_URR_UPDATE = UpdateUrr(**{field.name: getattr(FULL_URR, field.name) for field in fields(FULL_URR)})
FULL_QER_UPDATE = UpdateQer(**{field.name: getattr(FULL_QER, field.name) for field in fields(FULL_QER)})
USAGE = UsageReport(
    urr_id=1,
    sequence=2,
    trigger=UsageReportTrigger.VOLTH | UsageReportTrigger.TERMR | UsageReportTrigger.EMRRE,
    volume=VolumeMeasurement(30, 10, 20, 3, 1, 2),
    duration=77,
    start_time=4_004_387_010,
    end_time=4_004_387_087,
    time_of_first_packet=4_004_387_011,
    time_of_last_packet=4_004_387_086,
    usage_information=UsageInformation.BEF,
)
DETECTED = ApplicationDetection(
    "video", "stream-1", FlowInformation(FlowDirection.BIDIRECTIONAL, "permit out ip from any to assigned"), 2
)  # fmt: skip
LOAD, OVERLOAD = LoadControl(1, 40), OverloadControl(2, 95, 120.0, OciFlags.AOCI)
POOLS = (UeIpAddressPool(("pool-1", "pool-2"), ("internet",), ((1, 0x010203), (2, None)), IpVersion.V4),)
RESOURCES = (
    UserPlaneIpResource(V4, V6, TeidRange(2, 0x40), "internet", Interface.ACCESS),
    UserPlaneIpResource(V4),
)
PEERS = (
    RemoteGtpuPeer(V4, destination_interface=Interface.ACCESS, network_instance="internet"),
    RemoteGtpuPeer(V4, V6),
)

UNREADABLE_TO_PYCRATE: tuple[Message, ...] = (
    SessionReportResponse(7, Cause.REQUEST_ACCEPTED, update_bar=UpdateBar(2, buffering_suggested_packets=300)),
)
"""pycrate 0.8.1 loses the length of DL Buffering Suggested Packet Count when it dissects it."""

SAMPLES: tuple[Message, ...] = (
    HeartbeatRequest(4_004_387_010),
    HeartbeatResponse(4_004_387_011),
    PfdManagementRequest(
        (
            ApplicationPfds(
                "video",
                (
                    (
                        PfdContents("permit out ip from 192.0.2.1 to assigned"),
                        PfdContents(url="^https://example/", domain_name="example", domain_name_protocol="tls"),
                    ),
                    (
                        PfdContents(
                            "permit out ip from 192.0.2.2 to assigned",
                            "^https://example/",
                            custom=b"\x01",
                            additional_flow_descriptions=("permit out ip from 192.0.2.3 to assigned",),
                            additional_urls=("^https://example/b", "^https://example/c"),
                        ),
                    ),
                ),
            ),
            ApplicationPfds("gone"),
        ),
        NodeId(V4),
    ),
    PfdManagementResponse(Cause.REQUEST_REJECTED, IeType.PFD_CONTENTS, NodeId(V4)),
    AssociationSetupRequest(NodeId(V4), 1, cp_features=CpFeatures.SSET | CpFeatures.PSUCC),
    AssociationSetupRequest(
        NodeId("smf.core.example"), 1, session_retention=SessionRetention((IpAddresses(V4, V6), IpAddresses(V4)))
    ),
    AssociationSetupRequest(NodeId("smf.core.example"), 1, session_retention=SessionRetention()),
    AssociationSetupRequest(
        NodeId("upf.core.example"), 1, UpFeatures.UEIP, user_plane_ip_resources=RESOURCES, ue_ip_address_pools=POOLS
    ),
    AssociationSetupResponse(
        NodeId(V6),
        Cause.REQUEST_ACCEPTED,
        2,
        UpFeatures.FTUP | UpFeatures.VTIME | UpFeatures.NSPOC,
        CpFeatures.OVRL,
        ue_ip_address_pools=POOLS,
        flags=AsRspFlags.PSREI,
    ),
    AssociationSetupResponse(
        NodeId(V6), Cause.REQUEST_ACCEPTED, 2, UpFeatures.UEIP, user_plane_ip_resources=RESOURCES
    ),
    AssociationUpdateRequest(
        NodeId(V4),
        UpFeatures.FTUP,
        CpFeatures.LOAD,
        user_plane_ip_resources=RESOURCES,
        release=AssociationReleaseFlags.SARR | AssociationReleaseFlags.URSS,
        graceful_release_period=60,
        flags=AuReqFlags.PARPS,
        ue_ip_address_pools=POOLS,
    ),
    AssociationUpdateResponse(NodeId(V4), Cause.REQUEST_ACCEPTED, UpFeatures.UEIP, CpFeatures.LOAD),
    AssociationReleaseRequest(NodeId(V4)),
    AssociationReleaseResponse(NodeId(V4), Cause.NO_ESTABLISHED_PFCP_ASSOCIATION),
    VersionNotSupportedResponse(),
    NodeReportRequest(NodeId(V4), NodeReportType.UPFR | NodeReportType.UPRR, PEERS[:1], PEERS[1:]),
    NodeReportResponse(NodeId(V4), Cause.REQUEST_REJECTED, IeType.NODE_REPORT_TYPE),
    SessionEstablishmentRequest(
        seid=0,
        node_id=SMF_NODE,
        cp_f_seid=FSeid(0x1122334455667788, V4, V6),
        create_pdrs=(DOWNLINK_PDR, UPLINK_PDR),
        create_fars=FARS,
        create_urrs=(CreateUrr(1, MeasurementMethod.VOLUM, ReportingTriggers.VOLTH, Volume(100 << 20)), FULL_URR),
        create_qers=(CreateQer(1), FULL_QER),
        create_bars=(CreateBar(1, 100, 20), CreateBar(2)),
        pdn_type=PdnType.IPV4V6,
        apn_dnn="internet.mnc001",
        snssai=(1, 0x010203),
        user_plane_inactivity_timer=600,
        user_id=UserId("001010000000001", "4370816125816151", "8613800000000", "ue@example"),
        flags=SeReqFlags.RESTI | SeReqFlags.SUMPC,
        recovery_time_stamp=4_004_387_010,
    ),
    SessionEstablishmentResponse(
        seid=9,
        node_id=UPF_NODE,
        cause=Cause.REQUEST_ACCEPTED,
        up_f_seid=FSeid(7, V4),
        created_pdrs=(CreatedPdr(2, FTeid(0xABC, V4, V6)), CreatedPdr(3, ue_ip_address=UeIpAddress(V4))),
        load=LOAD,
        overload=OVERLOAD,
    ),
    SessionEstablishmentResponse(9, UPF_NODE, Cause.RULE_CREATION_MODIFICATION_FAILURE, 2, failed_rule_id=(1, 77)),
    SessionModificationRequest(
        seid=7,
        cp_f_seid=FSeid(8, V4),
        remove_pdrs=(1, 2),
        remove_fars=(3,),
        remove_urrs=(4,),
        remove_qers=(5,),
        remove_bars=(6,),
        create_pdrs=(UPLINK_PDR, replace(DOWNLINK_PDR, pdi=Pdi(
            Interface.CORE, ue_ip_address=UeIpAddress(choose_ipv4=True, choose_ipv6=True, is_destination=True)
        ))),
        create_fars=FARS,
        create_urrs=(CreateUrr(1, MeasurementMethod.DURAT, ReportingTriggers.PERIO),),
        create_qers=(CreateQer(2),),
        create_bars=(CreateBar(3),),
        update_pdrs=(
            UpdatePdr(
                1, 10, Pdi(Interface.CORE), 4, OuterHeaderRemoval.IPV4, (1,), (2,),
                activate_predefined_rules=("gold",), deactivate_predefined_rules=("silver",),
            ),
            UpdatePdr(2),
        ),
        update_fars=(
            UpdateFar(
                1,
                ApplyAction.FORW,
                ForwardingParameters(
                    outer_header_creation=OuterHeaderCreation(UDP_V6, ipv6=V6, port=99), send_end_marker=True
                ),
                duplicating=(DuplicatingParameters(forwarding_policy="li"),),
            ),
            UpdateFar(2, bar_id=1),
            UpdateFar(3, forwarding=FARS[1].forwarding, duplicating=FARS[1].duplicating),
            UpdateFar(4, forwarding=FARS[2].forwarding),
        ),
        update_urrs=(FULL_URR_UPDATE, UpdateUrr(2, volume_threshold=Volume(5), removed=frozenset({"volume_quota"}))),
        update_qers=(
            FULL_QER_UPDATE,
            UpdateQer(2, GateStatus.CLOSED, GateStatus.OPEN, reflective_qos=False,
                      removed=frozenset({"mbr_uplink_kbps", "mbr_downlink_kbps"})),
        ),
        update_bars=(UpdateBar(1, 150, 30),),
        query_urrs=(1, 2),
        query_urr_reference=3,
        flags=SmReqFlags.DROBU | SmReqFlags.QAURR,
        user_plane_inactivity_timer=0,
        node_id=SMF_NODE,
    ),
    SessionModificationResponse(
        9,
        Cause.REQUEST_ACCEPTED,
        None,
        (CreatedPdr(2, FTeid(1, V4)),),
        (replace(USAGE, query_urr_reference=3),),
        additional_usage_reports=AdditionalUsageReports(is_undetermined=True, reports=4),
        load=LOAD,
    ),
    SessionModificationResponse(
        9, Cause.RULE_CREATION_MODIFICATION_FAILURE, IeType.PDI, failed_rule_id=(0, 7), overload=OVERLOAD
    ),
    SessionDeletionRequest(7),
    SessionDeletionResponse(0, Cause.SESSION_CONTEXT_NOT_FOUND, IeType.F_SEID, load=LOAD),
    SessionDeletionResponse(
        9,
        Cause.REQUEST_ACCEPTED,
        usage_reports=(USAGE,),
        additional_usage_reports=AdditionalUsageReports(reports=4),
        overload=OVERLOAD,
    ),
    SessionReportRequest(
        9,
        ReportType.DLDR | ReportType.USAR | ReportType.ERIR,
        DownlinkDataReport((1, 2), (DownlinkDataServiceInformation(46, 9), DownlinkDataServiceInformation(qfi=1))),
        (USAGE, replace(USAGE, application=DETECTED, ue_ip_address=UeIpAddress(V4), query_urr_reference=3)),
        (FTeid(0xABC, V4), FTeid(0xABD, None, V6)),
        flags=SrReqFlags.PSDBU,
        additional_usage_reports=AdditionalUsageReports(reports=4),
        load=LOAD,
        overload=OVERLOAD,
    ),
    SessionReportResponse(7, Cause.SESSION_CONTEXT_NOT_FOUND, 57),
    SessionReportResponse(
        7,
        Cause.REQUEST_ACCEPTED,
        update_bar=UpdateBar(1, 50, 10, math.inf),
        flags=SrRspFlags.DROBU,
        cp_f_seid=FSeid(9, V4),
    ),
    *UNREADABLE_TO_PYCRATE,
)  # fmt: skip
