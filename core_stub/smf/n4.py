"""The port N4 over a PFCP node, which keeps an association with every UPF of the configuration."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from core_stub.errors import PfcpTimeoutError, RemoteProtocolError
from core_stub.pfcp.events import AssociationDown, AssociationUp, AssociationUpdated, Event, PeerRestarted
from core_stub.pfcp.ies import Cause, CpFeatures, NodeId
from core_stub.pfcp.messages import (
    NfRequest,
    NodeReportRequest,
    NodeReportResponse,
    Response,
    SessionReportRequest,
    SessionReportResponse,
    SessionRequest,
)
from core_stub.pfcp.transactions import Address
from core_stub.pfcp.udp import PfcpNode
from core_stub.smf.config import Pfcp
from core_stub.smf.core import Emit
from core_stub.smf.run import NotAssociatedError

log = logging.getLogger(__name__)

_SHORT_S = 1.0
"""An association that lasts no longer is made again only after as long a pause."""


class PfcpN4:
    """UPFs by name. Set what hears of them before `connected` is entered.

    `on_report` gets the session reports, `on_up` a UPF that is associated, `on_restarted` one that has forgotten all
    sessions and will be associated again, `on_lost` one whose association has ended, and why.
    """

    on_report: Callable[[str, SessionReportRequest], SessionReportResponse]
    on_up: Callable[[str], None]
    on_restarted: Callable[[str], None]
    on_lost: Callable[[str, str], None]

    def __init__(self, config: Pfcp, emit: Emit) -> None:
        server = config.server[0]
        self._addresses: dict[str, Address] = {upf.label: (str(upf.address), upf.port) for upf in config.client.upf}
        self._names = {address: name for name, address in self._addresses.items()}
        self._up = {name: asyncio.Event() for name in self._addresses}
        self._down = {name: asyncio.Event() for name in self._addresses}
        self._emit = emit
        self._all_reported = False
        self._node_id = NodeId(server.address)
        self._leaving: set[str] = set()
        self._node = PfcpNode(
            address=str(server.address),
            port=server.port,
            node_id=self._node_id,
            cp_features=CpFeatures.LOAD,
            handle=self._handle,
            on_event=self._on_event,
            heartbeat_interval=config.heartbeat / 1000,
            t1=config.t1 / 1000,
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
        if not self._is_up(upf):
            raise NotAssociatedError(upf)
        return await self._node.request(self._addresses[upf], message)

    def is_associated(self, upf: str) -> bool:
        """See `core_stub.smf.run.N4`; a UPF that has announced its end gets nothing new (TS 29.244 §6.2.7)."""
        return self._is_up(upf) and upf not in self._leaving

    def _is_up(self, upf: str) -> bool:
        """Sessions of before our restart may be at a UPF that the configuration has no more."""
        return upf in self._up and self._up[upf].is_set()

    async def _keep(self, name: str) -> None:
        while True:
            try:
                await self._node.associate(self._addresses[name])
            except PfcpTimeoutError as error:
                log.warning("%s: %s; trying again", name, error)
                continue
            since = time.monotonic()
            await self._down[name].wait()
            if time.monotonic() - since < _SHORT_S:
                await asyncio.sleep(_SHORT_S)

    def _handle(self, peer: Address, request: NfRequest) -> Response:
        name = self._names.get(peer)
        if name is None:
            raise RemoteProtocolError(Cause.REQUEST_REJECTED, "not the port of a configured UPF")
        match request:
            case SessionReportRequest():
                return self.on_report(name, request)
            case NodeReportRequest():
                self._report_paths(name, request)
                return NodeReportResponse(self._node_id, Cause.REQUEST_ACCEPTED)
            case _:
                raise RemoteProtocolError(Cause.SERVICE_NOT_SUPPORTED, f"{name} sent {type(request).__name__}")

    def _report_paths(self, name: str, request: NodeReportRequest) -> None:
        """GTP-U paths that a UPF has lost, or has back (TS 23.527 §5.4); sessions stay, as packets may find a way."""
        for state, paths in (("down", request.path_failures), ("up", request.path_recoveries)):
            for path in paths:
                self._emit("gtpu_path", upf=name, remote=str(path.ipv4 or path.ipv6), state=state)

    def _on_event(self, event: Event) -> None:
        if event.peer not in self._names:
            log.warning("%s:%d is not the port of a configured UPF: %s passed over", *event.peer, type(event).__name__)
            return
        match event:
            case AssociationUpdated(peer, release=release) if release:
                self._leaving.add(self._names[peer])
            case AssociationUp(peer):
                self._leaving.discard(self._names[peer])
                self._change(peer, self._down, self._up, "up", "")
                self.on_up(self._names[peer])
            case AssociationDown(peer, reason):
                self._change(peer, self._up, self._down, "down", reason)
                self.on_lost(self._names[peer], reason)
            case PeerRestarted(peer):
                self._change(peer, self._up, self._down, "down", "the peer has restarted")
                self.on_restarted(self._names[peer])
        if not self._all_reported and all(up.is_set() for up in self._up.values()):
            self._all_reported = True
            self._emit("all_associated")

    def _change(
        self, peer: Address, leave: dict[str, asyncio.Event], enter: dict[str, asyncio.Event], state: str, reason: str
    ) -> None:
        name = self._names[peer]
        leave[name].clear()
        enter[name].set()
        self._emit("association", peer=f"{peer[0]}:{peer[1]}", name=name, state=state, reason=reason)
