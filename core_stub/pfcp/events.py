"""What an endpoint is told about itself, and what it tells."""

from __future__ import annotations

from dataclasses import dataclass

from core_stub.pfcp.ies import (
    AssociationReleaseFlags,
    CpFeatures,
    NodeId,
    UeIpAddressPool,
    UpFeatures,
    UserPlaneIpResource,
)
from core_stub.pfcp.messages import NfRequest, NfResponse
from core_stub.pfcp.transactions import Address


@dataclass(frozen=True)
class Settings:
    """What a node says of itself, and its timers in seconds (§6.4)."""

    node_id: NodeId
    recovery_time_stamp: int
    up_features: UpFeatures | None = None
    cp_features: CpFeatures | None = None
    user_plane_ip_resources: tuple[UserPlaneIpResource, ...] = ()
    ue_ip_address_pools: tuple[UeIpAddressPool, ...] = ()
    heartbeat_interval: float = 5.0
    t1: float = 2.5
    n1: int = 3
    allowed_peers: frozenset[str] | None = None
    """IP addresses; None allows all."""


@dataclass(frozen=True, slots=True)
class RequestReceived:
    """A request that `respond` has to answer."""

    peer: Address
    token: int
    message: NfRequest


@dataclass(frozen=True, slots=True)
class ResponseReceived:
    """The answer to the request that got this token."""

    peer: Address
    token: int
    message: NfResponse


@dataclass(frozen=True, slots=True)
class RequestTimedOut:
    """No answer after N1 transmissions, or before the association ended."""

    peer: Address
    token: int


@dataclass(frozen=True)
class AssociationUp:
    """Sessions can be established now. `up_features` is None where the peer sent none."""

    peer: Address
    node_id: NodeId
    recovery_time_stamp: int
    up_features: UpFeatures | None
    cp_features: CpFeatures | None = None
    user_plane_ip_resources: tuple[UserPlaneIpResource, ...] = ()
    """Where a UP function of Rel-15 that does not allocate F-TEIDs takes GTP-U."""
    ue_ip_address_pools: tuple[UeIpAddressPool, ...] = ()


@dataclass(frozen=True)
class AssociationUpdated:
    """The peer said something new about itself (§6.2.7), or asks for a release in so many seconds."""

    peer: Address
    up_features: UpFeatures | None
    cp_features: CpFeatures | None
    release: AssociationReleaseFlags | None = None
    graceful_release_period: float | None = None


@dataclass(frozen=True)
class AssociationDown:
    """The association, and with it every session, is gone."""

    peer: Address
    reason: str


@dataclass(frozen=True)
class AssociationFailed:
    """An attempt to set the association up came to nothing."""

    peer: Address
    reason: str


@dataclass(frozen=True)
class PeerRestarted:
    """The peer lost all sessions; who had set up the association sets it up again."""

    peer: Address


Event = (
    RequestReceived
    | ResponseReceived
    | RequestTimedOut
    | AssociationUp
    | AssociationUpdated
    | AssociationDown
    | AssociationFailed
    | PeerRestarted
)
