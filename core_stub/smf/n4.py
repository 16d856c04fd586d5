"""The port N4 over a PFCP node, which keeps an association with every UPF of the configuration."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from core_stub.errors import PfcpTimeoutError, RemoteProtocolError
from core_stub.pfcp.events import AssociationDown, AssociationUp, Event, PeerRestarted
from core_stub.pfcp.ies import Cause, NodeId
from core_stub.pfcp.messages import NfRequest, Response, SessionReportRequest, SessionReportResponse, SessionRequest
from core_stub.pfcp.transactions import Address
from core_stub.pfcp.udp import PfcpNode
from core_stub.smf.config import Pfcp
from core_stub.smf.run import NotAssociatedError
from core_stub.smf.service import Emit

log = logging.getLogger(__name__)


class PfcpN4:
    """UPFs by name. `on_report` gets the session reports, `on_lost` the UPF whose association has ended, and why.

    Set both before `connected` is entered.
    """

    on_report: Callable[[SessionReportRequest], SessionReportResponse]
    on_lost: Callable[[str, str], None]

    def __init__(self, config: Pfcp, emit: Emit) -> None:
        server = config.server[0]
        self._addresses: dict[str, Address] = {upf.label: (str(upf.address), upf.port) for upf in config.client.upf}
        self._names = {address: name for name, address in self._addresses.items()}
        self._up = {name: asyncio.Event() for name in self._addresses}
        self._down = {name: asyncio.Event() for name in self._addresses}
        self._emit = emit
        self._all_reported = False
        self._node = PfcpNode(
            address=str(server.address),
            port=server.port,
            node_id=NodeId(server.address),
            handle=self._handle,
            on_event=self._on_event,
            allowed_peers=frozenset(host for host, _ in self._names),
        )

    @property
    def associations(self) -> dict[str, tuple[Address, bool]]:
        """Of every UPF: its address, and whether it is associated."""
        return {name: (address, self._up[name].is_set()) for name, address in self._addresses.items()}

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Listen, associate with every UPF, and again whenever an association is lost; OSError if we cannot listen."""
        async with self._node, asyncio.TaskGroup() as group:
            keepers = [group.create_task(self._keep(name)) for name in self._addresses]
            yield
            for keeper in keepers:
                keeper.cancel()

    async def request(self, upf: str, message: SessionRequest) -> Response:
        """See `core_stub.smf.run.N4`."""
        if not self._up[upf].is_set():
            raise NotAssociatedError(upf)
        return await self._node.request(self._addresses[upf], message)

    async def _keep(self, name: str) -> None:
        while True:
            try:
                await self._node.associate(self._addresses[name])
            except PfcpTimeoutError as error:
                log.warning("%s: %s; trying again", name, error)
                continue
            await self._down[name].wait()

    def _handle(self, peer: Address, request: NfRequest) -> Response:
        if not isinstance(request, SessionReportRequest):
            raise RemoteProtocolError(Cause.SERVICE_NOT_SUPPORTED, f"{self._names[peer]} sent {type(request).__name__}")
        return self.on_report(request)

    def _on_event(self, event: Event) -> None:
        match event:
            case AssociationUp(peer):
                self._change(peer, self._down, self._up, "up", "")
            case AssociationDown(peer, reason):
                self._lose(peer, reason)
            case PeerRestarted(peer):
                self._lose(peer, "the peer has restarted")
        if not self._all_reported and all(up.is_set() for up in self._up.values()):
            self._all_reported = True
            self._emit("all_associated")

    def _lose(self, peer: Address, reason: str) -> None:
        self._change(peer, self._up, self._down, "down", reason)
        self.on_lost(self._names[peer], reason)

    def _change(
        self, peer: Address, leave: dict[str, asyncio.Event], enter: dict[str, asyncio.Event], state: str, reason: str
    ) -> None:
        name = self._names[peer]
        leave[name].clear()
        enter[name].set()
        self._emit("association", peer=f"{peer[0]}:{peer[1]}", name=name, state=state, reason=reason)
