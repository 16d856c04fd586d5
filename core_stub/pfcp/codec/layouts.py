"""Which IEs messages and grouped IEs are made of, and to which attribute each belongs: the tables of clause 7.

"required" is the M of the tables; conditional IEs are left to those who know the condition.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from core_stub.pfcp import ies, messages
from core_stub.pfcp.ies import IeType


@dataclass(frozen=True)
class Field:
    """One row: the attribute that the IE stands for, or several of one IE, or "" for the group itself."""

    names: str | tuple[str, ...]
    ie: IeType
    required: bool = field(default=False, kw_only=True)
    many: bool = field(default=False, kw_only=True)


@dataclass(frozen=True)
class Layout:
    """The rows of a message or group; without `build` the group is nothing but its only row."""

    build: Callable[..., Any] | None
    fields: tuple[Field, ...]


def _only(ie: IeType, *, many: bool = False) -> Layout:
    return Layout(None, (Field("", ie, required=True, many=many),))


_USAGE_REPORT = Layout(
    ies.UsageReport,
    (
        Field("urr_id", IeType.URR_ID, required=True),
        Field("sequence", IeType.UR_SEQN, required=True),
        Field("trigger", IeType.USAGE_REPORT_TRIGGER, required=True),
        Field("volume", IeType.VOLUME_MEASUREMENT),
    ),
)

GROUPS: dict[IeType, Layout] = {
    IeType.CREATE_PDR: Layout(
        ies.CreatePdr,
        (
            Field("pdr_id", IeType.PDR_ID, required=True),
            Field("precedence", IeType.PRECEDENCE, required=True),
            Field("pdi", IeType.PDI, required=True),
            Field("outer_header_removal", IeType.OUTER_HEADER_REMOVAL),
            Field("far_id", IeType.FAR_ID),
            Field("urr_ids", IeType.URR_ID, many=True),
            Field("qer_ids", IeType.QER_ID, many=True),
        ),
    ),
    IeType.UPDATE_PDR: Layout(
        ies.UpdatePdr,
        (
            Field("pdr_id", IeType.PDR_ID, required=True),
            Field("outer_header_removal", IeType.OUTER_HEADER_REMOVAL),
            Field("precedence", IeType.PRECEDENCE),
            Field("pdi", IeType.PDI),
            Field("far_id", IeType.FAR_ID),
            Field("urr_ids", IeType.URR_ID, many=True),
            Field("qer_ids", IeType.QER_ID, many=True),
        ),
    ),
    IeType.CREATED_PDR: Layout(
        ies.CreatedPdr,
        (Field("pdr_id", IeType.PDR_ID, required=True), Field("f_teid", IeType.F_TEID)),
    ),
    IeType.PDI: Layout(
        ies.Pdi,
        (
            Field("source_interface", IeType.SOURCE_INTERFACE, required=True),
            Field("f_teid", IeType.F_TEID),
            Field("network_instance", IeType.NETWORK_INSTANCE),
            Field("ue_ip_address", IeType.UE_IP_ADDRESS),
            Field("sdf_filters", IeType.SDF_FILTER, many=True),
            Field("qfis", IeType.QFI, many=True),
            Field("source_interface_type", IeType.INTERFACE_TYPE),
        ),
    ),
    IeType.CREATE_FAR: Layout(
        ies.CreateFar,
        (
            Field("far_id", IeType.FAR_ID, required=True),
            Field("apply_action", IeType.APPLY_ACTION, required=True),
            Field("forwarding", IeType.FORWARDING_PARAMETERS),
            Field("bar_id", IeType.BAR_ID),
        ),
    ),
    IeType.UPDATE_FAR: Layout(
        ies.UpdateFar,
        (
            Field("far_id", IeType.FAR_ID, required=True),
            Field("apply_action", IeType.APPLY_ACTION),
            Field("forwarding", IeType.UPDATE_FORWARDING_PARAMETERS),
            Field("bar_id", IeType.BAR_ID),
        ),
    ),
    IeType.FORWARDING_PARAMETERS: Layout(
        ies.ForwardingParameters,
        (
            Field("destination_interface", IeType.DESTINATION_INTERFACE, required=True),
            Field("network_instance", IeType.NETWORK_INSTANCE),
            Field("outer_header_creation", IeType.OUTER_HEADER_CREATION),
            Field("destination_interface_type", IeType.INTERFACE_TYPE),
        ),
    ),
    IeType.UPDATE_FORWARDING_PARAMETERS: Layout(
        ies.ForwardingParameters,
        (
            Field("destination_interface", IeType.DESTINATION_INTERFACE),
            Field("network_instance", IeType.NETWORK_INSTANCE),
            Field("outer_header_creation", IeType.OUTER_HEADER_CREATION),
            Field("send_end_marker", IeType.PFCPSMREQ_FLAGS),
            Field("destination_interface_type", IeType.INTERFACE_TYPE),
        ),
    ),
    IeType.CREATE_URR: Layout(
        ies.CreateUrr,
        (
            Field("urr_id", IeType.URR_ID, required=True),
            Field("method", IeType.MEASUREMENT_METHOD, required=True),
            Field("triggers", IeType.REPORTING_TRIGGERS, required=True),
            Field("volume_threshold", IeType.VOLUME_THRESHOLD),
        ),
    ),
    IeType.CREATE_QER: Layout(
        ies.CreateQer,
        (
            Field("qer_id", IeType.QER_ID, required=True),
            Field(("gate_uplink", "gate_downlink"), IeType.GATE_STATUS, required=True),
            Field(("mbr_uplink_kbps", "mbr_downlink_kbps"), IeType.MBR),
            Field(("gbr_uplink_kbps", "gbr_downlink_kbps"), IeType.GBR),
            Field("qfi", IeType.QFI),
        ),
    ),
    IeType.CREATE_BAR: Layout(ies.CreateBar, (Field("bar_id", IeType.BAR_ID, required=True),)),
    IeType.REMOVE_PDR: _only(IeType.PDR_ID),
    IeType.REMOVE_FAR: _only(IeType.FAR_ID),
    IeType.REMOVE_URR: _only(IeType.URR_ID),
    IeType.REMOVE_QER: _only(IeType.QER_ID),
    IeType.DOWNLINK_DATA_REPORT: _only(IeType.PDR_ID, many=True),
    IeType.USAGE_REPORT_MODIFICATION: _USAGE_REPORT,
    IeType.USAGE_REPORT_DELETION: _USAGE_REPORT,
    IeType.USAGE_REPORT_REPORT: _USAGE_REPORT,
}

_NODE_ID = Field("node_id", IeType.NODE_ID, required=True)
_CAUSE = Field("cause", IeType.CAUSE, required=True)
_RECOVERY = Field("recovery_time_stamp", IeType.RECOVERY_TIME_STAMP, required=True)
_FEATURES = (
    Field("up_features", IeType.UP_FUNCTION_FEATURES),
    Field("cp_features", IeType.CP_FUNCTION_FEATURES),
)
_OFFENDING_IE = Field("offending_ie", IeType.OFFENDING_IE)
_CREATED_PDRS = Field("created_pdrs", IeType.CREATED_PDR, many=True)
_FAILED_RULE = Field("failed_rule_id", IeType.FAILED_RULE_ID)

_LAYOUTS: tuple[tuple[type[messages.Message], tuple[Field, ...]], ...] = (
    (messages.HeartbeatRequest, (_RECOVERY,)),
    (messages.HeartbeatResponse, (_RECOVERY,)),
    (messages.AssociationSetupRequest, (_NODE_ID, _RECOVERY, *_FEATURES)),
    (messages.AssociationSetupResponse, (_NODE_ID, _CAUSE, _RECOVERY, *_FEATURES)),
    (messages.AssociationReleaseRequest, (_NODE_ID,)),
    (messages.AssociationReleaseResponse, (_NODE_ID, _CAUSE)),
    (messages.VersionNotSupportedResponse, ()),
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
            Field("apn_dnn", IeType.APN_DNN),
            Field("snssai", IeType.S_NSSAI),
        ),
    ),
    (
        messages.SessionEstablishmentResponse,
        (_NODE_ID, _CAUSE, _OFFENDING_IE, Field("up_f_seid", IeType.F_SEID), _CREATED_PDRS, _FAILED_RULE),
    ),
    (
        messages.SessionModificationRequest,
        (
            Field("cp_f_seid", IeType.F_SEID),
            Field("remove_pdrs", IeType.REMOVE_PDR, many=True),
            Field("remove_fars", IeType.REMOVE_FAR, many=True),
            Field("remove_urrs", IeType.REMOVE_URR, many=True),
            Field("remove_qers", IeType.REMOVE_QER, many=True),
            Field("create_pdrs", IeType.CREATE_PDR, many=True),
            Field("create_fars", IeType.CREATE_FAR, many=True),
            Field("create_urrs", IeType.CREATE_URR, many=True),
            Field("create_qers", IeType.CREATE_QER, many=True),
            Field("update_pdrs", IeType.UPDATE_PDR, many=True),
            Field("update_fars", IeType.UPDATE_FAR, many=True),
        ),
    ),
    (
        messages.SessionModificationResponse,
        (
            _CAUSE,
            _OFFENDING_IE,
            _CREATED_PDRS,
            Field("usage_reports", IeType.USAGE_REPORT_MODIFICATION, many=True),
            _FAILED_RULE,
        ),
    ),
    (messages.SessionDeletionRequest, ()),
    (
        messages.SessionDeletionResponse,
        (_CAUSE, _OFFENDING_IE, Field("usage_reports", IeType.USAGE_REPORT_DELETION, many=True)),
    ),
    (
        messages.SessionReportRequest,
        (
            Field("report_type", IeType.REPORT_TYPE, required=True),
            Field("downlink_data_pdr_ids", IeType.DOWNLINK_DATA_REPORT),
            Field("usage_reports", IeType.USAGE_REPORT_REPORT, many=True),
        ),
    ),
    (messages.SessionReportResponse, (_CAUSE, _OFFENDING_IE)),
)

MESSAGES: dict[int, Layout] = {kind.message_type: Layout(kind, fields) for kind, fields in _LAYOUTS}
