"""The thread that owns the SRv6 core: what happens goes in one after the other, what follows is done.

Programs go to the installer, events to the lab. A repair is given a moment for itself before the core computes what
all converge to: both would want the same processor.
"""

from __future__ import annotations

import itertools
import queue
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import TypeVar

from controllers import threads
from controllers.kernel.adjacency import Adjacencies
from controllers.kernel.install import Installer, Report, RouteRefused, RouterGone
from controllers.kernel.monitor import Change, InterfaceChange, NodeGone
from controllers.srv6.controller import Controller, Effect, Emit, Program
from controllers.srv6.lsdb import LinkId
from controllers.srv6.network import Network
from testbed.events import emit

_MOMENT_S = 0.02

Answer = TypeVar("Answer")
Happening = Callable[[Controller, float], Iterable[Effect]]
"""Something that happens to the core at a time: what follows from it."""


def as_found(network: Network, changes: Iterable[Change]) -> Network:
    """`network` with the links down that are down before anything was installed."""
    ports = {(port.node, port.ifname): (port.node, port.peer) for port in network.ports}
    down = {
        ports.get((each.node, each.ifname)) for each in changes if isinstance(each, InterfaceChange) and not each.up
    }
    return replace(network, links=tuple(replace(link, up=link.up and link.id not in down) for link in network.links))


class Underlay:
    """The core, an installer, and the thread that joins them once it is started.

    `installer` makes one of the function that it has to report to.
    """

    def __init__(self, core: Controller, installer: Callable[[Callable[[Report], None]], Installer]) -> None:
        self._core = core
        self._installer = installer(self._reported)
        self._adjacencies = Adjacencies(core.network, self._adjacency)
        self._happenings: queue.Queue[Callable[[float], None]] = queue.Queue()
        self._ports = {(port.node, port.ifname): port.peer for port in core.network.ports}
        self._busy_until = 0.0

    def start(self) -> None:
        """Start; it returns once all routers have what they need."""
        for program in self._perform(self._core.start()):
            program.result()
        threads.start("underlay", self._run)

    def changed(self, change: Change) -> None:
        """Take news of the monitor, from any thread."""
        match change:
            case NodeGone(node):
                self._happens(lambda core, now: core.node_changed(node, False, now))
            case InterfaceChange(node, ifname, up):
                if up:
                    self._installer.reread(node)
                if peer := self._ports.get((node, ifname)):
                    self._adjacencies.changed((node, peer), up)

    def ask(self, read: Callable[[Controller], Answer], after: Happening | None = None) -> Future[Answer]:
        """What `read` finds in the core, from any thread; `after` happens before, and is in the kernels by then.

        What one of them raises is the future's exception.
        """
        answer: Future[Answer] = Future()

        def happening(now: float) -> None:
            if not answer.set_running_or_notify_cancel():
                return  # who asked does not wait any more
            try:
                programs = self._perform(after(self._core, now)) if after else []
                found = read(self._core)
            except Exception as error:
                answer.set_exception(error)
                return
            _once_all_are_done(programs, lambda: answer.set_result(found))

        self._happenings.put(happening)
        return answer

    def _adjacency(self, link: LinkId, up: bool) -> None:
        self._happens(lambda core, now: core.link_changed(*link, up, now))

    def _reported(self, report: Report) -> None:
        match report:
            case RouterGone(router):
                self.changed(NodeGone(router))
            case RouteRefused(router, line, message):
                emit("route_refused", router=router, line=line, message=message)

    def _happens(self, happening: Happening) -> None:
        self._happenings.put(lambda now: self._follow(self._perform(happening(self._core, now))))

    def _run(self) -> None:
        while True:
            self._next()(time.monotonic())

    def _next(self) -> Callable[[float], None]:
        """What happens next; that it is time for what is due, if nothing else does before."""
        due = self._core.timer()
        at = None if due is None else max(due, self._busy_until)
        try:
            return self._happenings.get(timeout=None if at is None else max(0.0, at - time.monotonic()))
        except queue.Empty:
            return lambda now: self._follow(self._perform(self._core.expire(now)))

    def _follow(self, programs: Iterable[Future[None]]) -> None:
        """Leave them the processor, until they are done or take too long."""
        waiting = list(programs)
        if waiting:
            self._busy_until = time.monotonic() + _MOMENT_S
            _once_all_are_done(waiting, lambda: self._happenings.put(self._idle))

    def _idle(self, _: float) -> None:
        self._busy_until = 0.0

    def _perform(self, effects: Iterable[Effect]) -> list[Future[None]]:
        """Have programs installed; events are told once the programs before them are in the kernels."""
        programs: list[Future[None]] = []
        for effect in effects:
            match effect:
                case Program(steps):
                    programs.append(self._installer.submit(steps))
                case Emit(kind, fields):
                    _once_all_are_done(programs, partial(emit, kind, **fields))
        return programs


def _once_all_are_done(programs: Iterable[Future[None]], act: Callable[[], None]) -> None:
    """Call `act` once, from the thread that ends the last of `programs`; at once if there are none."""
    left = list(programs)
    if not left:
        act()
        return
    count = itertools.count(1)
    for program in left:
        program.add_done_callback(lambda _: act() if next(count) == len(left) else None)
