"""The SMF with both of its APIs in a `World`: what tests of its behaviour have in common."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestClient, TestServer

from core_stub.smf import api
from core_stub.smf.n4 import PfcpN4
from core_stub.smf.service import Smf
from core_stub.smf.store import Store
from tests.support.smf import MEC_FLOW, World, smf_config, smf_yaml

SM_CONTEXTS = "/nsmf-pdusession/v1/sm-contexts"
N3 = {"n3": {"teid": 0x77, "ipv4": "10.1.0.7"}}
INSERT = {"supi": "ue1", "upf": "upf-edge", "sdf": [MEC_FLOW]}


def body(**changes: object) -> dict[str, object]:
    """What a gNB posts to have a session."""
    return {
        "supi": "ue1",
        "dnn": "internet",
        "snssai": {"sst": 1},
        "pduSessionId": 1,
        "gnb": "http://10.1.0.7:7778",
    } | changes


@dataclass
class Rig:
    """The SMF in a `World`, and clients of both of its APIs."""

    world: World
    smf: Smf
    events: list[dict[str, Any]]
    sbi: Any
    management: Any

    async def post(self, path: str, data: object) -> tuple[int, Any]:
        client = self.sbi if path.startswith("/nsmf") else self.management
        return await self._call(client, "POST", path, data)

    async def put(self, path: str, data: object) -> tuple[int, Any]:
        return await self._call(self.management, "PUT", path, data)

    async def delete(self, path: str) -> tuple[int, Any]:
        return await self._call(self.management, "DELETE", path, None)

    async def get(self, path: str) -> Any:
        return (await self._call(self.management, "GET", path, None))[1]

    async def _call(self, client: Any, method: str, path: str, data: object) -> tuple[int, Any]:
        async with client.request(method, path, json=data) as response:
            return response.status, await response.json() if response.content_length else None

    async def active(self, **changes: object) -> dict[str, Any]:
        """An active session."""
        status, context = await self.post(SM_CONTEXTS, body(**changes))
        assert status == 201, context
        assert (await self.modify(context, N3))[0] == 200
        return dict(context)

    async def modify(self, context: dict[str, Any], data: object) -> tuple[int, Any]:
        """Modify a session, as its gNB would."""
        return await self.post(f"{SM_CONTEXTS}/{context['smContextRef']}/modify", data)

    async def idle(self, **changes: object) -> dict[str, Any]:
        """An established session whose UE has no user plane any more."""
        context = await self.active(**changes)
        assert (await self.modify(context, {"upCnxState": "DEACTIVATED"}))[0] == 200
        return context

    def kinds(self, *wanted: str) -> list[str]:
        """The kinds of the events so far, but for steps; or those that are wanted."""
        kinds = [event["event"] for event in self.events if event["event"] != "step"]
        return [kind for kind in kinds if not wanted or kind in wanted]

    def event(self, kind: str) -> dict[str, Any]:
        """The last event of its kind."""
        return next(event for event in reversed(self.events) if event["event"] == kind)

    # -- what may happen to UPFs --------------------------------------------------------------------------------------

    async def restart(self, upf: str) -> None:
        """The UPF restarts and is associated again; returns when all has followed that follows."""
        self.world.restart(upf)
        self.smf.restoration.on_restarted(upf)
        self.smf.restoration.on_up(upf)
        await self.smf.core.settled()

    async def kill(self, upf: str) -> None:
        """The UPF is silent for good; returns when all has followed that follows."""
        self.world.kill(upf)
        self.smf.restoration.on_lost(upf, "no heartbeat")
        await self.smf.core.settled()


Scenario = Callable[[Rig], Awaitable[None]]


@asynccontextmanager
async def rig(
    tmp_path: Path, data: dict[str, Any] | None = None, *, world: World | None = None, store: Store | None = None
) -> AsyncIterator[Rig]:
    """An SMF with the configuration `data`."""
    world, events = world or World(), []

    def emit(event: str, **fields: object) -> None:
        events.append({"event": event, **fields})

    config = smf_config(tmp_path, data)
    smf = Smf(config, world, world, emit, now=lambda: 1000.0, sleep=world.sleep, store=store)
    n4 = PfcpN4(config.pfcp, emit)
    async with (
        TestClient(TestServer(api.sbi(smf))) as sbi,
        TestClient(TestServer(api.management(smf, n4))) as management,
    ):
        try:
            yield Rig(world, smf, events, sbi, management)
        finally:
            await smf.close()


def run_on_rig(tmp_path: Path, scenario: Scenario, data: dict[str, Any] | None = None) -> None:
    """Run a coroutine on a rig of its own; with a configuration of more UPFs those are there too."""

    async def whole() -> None:
        async with rig(tmp_path, data) as made:
            upfs = (data or smf_yaml())["smf"]["pfcp"]["client"]["upf"]
            made.world.add_upfs({upf["name"]: upf["address"] for upf in upfs})
            await scenario(made)

    asyncio.run(whole())
