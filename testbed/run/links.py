"""The emulated links of a running lab: what each does now, who changed it, and the traces that move some of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from testbed.errors import InputError, Problem
from testbed.links.engine import LinkCounters, LinkEngine, LinkEngineError
from testbed.links.profile import LinkProfile
from testbed.links.trace import Trace
from testbed.plan.describe import describe
from testbed.plan.model import Behaviour, Plan, PlannedLink
from testbed.record import RunRecord
from testbed.run.achieved import counted_since


@dataclass(frozen=True)
class Course:
    """A behaviour in time, from `since` on; `since` and `now` are in seconds."""

    behaviour: Behaviour
    since: float

    def profiles(self, now: float) -> tuple[LinkProfile, LinkProfile]:
        """What both directions do at `now`."""
        there, back = (
            direction.trace.applied(self._step(direction.trace, now), direction.profile)
            if direction.trace
            else direction.profile
            for direction in (self.behaviour.a_to_b, self.behaviour.b_to_a)
        )
        return there, back

    def next_change(self, now: float) -> float | None:
        """When a trace moves next after `now`; None if none does."""
        steps = ((trace, self._step(trace, now)) for _, trace in self.traces())
        due = (self.since + (step + 1) * trace.interval_ms / 1000 for trace, step in steps if trace.moving(step))
        return min(due, default=None)

    def ends(self, now: float) -> dict[str, int]:
        """Direction → how often its trace has ended by `now`."""
        return {side: trace.ends(self._step(trace, now)) for side, trace in self.traces()}

    def traces(self) -> Iterator[tuple[str, Trace]]:
        """The traces by direction."""
        for side, direction in (("up", self.behaviour.a_to_b), ("down", self.behaviour.b_to_a)):
            if direction.trace:
                yield side, direction.trace

    def _step(self, trace: Trace, now: float) -> int:
        # A wake-up at the very time that next_change gave must not count as just before it.
        return max(0, int((now - self.since) * 1000 / trace.interval_ms + 1e-6))


class Links:
    """Everything that is done to running links goes through here, from any thread; engines serve one at a time."""

    def __init__(self, plan: Plan, engine: LinkEngine | None, record: RunRecord) -> None:
        self._planned = {link.name: link for link in plan.links}
        self._engine, self._record = engine, record
        self._changed = threading.Condition(threading.RLock())
        now = time.monotonic()
        emulated = (link for link in plan.links if link.emulated)
        self._courses = {link.name: Course(link.behaviour, now) for link in emulated} if engine else {}
        self._before: tuple[LinkCounters, ...] = ()
        self._down: set[str] = set()
        self._due: dict[str, float] = {}
        """Link → when its trace moves next."""
        self._ends: dict[tuple[str, str], int] = {}
        self._failed: LinkEngineError | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._follow_traces, name="traces", daemon=True)

    def __enter__(self) -> Links:
        """Be ready to follow traces."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Follow no trace any more; links stay as they are."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def begin(self) -> None:
        """Count from now on, and let the traces of the plan move their links."""
        with self._changed:
            self._before = self._engine.counters() if self._engine else ()
            now = time.monotonic()
            for name, course in self._courses.items():
                self._courses[name] = replace(course, since=now)
                for side, trace in course.traces():
                    self._due[name] = now
                    self._record.event("trace_began", link=name, direction=side, file=trace.file)
            self._changed.notify()

    @property
    def names(self) -> tuple[str, ...]:
        """The links that can be changed."""
        return tuple(self._courses)

    def planned(self, name: str) -> PlannedLink:
        """The link as it was planned; InputError if there is none of that name or nothing emulates it."""
        if name not in self._planned:
            want = f"an emulated link: {', '.join(self.names) or 'there is none'}"
            raise InputError("link", [Problem(name, "no link of this name", want)])
        if name not in self._courses:
            hint = "give it a delay in links.override, or name it in the timeline"
            raise InputError("link", [Problem(name, "a plain veth pair", "an emulated link", hint)])
        return self._planned[name]

    def behaviour(self, name: str) -> Behaviour:
        """What the link was told last; InputError as in `planned`."""
        self.planned(name)
        with self._changed:
            return self._courses[name].behaviour

    def is_up(self, name: str) -> bool:
        """False while the link is cut."""
        return name not in self._down

    def set(self, name: str, behaviour: Behaviour, *, by: str) -> None:
        """Change a link; its traces begin anew. LinkEngineError if the engine cannot."""
        self.planned(name)
        with self._changed:
            course = Course(behaviour, time.monotonic())
            self._engine_of(name).change(name, *course.profiles(course.since))
            self._courses[name] = course
            self._ends = {key: count for key, count in self._ends.items() if key[0] != name}
            self._schedule(name, course.since)
            self._record.event("link_changed", link=name, to=describe(behaviour), by=by)
            self._changed.notify()

    def set_up(self, name: str, *, up: bool, by: str) -> None:
        """Mend or cut a link. LinkEngineError if the engine cannot."""
        self.planned(name)
        with self._changed:
            self._engine_of(name).set_up(name, up=up)
            self._down.discard(name) if up else self._down.add(name)
            self._record.event("link_state", link=name, state="up" if up else "down", by=by)

    def reset(self, name: str, *, by: str) -> None:
        """Put a link back to what was planned for the start, and up."""
        self.set(name, self.planned(name).behaviour, by=by)
        if not self.is_up(name):
            self.set_up(name, up=True, by=by)

    def counters(self) -> tuple[LinkCounters, ...]:
        """What the engine has counted since `begin`."""
        with self._changed:
            return counted_since(self._before, self._engine.counters()) if self._engine else ()

    def check(self) -> None:
        """LinkEngineError if a trace could not be followed."""
        if self._failed:
            raise self._failed

    def _engine_of(self, name: str) -> LinkEngine:
        assert self._engine is not None, name
        return self._engine

    def _follow_traces(self) -> None:
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                for name in [name for name, due in self._due.items() if due <= now]:
                    try:
                        self._follow(name, now)
                    except LinkEngineError as error:
                        self._failed = error
                        return
                self._changed.wait(min(self._due.values()) - time.monotonic() if self._due else None)

    def _follow(self, name: str, now: float) -> None:
        course = self._courses[name]
        self._engine_of(name).change(name, *course.profiles(now))
        self._schedule(name, now)
        traces = dict(course.traces())
        for side, count in course.ends(now).items():
            if count > self._ends.get((name, side), 0):
                self._ends[name, side] = count
                trace = traces[side]
                self._record.event("trace_ended", link=name, direction=side, file=trace.file, then=trace.at_end)

    def _schedule(self, name: str, now: float) -> None:
        self._due.pop(name, None)
        if (due := self._courses[name].next_change(now)) is not None:
            self._due[name] = due
