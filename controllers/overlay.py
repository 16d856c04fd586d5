"""The overlay's core behind a lock: what happens goes in one after the other, what follows is sent and told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from controllers.flows import Counters, SwitchState
from controllers.joint import underlay as joint
from controllers.joint.model import Mode
from controllers.northbound.overlay import MeasurementsBody, liveness, windows
from controllers.osken import Datapath, PacketIn
from controllers.sdwan.controller import Controller, Effect, Emit, Replan, Reroute, Send
from controllers.sdwan.scheduling import policies_of
from controllers.srv6 import controller as srv6
from controllers.srv6.policy import PolicyId
from controllers.underlay import Underlay
from testbed.events import emit

Found = TypeVar("Found")

_UNDERLAY_WITHIN_S = 5.0
"""It answers in milliseconds, unless it is stuck."""


_COUNT_EVERY_S = 1.0
"""Or when measurements come, if that is seldomer."""


class OverlayShell:
    """Joins the core to the switches below it and the API above it."""

    def __init__(self, core: Controller, underlay: Underlay | None) -> None:
        self._core, self._underlay = core, underlay
        self._datapaths: dict[str, Datapath] = {}
        self._asked: dict[Datapath, bool] = {}
        """Switches that have not answered yet what they have; True if something has changed there meanwhile."""
        self._lock = threading.Lock()
        self._count_at = 0.0

    async def read(self, look: Callable[[Controller], Found]) -> Found:
        """What `look` finds in the core."""
        with self._lock:
            return look(self._core)

    async def report(self, body: MeasurementsBody) -> None:
        """Take measurements in."""
        overlay = self._core.overlay
        for tunnel, up in liveness(body, overlay):
            self.happens(lambda core, now, tunnel=tunnel, up=up: core.liveness(tunnel, up=up, now=now))  # type: ignore[misc]
        self.happens(lambda core, now: core.measured(windows(body, overlay), now))
        self._count()

    async def set_mode(self, mode: Mode) -> None:
        """Begin anew in a mode."""
        self.happens(lambda core, now: core.set_mode(mode, now))

    def connected(self, datapath: Datapath) -> None:
        """A switch has connected: what it has is read first, so that what is right is not touched."""
        with self._lock:
            if edge := self._core.edge_of(datapath.dpid):
                self._datapaths[edge] = datapath
                self._ask(datapath)
        self.happens(lambda core, _: core.switch_up(datapath.dpid))

    def told(self, datapath: Datapath, state: SwitchState) -> None:
        """A switch has told what it has."""
        self.happens(lambda core, now: core.tables(datapath.dpid, state, now))
        with self._lock:
            if self._asked.pop(datapath, False):
                self._ask(datapath)

    def doubted(self, datapath: Datapath) -> None:
        """A switch may not have what it should: somebody has taken it away. It is asked, once for however much."""
        with self._lock:
            if datapath in self._datapaths.values():
                self._ask(datapath)

    def copied(self, packet: PacketIn) -> None:
        """A switch has copied a packet that it has passed on."""
        self.happens(
            lambda core, now: core.copied(packet.datapath.dpid, packet.port, packet.metadata, packet.data, now)
        )

    def counted(self, datapath: Datapath, counters: Counters) -> None:
        """A switch has told what it has counted."""
        self.happens(lambda core, now: core.counted(datapath.dpid, counters, now))

    def _count(self) -> None:
        """Ask switches for their counters, if that was a while ago."""
        with self._lock:
            if (now := time.monotonic()) < self._count_at:
                return
            self._count_at = now + _COUNT_EVERY_S
            datapaths = list(self._datapaths.values())
        for datapath in datapaths:
            datapath.ask_counters()

    def disconnected(self, datapath: Datapath) -> None:
        """A connection has ended."""
        with self._lock:
            self._asked.pop(datapath, None)
            edge = self._core.edge_of(datapath.dpid)
            if edge is None or self._datapaths.get(edge) != datapath:
                return
            del self._datapaths[edge]
        self.happens(lambda core, _: core.switch_down(datapath.dpid))

    def happens(self, happening: Callable[[Controller, float], Iterable[Effect]]) -> None:
        """Let something happen to the core, from any thread."""
        with self._lock:
            self._perform(happening(self._core, time.monotonic()))

    def _ask(self, datapath: Datapath) -> None:
        if datapath in self._asked:
            self._asked[datapath] = True
        else:
            self._asked[datapath] = False
            datapath.ask_tables()

    def _perform(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send(edge, changes):
                    # One that is not connected gets all when it is.
                    if datapath := self._datapaths.get(edge):
                        datapath.send(changes)
                case Emit(kind, fields):
                    emit(kind, **fields)
                case Replan():
                    self._perform(self._core.plan(self._below(), time.monotonic()))
                case Reroute(policy, way):
                    self._reroute(policy, way)

    def _below(self) -> joint.Underlay:
        if self._underlay is None:
            return joint.Underlay()
        wanted = policies_of(self._core.overlay)
        return self._underlay.ask(lambda core: joint.underlay(core, wanted)).result(_UNDERLAY_WITHIN_S)

    def _reroute(self, policy: PolicyId, way: joint.Way | None) -> None:
        """It is in the kernels when this returns: demands that are moved to it come afterwards."""
        assert self._underlay is not None, "its policies are known from there"

        def put(core: srv6.Controller, _: float) -> list[srv6.Effect]:
            known = next(each for each in core.policies if each.id == policy)
            return core.put_policy(joint.scheduled(known, way))

        self._underlay.ask(lambda _: None, after=put).result(_UNDERLAY_WITHIN_S)
