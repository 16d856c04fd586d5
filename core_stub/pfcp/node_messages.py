"""Node messages: what the two functions say about their association and themselves (TS 29.244 §7.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from core_stub.pfcp.ies import (
    ApplicationPfds,
    AsRspFlags,
    AssociationReleaseFlags,
    AuReqFlags,
    Cause,
    CpFeatures,
    NodeId,
    NodeReportType,
    RemoteGtpuPeer,
    SessionRetention,
    UeIpAddressPool,
    UpFeatures,
    UserPlaneIpResource,
)


@dataclass(frozen=True, slots=True)
class HeartbeatRequest:
    """§7.4.2.1; `recovery_time_stamp` in seconds of UTC since 1900 (NTP), as on the wire."""

    message_type: ClassVar[int] = 1
    recovery_time_stamp: int


@dataclass(frozen=True, slots=True)
class HeartbeatResponse:
    """§7.4.2.2."""

    message_type: ClassVar[int] = 2
    recovery_time_stamp: int


@dataclass(frozen=True, slots=True)
class PfdManagementRequest:
    """§7.4.3.1: for each application its PFDs, in place of those before; without any, all PFDs are removed."""

    message_type: ClassVar[int] = 3
    applications: tuple[ApplicationPfds, ...] = ()
    node_id: NodeId | None = None


@dataclass(frozen=True, slots=True)
class PfdManagementResponse:
    """§7.4.3.2."""

    message_type: ClassVar[int] = 4
    cause: Cause
    offending_ie: int | None = None
    node_id: NodeId | None = None


@dataclass(frozen=True, slots=True)
class AssociationSetupRequest:
    """§7.4.4.1. `user_plane_ip_resources` come from UP functions of Rel-15."""

    message_type: ClassVar[int] = 5
    node_id: NodeId
    recovery_time_stamp: int
    up_features: UpFeatures | None = None
    cp_features: CpFeatures | None = None
    user_plane_ip_resources: tuple[UserPlaneIpResource, ...] = ()
    ue_ip_address_pools: tuple[UeIpAddressPool, ...] = ()
    session_retention: SessionRetention | None = None


@dataclass(frozen=True, slots=True)
class AssociationSetupResponse:
    """§7.4.4.2."""

    message_type: ClassVar[int] = 6
    node_id: NodeId
    cause: Cause
    recovery_time_stamp: int
    up_features: UpFeatures | None = None
    cp_features: CpFeatures | None = None
    user_plane_ip_resources: tuple[UserPlaneIpResource, ...] = ()
    ue_ip_address_pools: tuple[UeIpAddressPool, ...] = ()
    flags: AsRspFlags | None = None


@dataclass(frozen=True, slots=True)
class AssociationUpdateRequest:
    """§7.4.4.3. A UP function asks by `release` to be released, `graceful_release_period` seconds from now."""

    message_type: ClassVar[int] = 7
    node_id: NodeId
    up_features: UpFeatures | None = None
    cp_features: CpFeatures | None = None
    release: AssociationReleaseFlags | None = None
    graceful_release_period: float | None = None
    flags: AuReqFlags | None = None
    user_plane_ip_resources: tuple[UserPlaneIpResource, ...] = ()
    ue_ip_address_pools: tuple[UeIpAddressPool, ...] = ()


@dataclass(frozen=True, slots=True)
class AssociationUpdateResponse:
    """§7.4.4.4."""

    message_type: ClassVar[int] = 8
    node_id: NodeId
    cause: Cause
    up_features: UpFeatures | None = None
    cp_features: CpFeatures | None = None


@dataclass(frozen=True, slots=True)
class AssociationReleaseRequest:
    """§7.4.4.5."""

    message_type: ClassVar[int] = 9
    node_id: NodeId


@dataclass(frozen=True, slots=True)
class AssociationReleaseResponse:
    """§7.4.4.6."""

    message_type: ClassVar[int] = 10
    node_id: NodeId
    cause: Cause


@dataclass(frozen=True, slots=True)
class VersionNotSupportedResponse:
    """§7.4.4.7: the answer to a message of another version of PFCP; it has no IEs."""

    message_type: ClassVar[int] = 11


@dataclass(frozen=True, slots=True)
class NodeReportRequest:
    """§7.4.5.1: GTP-U paths that a UP function has lost, or has back."""

    message_type: ClassVar[int] = 12
    node_id: NodeId
    report_type: NodeReportType
    path_failures: tuple[RemoteGtpuPeer, ...] = ()
    path_recoveries: tuple[RemoteGtpuPeer, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeReportResponse:
    """§7.4.5.2."""

    message_type: ClassVar[int] = 13
    node_id: NodeId
    cause: Cause
    offending_ie: int | None = None
