"""Messages of PFCP as frozen values; each names its clause of TS 29.244.

Header fields that belong to the transport (sequence number, peer address) are not here: transactions own them. Session
messages carry `seid`, the SEID in the header: the one that the *receiver* allocated, 0 where it is not known yet
(§7.2.2.4.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, get_args

from core_stub.pfcp.ies import (
    Cause,
    CreateBar,
    CreatedPdr,
    CreateFar,
    CreatePdr,
    CreateQer,
    CreateUrr,
    FSeid,
    NodeId,
    PdnType,
    ReportType,
    UpdateFar,
    UpdatePdr,
    UpFeatures,
    UsageReport,
)


@dataclass(frozen=True)
class HeartbeatRequest:
    """§7.4.2.1; `recovery_time_stamp` in seconds of UTC since 1900 (NTP), as on the wire."""

    message_type: ClassVar[int] = 1
    recovery_time_stamp: int


@dataclass(frozen=True)
class HeartbeatResponse:
    """§7.4.2.2."""

    message_type: ClassVar[int] = 2
    recovery_time_stamp: int


@dataclass(frozen=True)
class AssociationSetupRequest:
    """§7.4.4.1."""

    message_type: ClassVar[int] = 5
    node_id: NodeId
    recovery_time_stamp: int
    up_features: UpFeatures | None = None
    cp_features: int | None = None


@dataclass(frozen=True)
class AssociationSetupResponse:
    """§7.4.4.2."""

    message_type: ClassVar[int] = 6
    node_id: NodeId
    cause: Cause
    recovery_time_stamp: int
    up_features: UpFeatures | None = None
    cp_features: int | None = None


@dataclass(frozen=True)
class AssociationReleaseRequest:
    """§7.4.4.5."""

    message_type: ClassVar[int] = 9
    node_id: NodeId


@dataclass(frozen=True)
class AssociationReleaseResponse:
    """§7.4.4.6."""

    message_type: ClassVar[int] = 10
    node_id: NodeId
    cause: Cause


@dataclass(frozen=True)
class VersionNotSupportedResponse:
    """§7.4.4.7: the answer to a message of another version of PFCP; it has no IEs."""

    message_type: ClassVar[int] = 11


@dataclass(frozen=True)
class SessionEstablishmentRequest:
    """§7.5.2."""

    message_type: ClassVar[int] = 50
    seid: int
    node_id: NodeId
    cp_f_seid: FSeid
    create_pdrs: tuple[CreatePdr, ...]
    create_fars: tuple[CreateFar, ...]
    create_urrs: tuple[CreateUrr, ...] = ()
    create_qers: tuple[CreateQer, ...] = ()
    create_bars: tuple[CreateBar, ...] = ()
    pdn_type: PdnType | None = None
    apn_dnn: str | None = None
    snssai: tuple[int, int | None] | None = None
    """(SST, SD); SD is None where the slice has none."""


@dataclass(frozen=True)
class SessionEstablishmentResponse:
    """§7.5.3."""

    message_type: ClassVar[int] = 51
    seid: int
    node_id: NodeId
    cause: Cause
    offending_ie: int | None = None
    up_f_seid: FSeid | None = None
    created_pdrs: tuple[CreatedPdr, ...] = ()
    failed_rule_id: tuple[int, int] | None = None
    """(rule id type, rule id), §8.2.80."""


@dataclass(frozen=True)
class SessionModificationRequest:
    """§7.5.4."""

    message_type: ClassVar[int] = 52
    seid: int
    cp_f_seid: FSeid | None = None
    remove_pdrs: tuple[int, ...] = ()
    remove_fars: tuple[int, ...] = ()
    remove_urrs: tuple[int, ...] = ()
    remove_qers: tuple[int, ...] = ()
    create_pdrs: tuple[CreatePdr, ...] = ()
    create_fars: tuple[CreateFar, ...] = ()
    create_urrs: tuple[CreateUrr, ...] = ()
    create_qers: tuple[CreateQer, ...] = ()
    update_pdrs: tuple[UpdatePdr, ...] = ()
    update_fars: tuple[UpdateFar, ...] = ()


@dataclass(frozen=True)
class SessionModificationResponse:
    """§7.5.5."""

    message_type: ClassVar[int] = 53
    seid: int
    cause: Cause
    offending_ie: int | None = None
    created_pdrs: tuple[CreatedPdr, ...] = ()
    usage_reports: tuple[UsageReport, ...] = ()
    failed_rule_id: tuple[int, int] | None = None


@dataclass(frozen=True)
class SessionDeletionRequest:
    """§7.5.6."""

    message_type: ClassVar[int] = 54
    seid: int


@dataclass(frozen=True)
class SessionDeletionResponse:
    """§7.5.7."""

    message_type: ClassVar[int] = 55
    seid: int
    cause: Cause
    offending_ie: int | None = None
    usage_reports: tuple[UsageReport, ...] = ()


@dataclass(frozen=True)
class SessionReportRequest:
    """§7.5.8."""

    message_type: ClassVar[int] = 56
    seid: int
    report_type: ReportType
    downlink_data_pdr_ids: tuple[int, ...] = ()
    usage_reports: tuple[UsageReport, ...] = ()


@dataclass(frozen=True)
class SessionReportResponse:
    """§7.5.9."""

    message_type: ClassVar[int] = 57
    seid: int
    cause: Cause
    offending_ie: int | None = None


Request = (
    HeartbeatRequest
    | AssociationSetupRequest
    | AssociationReleaseRequest
    | SessionEstablishmentRequest
    | SessionModificationRequest
    | SessionDeletionRequest
    | SessionReportRequest
)
Response = (
    HeartbeatResponse
    | AssociationSetupResponse
    | AssociationReleaseResponse
    | VersionNotSupportedResponse
    | SessionEstablishmentResponse
    | SessionModificationResponse
    | SessionDeletionResponse
    | SessionReportResponse
)
Message = Request | Response
SessionRequest = (
    SessionEstablishmentRequest | SessionModificationRequest | SessionDeletionRequest | SessionReportRequest
)
SessionResponse = (
    SessionEstablishmentResponse | SessionModificationResponse | SessionDeletionResponse | SessionReportResponse
)

REQUEST_TYPES: frozenset[int] = frozenset(request.message_type for request in get_args(Request))
SESSION_TYPES: frozenset[int] = frozenset(range(50, 58))
"""Table 7.3-1: the messages whose header carries an SEID."""


def rejection(
    message_type: int, cause: Cause, node: NodeId, *, seid: int = 0, offending_ie: int | None = None
) -> Response:
    """The response that rejects a session request of `message_type`; `seid` is the one that the peer allocated.

    0 stands for an SEID that is not known (§7.2.2.4.2), as it is after "session context not found".
    """
    if message_type == SessionEstablishmentRequest.message_type:
        return SessionEstablishmentResponse(seid, node, cause, offending_ie)
    return _REJECTIONS[message_type](seid, cause, offending_ie)


_REJECTIONS: dict[
    int, type[SessionModificationResponse] | type[SessionDeletionResponse] | type[SessionReportResponse]
] = {
    SessionModificationRequest.message_type: SessionModificationResponse,
    SessionDeletionRequest.message_type: SessionDeletionResponse,
    SessionReportRequest.message_type: SessionReportResponse,
}
