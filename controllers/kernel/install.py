"""Puts programs of routes into the kernels, in a thread of its own: router by router, the newest program first.

What a newer program has for a router takes the place of what an older one would still have put there, so a repair does
not wait for the rest of a convergence and is not undone by it. What each router has is remembered, and read from its
kernel where that may not be right any more: at the beginning, after a line was refused, and after an interface came
back whose routes the kernel had taken away.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field

from controllers import threads
from controllers.kernel.commands import CommandError, Done, NamespaceGoneError, ip_batch, refused, run
from controllers.kernel.readback import read_routers
from controllers.srv6.fib import RouterState, changes

Step = Mapping[str, RouterState]

_AT_ONCE = 4
"""Routers that are written together; a newer program waits for so many."""

_GONE_ALREADY = frozenset({"No such process", "No such file or directory"})
"""What the kernel says of a route or rule that is to be deleted and is not there: it took it with the interface."""


_PASSING = frozenset({"Cannot allocate memory"})
"""Each encapsulation takes memory of every processor, which the kernel makes ready in the background."""

_PAUSES_S = (0.02, 0.1, 0.5)

_Batches = dict[tuple[str, int], tuple[str, ...]]
"""(router, IP version) → lines."""


@dataclass(frozen=True)
class RouteRefused:
    """A router's kernel did not take a line."""

    router: str
    line: str
    message: str


@dataclass(frozen=True)
class RouterGone:
    """A router's namespace is not there."""

    router: str


Report = RouteRefused | RouterGone


@dataclass
class _Running:
    """A program on its way: what is left of its steps, and who waits for it."""

    steps: list[dict[str, RouterState]]
    done: Future[None] = field(default_factory=Future)


class Agenda:
    """What is still to be put into which router, and in which order. Not for several threads at a time."""

    def __init__(self) -> None:
        self._programs: list[_Running] = []

    def __bool__(self) -> bool:
        """Whether there is something left."""
        return bool(self._programs)

    def __contains__(self, router: str) -> bool:
        """Whether there is something left for a router."""
        return any(router in step for program in self._programs for step in program.steps)

    def add(self, steps: Iterable[Step]) -> Future[None]:
        """A program, from now on the first; the future is done when all of it has been taken and `next` asked again."""
        running = _Running([dict(step) for step in steps])
        named = {router for step in running.steps for router in step}
        for older in self._programs:
            for step in older.steps:
                for router in named & step.keys():
                    del step[router]
        self._programs.append(running)
        return running.done

    def next(self) -> dict[str, RouterState]:
        """A few routers of one step of the newest program; none if that program is done, or there is none."""
        program = self._programs[-1]
        program.steps = [step for step in program.steps if step]
        if not program.steps:
            self._programs.pop().done.set_result(None)
            return {}
        step = program.steps[0]
        return {router: step.pop(router) for router in [*step][:_AT_ONCE]}


class Installer:
    """`namespaces` is router → its namespace; `report` is called from the installer's thread."""

    def __init__(self, namespaces: Mapping[str, str], report: Callable[[Report], None]) -> None:
        self._namespaces = namespaces
        self._report = report
        self._has: dict[str, RouterState] = {}
        """Of the installer's thread alone; what follows is shared, under `_work`."""
        self._wanted: dict[str, RouterState] = {}
        self._doubtful: set[str] = set()
        """Routers to be read back before anything is written."""
        self._agenda = Agenda()
        self._work = threading.Condition()
        threads.start("installer", self._run)

    def submit(self, steps: Iterable[Step]) -> Future[None]:
        """Put `steps` into the kernels, one after the other; the future is done when they are there."""
        with self._work:
            self._work.notify()
            return self._agenda.add(steps)

    def reread(self, router: str) -> None:
        """The kernel may have taken routes of `router` away: look, and put back what is missing."""
        with self._work:
            self._doubtful.add(router)
            if router in self._wanted and router not in self._agenda:
                self._agenda.add([{router: self._wanted[router]}])
                self._work.notify()

    def _run(self) -> None:
        while True:
            with self._work:
                self._work.wait_for(lambda: self._agenda)
                some = self._agenda.next()
                self._wanted |= some
                doubtful = self._doubtful & some.keys()
                self._doubtful -= doubtful
            for router in doubtful:
                self._has.pop(router, None)
            if some:
                self._install(some)

    def _install(self, wanted: Mapping[str, RouterState]) -> None:
        self._read(wanted)
        there = {router: state for router, state in wanted.items() if router in self._has}
        lines = {router: changes(self._has[router], state) for router, state in there.items()}
        batches = {(router, version): some for router, each in lines.items() for version, some in each.items()}
        self._has |= there
        for pause_s in (*_PAUSES_S, None):
            batches = self._write(batches, last=pause_s is None)
            if not batches or pause_s is None:
                break
            time.sleep(pause_s)

    def _write(self, batches: _Batches, *, last: bool) -> _Batches:
        """Have `ip` take the lines; those that are worth another try, unless this is the last."""
        commands = (ip_batch(self._namespaces[router], lines, version) for (router, version), lines in batches.items())
        found = {}
        for (router, version), done in zip(batches, run(commands), strict=True):
            if again := self._conclude(router, done, last=last):
                found[router, version] = again
        return found

    def _read(self, routers: Iterable[str]) -> None:
        """Read back what is not known; one router that cannot be read does not keep others from what they need."""
        unknown = {router: self._namespaces[router] for router in routers if router not in self._has}
        for router, found in read_routers(unknown).items():
            match found:
                case RouterState():
                    self._has[router] = found
                case NamespaceGoneError():
                    self._is_gone(router)
                case CommandError():
                    self._report(RouteRefused(router, "reading its routes back", str(found)))

    def _conclude(self, router: str, done: Done, *, last: bool) -> tuple[str, ...]:
        if done.gone:
            self._is_gone(router)
        again = []
        for each in refused(done):
            if each.message in _PASSING and not last:
                again.append(each.line)
            elif " del " not in each.line or each.message not in _GONE_ALREADY:
                self._has.pop(router, None)
                self._report(RouteRefused(router, each.line, each.message))
        return tuple(again)

    def _is_gone(self, router: str) -> None:
        self._has.pop(router, None)
        self._report(RouterGone(router))
