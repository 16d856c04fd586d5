"""`python -m core_stub.upf --config upf.yaml`: the UPF as a process, in the network namespace that it is started in."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from random import SystemRandom
from typing import Any

from core_stub.config import load_config
from core_stub.http import http_on_socket
from core_stub.pfcp.events import AssociationDown, AssociationUp, Event, PeerRestarted
from core_stub.pfcp.ies import NodeId, UpFeatures
from core_stub.pfcp.transactions import Address
from core_stub.pfcp.udp import PfcpNode
from core_stub.process import run, stop_event
from core_stub.upf.config import UpfFile
from core_stub.upf.control import SessionEvent, UpfControl
from core_stub.upf.management import f_teid_json, management
from core_stub.upf.userplane.python import PythonUserPlane
from testbed.events import emit


async def serve(path: Path, variables: Mapping[str, Any]) -> None:
    """Run the UPF of the file at `path` until SIGTERM."""
    config = load_config(path, UpfFile, variables).upf
    stop = stop_event()
    n4, gtpu = config.pfcp.server[0], config.gtpu.server[0].address
    pools = [pool.subnet for pool in config.session]
    with closing(PythonUserPlane(gtpu, config.session[0].dev, pools, config.mtu)) as user_plane:
        control = UpfControl(
            n4_address=n4.address,
            gtpu_address=gtpu,
            user_plane=user_plane,
            on_event=_emit_session_event,
            random=SystemRandom(),
        )
        node = PfcpNode(
            address=str(n4.address),
            port=n4.port,
            node_id=NodeId(n4.address),
            up_features=UpFeatures.FTUP | UpFeatures.EMPU,
            handle=control.handle,
            on_event=lambda event: _on_node_event(event, control),
        )
        async with node, http_on_socket(management(control, lambda: user_plane.faults), config.management.socket):
            emit("ready", n4=f"{n4.address}:{n4.port}", gtpu=gtpu, n6=config.session[0].dev)
            await stop.wait()


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
