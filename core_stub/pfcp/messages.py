"""Messages of PFCP as frozen values; each names its clause of TS 29.244.

Header fields that belong to the transport (sequence number, priority, peer address) are not here: transactions own
them. Session Set Deletion (14, 15) belongs to Sxa and Sxb alone (Table 7.3-1).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

from core_stub.pfcp.ies import Cause, NodeId
from core_stub.pfcp.node_messages import (
    AssociationReleaseRequest,
    AssociationReleaseResponse,
    AssociationSetupRequest,
    AssociationSetupResponse,
    AssociationUpdateRequest,
    AssociationUpdateResponse,
    HeartbeatRequest,
    HeartbeatResponse,
    NodeReportRequest,
    NodeReportResponse,
    PfdManagementRequest,
    PfdManagementResponse,
    VersionNotSupportedResponse,
)
from core_stub.pfcp.session_messages import (
    SessionDeletionRequest,
    SessionDeletionResponse,
    SessionEstablishmentRequest,
    SessionEstablishmentResponse,
    SessionModificationRequest,
    SessionModificationResponse,
    SessionReportRequest,
    SessionReportResponse,
)

__all__ = [
    "REQUEST_TYPES",
    "SESSION_TYPES",
    "AssociationReleaseRequest",
    "AssociationReleaseResponse",
    "AssociationSetupRequest",
    "AssociationSetupResponse",
    "AssociationUpdateRequest",
    "AssociationUpdateResponse",
    "HeartbeatRequest",
    "HeartbeatResponse",
    "Message",
    "NfRequest",
    "NfResponse",
    "NodeReportRequest",
    "NodeReportResponse",
    "PfdManagementRequest",
    "PfdManagementResponse",
    "Request",
    "Response",
    "SessionDeletionRequest",
    "SessionDeletionResponse",
    "SessionEstablishmentRequest",
    "SessionEstablishmentResponse",
    "SessionModificationRequest",
    "SessionModificationResponse",
    "SessionReportRequest",
    "SessionReportResponse",
    "SessionRequest",
    "SessionResponse",
    "VersionNotSupportedResponse",
    "rejection",
]

SessionRequest = (
    SessionEstablishmentRequest | SessionModificationRequest | SessionDeletionRequest | SessionReportRequest
)
SessionResponse = (
    SessionEstablishmentResponse | SessionModificationResponse | SessionDeletionResponse | SessionReportResponse
)
Request = (
    HeartbeatRequest
    | PfdManagementRequest
    | AssociationSetupRequest
    | AssociationUpdateRequest
    | AssociationReleaseRequest
    | NodeReportRequest
    | SessionRequest
)
Response = (
    HeartbeatResponse
    | PfdManagementResponse
    | AssociationSetupResponse
    | AssociationUpdateResponse
    | AssociationReleaseResponse
    | VersionNotSupportedResponse
    | NodeReportResponse
    | SessionResponse
)
Message = Request | Response
NfRequest = SessionRequest | AssociationUpdateRequest | PfdManagementRequest | NodeReportRequest
"""What a network function asks of another; endpoints see to heartbeats, setup and release themselves."""
NfResponse = SessionResponse | AssociationUpdateResponse | PfdManagementResponse | NodeReportResponse

REQUEST_TYPES: frozenset[int] = frozenset(request.message_type for request in get_args(Request))
SESSION_TYPES: frozenset[int] = frozenset(range(50, 58))
"""Table 7.3-1: the messages whose header carries an SEID."""


def rejection(
    message_type: int, cause: Cause, node: NodeId, *, seid: int = 0, offending_ie: int | None = None
) -> NfResponse:
    """The response that rejects a request of `message_type`; `seid` is the one that the peer allocated.

    0 stands for an SEID that is not known (§7.2.2.4.2), as it is after "session context not found".
    """
    return _REJECTIONS[message_type](node, cause, seid, offending_ie)


_REJECTIONS: dict[int, Callable[[NodeId, Cause, int, int | None], NfResponse]] = {
    PfdManagementRequest.message_type: lambda node, cause, _, ie: PfdManagementResponse(cause, ie, node),
    AssociationUpdateRequest.message_type: lambda node, cause, *_: AssociationUpdateResponse(node, cause),
    NodeReportRequest.message_type: lambda node, cause, _, ie: NodeReportResponse(node, cause, ie),
    SessionEstablishmentRequest.message_type: lambda node, cause, seid, ie: SessionEstablishmentResponse(
        seid, node, cause, ie
    ),
    SessionModificationRequest.message_type: lambda _, cause, seid, ie: SessionModificationResponse(seid, cause, ie),
    SessionDeletionRequest.message_type: lambda _, cause, seid, ie: SessionDeletionResponse(seid, cause, ie),
    SessionReportRequest.message_type: lambda _, cause, seid, ie: SessionReportResponse(seid, cause, ie),
}
