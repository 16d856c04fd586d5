"""Links of a running lab with an engine that only remembers: traces in time, changes, what may not be changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from testbed.errors import InputError
from testbed.links.engine import LinkEngineError
from testbed.links.profile import LinkProfile
from testbed.links.trace import AtEnd, Trace, TracePoint
from testbed.plan.model import Behaviour, Direction, Plan
from testbed.record import RunRecord
from testbed.run.links import Course, Links
from tests.support.lab_plans import five_nodes
from tests.support.memory_engine import Engine
from tests.support.polling import eventually

POINTS = (TracePoint(1000), TracePoint(2000, 20.0), TracePoint(3000, None, 0.5))
SLOW = LinkProfile(delay_ms=1)


def course(at_end: AtEnd, since: float = 0.0) -> Course:
    trace = Trace("t", POINTS, 100, at_end)
    return Course(Behaviour(Direction(SLOW, trace), Direction(SLOW)), since)


@pytest.mark.parametrize(
    ("now", "at_end", "rate"),
    [(0, "repeat", 1000), (0.099, "repeat", 1000), (0.1, "repeat", 2000), (0.3, "repeat", 1000), (0.9, "hold", 3000)],
)
def test_a_trace_moves_one_direction(now: float, at_end: str, rate: int) -> None:
    there, back = course(AtEnd(at_end), since=50.0).profiles(50 + now)
    assert there.rate_bps == rate
    assert back == SLOW


def test_a_point_leaves_alone_what_it_does_not_name() -> None:
    repeating = course(AtEnd.REPEAT)
    assert repeating.profiles(0.1)[0] == replace(SLOW, rate_bps=2000, delay_ms=20)
    assert repeating.profiles(0.2)[0] == replace(SLOW, rate_bps=3000, loss=0.5)


def test_the_schedule_is_absolute() -> None:
    repeating = course(AtEnd.REPEAT, since=7.0)
    assert repeating.next_change(7.0) == pytest.approx(7.1)
    assert repeating.next_change(7.35) == pytest.approx(7.4)
    assert repeating.next_change(7.1 - 1e-12) == pytest.approx(7.2)


def test_a_trace_that_holds_ends_once() -> None:
    holding = course(AtEnd.HOLD)
    assert holding.next_change(0.25) == pytest.approx(0.3)
    assert holding.next_change(0.3) is None
    assert [holding.ends(now)["up"] for now in (0.29, 0.3, 9)] == [0, 1, 1]
    assert [course(AtEnd.REPEAT).ends(now)["up"] for now in (0.29, 0.3, 0.9)] == [0, 1, 3]


def plan(at_end: AtEnd | None = None) -> Plan:
    five = five_nodes(SLOW)
    if at_end is None:
        return five
    trace = Trace("t", POINTS, 10, at_end)
    links = (replace(link, a_to_b_trace=trace) if link.name == "r1-r2" else link for link in five.links)
    return replace(five, links=tuple(links))


@pytest.fixture
def record(tmp_path: Path) -> RunRecord:
    return RunRecord.create(tmp_path / "run")


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def links(record: RunRecord, engine: Engine) -> Iterator[Links]:
    with Links(plan(), engine, record) as running:
        yield running


def test_a_change_and_its_event(links: Links, engine: Engine, record: RunRecord) -> None:
    slower = Behaviour(Direction(LinkProfile(delay_ms=9)), Direction(SLOW))
    links.set("r1-r2", slower, by="worse")
    assert engine.changes == [("r1-r2", LinkProfile(delay_ms=9), SLOW)]
    assert links.behaviour("r1-r2") == slower
    (event,) = record.events("link_changed")
    assert (event["link"], event["to"], event["by"]) == ("r1-r2", "up: 9 ms; down: 1 ms", "worse")


def test_reset_undoes_all_of_it(links: Links, engine: Engine) -> None:
    links.set("r1-r2", Behaviour(Direction(LinkProfile(delay_ms=9)), Direction(SLOW)), by="worse")
    links.set_up("r1-r2", up=False, by="cut")
    assert not links.is_up("r1-r2")
    links.reset("r1-r2", by="reset")
    assert engine.changes[-1] == ("r1-r2", SLOW, SLOW)
    assert engine.states == [("r1-r2", False), ("r1-r2", True)]
    assert links.is_up("r1-r2")


@pytest.mark.parametrize(("name", "why"), [("r9-r1", "no link of this name"), ("h1-r1", "a plain veth pair")])
def test_what_cannot_be_changed(links: Links, name: str, why: str) -> None:
    with pytest.raises(InputError, match=f"{name}: got {why}; want an emulated link"):
        links.reset(name, by="x")


def test_a_change_that_the_engine_refuses_leaves_the_link_as_it_was(links: Links, engine: Engine) -> None:
    engine.broken = True
    before = links.behaviour("r1-r2")
    with pytest.raises(LinkEngineError, match="broken"):
        links.set("r1-r2", Behaviour(Direction(SLOW), Direction(LinkProfile(delay_ms=3))), by="x")
    assert links.behaviour("r1-r2") == before


def test_a_trace_is_followed_to_its_end_and_held(record: RunRecord, engine: Engine) -> None:
    with Links(plan(AtEnd.HOLD), engine, record) as running:
        assert engine.changes == []
        running.begin()
        (ended,) = eventually(lambda: record.events("trace_ended"), bool)
    assert (ended["link"], ended["direction"], ended["then"]) == ("r1-r2", "up", "hold")
    assert [there.rate_bps for _, there, _ in engine.changes][-1] == 3000


def test_an_engine_that_fails_under_a_trace_is_noticed(record: RunRecord, engine: Engine) -> None:
    engine.broken = True

    def failed(running: Links) -> bool:
        try:
            running.check()
        except LinkEngineError:
            return True
        return False

    with Links(plan(AtEnd.REPEAT), engine, record) as running:
        running.begin()
        eventually(lambda: failed(running), bool)
