"""The UPF alone, with the file that Open5GS ships, against a user's own SMF, which the test plays."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from core_stub.errors import PfcpTimeoutError
from core_stub.pfcp.events import AssociationUp, Event
from core_stub.pfcp.ies import Cause, Interface, NodeId, UpFeatures
from core_stub.pfcp.udp import PfcpNode
from tests.support.polling import eventually_async
from tests.support.upf import downlink, establishment, to_n6, to_tunnel, uplink
from tests.support.user_plane import GNB, PSA, SMF, WITHIN_S, network, process, run_in

pytestmark = pytest.mark.netns

STRANGER = "10.1.0.200"


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with network():
        asyncio.run(test())


def config(pfcp: dict[str, object] | None = None) -> dict[str, object]:
    """Open5GS's upf.yaml with the addresses of the test."""
    return {
        "logger": {"file": {"path": "/var/log/open5gs/upf.log"}},
        "global": {"max": {"ue": 1024}},
        "upf": {
            "pfcp": {"server": [{"address": PSA}], "client": None, **(pfcp or {})},
            "gtpu": {"server": [{"address": PSA}]},
            "session": [
                {"subnet": "10.45.0.0/16", "gateway": "10.45.0.1"},
                {"subnet": "2001:db8:cafe::/48", "gateway": "2001:db8:cafe::1"},
            ],
            "metrics": {"server": [{"address": PSA, "port": 9090}]},
        },
    }


def smf(address: str = SMF, on_event: Callable[[Event], None] | None = None) -> PfcpNode:
    return PfcpNode(address=address, node_id=NodeId(IPv4Address(address)), on_event=on_event)


def test_the_file_of_open5gs_serves_any_smf_and_any_dnn(tmp_path: Path) -> None:
    async def test() -> None:
        events: list[Event] = []
        async with process("psa", "core_stub.upf", config(), tmp_path), smf(on_event=events.append) as node:
            await node.associate((PSA, 8805), within=WITHIN_S)
            (up,) = (event for event in events if isinstance(event, AssociationUp))
            assert up.up_features
            assert UpFeatures.FTUP | UpFeatures.UEIP | UpFeatures.EMPU in up.up_features
            rules = (uplink(2, 2), downlink(1, 1), to_n6(2), to_tunnel(1, Interface.ACCESS, 5, GNB))
            response = await node.request((PSA, 8805), establishment(*rules))
            assert response.cause is Cause.REQUEST_ACCEPTED
            assert "10.45.0.1/32" in await asyncio.to_thread(run_in, "psa", "ip", "-o", "addr", "show", "ogstun")

    run(test)


def test_a_configured_smf_is_associated_with_and_a_stranger_is_not(tmp_path: Path) -> None:
    async def test() -> None:
        events: list[Event] = []
        await asyncio.to_thread(run_in, "net", "ip", "addr", "add", f"{STRANGER}/24", "dev", "n3bridge")
        client = config({"client": {"smf": [{"address": SMF}]}})
        async with (
            smf(on_event=events.append),
            smf(STRANGER) as stranger,
            process("psa", "core_stub.upf", client, tmp_path) as upf,
        ):
            up = await eventually_async(lambda: events, bool, WITHIN_S)
            assert isinstance(up[0], AssociationUp)
            assert up[0].peer == (PSA, 8805)
            assert (await upf.event("association"))["name"] == SMF
            with pytest.raises(PfcpTimeoutError):
                await stranger.associate((PSA, 8805), within=1.0)

    run(test)
