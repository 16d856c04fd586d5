"""The IEs that hold no other IEs: for each how its value becomes octets and back."""

from __future__ import annotations

from core_stub.pfcp.codec import addresses, structures
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
    IeType.FAILED_RULE_ID: structures.FAILED_RULE_ID,
    # -- nodes and sessions -------------------------------------------------------------------------------------------
    IeType.NODE_ID: addresses.NODE_ID,
    IeType.RECOVERY_TIME_STAMP: _U32,
    IeType.UP_FUNCTION_FEATURES: flags(2, UpFeatures),
    IeType.CP_FUNCTION_FEATURES: flags(1, CpFeatures),
    IeType.PFCP_ASSOCIATION_RELEASE_REQUEST: flags(1, AssociationReleaseFlags),
    IeType.GRACEFUL_RELEASE_PERIOD: structures.TIMER,
    IeType.PFCPASRSP_FLAGS: flags(1, AsRspFlags),
    IeType.PFCPAUREQ_FLAGS: flags(1, AuReqFlags),
    IeType.USER_PLANE_IP_RESOURCE_INFORMATION: addresses.USER_PLANE_IP_RESOURCE,
    IeType.UE_IP_ADDRESS_POOL_IDENTITY: alone(TEXT16),
    IeType.IP_VERSION: flags(1, IpVersion),
    IeType.CP_PFCP_ENTITY_IP_ADDRESS: addresses.IP_ADDRESSES,
    IeType.NODE_REPORT_TYPE: flags(1, NodeReportType),
    IeType.REMOTE_GTP_U_PEER: addresses.REMOTE_GTP_U_PEER,
    IeType.SEQUENCE_NUMBER: _U32,
    IeType.METRIC: number(1),
    IeType.TIMER: structures.TIMER,
    IeType.OCI_FLAGS: flags(1, OciFlags),
    IeType.F_SEID: addresses.F_SEID,
    IeType.PDN_TYPE: low_bits(3, PdnType),
    IeType.APN_DNN: addresses.LABELS,
    IeType.S_NSSAI: structures.S_NSSAI,
    IeType.USER_ID: structures.USER_ID,
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
    IeType.F_TEID: addresses.F_TEID,
    IeType.NETWORK_INSTANCE: addresses.NETWORK_INSTANCE,
    IeType.UE_IP_ADDRESS: addresses.UE_IP_ADDRESS,
    IeType.SDF_FILTER: structures.SDF_FILTER,
    IeType.APPLICATION_ID: text(),
    IeType.PFD_CONTENTS: structures.PFD_CONTENTS,
    IeType.QFI: low_bits(6),
    IeType.FRAMED_ROUTE: text(),
    IeType.ACTIVATE_PREDEFINED_RULES: text(),
    IeType.DEACTIVATE_PREDEFINED_RULES: text(),
    IeType.OUTER_HEADER_REMOVAL: number(1, OuterHeaderRemoval),
    # -- forwarding ---------------------------------------------------------------------------------------------------
    IeType.FAR_ID: _U32,
    IeType.APPLY_ACTION: flags(2, ApplyAction),
    IeType.DESTINATION_INTERFACE: low_bits(4, Interface),
    IeType.OUTER_HEADER_CREATION: addresses.OUTER_HEADER_CREATION,
    IeType.REDIRECT_INFORMATION: structures.REDIRECT_INFORMATION,
    IeType.TRANSPORT_LEVEL_MARKING: number(2),
    IeType.FORWARDING_POLICY: alone(structures.FORWARDING_POLICY),
    IeType.DATA_NETWORK_ACCESS_IDENTIFIER: text(),
    # -- QoS ----------------------------------------------------------------------------------------------------------
    IeType.QER_ID: _U32,
    IeType.QER_CORRELATION_ID: _U32,
    IeType.GATE_STATUS: structures.GATE_STATUS,
    IeType.MBR: structures.BIT_RATES,
    IeType.GBR: structures.BIT_RATES,
    IeType.PACKET_RATE: structures.PACKET_RATE,
    IeType.DL_FLOW_LEVEL_MARKING: structures.DL_FLOW_LEVEL_MARKING,
    IeType.RQI: low_bits(1, bool),
    IeType.PAGING_POLICY_INDICATOR: low_bits(3),
    IeType.AVERAGING_WINDOW: _U32,
    # -- usage --------------------------------------------------------------------------------------------------------
    IeType.URR_ID: _U32,
    IeType.LINKED_URR_ID: _U32,
    IeType.MEASUREMENT_METHOD: flags(1, MeasurementMethod),
    IeType.REPORTING_TRIGGERS: flags(3, ReportingTriggers),
    IeType.MEASUREMENT_PERIOD: _U32,
    IeType.VOLUME_THRESHOLD: structures.VOLUME,
    IeType.VOLUME_QUOTA: structures.VOLUME,
    IeType.SUBSEQUENT_VOLUME_THRESHOLD: structures.VOLUME,
    IeType.SUBSEQUENT_VOLUME_QUOTA: structures.VOLUME,
    IeType.TIME_THRESHOLD: _U32,
    IeType.TIME_QUOTA: _U32,
    IeType.SUBSEQUENT_TIME_THRESHOLD: _U32,
    IeType.SUBSEQUENT_TIME_QUOTA: _U32,
    IeType.EVENT_THRESHOLD: _U32,
    IeType.EVENT_QUOTA: _U32,
    IeType.QUOTA_HOLDING_TIME: _U32,
    IeType.QUOTA_VALIDITY_TIME: _U32,
    IeType.DROPPED_DL_TRAFFIC_THRESHOLD: structures.DROPPED_DL_TRAFFIC_THRESHOLD,
    IeType.MONITORING_TIME: _U32,
    IeType.INACTIVITY_DETECTION_TIME: _U32,
    IeType.MEASUREMENT_INFORMATION: flags(1, MeasurementInformation),
    IeType.NUMBER_OF_REPORTS: number(2),
    IeType.UR_SEQN: _U32,
    IeType.USAGE_REPORT_TRIGGER: flags(3, UsageReportTrigger),
    IeType.START_TIME: _U32,
    IeType.END_TIME: _U32,
    IeType.VOLUME_MEASUREMENT: structures.VOLUME_MEASUREMENT,
    IeType.DURATION_MEASUREMENT: _U32,
    IeType.TIME_OF_FIRST_PACKET: _U32,
    IeType.TIME_OF_LAST_PACKET: _U32,
    IeType.USAGE_INFORMATION: flags(1, UsageInformation),
    IeType.QUERY_URR_REFERENCE: _U32,
    IeType.ADDITIONAL_USAGE_REPORTS_INFORMATION: structures.ADDITIONAL_USAGE_REPORTS,
    IeType.APPLICATION_INSTANCE_ID: text(),
    IeType.FLOW_INFORMATION: structures.FLOW_INFORMATION,
    # -- buffering ----------------------------------------------------------------------------------------------------
    IeType.BAR_ID: number(1),
    IeType.DOWNLINK_DATA_NOTIFICATION_DELAY: structures.NOTIFICATION_DELAY,
    IeType.SUGGESTED_BUFFERING_PACKETS_COUNT: number(1),
    IeType.DL_BUFFERING_DURATION: structures.TIMER,
    IeType.DL_BUFFERING_SUGGESTED_PACKET_COUNT: Leaf(_encode_count, _decode_count),
    IeType.DOWNLINK_DATA_SERVICE_INFORMATION: structures.DOWNLINK_DATA_SERVICE_INFORMATION,
    IeType.REPORT_TYPE: flags(1, ReportType),
}
