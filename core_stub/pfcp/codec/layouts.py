"""Which IEs messages are made of, and to which attribute each belongs: the tables of clause 7 of TS 29.244."""

from __future__ import annotations

from core_stub.pfcp import messages
from core_stub.pfcp.codec.layout import Field, Layout
from core_stub.pfcp.ies import IeType

_NODE_ID = Field("node_id", IeType.NODE_ID, required=True)
_OPTIONAL_NODE_ID = Field("node_id", IeType.NODE_ID)
_CAUSE = Field("cause", IeType.CAUSE, required=True)
_OFFENDING_IE = Field("offending_ie", IeType.OFFENDING_IE)
_RECOVERY = Field("recovery_time_stamp", IeType.RECOVERY_TIME_STAMP, required=True)
_FEATURES = (
    Field("up_features", IeType.UP_FUNCTION_FEATURES),
    Field("cp_features", IeType.CP_FUNCTION_FEATURES),
)
_RESOURCES = (
    Field("user_plane_ip_resources", IeType.USER_PLANE_IP_RESOURCE_INFORMATION, many=True),
    Field("ue_ip_address_pools", IeType.UE_IP_ADDRESS_POOL_INFORMATION, many=True),
)
_CREATED_PDRS = Field("created_pdrs", IeType.CREATED_PDR, many=True)
_FAILED_RULE = Field("failed_rule_id", IeType.FAILED_RULE_ID)
_INACTIVITY = Field("user_plane_inactivity_timer", IeType.USER_PLANE_INACTIVITY_TIMER)
_ADDITIONAL_REPORTS = Field("additional_usage_reports", IeType.ADDITIONAL_USAGE_REPORTS_INFORMATION)
_LOAD = (
    Field("load", IeType.LOAD_CONTROL_INFORMATION),
    Field("overload", IeType.OVERLOAD_CONTROL_INFORMATION),
)

_NODE_LAYOUTS: tuple[tuple[type[messages.Message], tuple[Field, ...]], ...] = (
    (messages.HeartbeatRequest, (_RECOVERY,)),
    (messages.HeartbeatResponse, (_RECOVERY,)),
    (
        messages.PfdManagementRequest,
        (Field("applications", IeType.APPLICATION_IDS_PFDS, many=True), _OPTIONAL_NODE_ID),
    ),
    (messages.PfdManagementResponse, (_CAUSE, _OFFENDING_IE, _OPTIONAL_NODE_ID)),
    (
        messages.AssociationSetupRequest,
        (
            _NODE_ID,
            _RECOVERY,
            *_FEATURES,
            *_RESOURCES,
            Field("session_retention", IeType.SESSION_RETENTION_INFORMATION),
        ),
    ),
    (
        messages.AssociationSetupResponse,
        (_NODE_ID, _CAUSE, _RECOVERY, *_FEATURES, *_RESOURCES, Field("flags", IeType.PFCPASRSP_FLAGS)),
    ),
    (
        messages.AssociationUpdateRequest,
        (
            _NODE_ID,
            *_FEATURES,
            Field("release", IeType.PFCP_ASSOCIATION_RELEASE_REQUEST),
            Field("graceful_release_period", IeType.GRACEFUL_RELEASE_PERIOD),
            *_RESOURCES,
            Field("flags", IeType.PFCPAUREQ_FLAGS),
        ),
    ),
    (messages.AssociationUpdateResponse, (_NODE_ID, _CAUSE, *_FEATURES)),
    (messages.AssociationReleaseRequest, (_NODE_ID,)),
    (messages.AssociationReleaseResponse, (_NODE_ID, _CAUSE)),
    (messages.VersionNotSupportedResponse, ()),
    (
        messages.NodeReportRequest,
        (
            _NODE_ID,
            Field("report_type", IeType.NODE_REPORT_TYPE, required=True),
            Field("path_failures", IeType.USER_PLANE_PATH_FAILURE_REPORT),
            Field("path_recoveries", IeType.USER_PLANE_PATH_RECOVERY_REPORT),
        ),
    ),
    (messages.NodeReportResponse, (_NODE_ID, _CAUSE, _OFFENDING_IE)),
)

_SESSION_LAYOUTS: tuple[tuple[type[messages.Message], tuple[Field, ...]], ...] = (
    (
        messages.SessionEstablishmentRequest,
        (
            _NODE_ID,
            Field("cp_f_seid", IeType.F_SEID, required=True),
            Field("create_pdrs", IeType.CREATE_PDR, required=True, many=True),
            Field("create_fars", IeType.CREATE_FAR, required=True, many=True),
            Field("create_urrs", IeType.CREATE_URR, many=True),
            Field("create_qers", IeType.CREATE_QER, many=True),
            Field("create_bars", IeType.CREATE_BAR, many=True),
            Field("pdn_type", IeType.PDN_TYPE),
            _INACTIVITY,
            Field("user_id", IeType.USER_ID),
            Field("apn_dnn", IeType.APN_DNN),
            Field("flags", IeType.PFCPSEREQ_FLAGS),
            Field("recovery_time_stamp", IeType.RECOVERY_TIME_STAMP),
            Field("snssai", IeType.S_NSSAI),
        ),
    ),
    (
        messages.SessionEstablishmentResponse,
        (
            _NODE_ID,
            _CAUSE,
            _OFFENDING_IE,
            Field("up_f_seid", IeType.F_SEID),
            _CREATED_PDRS,
            *_LOAD,
            _FAILED_RULE,
        ),
    ),
    (
        messages.SessionModificationRequest,
        (
            Field("cp_f_seid", IeType.F_SEID),
            Field("remove_pdrs", IeType.REMOVE_PDR, many=True),
            Field("remove_fars", IeType.REMOVE_FAR, many=True),
            Field("remove_urrs", IeType.REMOVE_URR, many=True),
            Field("remove_qers", IeType.REMOVE_QER, many=True),
            Field("remove_bars", IeType.REMOVE_BAR, many=True),
            Field("create_pdrs", IeType.CREATE_PDR, many=True),
            Field("create_fars", IeType.CREATE_FAR, many=True),
            Field("create_urrs", IeType.CREATE_URR, many=True),
            Field("create_qers", IeType.CREATE_QER, many=True),
            Field("create_bars", IeType.CREATE_BAR, many=True),
            Field("update_pdrs", IeType.UPDATE_PDR, many=True),
            Field("update_fars", IeType.UPDATE_FAR, many=True),
            Field("update_urrs", IeType.UPDATE_URR, many=True),
            Field("update_qers", IeType.UPDATE_QER, many=True),
            Field("update_bars", IeType.UPDATE_BAR, many=True),
            Field("flags", IeType.PFCPSMREQ_FLAGS),
            Field("query_urrs", IeType.QUERY_URR, many=True),
            _INACTIVITY,
            Field("query_urr_reference", IeType.QUERY_URR_REFERENCE),
            _OPTIONAL_NODE_ID,
        ),
    ),
    (
        messages.SessionModificationResponse,
        (
            _CAUSE,
            _OFFENDING_IE,
            _CREATED_PDRS,
            *_LOAD,
            Field("usage_reports", IeType.USAGE_REPORT_MODIFICATION, many=True),
            _FAILED_RULE,
            _ADDITIONAL_REPORTS,
        ),
    ),
    (messages.SessionDeletionRequest, ()),
    (
        messages.SessionDeletionResponse,
        (
            _CAUSE,
            _OFFENDING_IE,
            *_LOAD,
            Field("usage_reports", IeType.USAGE_REPORT_DELETION, many=True),
            _ADDITIONAL_REPORTS,
        ),
    ),
    (
        messages.SessionReportRequest,
        (
            Field("report_type", IeType.REPORT_TYPE, required=True),
            Field("downlink_data_report", IeType.DOWNLINK_DATA_REPORT),
            Field("usage_reports", IeType.USAGE_REPORT_REPORT, many=True),
            Field("error_indication_f_teids", IeType.ERROR_INDICATION_REPORT),
            *_LOAD,
            _ADDITIONAL_REPORTS,
            Field("flags", IeType.PFCPSRREQ_FLAGS),
        ),
    ),
    (
        messages.SessionReportResponse,
        (
            _CAUSE,
            _OFFENDING_IE,
            Field("update_bar", IeType.UPDATE_BAR_IN_REPORT_RESPONSE),
            Field("flags", IeType.PFCPSRRSP_FLAGS),
            Field("cp_f_seid", IeType.F_SEID),
        ),
    ),
)

MESSAGES: dict[int, Layout] = {
    kind.message_type: Layout(kind, fields) for kind, fields in (*_NODE_LAYOUTS, *_SESSION_LAYOUTS)
}
