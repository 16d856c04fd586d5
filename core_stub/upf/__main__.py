"""`python -m core_stub.upf --config upf.yaml`: the UPF as a process, in the network namespace that it is started in."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path
from random import SystemRandom
from typing import Any

from core_stub.config import load_config
from core_stub.errors import PfcpTimeoutError
from core_stub.http import http_on_socket
from core_stub.pfcp.events import AssociationDown, AssociationUp, Event, PeerRestarted
from core_stub.pfcp.ies import NodeId
from core_stub.pfcp.transactions import Address
from core_stub.pfcp.udp import PfcpNode
from core_stub.process import run, stop_event
from core_stub.upf.config import UpfConfig, UpfFile
from core_stub.upf.control import UP_FEATURES, SessionEvent, UpfControl
from core_stub.upf.identifiers import Identifiers
from core_stub.upf.management import f_teid_json, management
from core_stub.upf.networks import Networks
from core_stub.upf.paths import Paths
from core_stub.upf.predefined import Applications
from core_stub.upf.resolve import Resolver
from core_stub.upf.shell import ControlShell
from core_stub.upf.userplane.base import UserPlane
from core_stub.upf.userplane.python import PythonUserPlane
from testbed.events import emit

_ASSOCIATE_AGAIN_S = 5.0

log = logging.getLogger(__name__)


async def serve(path: Path, variables: Mapping[str, Any]) -> None:
    """Run the UPF of the file at `path` until SIGTERM."""
    config = load_config(path, UpfFile, variables).upf
    stop = stop_event()
    n4, gtpu = config.pfcp.server[0], config.gtpu.server[0].address
    shell = ControlShell()
    async with AsyncExitStack() as stack:
        user_plane = stack.enter_context(
            closing(PythonUserPlane(gtpu, config.n6_networks, config.mtu, shell.on_user_plane))
        )
        control = _control(config, user_plane, shell)
        node = PfcpNode(
            address=str(n4.address),
            port=n4.port,
            node_id=NodeId(n4.address),
            up_features=UP_FEATURES,
            handle=shell.handle,
            on_event=lambda event: _on_node_event(event, control),
            allowed_peers=config.pfcp.allowed,
        )
        await stack.enter_async_context(node)
        stack.enter_context(shell.running(control, node))
        if config.management is not None:
            app = management(control, lambda: user_plane.faults)
            await stack.enter_async_context(http_on_socket(app, config.management.socket))
        await stack.enter_async_context(_associating(config, node))
        emit("ready", n4=f"{n4.address}:{n4.port}", gtpu=gtpu, n6=config.n6_networks[0].device)
        await stop.wait()


def _control(config: UpfConfig, user_plane: UserPlane, shell: ControlShell) -> UpfControl:
    networks = Networks(config.data_networks)
    predefined = {predefined.name: predefined.rule() for predefined in config.predefined_rules}
    return UpfControl(
        n4_address=config.pfcp.server[0].address,
        identifiers=Identifiers(config.gtpu.server[0].address, networks, SystemRandom()),
        resolver=Resolver(networks, Applications(config.application_filters), predefined),
        user_plane=user_plane,
        on_event=_emit_session_event,
        ntp=shell.ntp,
        paths=Paths(config.gtpu.echo / 1000) if config.gtpu.echo else None,
    )


@asynccontextmanager
async def _associating(config: UpfConfig, node: PfcpNode) -> AsyncIterator[None]:
    """Associate with the configured CP functions, and again when they have gone, while the body runs."""
    if config.pfcp.allowed is None:
        log.warning("any CP function may associate: the file has neither pfcp.client.smf nor pfcp.accept")
    tasks = [asyncio.create_task(_associate(node, (str(peer.address), peer.port))) for peer in config.pfcp.peers]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()


async def _associate(node: PfcpNode, peer: Address) -> None:
    while True:
        try:
            await node.associate(peer)
        except PfcpTimeoutError as error:
            log.warning("%s", error)
        await asyncio.sleep(_ASSOCIATE_AGAIN_S)


def _on_node_event(event: Event, control: UpfControl) -> None:
    match event:
        case AssociationUp(peer):
            _emit_association(peer, "up", "")
        case AssociationDown(peer, reason):
            _emit_association(peer, "down", reason)
            control.forget(peer)
        case PeerRestarted(peer):
            _emit_association(peer, "down", "the peer has restarted")
            control.forget(peer)


def _emit_association(peer: Address, state: str, reason: str) -> None:
    emit("association", peer=f"{peer[0]}:{peer[1]}", name=peer[0], state=state, reason=reason)


def _emit_session_event(event: SessionEvent) -> None:
    session = event.session
    emit(
        event.kind,
        seid=session.up_seid,
        cp_seid=session.cp_f_seid.seid,
        pdrs=len(session.pdrs),
        f_teids=[f_teid_json(f_teid) for f_teid in dict.fromkeys(session.f_teids.values())],
    )


if __name__ == "__main__":
    sys.exit(run("core_stub.upf", serve))
