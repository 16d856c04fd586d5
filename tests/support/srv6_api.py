"""The SRv6 controller's REST API over a core in memory: the square of `srv6_rig`, without its namespaces."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestClient, TestServer

from controllers.northbound.endpoints import ENDPOINTS
from controllers.northbound.server import Operations, application
from controllers.northbound.store import PolicyStore
from controllers.srv6.controller import Controller, Program
from tests.support.srv6_rig import SQUARE, rig_network


class InMemory:
    """The thread of the core without a thread; `programs` counts what would have been installed."""

    def __init__(self, **options: Any) -> None:
        namespaces = {name: f"ns-{name}" for name in ("r1", "r2", "r3", "r4")}
        self.core = Controller(replace(rig_network(namespaces, SQUARE, {"h1": "r1", "h2": "r3"}), **options))
        self.programs = 0

    def ask(self, read: Callable[[Controller], Any], after: Any = None) -> Future[Any]:
        answer: Future[Any] = Future()
        try:
            effects = after(self.core, 0.0) if after else []
            self.programs += sum(isinstance(effect, Program) for effect in effects)
            answer.set_result(read(self.core))
        except Exception as error:
            answer.set_exception(error)
        return answer


class Api:
    """Requests to one controller, each by a connection of its own; `headers` are those of the latest answer."""

    headers: Mapping[str, str]

    def __init__(self, file: Path | None = None, **options: Any) -> None:
        self.underlay = InMemory(**options)
        self.store = PolicyStore(file)

    def __call__(self, method: str, target: str, body: Any = None) -> tuple[int, Any]:
        return asyncio.run(self._ask(method, target, body))

    async def _ask(self, method: str, target: str, body: Any) -> tuple[int, Any]:
        app = application((Operations(self.underlay, self.store), ENDPOINTS))  # type: ignore[arg-type]
        async with TestClient(TestServer(app)) as client:
            data = body if isinstance(body, str | bytes) or body is None else json.dumps(body)
            async with client.request(method, f"/v1{target}", data=data) as response:
                self.headers = response.headers
                text = await response.text()
                return response.status, json.loads(text) if text else None
