"""The overlay's core behind a lock: what happens goes in one after the other, what follows is sent and told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from controllers.northbound.overlay import MeasurementsBody, windows
from controllers.osken import Datapath
from controllers.sdwan.controller import Controller, Effect, Emit, Send
from testbed.events import emit

Found = TypeVar("Found")


class OverlayShell:
    """Joins the core to the switches below it and the API above it."""

    def __init__(self, core: Controller) -> None:
        self._core = core
        self._datapaths: dict[str, Datapath] = {}
        self._lock = threading.Lock()

    async def read(self, look: Callable[[Controller], Found]) -> Found:
        """What `look` finds in the core."""
        with self._lock:
            return look(self._core)

    async def report(self, body: MeasurementsBody) -> None:
        """Take measurements in; those of tunnels that there are not are passed over."""
        known = self._core.overlay.tunnel
        for each in body.liveness:
            if each.tunnel in known:
                self.happens(lambda core, now, each=each: core.liveness(each.tunnel, up=each.up, now=now))  # type: ignore[misc]
        measured = [window for window in windows(body) if window.tunnel in known]
        self.happens(lambda core, now: core.measured(measured, now))

    def connected(self, datapath: Datapath) -> None:
        """A switch has connected: what it has is read first, so that what is right is not touched."""
        with self._lock:
            if edge := self._core.edge_of(datapath.dpid):
                self._datapaths[edge] = datapath
                datapath.ask_tables()
        self.happens(lambda core, _: core.switch_up(datapath.dpid))

    def disconnected(self, datapath: Datapath) -> None:
        """A connection has ended."""
        with self._lock:
            edge = self._core.edge_of(datapath.dpid)
            if edge is None or self._datapaths.get(edge) != datapath:
                return
            del self._datapaths[edge]
        self.happens(lambda core, _: core.switch_down(datapath.dpid))

    def happens(self, happening: Callable[[Controller, float], Iterable[Effect]]) -> None:
        """Let something happen to the core, from any thread."""
        with self._lock:
            for effect in happening(self._core, time.monotonic()):
                self._perform(effect)

    def _perform(self, effect: Effect) -> None:
        match effect:
            case Send(edge, changes):
                # One that is not connected gets all when it is.
                if datapath := self._datapaths.get(edge):
                    datapath.send(changes)
            case Emit(kind, fields):
                emit(kind, **fields)
