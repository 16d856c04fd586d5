"""The asyncio shell around `Endpoint`: a socket, one timer, and futures for those who await a response."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, cast, overload

from core_stub.datapath import RECEIVE_BUFFER, SO_RCVBUFFORCE
from core_stub.errors import PfcpTimeoutError, RemoteProtocolError
from core_stub.pfcp.association import State
from core_stub.pfcp.endpoint import Endpoint
from core_stub.pfcp.events import (
    AssociationDown,
    AssociationFailed,
    AssociationUp,
    AssociationUpdated,
    Event,
    PeerRestarted,
    RequestReceived,
    RequestTimedOut,
    ResponseReceived,
    Settings,
)
from core_stub.pfcp.ies import Cause, CpFeatures, NodeId, UeIpAddressPool, UpFeatures
from core_stub.pfcp.messages import (
    NfRequest,
    NfResponse,
    Response,
    SessionEstablishmentRequest,
    SessionRequest,
    SessionResponse,
    rejection,
)
from core_stub.pfcp.transactions import SEQUENCE_NUMBERS, Address

log = logging.getLogger(__name__)

NTP_EPOCH = 2_208_988_800
"""1970 in seconds since 1900."""

_ASSOCIATE_RETRY_S = 1.0


class PfcpNode(asyncio.DatagramProtocol):
    """One PFCP entity on one UDP socket; an async context manager.

    `handle` gets each request of an associated peer (about sessions, PFDs, and node reports) and returns the response
    to send; a `RemoteProtocolError` that it raises becomes the response with that cause. `on_event` gets
    `AssociationUp`, `AssociationUpdated`, `AssociationDown`, `AssociationFailed` and `PeerRestarted`. Both are called
    from the event loop and must not block it.
    """

    def __init__(  # noqa: PLR0913 - all by name
        self,
        *,
        address: str,
        port: int = 8805,
        node_id: NodeId,
        up_features: UpFeatures | None = None,
        cp_features: CpFeatures | None = None,
        ue_ip_address_pools: tuple[UeIpAddressPool, ...] = (),
        handle: Callable[[Address, NfRequest], Response] | None = None,
        on_event: Callable[[Event], None] | None = None,
        heartbeat_interval: float = 5.0,
        allowed_peers: frozenset[str] | None = None,
        t1: float = 2.5,
        n1: int = 3,
    ) -> None:
        settings = Settings(
            node_id=node_id,
            recovery_time_stamp=(int(time.time()) + NTP_EPOCH) % (1 << 32),
            up_features=up_features,
            cp_features=cp_features,
            ue_ip_address_pools=ue_ip_address_pools,
            heartbeat_interval=heartbeat_interval,
            t1=t1,
            n1=n1,
            allowed_peers=allowed_peers,
        )
        self._bind = (address, port)
        self._node_id = node_id
        self._handle = handle
        self._on_event = on_event
        self._endpoint = Endpoint(settings, first_sequence=random.randrange(SEQUENCE_NUMBERS))
        self._responses: dict[tuple[Address, int], asyncio.Future[NfResponse]] = {}
        self._changes: dict[Address, list[asyncio.Future[None]]] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        bound = _bound(self._bind)
        transport, _ = await self._loop.create_datagram_endpoint(lambda: self, sock=bound)
        self._transport = transport
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transport.close()
        if self._timer is not None:
            self._timer.cancel()
        for (peer, _), future in self._responses.items():
            self._fail(future, PfcpTimeoutError(f"{peer[0]}:{peer[1]}: closed before it answered"))

    @property
    def local_address(self) -> Address:
        """Where the socket is bound."""
        return cast(Address, self._transport.get_extra_info("sockname")[:2])

    # -- for the NF ---------------------------------------------------------------------------------------------------

    async def associate(self, peer: Address, *, within: float = 30.0) -> None:
        """Set the association up, again and again until it is; raises `PfcpTimeoutError` after `within` seconds."""
        try:
            async with asyncio.timeout(within):
                while self._endpoint.state(peer) is not State.UP:
                    if self._endpoint.state(peer) is State.IDLE:
                        self._endpoint.associate(peer, self._loop.time())
                    await self._next_change(peer)
                    if self._endpoint.state(peer) is State.IDLE:
                        await asyncio.sleep(_ASSOCIATE_RETRY_S)
        except TimeoutError as error:
            raise PfcpTimeoutError(f"{peer[0]}:{peer[1]}: no association within {within:g} s") from error

    @overload
    async def request(self, peer: Address, message: SessionRequest) -> SessionResponse: ...

    @overload
    async def request(self, peer: Address, message: NfRequest) -> NfResponse: ...

    async def request(self, peer: Address, message: NfRequest) -> NfResponse:
        """Send a request and wait for its response, whatever the cause in it.

        Raises `PfcpTimeoutError` if there is none, and `LocalProtocolError` without an association.
        """
        token = self._endpoint.request(peer, message, self._loop.time())
        future: asyncio.Future[NfResponse] = self._loop.create_future()
        self._responses[peer, token] = future
        self._flush()
        try:
            return await future
        finally:
            self._responses.pop((peer, token), None)

    async def release(self, peer: Address) -> None:
        """End the association; returns when it has ended, whether or not the peer answered."""
        self._endpoint.release(peer, self._loop.time())
        while self._endpoint.state(peer) is State.RELEASING:
            await self._next_change(peer)

    # -- for asyncio --------------------------------------------------------------------------------------------------

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """A datagram came in."""
        self._endpoint.receive_datagram(data, (addr[0], addr[1]), self._loop.time())
        self._flush()

    def error_received(self, exc: Exception) -> None:
        """ICMP said that the peer is not there (yet): retransmission deals with it."""
        log.debug("%s:%d: %s", *self._bind, exc)

    # -- effects ------------------------------------------------------------------------------------------------------

    def _on_timer(self) -> None:
        self._timer = None
        self._endpoint.handle_timer(self._loop.time())
        self._flush()

    def _flush(self) -> None:
        """Send, report and arm the timer, until nothing is left to do."""
        while (event := self._endpoint.next_event()) is not None:
            self._dispatch(event)
        for datagram, peer in self._endpoint.datagrams_to_send():
            self._transport.sendto(datagram, peer)
        due = self._endpoint.get_timer()
        # A timer that is too early does no harm, and most are: what they wait for is answered long before.
        if due is not None and (self._timer is None or due < self._timer.when()):
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(due, self._on_timer)

    def _dispatch(self, event: Event) -> None:
        match event:
            case RequestReceived(peer, token, message):
                self._answer(peer, token, message)
            case ResponseReceived(peer, token, response):
                future = self._responses.get((peer, token))
                if future is not None and not future.done():
                    future.set_result(response)
            case RequestTimedOut(peer, token):
                self._fail(self._responses.get((peer, token)), PfcpTimeoutError(f"{peer[0]}:{peer[1]} does not answer"))
            case (
                AssociationUp(peer)
                | AssociationUpdated(peer)
                | AssociationDown(peer)
                | AssociationFailed(peer)
                | PeerRestarted(peer)
            ):
                for waiter in self._changes.pop(peer, []):
                    if not waiter.done():
                        waiter.set_result(None)
                if self._on_event is not None:
                    self._on_event(event)

    def _answer(self, peer: Address, token: int, message: NfRequest) -> None:
        """Send the handler's response, or the one that says why there is none."""
        try:
            if self._handle is None:
                raise RemoteProtocolError(Cause.SERVICE_NOT_SUPPORTED, "this node takes no requests")
            self._endpoint.respond(peer, token, self._handle(peer, message))
        except RemoteProtocolError as error:
            log.warning("%s:%d: %s rejected: %s", *peer, type(message).__name__, error)
            self._reject(peer, token, message, error.cause, error.offending_ie)
        except Exception:
            log.exception("%s:%d: %s: the handler failed", *peer, type(message).__name__)
            self._reject(peer, token, message, Cause.SYSTEM_FAILURE, None)

    def _reject(self, peer: Address, token: int, message: NfRequest, cause: Cause, offending_ie: int | None) -> None:
        seid = message.cp_f_seid.seid if isinstance(message, SessionEstablishmentRequest) else 0
        response = rejection(message.message_type, cause, self._node_id, seid=seid, offending_ie=offending_ie)
        self._endpoint.respond(peer, token, response)

    async def _next_change(self, peer: Address) -> None:
        future: asyncio.Future[None] = self._loop.create_future()
        self._changes.setdefault(peer, []).append(future)
        self._flush()
        await future

    @staticmethod
    def _fail(future: asyncio.Future[NfResponse] | None, error: PfcpTimeoutError) -> None:
        if future is not None and not future.done():
            future.set_exception(error)


def _bound(address: Address) -> socket.socket:
    """A socket that holds what a thousand sessions ask for at once: what it dropped would come again after T1 only."""
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        try:
            udp.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
        except PermissionError:  # without CAP_NET_ADMIN the kernel caps it at net.core.rmem_max
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        udp.setblocking(False)
        udp.bind(address)
    except OSError:
        udp.close()
        raise
    return udp
