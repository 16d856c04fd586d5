"""The IEs that hold no other IEs: for each how its value becomes octets and back.

Both directions are cached, since IEs repeat a lot: rule IDs, interfaces, the node ID, the DNN.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from core_stub.errors import LocalProtocolError, RemoteProtocolError
from core_stub.pfcp.codec import structures as of_parts
from core_stub.pfcp.codec.leaf import TEXT16, Leaf, TooShortError, alone, flags, low_bits, number, text
from core_stub.pfcp.ies import (
    ApplyAction,
    AsRspFlags,
    AssociationReleaseFlags,
    AuReqFlags,
    Cause,
    CpFeatures,
    IeType,
    Interface,
    InterfaceType,
    IpVersion,
    MeasurementInformation,
    MeasurementMethod,
    NodeReportType,
    OciFlags,
    OuterHeaderRemoval,
    PdnType,
    ReportingTriggers,
    ReportType,
    SeReqFlags,
    SmReqFlags,
    SrReqFlags,
    SrRspFlags,
    UpFeatures,
    UsageInformation,
    UsageReportTrigger,
)

_CACHED_IES = 8192
_CACHED_OCTETS = 256
"""Longer IEs do not come back, and would let a peer fill the memory."""


@lru_cache(_CACHED_IES)
def encode(ie: IeType, value: Any) -> bytes:
    """The octets of the IE; raises `LocalProtocolError` if the value does not fit into it."""
    try:
        return LEAVES[ie].encode(value)
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise LocalProtocolError(f"{ie.name}: got {value!r}: {error}") from error


def decode(ie: IeType, octets: bytes) -> Any:
    """The value of the IE; raises `RemoteProtocolError`."""
    return _decode_cached(ie, octets) if len(octets) <= _CACHED_OCTETS else _decode(ie, octets)


def _decode(ie: IeType, octets: bytes) -> Any:
    try:
        return LEAVES[ie].decode(octets)
    except TooShortError as error:
        detail = f"{ie.name}: {octets.hex()} is cut short: {error}"
        raise RemoteProtocolError(Cause.INVALID_LENGTH, detail, ie) from error
    except ValueError as error:
        detail = f"{ie.name}: got {octets.hex()}: {error}"
        raise RemoteProtocolError(Cause.MANDATORY_IE_INCORRECT, detail, ie) from error


_decode_cached = lru_cache(_CACHED_IES)(_decode)


def _cause(value: int) -> Cause:
    """§8.2.1: a cause that we do not know means acceptance below 64 and rejection from there on."""
    try:
        return Cause(value)
    except ValueError:
        return Cause.REQUEST_ACCEPTED if value < 64 else Cause.REQUEST_REJECTED


def _encode_count(count: int) -> bytes:
    """§8.2.30: as many octets as it takes."""
    return count.to_bytes(max(1, (count.bit_length() + 7) // 8))


def _decode_count(octets: bytes) -> int:
    if not octets:
        raise TooShortError("want an octet")
    return int.from_bytes(octets[:8])


_U32 = number(4)

LEAVES: dict[IeType, Leaf] = {
    IeType.CAUSE: number(1, _cause),
    IeType.OFFENDING_IE: number(2),
    IeType.FAILED_RULE_ID: of_parts.FAILED_RULE_ID,
    # -- nodes and sessions -------------------------------------------------------------------------------------------
    IeType.NODE_ID: of_parts.NODE_ID,
    IeType.RECOVERY_TIME_STAMP: _U32,
    IeType.UP_FUNCTION_FEATURES: flags(2, UpFeatures),
    IeType.CP_FUNCTION_FEATURES: flags(1, CpFeatures),
    IeType.PFCP_ASSOCIATION_RELEASE_REQUEST: flags(1, AssociationReleaseFlags),
    IeType.GRACEFUL_RELEASE_PERIOD: of_parts.TIMER,
    IeType.PFCPASRSP_FLAGS: flags(1, AsRspFlags),
    IeType.PFCPAUREQ_FLAGS: flags(1, AuReqFlags),
    IeType.USER_PLANE_IP_RESOURCE_INFORMATION: of_parts.USER_PLANE_IP_RESOURCE,
    IeType.UE_IP_ADDRESS_POOL_IDENTITY: alone(TEXT16),
    IeType.IP_VERSION: flags(1, IpVersion),
    IeType.CP_PFCP_ENTITY_IP_ADDRESS: of_parts.IP_ADDRESSES,
    IeType.NODE_REPORT_TYPE: flags(1, NodeReportType),
    IeType.REMOTE_GTP_U_PEER: of_parts.REMOTE_GTP_U_PEER,
    IeType.SEQUENCE_NUMBER: _U32,
    IeType.METRIC: number(1),
    IeType.TIMER: of_parts.TIMER,
    IeType.OCI_FLAGS: flags(1, OciFlags),
    IeType.F_SEID: of_parts.F_SEID,
    IeType.PDN_TYPE: low_bits(3, PdnType),
    IeType.APN_DNN: of_parts.LABELS,
    IeType.S_NSSAI: of_parts.S_NSSAI,
    IeType.USER_ID: of_parts.USER_ID,
    IeType.USER_PLANE_INACTIVITY_TIMER: _U32,
    IeType.PFCPSEREQ_FLAGS: flags(1, SeReqFlags),
    IeType.PFCPSMREQ_FLAGS: flags(1, SmReqFlags),
    IeType.PFCPSRREQ_FLAGS: flags(1, SrReqFlags),
    IeType.PFCPSRRSP_FLAGS: flags(1, SrRspFlags),
    # -- packet detection ---------------------------------------------------------------------------------------------
    IeType.PDR_ID: number(2),
    IeType.PRECEDENCE: _U32,
    IeType.SOURCE_INTERFACE: low_bits(4, Interface),
    IeType.INTERFACE_TYPE: low_bits(6, InterfaceType),
    IeType.F_TEID: of_parts.F_TEID,
    IeType.NETWORK_INSTANCE: of_parts.NETWORK_INSTANCE,
    IeType.UE_IP_ADDRESS: of_parts.UE_IP_ADDRESS,
    IeType.SDF_FILTER: of_parts.SDF_FILTER,
    IeType.APPLICATION_ID: text(),
    IeType.PFD_CONTENTS: of_parts.PFD_CONTENTS,
    IeType.QFI: low_bits(6),
    IeType.FRAMED_ROUTE: text(),
    IeType.ACTIVATE_PREDEFINED_RULES: text(),
    IeType.DEACTIVATE_PREDEFINED_RULES: text(),
    IeType.OUTER_HEADER_REMOVAL: number(1, OuterHeaderRemoval),
    # -- forwarding ---------------------------------------------------------------------------------------------------
    IeType.FAR_ID: _U32,
    IeType.APPLY_ACTION: flags(2, ApplyAction),
    IeType.DESTINATION_INTERFACE: low_bits(4, Interface),
    IeType.OUTER_HEADER_CREATION: of_parts.OUTER_HEADER_CREATION,
    IeType.REDIRECT_INFORMATION: of_parts.REDIRECT_INFORMATION,
    IeType.TRANSPORT_LEVEL_MARKING: number(2),
    IeType.FORWARDING_POLICY: alone(of_parts.FORWARDING_POLICY),
    IeType.DATA_NETWORK_ACCESS_IDENTIFIER: text(),
    # -- QoS ----------------------------------------------------------------------------------------------------------
    IeType.QER_ID: _U32,
    IeType.QER_CORRELATION_ID: _U32,
    IeType.GATE_STATUS: of_parts.GATE_STATUS,
    IeType.MBR: of_parts.BIT_RATES,
    IeType.GBR: of_parts.BIT_RATES,
    IeType.PACKET_RATE: of_parts.PACKET_RATE,
    IeType.DL_FLOW_LEVEL_MARKING: of_parts.DL_FLOW_LEVEL_MARKING,
    IeType.RQI: low_bits(1, bool),
    IeType.PAGING_POLICY_INDICATOR: low_bits(3),
    IeType.AVERAGING_WINDOW: _U32,
    # -- usage --------------------------------------------------------------------------------------------------------
    IeType.URR_ID: _U32,
    IeType.LINKED_URR_ID: _U32,
    IeType.MEASUREMENT_METHOD: flags(1, MeasurementMethod),
    IeType.REPORTING_TRIGGERS: flags(3, ReportingTriggers),
    IeType.MEASUREMENT_PERIOD: _U32,
    IeType.VOLUME_THRESHOLD: of_parts.VOLUME,
    IeType.VOLUME_QUOTA: of_parts.VOLUME,
    IeType.SUBSEQUENT_VOLUME_THRESHOLD: of_parts.VOLUME,
    IeType.SUBSEQUENT_VOLUME_QUOTA: of_parts.VOLUME,
    IeType.TIME_THRESHOLD: _U32,
    IeType.TIME_QUOTA: _U32,
    IeType.SUBSEQUENT_TIME_THRESHOLD: _U32,
    IeType.SUBSEQUENT_TIME_QUOTA: _U32,
    IeType.EVENT_THRESHOLD: _U32,
    IeType.EVENT_QUOTA: _U32,
    IeType.QUOTA_HOLDING_TIME: _U32,
    IeType.QUOTA_VALIDITY_TIME: _U32,
    IeType.DROPPED_DL_TRAFFIC_THRESHOLD: of_parts.DROPPED_DL_TRAFFIC_THRESHOLD,
    IeType.MONITORING_TIME: _U32,
    IeType.INACTIVITY_DETECTION_TIME: _U32,
    IeType.MEASUREMENT_INFORMATION: flags(1, MeasurementInformation),
    IeType.NUMBER_OF_REPORTS: number(2),
    IeType.UR_SEQN: _U32,
    IeType.USAGE_REPORT_TRIGGER: flags(3, UsageReportTrigger),
    IeType.START_TIME: _U32,
    IeType.END_TIME: _U32,
    IeType.VOLUME_MEASUREMENT: of_parts.VOLUME_MEASUREMENT,
    IeType.DURATION_MEASUREMENT: _U32,
    IeType.TIME_OF_FIRST_PACKET: _U32,
    IeType.TIME_OF_LAST_PACKET: _U32,
    IeType.USAGE_INFORMATION: flags(1, UsageInformation),
    IeType.QUERY_URR_REFERENCE: _U32,
    IeType.ADDITIONAL_USAGE_REPORTS_INFORMATION: of_parts.ADDITIONAL_USAGE_REPORTS,
    IeType.APPLICATION_INSTANCE_ID: text(),
    IeType.FLOW_INFORMATION: of_parts.FLOW_INFORMATION,
    # -- buffering ----------------------------------------------------------------------------------------------------
    IeType.BAR_ID: number(1),
    IeType.DOWNLINK_DATA_NOTIFICATION_DELAY: of_parts.NOTIFICATION_DELAY,
    IeType.SUGGESTED_BUFFERING_PACKETS_COUNT: number(1),
    IeType.DL_BUFFERING_DURATION: of_parts.TIMER,
    IeType.DL_BUFFERING_SUGGESTED_PACKET_COUNT: Leaf(_encode_count, _decode_count),
    IeType.DOWNLINK_DATA_SERVICE_INFORMATION: of_parts.DOWNLINK_DATA_SERVICE_INFORMATION,
    IeType.REPORT_TYPE: flags(1, ReportType),
}
