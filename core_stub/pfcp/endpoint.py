"""One end of N4 without its socket: datagrams and the time go in, datagrams and events come out.

    shell: receive_datagram(data, peer, now), handle_timer(now), request(…), respond(…)
       then send all of datagrams_to_send(), take next_event() until None, and wait until get_timer()

Heartbeats and association messages are answered by `Node`. Other requests become `RequestReceived` if there is an
association with the peer; what cannot be decoded is answered with the cause that the specification wants.
"""

from __future__ import annotations

import logging
from collections import deque

from core_stub.errors import LocalProtocolError, RemoteProtocolError
from core_stub.pfcp import codec
from core_stub.pfcp.association import State
from core_stub.pfcp.events import (
    AssociationDown,
    Event,
    PeerRestarted,
    RequestReceived,
    RequestTimedOut,
    ResponseReceived,
    Settings,
)
from core_stub.pfcp.ies import Cause
from core_stub.pfcp.messages import (
    REQUEST_TYPES,
    AssociationSetupRequest,
    HeartbeatRequest,
    NfRequest,
    NfResponse,
    Request,
    Response,
    SessionEstablishmentRequest,
    VersionNotSupportedResponse,
    rejection,
)
from core_stub.pfcp.node import Node, NodeRequest, Outlet, OwnRequest
from core_stub.pfcp.transactions import Address, Duplicate, GiveUp, Resend, Transactions

log = logging.getLogger(__name__)

_LARGEST_BUNDLE = 1400
"""Octets: what fits into a packet on any path."""


class Endpoint:
    """Transactions and associations of one PFCP node with all of its peers."""

    def __init__(self, settings: Settings, *, first_sequence: int) -> None:
        self._settings = settings
        self._transactions = Transactions(first_sequence=first_sequence, t1=settings.t1, n1=settings.n1)
        self._awaited: dict[tuple[Address, int], Request] = {}
        self._outbox: deque[tuple[bytes, Address]] = deque()
        self._events: deque[Event] = deque()
        self._node = Node(settings, Outlet(self._send_request, self._forget, self._report))

    # -- what the shell calls -----------------------------------------------------------------------------------------

    def associate(self, peer: Address, now: float) -> None:
        """Ask the peer for an association; `AssociationUp` or `AssociationFailed` follows."""
        self._node.associate(peer, now)

    def release(self, peer: Address, now: float) -> None:
        """End the association; `AssociationDown` follows."""
        self._node.release(peer, now)

    def state(self, peer: Address) -> State:
        """How far the association with the peer is."""
        return self._node.state(peer)

    def request(self, peer: Address, message: NfRequest, now: float) -> int:
        """Send a request; the token returns in `ResponseReceived` or `RequestTimedOut`."""
        if self.state(peer) is not State.UP:
            raise LocalProtocolError(f"{type(message).__name__} without an association with {peer[0]}:{peer[1]}")
        return self._send_request(peer, message, now)

    def respond(self, peer: Address, token: int, message: Response) -> None:
        """Answer the request that got this token, with its priority; duplicates of it will be answered alike."""
        datagram = codec.encode(message, token, self._transactions.priority(peer, token))
        self._transactions.answer(peer, token, datagram)
        self._outbox.append((datagram, peer))

    def datagrams_to_send(self) -> list[tuple[bytes, Address]]:
        """Everything that has to be sent now, once."""
        datagrams: list[tuple[bytes, Address]] = []
        while self._outbox:
            message, peer = self._outbox.popleft()
            last, to = datagrams[-1] if datagrams else (b"", None)
            if to == peer and len(last) + len(message) <= _LARGEST_BUNDLE and self._node.bundles(peer):
                datagrams[-1] = (codec.bundled(last, message), peer)
            else:
                datagrams.append((message, peer))
        return datagrams

    def next_event(self) -> Event | None:
        """The next thing that happened, None if nothing has."""
        return self._events.popleft() if self._events else None

    def get_timer(self) -> float | None:
        """When `handle_timer` wants to be called; earlier does no harm."""
        timers = (self._transactions.get_timer(), self._node.get_timer())
        return min((timer for timer in timers if timer is not None), default=None)

    def handle_timer(self, now: float) -> None:
        """Retransmit, give up and send heartbeats, whatever is due."""
        for effect in self._transactions.expire(now):
            match effect:
                case Resend(peer, datagram):
                    self._outbox.append((datagram, peer))
                case GiveUp(peer, sequence):
                    # One that was given up before it can have ended what this one was about.
                    request = self._awaited.pop((peer, sequence), None)
                    if request is not None:
                        self._give_up(peer, sequence, request, now, reason="no answer")
        self._node.handle_timer(now)

    def receive_datagram(self, data: bytes, peer: Address, now: float) -> None:
        """Take in a datagram; it may hold several messages (FO flag, §7.2.2.2)."""
        try:
            for frame in codec.frames(data):
                if frame.header.version != codec.VERSION:
                    self._on_other_version(peer, frame.header)
                elif self._is_allowed(peer, frame.header):
                    self._on_frame(peer, frame, now)
        except RemoteProtocolError as error:
            log.warning("%s:%d sent what is no PFCP message: %s", *peer, error)

    # -- what comes in ------------------------------------------------------------------------------------------------

    def _is_allowed(self, peer: Address, header: codec.Header) -> bool:
        """Whether we talk with the peer; a stranger is told that it gets no association, and nothing else."""
        allowed = self._settings.allowed_peers
        if allowed is None or peer[0] in allowed:
            return True
        log.warning("%s:%d is not a configured peer: message type %d refused", *peer, header.message_type)
        response = self._node.rejection(header.message_type, Cause.REQUEST_REJECTED)
        if header.message_type == AssociationSetupRequest.message_type and response is not None:
            self._outbox.append((codec.encode(response, header.sequence, header.priority), peer))
        return False

    def _on_other_version(self, peer: Address, header: codec.Header) -> None:
        """§7.2.2.2 and §7.6.2; two nodes that answered each other's answers would never end."""
        log.warning("%s:%d speaks version %d of PFCP", *peer, header.version)
        allowed = self._settings.allowed_peers
        if (allowed is None or peer[0] in allowed) and header.message_type in REQUEST_TYPES:
            self._outbox.append((codec.encode(VersionNotSupportedResponse(), header.sequence), peer))

    def _on_frame(self, peer: Address, frame: codec.Frame, now: float) -> None:
        header = frame.header
        if header.message_type in REQUEST_TYPES:
            self._on_request(peer, frame, now)
        elif self._transactions.finish(peer, header.sequence):
            self._on_response(peer, frame, now)

    def _on_request(self, peer: Address, frame: codec.Frame, now: float) -> None:
        header = frame.header
        try:
            self._transactions.admit(peer, header.sequence, frame.octets, now, header.priority)
        except Duplicate as duplicate:
            if duplicate.response is not None:
                self._outbox.append((duplicate.response, peer))
            return
        try:
            self._serve(peer, header.sequence, codec.decode(frame), now)
        except RemoteProtocolError as error:
            log.warning("%s:%d: message type %d rejected: %s", *peer, header.message_type, error)
            self._reject(peer, frame, error)

    def _serve(self, peer: Address, token: int, message: codec.Message, now: float) -> None:
        if isinstance(message, NodeRequest):
            self.respond(peer, token, self._node.serve(peer, message, now))
        elif isinstance(message, NfRequest):
            if self.state(peer) is not State.UP:
                raise RemoteProtocolError(Cause.NO_ESTABLISHED_PFCP_ASSOCIATION, "associate first")
            self._events.append(RequestReceived(peer, token, message))

    def _reject(self, peer: Address, frame: codec.Frame, error: RemoteProtocolError) -> None:
        message_type = frame.header.message_type
        if message_type == HeartbeatRequest.message_type:
            return  # its response has no cause
        is_establishment = message_type == SessionEstablishmentRequest.message_type
        response = self._node.rejection(message_type, error.cause) or rejection(
            message_type,
            error.cause,
            self._settings.node_id,
            seid=codec.readable_cp_seid(frame) if is_establishment else 0,
            offending_ie=error.offending_ie,
        )
        self.respond(peer, frame.header.sequence, response)

    def _on_response(self, peer: Address, frame: codec.Frame, now: float) -> None:
        sequence = frame.header.sequence
        request = self._awaited.pop((peer, sequence))
        try:
            self._take(peer, sequence, request, codec.decode(frame), now)
        except RemoteProtocolError as error:
            self._give_up(peer, sequence, request, now, reason=f"the answer cannot be read: {error}")

    def _take(self, peer: Address, sequence: int, request: Request, message: codec.Message, now: float) -> None:
        if isinstance(request, OwnRequest) and isinstance(message, Response):
            self._node.answered(peer, request, message, now)
        elif isinstance(message, NfResponse) and message.message_type == request.message_type + 1:
            self._events.append(ResponseReceived(peer, sequence, message))
            if message.cause is Cause.NO_ESTABLISHED_PFCP_ASSOCIATION:
                self._node.disowned(peer, now)
        else:
            raise RemoteProtocolError(Cause.REQUEST_REJECTED, f"{type(message).__name__} to {type(request).__name__}")

    def _give_up(self, peer: Address, sequence: int, request: Request, now: float, *, reason: str) -> None:
        log.warning("%s:%d: %s: %s", *peer, type(request).__name__, reason)
        if isinstance(request, OwnRequest):
            self._node.unanswered(peer, request, now, reason=reason)
        else:
            self._events.append(RequestTimedOut(peer, sequence))

    # -- what goes out ------------------------------------------------------------------------------------------------

    def _send_request(self, peer: Address, message: Request, now: float) -> int:
        sequence = self._transactions.next_sequence()
        datagram = codec.encode(message, sequence)
        self._transactions.start(peer, sequence, datagram, now)
        self._awaited[peer, sequence] = message
        self._outbox.append((datagram, peer))
        return sequence

    def _report(self, event: Event) -> None:
        """Tell of an association; with one that has ended, all that was asked of the peer ends."""
        self._events.append(event)
        if isinstance(event, AssociationDown | PeerRestarted):
            for peer, sequence in [key for key in self._awaited if key[0] == event.peer]:
                if not isinstance(self._awaited[peer, sequence], OwnRequest):
                    self._forget(peer, sequence)
                    self._events.append(RequestTimedOut(peer, sequence))

    def _forget(self, peer: Address, sequence: int) -> None:
        self._transactions.finish(peer, sequence)
        self._awaited.pop((peer, sequence), None)
