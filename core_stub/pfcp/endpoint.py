"""One end of N4 without its socket: datagrams and the time go in, datagrams and events come out.

    shell: receive_datagram(data, peer, now), handle_timer(now), request(…), respond(…)
       then send all of datagrams_to_send(), take next_event() until None, and wait until get_timer()

Heartbeats and association messages are answered here. Session requests become `RequestReceived` if there is an
association with the peer; what cannot be decoded is answered with the cause that the specification wants.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass

from core_stub.errors import LocalProtocolError, RemoteProtocolError
from core_stub.pfcp import codec
from core_stub.pfcp.association import Association, Effect, Signal, State
from core_stub.pfcp.ies import Cause, NodeId, UpFeatures
from core_stub.pfcp.messages import (
    REQUEST_TYPES,
    AssociationReleaseRequest,
    AssociationReleaseResponse,
    AssociationSetupRequest,
    AssociationSetupResponse,
    AssociationUpdateRequest,
    AssociationUpdateResponse,
    HeartbeatRequest,
    HeartbeatResponse,
    Message,
    NodeReportRequest,
    NodeReportResponse,
    PfdManagementRequest,
    PfdManagementResponse,
    Request,
    Response,
    SessionRequest,
    SessionResponse,
    VersionNotSupportedResponse,
    rejection,
)
from core_stub.pfcp.transactions import Address, Duplicate, GiveUp, Resend, Transactions

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RequestReceived:
    """A session request that `respond` has to answer."""

    peer: Address
    token: int
    message: SessionRequest


@dataclass(frozen=True)
class ResponseReceived:
    """The answer to the request that got this token."""

    peer: Address
    token: int
    message: SessionResponse


@dataclass(frozen=True)
class RequestTimedOut:
    """No answer after N1 transmissions."""

    peer: Address
    token: int


@dataclass(frozen=True)
class AssociationUp:
    """Sessions can be established now. `up_features` is None where the peer sent none."""

    peer: Address
    node_id: NodeId
    recovery_time_stamp: int
    up_features: UpFeatures | None


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
    | AssociationDown
    | AssociationFailed
    | PeerRestarted
)


@dataclass(frozen=True)
class Settings:
    """What a node says of itself, and its timers in seconds (§6.4)."""

    node_id: NodeId
    recovery_time_stamp: int
    up_features: UpFeatures | None = None
    heartbeat_interval: float = 5.0
    t1: float = 2.5
    n1: int = 3
    allowed_peers: frozenset[str] | None = None
    """IP addresses; None allows all."""


class Endpoint:
    """Transactions and associations of one PFCP node with all of its peers."""

    def __init__(self, settings: Settings, *, first_sequence: int) -> None:
        self._settings = settings
        self._transactions = Transactions(first_sequence=first_sequence, t1=settings.t1, n1=settings.n1)
        self._associations: dict[Address, Association] = {}
        self._awaited: dict[tuple[Address, int], Request] = {}
        self._outbox: deque[tuple[bytes, Address]] = deque()
        self._events: deque[Event] = deque()

    # -- what the shell calls -----------------------------------------------------------------------------------------

    def associate(self, peer: Address, now: float) -> None:
        """Ask the peer for an association; `AssociationUp` or `AssociationFailed` follows."""
        association = self._associations.setdefault(peer, Association())
        self._apply(peer, association.on(Signal.ASSOCIATE), now)
        association.initiator = True

    def release(self, peer: Address, now: float) -> None:
        """End the association; `AssociationDown` follows."""
        self._apply(peer, self._association(peer).on(Signal.RELEASE), now)

    def state(self, peer: Address) -> State:
        """How far the association with the peer is."""
        return self._association(peer).state

    def request(self, peer: Address, message: SessionRequest, now: float) -> int:
        """Send a session request; the token returns in `ResponseReceived` or `RequestTimedOut`."""
        if self.state(peer) is not State.UP:
            raise LocalProtocolError(f"{type(message).__name__} without an association with {peer[0]}:{peer[1]}")
        return self._send_request(peer, message, now)

    def respond(self, peer: Address, token: int, message: Response) -> None:
        """Answer the request that got this token; duplicates of it will be answered alike."""
        datagram = codec.encode(message, token)
        self._transactions.answer(peer, token, datagram)
        self._outbox.append((datagram, peer))

    def datagrams_to_send(self) -> list[tuple[bytes, Address]]:
        """Everything that has to be sent now, once."""
        datagrams = list(self._outbox)
        self._outbox.clear()
        return datagrams

    def next_event(self) -> Event | None:
        """The next thing that happened, None if nothing has."""
        return self._events.popleft() if self._events else None

    def get_timer(self) -> float | None:
        """When `handle_timer` wants to be called; earlier does no harm."""
        heartbeats = (association.heartbeat_due for association in self._associations.values())
        timers = [self._transactions.get_timer(), *heartbeats]
        return min((timer for timer in timers if timer is not None), default=None)

    def handle_timer(self, now: float) -> None:
        """Retransmit, give up and send heartbeats, whatever is due."""
        for effect in self._transactions.expire(now):
            match effect:
                case Resend(peer, datagram):
                    self._outbox.append((datagram, peer))
                case GiveUp(peer, sequence):
                    request = self._awaited.pop((peer, sequence))
                    self._give_up(peer, sequence, request, now, reason="no answer")
        for peer, association in list(self._associations.items()):
            if association.heartbeat_due is not None and association.heartbeat_due <= now:
                association.heartbeat_due = None
                self._send_request(peer, HeartbeatRequest(self._settings.recovery_time_stamp), now)

    def receive_datagram(self, data: bytes, peer: Address, now: float) -> None:
        """Take in a datagram; it may hold several messages (§6.8)."""
        allowed = self._settings.allowed_peers
        if allowed is not None and peer[0] not in allowed:
            log.warning("%s:%d is not a configured peer: datagram ignored", *peer)
            return
        try:
            for frame in codec.frames(data):
                self._on_frame(peer, frame, now)
        except RemoteProtocolError as error:
            log.warning("%s:%d sent what is no PFCP message: %s", *peer, error)

    # -- what comes in ------------------------------------------------------------------------------------------------

    def _on_frame(self, peer: Address, frame: codec.Frame, now: float) -> None:
        header = frame.header
        if header.version != codec.VERSION:
            log.warning("%s:%d speaks version %d of PFCP", *peer, header.version)
            self._outbox.append((codec.encode(VersionNotSupportedResponse(), header.sequence), peer))
        elif header.message_type in REQUEST_TYPES:
            self._on_request(peer, frame, now)
        elif self._transactions.finish(peer, header.sequence):
            self._on_response(peer, frame, now)

    def _on_request(self, peer: Address, frame: codec.Frame, now: float) -> None:
        header = frame.header
        try:
            self._transactions.admit(peer, header.sequence, frame.octets, now)
        except Duplicate as duplicate:
            if duplicate.response is not None:
                self._outbox.append((duplicate.response, peer))
            return
        try:
            self._serve(peer, header.sequence, codec.decode(frame), now)
        except RemoteProtocolError as error:
            log.warning("%s:%d: message type %d rejected: %s", *peer, header.message_type, error)
            self._reject(peer, header, error)

    def _serve(self, peer: Address, token: int, message: Message, now: float) -> None:
        match message:
            case HeartbeatRequest():
                self._check_recovery(peer, message.recovery_time_stamp, now)
                self.respond(peer, token, HeartbeatResponse(self._settings.recovery_time_stamp))
            case AssociationSetupRequest():
                self._serve_setup(peer, token, message, now)
            case AssociationReleaseRequest():
                effects = self._association(peer).on(Signal.RELEASE_REQUESTED)
                self.respond(peer, token, AssociationReleaseResponse(self._settings.node_id, Cause.REQUEST_ACCEPTED))
                self._apply(peer, effects, now, reason="released by the peer")
            case AssociationUpdateRequest() | PfdManagementRequest() | NodeReportRequest():
                raise RemoteProtocolError(Cause.SERVICE_NOT_SUPPORTED, type(message).__name__)
            case _ if isinstance(message, SessionRequest):
                if self.state(peer) is not State.UP:
                    raise RemoteProtocolError(Cause.NO_ESTABLISHED_PFCP_ASSOCIATION, "associate first")
                self._events.append(RequestReceived(peer, token, message))

    def _serve_setup(self, peer: Address, token: int, message: AssociationSetupRequest, now: float) -> None:
        association = self._associations.setdefault(peer, Association())
        self._check_recovery(peer, message.recovery_time_stamp, now)
        effects = association.on(Signal.SETUP_REQUESTED)
        association.node_id, association.up_features = message.node_id, message.up_features
        self.respond(peer, token, self._setup_response(Cause.REQUEST_ACCEPTED))
        self._apply(peer, effects, now)

    def _reject(self, peer: Address, header: codec.Header, error: RemoteProtocolError) -> None:
        match header.message_type:
            case HeartbeatRequest.message_type:
                return  # its response has no cause
            case AssociationSetupRequest.message_type:
                response: Response = self._setup_response(error.cause)
            case AssociationReleaseRequest.message_type:
                response = AssociationReleaseResponse(self._settings.node_id, error.cause)
            case AssociationUpdateRequest.message_type:
                response = AssociationUpdateResponse(self._settings.node_id, error.cause)
            case PfdManagementRequest.message_type:
                response = PfdManagementResponse(error.cause, error.offending_ie)
            case NodeReportRequest.message_type:
                response = NodeReportResponse(self._settings.node_id, error.cause, error.offending_ie)
            case _:
                response = rejection(
                    header.message_type, error.cause, self._settings.node_id, offending_ie=error.offending_ie
                )
        self.respond(peer, header.sequence, response)

    def _on_response(self, peer: Address, frame: codec.Frame, now: float) -> None:
        sequence = frame.header.sequence
        request = self._awaited.pop((peer, sequence))
        try:
            message = codec.decode(frame)
        except RemoteProtocolError as error:
            self._give_up(peer, sequence, request, now, reason=f"the answer cannot be read: {error}")
            return
        match request, message:
            case HeartbeatRequest(), HeartbeatResponse():
                self._on_heartbeat_response(peer, message, now)
            case AssociationSetupRequest(), AssociationSetupResponse():
                self._on_setup_response(peer, message, now)
            case AssociationReleaseRequest(), AssociationReleaseResponse():
                self._apply(peer, self._association(peer).on(Signal.RELEASED), now, reason="released")
            case _ if isinstance(message, SessionResponse) and message.message_type == request.message_type + 1:
                self._events.append(ResponseReceived(peer, sequence, message))
            case _:
                self._give_up(peer, sequence, request, now, reason=f"answered by {type(message).__name__}")

    def _on_heartbeat_response(self, peer: Address, message: HeartbeatResponse, now: float) -> None:
        association = self._association(peer)
        self._check_recovery(peer, message.recovery_time_stamp, now)
        self._apply(peer, association.on(Signal.HEARTBEAT_ANSWERED), now)
        if association.state is State.UP:
            association.heartbeat_due = now + self._settings.heartbeat_interval

    def _on_setup_response(self, peer: Address, message: AssociationSetupResponse, now: float) -> None:
        association = self._association(peer)
        if message.cause is not Cause.REQUEST_ACCEPTED:
            self._apply(peer, association.on(Signal.SETUP_FAILED), now, reason=f"rejected: {message.cause.name}")
            return
        self._check_recovery(peer, message.recovery_time_stamp, now)
        association.node_id, association.up_features = message.node_id, message.up_features
        self._apply(peer, association.on(Signal.SETUP_ACCEPTED), now)

    def _give_up(self, peer: Address, sequence: int, request: Request, now: float, *, reason: str) -> None:
        log.warning("%s:%d: %s: %s", *peer, type(request).__name__, reason)
        match request:
            case HeartbeatRequest():
                signal = Signal.HEARTBEAT_LOST
            case AssociationSetupRequest():
                signal = Signal.SETUP_FAILED
            case AssociationReleaseRequest():
                signal = Signal.RELEASED
            case _:
                self._events.append(RequestTimedOut(peer, sequence))
                return
        self._apply(peer, self._association(peer).on(signal), now, reason=reason)

    # -- what goes out ------------------------------------------------------------------------------------------------

    def _apply(self, peer: Address, effects: tuple[Effect, ...], now: float, *, reason: str = "") -> None:
        own = self._settings
        for effect in effects:
            match effect:
                case Effect.SEND_SETUP:
                    setup = AssociationSetupRequest(own.node_id, own.recovery_time_stamp, own.up_features)
                    self._send_request(peer, setup, now)
                case Effect.SEND_RELEASE:
                    self._send_request(peer, AssociationReleaseRequest(own.node_id), now)
                case Effect.REPORT_UP:
                    self._report_up(peer, now)
                case Effect.REPORT_DOWN:
                    self._events.append(AssociationDown(peer, reason))
                case Effect.REPORT_FAILED:
                    self._events.append(AssociationFailed(peer, reason))
                case Effect.REPORT_RESTARTED:
                    self._events.append(PeerRestarted(peer))
                case Effect.SET_UP_AGAIN:
                    if self._association(peer).initiator:
                        self._apply(peer, self._association(peer).on(Signal.ASSOCIATE), now)

    def _report_up(self, peer: Address, now: float) -> None:
        association = self._association(peer)
        association.heartbeat_due = now + self._settings.heartbeat_interval
        if association.node_id is None or association.recovery_time_stamp is None:
            raise LocalProtocolError("an association is up before its peer has said who it is")
        self._events.append(
            AssociationUp(peer, association.node_id, association.recovery_time_stamp, association.up_features)
        )

    def _check_recovery(self, peer: Address, recovery_time_stamp: int, now: float) -> None:
        association = self._association(peer)
        if association.has_restarted(recovery_time_stamp):
            self._apply(peer, association.on(Signal.PEER_RESTARTED), now, reason="restarted")

    def _send_request(self, peer: Address, message: Request, now: float) -> int:
        sequence = self._transactions.next_sequence()
        datagram = codec.encode(message, sequence)
        self._transactions.start(peer, sequence, datagram, now)
        self._awaited[peer, sequence] = message
        self._outbox.append((datagram, peer))
        return sequence

    def _setup_response(self, cause: Cause) -> AssociationSetupResponse:
        own = self._settings
        return AssociationSetupResponse(own.node_id, cause, own.recovery_time_stamp, own.up_features)

    def _association(self, peer: Address) -> Association:
        """The association with the peer; one that is not stored for who never asked for any."""
        return self._associations.get(peer) or Association()
