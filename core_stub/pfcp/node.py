"""The node procedures with all peers (TS 29.244 §6.2): set-up, update and release of associations, and heartbeats.

The endpoint gives the ways out: to send a request, to forget one, and to report an event.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import assert_never

from core_stub.errors import LocalProtocolError, RemoteProtocolError
from core_stub.pfcp.association import Association, Effect, Signal, State
from core_stub.pfcp.events import (
    AssociationDown,
    AssociationFailed,
    AssociationUp,
    AssociationUpdated,
    Event,
    PeerRestarted,
    Settings,
)
from core_stub.pfcp.ies import AsRspFlags, Cause, CpFeatures, SessionRetention, UpFeatures
from core_stub.pfcp.messages import (
    AssociationReleaseRequest,
    AssociationReleaseResponse,
    AssociationSetupRequest,
    AssociationSetupResponse,
    AssociationUpdateRequest,
    AssociationUpdateResponse,
    HeartbeatRequest,
    HeartbeatResponse,
    Response,
)
from core_stub.pfcp.transactions import Address

log = logging.getLogger(__name__)

NodeRequest = HeartbeatRequest | AssociationSetupRequest | AssociationUpdateRequest | AssociationReleaseRequest
"""The requests that are served here."""
OwnRequest = HeartbeatRequest | AssociationSetupRequest | AssociationReleaseRequest
"""The requests that are made here."""


@dataclass(frozen=True)
class Outlet:
    """`send` returns the sequence number of a request, which `forget` makes end without an answer."""

    send: Callable[[Address, OwnRequest, float], int]
    forget: Callable[[Address, int], None]
    report: Callable[[Event], None]


class Node:
    """This node and its associations. One that is idle is not kept: who never got one takes no memory."""

    def __init__(self, settings: Settings, outlet: Outlet) -> None:
        self._settings = settings
        self._outlet = outlet
        self._associations: dict[Address, Association] = {}
        self._out_of_touch: set[Address] = set()
        """Peers whose association ended by path failure: they may believe that it is there."""

    def state(self, peer: Address) -> State:
        """How far the association with the peer is."""
        return self._of(peer).state

    def associate(self, peer: Address, now: float) -> None:
        """Ask the peer for an association; LocalProtocolError if there is one."""
        self._signal(peer, Signal.ASSOCIATE, now)
        self._of(peer).initiator = True

    def release(self, peer: Address, now: float) -> None:
        """End the association; LocalProtocolError if there is none."""
        self._signal(peer, Signal.RELEASE, now)

    def disowned(self, peer: Address, now: float) -> None:
        """The peer has rejected a request since there is no association.

        It is set up again at once, but not with a peer that takes back what it accepts: that would never end.
        """
        association = self._of(peer)
        before, association.disowned_at = association.disowned_at, now
        if before is not None and now - before < self._settings.t1:
            association.initiator = False
        self._signal(peer, Signal.DISOWNED, now, reason="the peer has no association")

    def bundles(self, peer: Address) -> bool:
        """Whether both sides take several messages in one datagram (BUNDL, §8.2.25 and §8.2.58)."""
        setup = self._of(peer).setup
        return setup is not None and _takes_bundles(self._settings) and _takes_bundles(setup)

    # -- heartbeats ---------------------------------------------------------------------------------------------------

    def get_timer(self) -> float | None:
        """When the next heartbeat is due."""
        due = (association.heartbeat_due for association in self._associations.values())
        return min((at for at in due if at is not None), default=None)

    def handle_timer(self, now: float) -> None:
        """Send the heartbeats that are due."""
        for peer, association in list(self._associations.items()):
            if association.heartbeat_due is not None and association.heartbeat_due <= now:
                association.heartbeat_due = None
                self._send(peer, HeartbeatRequest(self._settings.recovery_time_stamp), now)

    # -- what the peer asks -------------------------------------------------------------------------------------------

    def serve(self, peer: Address, request: NodeRequest, now: float) -> Response:
        """The answer to a request; RemoteProtocolError if it is to be rejected."""
        own = self._settings
        match request:
            case HeartbeatRequest():
                self._check_request(peer, request.recovery_time_stamp, now)
                return HeartbeatResponse(own.recovery_time_stamp)
            case AssociationSetupRequest():
                return self._serve_setup(peer, request, now)
            case AssociationUpdateRequest():
                self._serve_update(peer, request, now)
                return AssociationUpdateResponse(own.node_id, Cause.REQUEST_ACCEPTED, own.up_features, own.cp_features)
            case AssociationReleaseRequest():
                self._signal(peer, Signal.RELEASE_REQUESTED, now, reason="released by the peer")
                return AssociationReleaseResponse(own.node_id, Cause.REQUEST_ACCEPTED)
            case _:
                assert_never(request)

    def rejection(self, message_type: int, cause: Cause) -> Response | None:
        """The answer to a set-up or release that is rejected; None if the request is another."""
        match message_type:
            case AssociationSetupRequest.message_type:
                return self._setup_response(cause)
            case AssociationReleaseRequest.message_type:
                return AssociationReleaseResponse(self._settings.node_id, cause)
            case _:
                return None

    def _serve_setup(self, peer: Address, request: AssociationSetupRequest, now: float) -> AssociationSetupResponse:
        association = self._of(peer)
        is_retained = association.state is State.UP and _retains(request.session_retention, peer)
        known = association.recovery_time_stamp
        has_restarted = known is not None and known != request.recovery_time_stamp
        if is_retained or (self._crosses_ours(association, now) and not has_restarted):
            signal = Signal.SETUP_REQUESTED
        else:
            signal = Signal.RESTARTED_AND_SET_UP if has_restarted else Signal.SET_UP_ANEW
        self._signal(peer, signal, now, setup=request, reason="set up anew by the peer")
        return replace(self._setup_response(Cause.REQUEST_ACCEPTED), flags=AsRspFlags.PSREI if is_retained else None)

    def _crosses_ours(self, association: Association, now: float) -> bool:
        """Whether the peer may have sent its setup before it got ours (§6.2.6.3): there is one association then."""
        own = self._settings
        return association.asked_at is not None and now - association.asked_at < own.t1 * own.n1

    def _serve_update(self, peer: Address, request: AssociationUpdateRequest, now: float) -> None:
        association = self._of(peer)
        self._signal(peer, Signal.UPDATE_REQUESTED, now)
        if association.setup is None or association.state is not State.UP:
            return
        up, cp = request.up_features, request.cp_features
        association.setup = replace(
            association.setup,
            up_features=association.setup.up_features if up is None else up,
            cp_features=association.setup.cp_features if cp is None else cp,
        )
        self._outlet.report(AssociationUpdated(peer, up, cp, request.release, request.graceful_release_period))

    def _check_request(self, peer: Address, recovery_time_stamp: int, now: float) -> None:
        association = self._of(peer)
        if association.state is State.IDLE and peer in self._out_of_touch:
            # Heartbeats are answered even without an association (§6.2.2.2): the peer would not notice that it is gone.
            self.associate(peer, now)
        elif association.state is not State.UP or association.is_from_before(recovery_time_stamp):
            return
        elif association.has_restarted(recovery_time_stamp):
            self._signal(peer, Signal.PEER_RESTARTED, now)

    # -- what the peer answers ----------------------------------------------------------------------------------------

    def answered(self, peer: Address, request: OwnRequest, response: Response, now: float) -> None:
        """Take the response to our request; RemoteProtocolError if it is none."""
        association = self._of(peer)
        association.awaited = None
        match request, response:
            case HeartbeatRequest(), HeartbeatResponse():
                if association.has_restarted(response.recovery_time_stamp):
                    self._signal(peer, Signal.PEER_RESTARTED, now)
                else:
                    self._signal(peer, Signal.HEARTBEAT_ANSWERED, now)
                    association.heartbeat_due = now + self._settings.heartbeat_interval
            case AssociationSetupRequest(), AssociationSetupResponse(cause=Cause.REQUEST_ACCEPTED):
                self._signal(peer, Signal.SETUP_ACCEPTED, now, setup=response)
            case AssociationSetupRequest(), AssociationSetupResponse():
                self._signal(peer, Signal.SETUP_FAILED, now, reason=f"rejected: {response.cause.name}")
            case AssociationReleaseRequest(), AssociationReleaseResponse():
                self._signal(peer, Signal.RELEASED, now, reason="released")
            case _:
                detail = f"{type(request).__name__} answered by {type(response).__name__}"
                raise RemoteProtocolError(Cause.REQUEST_REJECTED, detail)

    def unanswered(self, peer: Address, request: OwnRequest, now: float, *, reason: str) -> None:
        """There will be no response to our request."""
        self._of(peer).awaited = None
        match request:
            case HeartbeatRequest():
                self._out_of_touch.add(peer)
                self._signal(peer, Signal.HEARTBEAT_LOST, now, reason=reason)
            case AssociationSetupRequest():
                self._signal(peer, Signal.SETUP_FAILED, now, reason=reason)
            case AssociationReleaseRequest():
                self._signal(peer, Signal.RELEASED, now, reason=reason)

    # -- transitions --------------------------------------------------------------------------------------------------

    def _signal(
        self,
        peer: Address,
        signal: Signal,
        now: float,
        *,
        setup: AssociationSetupRequest | AssociationSetupResponse | None = None,
        reason: str = "",
    ) -> None:
        """Take a transition and do what it asks for."""
        association = self._of(peer)
        before = association.state
        effects = association.on(signal)
        self._associations[peer] = association
        if setup is not None:
            association.setup, association.recovery_time_stamp = setup, setup.recovery_time_stamp
        if association.state is not before:
            self._forget_awaited(peer, association)
        for effect in effects:
            self._apply(peer, association, effect, now, reason)
        if association.state is State.IDLE:
            del self._associations[peer]

    def _apply(self, peer: Address, association: Association, effect: Effect, now: float, reason: str) -> None:
        match effect:
            case Effect.SEND_SETUP:
                self._out_of_touch.discard(peer)
                association.asked_at = now
                self._send(peer, self._setup_request(), now)
            case Effect.SEND_RELEASE:
                self._send(peer, AssociationReleaseRequest(self._settings.node_id), now)
            case Effect.REPORT_UP:
                self._out_of_touch.discard(peer)
                self._forget_awaited(peer, association)
                association.heartbeat_due = now + self._settings.heartbeat_interval
                self._outlet.report(_up(peer, association))
            case Effect.REPORT_DOWN:
                self._outlet.report(AssociationDown(peer, reason))
            case Effect.REPORT_FAILED:
                self._outlet.report(AssociationFailed(peer, reason))
            case Effect.REPORT_RESTARTED:
                self._outlet.report(PeerRestarted(peer))
            case Effect.SET_UP_AGAIN:
                if association.initiator:
                    self._signal(peer, Signal.ASSOCIATE, now)

    def _send(self, peer: Address, request: OwnRequest, now: float) -> None:
        self._of(peer).awaited = self._outlet.send(peer, request, now)

    def _forget_awaited(self, peer: Address, association: Association) -> None:
        """What was asked in another state than this one needs no answer."""
        if association.awaited is not None:
            self._outlet.forget(peer, association.awaited)
            association.awaited = None

    def _setup_request(self) -> AssociationSetupRequest:
        own = self._settings
        return AssociationSetupRequest(
            own.node_id,
            own.recovery_time_stamp,
            own.up_features,
            own.cp_features,
            own.user_plane_ip_resources,
            own.ue_ip_address_pools,
        )

    def _setup_response(self, cause: Cause) -> AssociationSetupResponse:
        own = self._settings
        return AssociationSetupResponse(
            own.node_id,
            cause,
            own.recovery_time_stamp,
            own.up_features,
            own.cp_features,
            own.user_plane_ip_resources,
            own.ue_ip_address_pools,
        )

    def _of(self, peer: Address) -> Association:
        """The association with the peer; a new one that is not kept for who has none."""
        return self._associations.get(peer) or Association()


def _retains(retention: SessionRetention | None, peer: Address) -> bool:
    """Whether the CP function wants its sessions kept: all, or those of the entities that it names."""
    if retention is None:
        return False
    named = {str(address) for entity in retention.cp_entities for address in (entity.ipv4, entity.ipv6) if address}
    return not named or peer[0] in named


def _takes_bundles(node: Settings | AssociationSetupRequest | AssociationSetupResponse) -> bool:
    up, cp = node.up_features or UpFeatures(0), node.cp_features or CpFeatures(0)
    return UpFeatures.BUNDL in up or CpFeatures.BUNDL in cp


def _up(peer: Address, association: Association) -> AssociationUp:
    setup = association.setup
    if setup is None:
        raise LocalProtocolError("an association is up before its peer has said who it is")
    return AssociationUp(
        peer,
        setup.node_id,
        setup.recovery_time_stamp,
        setup.up_features,
        setup.cp_features,
        setup.user_plane_ip_resources,
        setup.ue_ip_address_pools,
    )
