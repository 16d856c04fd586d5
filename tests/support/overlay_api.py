"""The overlay's REST API over a core in memory."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any, TypeVar

from aiohttp.test_utils import TestClient, TestServer

from controllers.joint.model import Mode
from controllers.northbound.overlay import ENDPOINTS, MeasurementsBody, OverlayOperations, windows
from controllers.northbound.server import application
from controllers.sdwan.controller import Controller
from tests.support.overlays import OverlayLab

Found = TypeVar("Found")


class _InMemory:
    """The shell without its lock."""

    def __init__(self, lab: OverlayLab) -> None:
        self._lab = lab

    async def read(self, look: Callable[[Controller], Found]) -> Found:
        return look(self._lab.controller)

    async def report(self, body: MeasurementsBody) -> None:
        for each in body.liveness:
            self._lab.run(self._lab.controller.liveness(each.tunnel, up=each.up, now=self._lab.now))
        self._lab.run(self._lab.controller.measured(windows(body), self._lab.now))

    async def set_mode(self, mode: Mode) -> None:
        self._lab.run(self._lab.controller.set_mode(mode, time.monotonic()))


class OverlayApi:
    """Requests, each by a connection of its own."""

    def __init__(self, lab: OverlayLab) -> None:
        self.lab = lab

    def __call__(self, method: str, target: str, body: Any = None) -> tuple[int, Any]:
        return asyncio.run(self._ask(method, target, body))

    async def _ask(self, method: str, target: str, body: Any) -> tuple[int, Any]:
        app = application((OverlayOperations(_InMemory(self.lab)), ENDPOINTS))
        async with TestClient(TestServer(app)) as client:
            data = body if isinstance(body, str | bytes) or body is None else json.dumps(body)
            async with client.request(method, f"/v1{target}", data=data) as response:
                text = await response.text()
                return response.status, json.loads(text) if text else None
