"""Which IEs grouped IEs are made of, and to which attribute each belongs: the tables of clause 7 of TS 29.244."""

from __future__ import annotations

from core_stub.pfcp import ies
from core_stub.pfcp.codec.layout import Field, Layout
from core_stub.pfcp.ies import IeType, SmReqFlags


def _only(ie: IeType, *, many: bool = False) -> Layout:
    return Layout(None, (Field("", ie, required=True, many=many),))


_PDR_ID = Field("pdr_id", IeType.PDR_ID, required=True)
_FAR_ID = Field("far_id", IeType.FAR_ID, required=True)
_QER_ID = Field("qer_id", IeType.QER_ID, required=True)
_URR_ID = Field("urr_id", IeType.URR_ID, required=True)
_BAR_ID = Field("bar_id", IeType.BAR_ID, required=True)

_PDR_ACTIONS = (
    Field("far_id", IeType.FAR_ID),
    Field("urr_ids", IeType.URR_ID, many=True),
    Field("qer_ids", IeType.QER_ID, many=True),
    Field("activate_predefined_rules", IeType.ACTIVATE_PREDEFINED_RULES, many=True),
)
_FORWARDING = (
    Field("network_instance", IeType.NETWORK_INSTANCE),
    Field("redirect", IeType.REDIRECT_INFORMATION),
    Field("outer_header_creation", IeType.OUTER_HEADER_CREATION),
    Field("transport_level_marking", IeType.TRANSPORT_LEVEL_MARKING),
    Field("forwarding_policy", IeType.FORWARDING_POLICY),
)
_FORWARDING_TO = (
    Field("destination_interface_type", IeType.INTERFACE_TYPE),
    Field("dnai", IeType.DATA_NETWORK_ACCESS_IDENTIFIER),
)
_DUPLICATING = (
    Field("outer_header_creation", IeType.OUTER_HEADER_CREATION),
    Field("transport_level_marking", IeType.TRANSPORT_LEVEL_MARKING),
    Field("forwarding_policy", IeType.FORWARDING_POLICY),
)
_MBR = Field(("mbr_uplink_kbps", "mbr_downlink_kbps"), IeType.MBR)
_GBR = Field(("gbr_uplink_kbps", "gbr_downlink_kbps"), IeType.GBR)
_QOS = (
    _MBR,
    _GBR,
    Field("packet_rate", IeType.PACKET_RATE),
    Field("dl_flow_level_marking", IeType.DL_FLOW_LEVEL_MARKING),
    Field("qfi", IeType.QFI),
    Field("reflective_qos", IeType.RQI),
    Field("paging_policy_indicator", IeType.PAGING_POLICY_INDICATOR),
    Field("averaging_window_ms", IeType.AVERAGING_WINDOW),
)
_USAGE_LIMITS = (
    Field("measurement_period", IeType.MEASUREMENT_PERIOD),
    Field("volume_threshold", IeType.VOLUME_THRESHOLD),
    Field("volume_quota", IeType.VOLUME_QUOTA),
    Field("event_threshold", IeType.EVENT_THRESHOLD),
    Field("event_quota", IeType.EVENT_QUOTA),
    Field("time_threshold", IeType.TIME_THRESHOLD),
    Field("time_quota", IeType.TIME_QUOTA),
    Field("quota_holding_time", IeType.QUOTA_HOLDING_TIME),
    Field("dropped_dl_traffic_threshold", IeType.DROPPED_DL_TRAFFIC_THRESHOLD),
    Field("quota_validity_time", IeType.QUOTA_VALIDITY_TIME),
    Field("monitoring_time", IeType.MONITORING_TIME),
    Field("subsequent_volume_threshold", IeType.SUBSEQUENT_VOLUME_THRESHOLD),
    Field("subsequent_time_threshold", IeType.SUBSEQUENT_TIME_THRESHOLD),
    Field("subsequent_volume_quota", IeType.SUBSEQUENT_VOLUME_QUOTA),
    Field("subsequent_time_quota", IeType.SUBSEQUENT_TIME_QUOTA),
    Field("inactivity_detection_time", IeType.INACTIVITY_DETECTION_TIME),
    Field("linked_urr_ids", IeType.LINKED_URR_ID, many=True),
    Field("measurement_information", IeType.MEASUREMENT_INFORMATION),
    Field("quota_action_far_id", IeType.FAR_ID),
    Field("number_of_reports", IeType.NUMBER_OF_REPORTS),
)
_BUFFERING = (
    Field("notification_delay_ms", IeType.DOWNLINK_DATA_NOTIFICATION_DELAY),
    Field("suggested_packets", IeType.SUGGESTED_BUFFERING_PACKETS_COUNT),
)
_USAGE = (
    _URR_ID,
    Field("sequence", IeType.UR_SEQN, required=True),
    Field("trigger", IeType.USAGE_REPORT_TRIGGER, required=True),
    Field("start_time", IeType.START_TIME),
    Field("end_time", IeType.END_TIME),
    Field("volume", IeType.VOLUME_MEASUREMENT),
    Field("duration", IeType.DURATION_MEASUREMENT),
    Field("time_of_first_packet", IeType.TIME_OF_FIRST_PACKET),
    Field("time_of_last_packet", IeType.TIME_OF_LAST_PACKET),
    Field("usage_information", IeType.USAGE_INFORMATION),
)
_QUERY_URR_REFERENCE = Field("query_urr_reference", IeType.QUERY_URR_REFERENCE)

GROUPS: dict[IeType, Layout] = {
    # -- packet detection ---------------------------------------------------------------------------------------------
    IeType.CREATE_PDR: Layout(
        ies.CreatePdr,
        (
            _PDR_ID,
            Field("precedence", IeType.PRECEDENCE, required=True),
            Field("pdi", IeType.PDI, required=True),
            Field("outer_header_removal", IeType.OUTER_HEADER_REMOVAL),
            *_PDR_ACTIONS,
            Field("ue_ip_address_pools", IeType.UE_IP_ADDRESS_POOL_IDENTITY, many=True),
        ),
    ),
    IeType.UPDATE_PDR: Layout(
        ies.UpdatePdr,
        (
            _PDR_ID,
            Field("outer_header_removal", IeType.OUTER_HEADER_REMOVAL),
            Field("precedence", IeType.PRECEDENCE),
            Field("pdi", IeType.PDI),
            *_PDR_ACTIONS,
            Field("deactivate_predefined_rules", IeType.DEACTIVATE_PREDEFINED_RULES, many=True),
        ),
        removable=True,
    ),
    IeType.CREATED_PDR: Layout(
        ies.CreatedPdr,
        (_PDR_ID, Field("f_teid", IeType.F_TEID), Field("ue_ip_address", IeType.UE_IP_ADDRESS)),
    ),
    IeType.PDI: Layout(
        ies.Pdi,
        (
            Field("source_interface", IeType.SOURCE_INTERFACE, required=True),
            Field("f_teid", IeType.F_TEID),
            Field("network_instance", IeType.NETWORK_INSTANCE),
            Field("ue_ip_address", IeType.UE_IP_ADDRESS),
            Field("sdf_filters", IeType.SDF_FILTER, many=True),
            Field("application_id", IeType.APPLICATION_ID),
            Field("qfis", IeType.QFI, many=True),
            Field("framed_routes", IeType.FRAMED_ROUTE, many=True),
            Field("source_interface_type", IeType.INTERFACE_TYPE),
        ),
    ),
    # -- forwarding ---------------------------------------------------------------------------------------------------
    IeType.CREATE_FAR: Layout(
        ies.CreateFar,
        (
            _FAR_ID,
            Field("apply_action", IeType.APPLY_ACTION, required=True),
            Field("forwarding", IeType.FORWARDING_PARAMETERS),
            Field("duplicating", IeType.DUPLICATING_PARAMETERS, many=True),
            Field("bar_id", IeType.BAR_ID),
        ),
    ),
    IeType.UPDATE_FAR: Layout(
        ies.UpdateFar,
        (
            _FAR_ID,
            Field("apply_action", IeType.APPLY_ACTION),
            Field("forwarding", IeType.UPDATE_FORWARDING_PARAMETERS),
            Field("duplicating", IeType.UPDATE_DUPLICATING_PARAMETERS, many=True),
            Field("bar_id", IeType.BAR_ID),
        ),
        removable=True,
    ),
    IeType.FORWARDING_PARAMETERS: Layout(
        ies.ForwardingParameters,
        (
            Field("destination_interface", IeType.DESTINATION_INTERFACE, required=True),
            *_FORWARDING,
            *_FORWARDING_TO,
        ),
    ),
    IeType.UPDATE_FORWARDING_PARAMETERS: Layout(
        ies.ForwardingParameters,
        (
            Field("destination_interface", IeType.DESTINATION_INTERFACE),
            *_FORWARDING,
            Field("send_end_marker", IeType.PFCPSMREQ_FLAGS, switch=SmReqFlags.SNDEM),
            *_FORWARDING_TO,
        ),
        removable=True,
    ),
    IeType.DUPLICATING_PARAMETERS: Layout(
        ies.DuplicatingParameters,
        (Field("destination_interface", IeType.DESTINATION_INTERFACE, required=True), *_DUPLICATING),
    ),
    IeType.UPDATE_DUPLICATING_PARAMETERS: Layout(
        ies.DuplicatingParameters,
        (Field("destination_interface", IeType.DESTINATION_INTERFACE), *_DUPLICATING),
        removable=True,
    ),
    # -- QoS, usage, buffering ----------------------------------------------------------------------------------------
    IeType.CREATE_QER: Layout(
        ies.CreateQer,
        (
            _QER_ID,
            Field("correlation_id", IeType.QER_CORRELATION_ID),
            Field(("gate_uplink", "gate_downlink"), IeType.GATE_STATUS, required=True),
            *_QOS,
        ),
    ),
    IeType.UPDATE_QER: Layout(
        ies.UpdateQer,
        (
            _QER_ID,
            Field("correlation_id", IeType.QER_CORRELATION_ID),
            Field(("gate_uplink", "gate_downlink"), IeType.GATE_STATUS),
            *_QOS,
        ),
        removable=True,
    ),
    IeType.CREATE_URR: Layout(
        ies.CreateUrr,
        (
            _URR_ID,
            Field("method", IeType.MEASUREMENT_METHOD, required=True),
            Field("triggers", IeType.REPORTING_TRIGGERS, required=True),
            *_USAGE_LIMITS,
        ),
    ),
    IeType.UPDATE_URR: Layout(
        ies.UpdateUrr,
        (
            _URR_ID,
            Field("method", IeType.MEASUREMENT_METHOD),
            Field("triggers", IeType.REPORTING_TRIGGERS),
            *_USAGE_LIMITS,
        ),
        removable=True,
    ),
    IeType.CREATE_BAR: Layout(ies.CreateBar, (_BAR_ID, *_BUFFERING)),
    IeType.UPDATE_BAR: Layout(ies.UpdateBar, (_BAR_ID, *_BUFFERING), removable=True),
    IeType.UPDATE_BAR_IN_REPORT_RESPONSE: Layout(
        ies.UpdateBar,
        (
            _BAR_ID,
            Field("notification_delay_ms", IeType.DOWNLINK_DATA_NOTIFICATION_DELAY),
            Field("buffering_duration", IeType.DL_BUFFERING_DURATION),
            Field("buffering_suggested_packets", IeType.DL_BUFFERING_SUGGESTED_PACKET_COUNT),
            Field("suggested_packets", IeType.SUGGESTED_BUFFERING_PACKETS_COUNT),
        ),
        removable=True,
    ),
    IeType.REMOVE_PDR: _only(IeType.PDR_ID),
    IeType.REMOVE_FAR: _only(IeType.FAR_ID),
    IeType.REMOVE_URR: _only(IeType.URR_ID),
    IeType.REMOVE_QER: _only(IeType.QER_ID),
    IeType.REMOVE_BAR: _only(IeType.BAR_ID),
    IeType.QUERY_URR: _only(IeType.URR_ID),
    # -- reports ------------------------------------------------------------------------------------------------------
    IeType.DOWNLINK_DATA_REPORT: Layout(
        ies.DownlinkDataReport,
        (
            Field("pdr_ids", IeType.PDR_ID, required=True, many=True),
            Field("service_information", IeType.DOWNLINK_DATA_SERVICE_INFORMATION, many=True),
        ),
    ),
    IeType.USAGE_REPORT_MODIFICATION: Layout(ies.UsageReport, (*_USAGE, _QUERY_URR_REFERENCE)),
    IeType.USAGE_REPORT_DELETION: Layout(ies.UsageReport, _USAGE),
    IeType.USAGE_REPORT_REPORT: Layout(
        ies.UsageReport,
        (
            *_USAGE,
            Field("application", IeType.APPLICATION_DETECTION_INFORMATION),
            Field("ue_ip_address", IeType.UE_IP_ADDRESS),
            _QUERY_URR_REFERENCE,
        ),
    ),
    IeType.APPLICATION_DETECTION_INFORMATION: Layout(
        ies.ApplicationDetection,
        (
            Field("application_id", IeType.APPLICATION_ID, required=True),
            Field("instance_id", IeType.APPLICATION_INSTANCE_ID),
            Field("flow", IeType.FLOW_INFORMATION),
            Field("pdr_id", IeType.PDR_ID),
        ),
    ),
    IeType.ERROR_INDICATION_REPORT: _only(IeType.F_TEID, many=True),
    IeType.USER_PLANE_PATH_FAILURE_REPORT: _only(IeType.REMOTE_GTP_U_PEER, many=True),
    IeType.USER_PLANE_PATH_RECOVERY_REPORT: _only(IeType.REMOTE_GTP_U_PEER, many=True),
    # -- nodes --------------------------------------------------------------------------------------------------------
    IeType.LOAD_CONTROL_INFORMATION: Layout(
        ies.LoadControl,
        (
            Field("sequence", IeType.SEQUENCE_NUMBER, required=True),
            Field("metric", IeType.METRIC, required=True),
        ),
    ),
    IeType.OVERLOAD_CONTROL_INFORMATION: Layout(
        ies.OverloadControl,
        (
            Field("sequence", IeType.SEQUENCE_NUMBER, required=True),
            Field("metric", IeType.METRIC, required=True),
            Field("period", IeType.TIMER, required=True),
            Field("flags", IeType.OCI_FLAGS),
        ),
    ),
    IeType.APPLICATION_IDS_PFDS: Layout(
        ies.ApplicationPfds,
        (
            Field("application_id", IeType.APPLICATION_ID, required=True),
            Field("contexts", IeType.PFD_CONTEXT, many=True),
        ),
    ),
    IeType.PFD_CONTEXT: _only(IeType.PFD_CONTENTS, many=True),
    IeType.SESSION_RETENTION_INFORMATION: Layout(
        ies.SessionRetention, (Field("cp_entities", IeType.CP_PFCP_ENTITY_IP_ADDRESS, many=True),)
    ),
    IeType.UE_IP_ADDRESS_POOL_INFORMATION: Layout(
        ies.UeIpAddressPool,
        (
            Field("identities", IeType.UE_IP_ADDRESS_POOL_IDENTITY, required=True, many=True),
            Field("network_instances", IeType.NETWORK_INSTANCE, many=True),
            Field("snssais", IeType.S_NSSAI, many=True),
            Field("ip_version", IeType.IP_VERSION),
        ),
    ),
}
