"""What links did during a timeline, and whether the host was up to it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from testbed.host import RunQueue, run_queue
from testbed.links.engine import DirectionCounters, LinkCounters
from testbed.links.profile import LinkProfile
from testbed.report import render
from testbed.report.validity import overload
from testbed.run.achieved import counted_since, links_json, percentile
from testbed.run.hostload import HostReading, load_between
from testbed.scenario.model import Validity
from tests.support.lab_plans import five_nodes
from tests.support.record import local_breakout

VALIDITY = Validity.model_validate({"lateness_p99": "2ms", "steal": "20%", "run_delay": "5ms"})


def counters(packets: int, histogram: tuple[tuple[float, int], ...] = (), **more: int) -> DirectionCounters:
    return DirectionCounters(packets, packets * 100, more.get("lost", 0), 0, 1.0, 9.0, lateness_us=histogram)


def link(there: DirectionCounters) -> LinkCounters:
    return LinkCounters("r1-r2", there, counters(0))


def test_what_was_before_the_timeline_does_not_count() -> None:
    before = counters(10, ((1.0, 2), (5000.0, 8)), lost=3)
    after = counters(110, ((1.0, 2), (5000.0, 8), (20.0, 99), (40.0, 1)), lost=5)
    (found,) = counted_since([link(before)], [link(after)])
    assert (found.a_to_b.packets, found.a_to_b.bytes, found.a_to_b.dropped_loss) == (100, 10_000, 2)
    assert (found.a_to_b.lateness_us_p50, found.a_to_b.lateness_us_p99) == (20.0, 20.0)
    assert found.a_to_b.lateness_us == ((20.0, 99), (40.0, 1))


def test_an_engine_without_a_histogram_keeps_what_it_says() -> None:
    (found,) = counted_since([link(counters(10))], [link(counters(110))])
    assert (found.a_to_b.packets, found.a_to_b.lateness_us_p99) == (100, 9.0)


def test_an_interface_that_has_gone_counts_nothing() -> None:
    (found,) = counted_since([link(counters(10))], [link(counters(0))])
    assert found.a_to_b.packets == 0


@pytest.mark.parametrize(("share", "lateness"), [(0.5, 1.0), (0.9, 1.0), (0.91, 7.0), (1.0, 7.0)])
def test_percentiles_by_nearest_rank(share: float, lateness: float) -> None:
    assert percentile(((1.0, 90), (7.0, 10)), share) == lateness
    assert percentile((), share) is None


def test_a_link_in_the_result() -> None:
    plan = five_nodes(LinkProfile(delay_ms=3, loss=0.1))
    (found,) = links_json(plan, "wire", [link(counters(90, ((1.0, 90),), lost=10))])
    assert (found["name"], found["engine"], found["configured"]["a_to_b"]["delay_ms"]) == ("r1-r2", "wire", 3)
    assert found["achieved"]["a_to_b"]["loss"] == 0.1
    assert found["achieved"]["b_to_a"]["loss"] is None
    assert "lateness_us" not in found["achieved"]["a_to_b"]


def achieved(name: str, packets: int, p99_us: float | None) -> dict[str, Any]:
    way = {"packets": packets, "lateness_us_p99": p99_us}
    return {"name": name, "achieved": {"a_to_b": way, "b_to_a": way | {"lateness_us_p99": 1.0}}}


def test_a_host_that_keeps_up() -> None:
    links = [achieved("a-b", 5000, 1999.0), achieved("few", 999, 9e9), achieved("netem", 5000, None), {"name": "veth"}]
    assert overload(VALIDITY, links, {"steal": 0.2, "run_delay_ms": 5, "run_delay_of": "smf"}) is None
    assert overload(VALIDITY, [], None) is None


def test_every_reason_with_its_figure_and_bound() -> None:
    links = [achieved("a-b", 1000, 2100.0), achieved("c-d", 1000, 4300.0)]
    assert overload(VALIDITY, links, {"steal": 0.25, "run_delay_ms": 7.5, "run_delay_of": "smf"}) == (
        "the host was overloaded: lateness p99 4.3 ms on c-d and 1 more links, bound 2 ms; steal 25.0%, bound 20.0%; "
        "smf waited 7.5 ms for a processor on average, bound 5 ms"
    )


def test_a_record_of_an_overloaded_host_is_invalid(tmp_path: Path) -> None:
    record = local_breakout(tmp_path / "run")
    assert render(record.directory).valid
    scenario = record.read_json("scenario.json")
    record.write_json("scenario.json", scenario | {"validity": {"steal": "1%"}})
    result = render(record.directory)
    assert (result.valid, result.passed) == (False, False)
    assert result.reason == "the host was overloaded: steal 3.1%, bound 1.0%"
    assert json.loads((record.directory / "result.json").read_text())["valid"] is False


def test_the_process_that_waits_longest_is_named() -> None:
    ticks = dict.fromkeys(("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"), 0)
    before = HostReading(ticks, {"wire": RunQueue(0, 0), "smf": RunQueue(10**6, 10)})
    later = {"wire": RunQueue(10**6, 100), "smf": RunQueue(21 * 10**6, 20), "new": RunQueue(10**9, 1)}
    load = load_between(before, HostReading(ticks | {"idle": 80, "user": 15, "steal": 5}, later))
    assert load == {"busy": 0.15, "steal": 0.05, "run_delay_ms": 2.0, "run_delay_of": "smf"}


def test_this_process_has_had_its_turns() -> None:
    assert run_queue(os.getpid()).turns > 0
    assert run_queue(2**22 + 1) == RunQueue(0, 0)
