"""What the probe of the links says in a result: figures beside the engine's, and lateness where the engine has none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from testbed.links.profile import Distribution, LinkProfile
from testbed.links.trace import AtEnd, Trace, TracePoint
from testbed.plan.model import Plan
from testbed.plan.processes import LINK_PROBE
from testbed.record import RunRecord
from testbed.report import render, summary_table
from testbed.report.linkprobes import (
    ENOUGH_PROBES,
    Lateness,
    probed_lateness,
    probed_links,
    tells_lateness,
    with_probes,
)
from testbed.report.validity import overload
from testbed.scenario.model import Validity
from tests.support.lab_plans import five_nodes
from tests.support.record import ZERO, local_breakout
from traffic.samples import LinkSample, link_line

LINK = "r1-r2"
START, END = 1000.0, 1200.0
"""Of the timeline; windows `before` and `after` halve it."""


def record(folder: Path, delay_ms: dict[str, float], *, count: int = 2000, change_at: float | None = None) -> RunRecord:
    """Probes of 3 ms for half of the timeline, then of `delay_ms`, and one before and one after it."""
    made = RunRecord.create(folder / "run")
    made.event("window", t=START + 100, name="before", start=START, end=START + 100)
    made.event("window", t=END, name="after", start=START + 100, end=END)
    if change_at is not None:
        made.event("link_changed", t=change_at, link=LINK, to="30 ms", by="worse")
    samples = []
    for way, late_ms in delay_ms.items():
        samples += [LinkSample(LINK, way, -1, START - 1, True, None), LinkSample(LINK, way, count, END, True, None)]
        for number in range(count):
            t = START + (END - START) * number / count
            samples.append(LinkSample(LINK, way, number, t, False, 3.0 if t < START + 100 else late_ms))
    made.samples(LINK_PROBE).write_text("".join(map(link_line, samples)))
    return made


def counted(p99_us: float | None, octets: int = 1000) -> dict[str, Any]:
    way = {"packets": 10, "bytes": octets, "lateness_us_p99": p99_us}
    return {"name": LINK, "achieved": {"a_to_b": way, "b_to_a": way}}


def lateness(made: RunRecord, plan: Plan, p99_us: float | None = None, octets: int = 1000) -> Lateness | None:
    return probed_lateness([counted(p99_us, octets)], probed_links(made), made, plan)


def plan(**profile: Any) -> Plan:
    return five_nodes(LinkProfile(**{"delay_ms": 3.0} | profile))


def test_figures_over_the_timeline_and_in_each_window(tmp_path: Path) -> None:
    made = record(tmp_path, {"a_to_b": 20.0})
    (link,) = with_probes([counted(1.0)], probed_links(made), made)
    there, back = link["achieved"]["a_to_b"], link["achieved"]["b_to_a"]
    assert (there["packets"], there["probe"]["sent"], there["probe"]["lost"]) == (10, 2000, 0)
    assert (there["probe"]["delay_ms"]["p50"], there["probe"]["delay_ms"]["p95"]) == (3.0, 20.0)
    windows = there["probe"]["windows"]
    assert {name: (w["sent"], w["delay_ms"]["p50"]) for name, w in windows.items()} == {
        "before": (1000, 3.0),
        "after": (1000, 20.0),
    }
    assert back["probe"] is None


def test_without_a_probe_links_are_as_they_were(tmp_path: Path) -> None:
    made = RunRecord.create(tmp_path / "run")
    assert with_probes([counted(1.0)], probed_links(made), made) == [counted(1.0)]


def test_lateness_of_an_engine_that_does_not_say(tmp_path: Path) -> None:
    made = record(tmp_path, {"a_to_b": 3.25, "b_to_a": 10.5})
    assert lateness(made, plan()) == Lateness(7.5, (LINK,))
    assert lateness(made, plan(), p99_us=12.0) is None, "the engine says it itself"


def test_too_few_probes_say_nothing(tmp_path: Path) -> None:
    assert lateness(record(tmp_path, {"a_to_b": 10.5}, count=ENOUGH_PROBES - 1), plan()) is None


def test_after_a_change_nobody_knows_when_a_probe_was_due(tmp_path: Path) -> None:
    made = record(tmp_path, {"a_to_b": 30.0, "b_to_a": 30.0}, change_at=START + 100)
    assert lateness(made, plan()) == Lateness(0.0, (LINK,))


def test_nor_while_a_trace_moves_the_link(tmp_path: Path) -> None:
    made, fixed = record(tmp_path, {"a_to_b": 3.0, "b_to_a": 3.0}), plan()
    trace = Trace("x", (TracePoint(10**9),), 100.0, AtEnd.REPEAT)
    moved = tuple(replace(link, a_to_b_trace=trace, b_to_a_trace=trace) for link in fixed.links)
    assert lateness(made, replace(fixed, links=moved)) is None


@pytest.mark.parametrize(
    ("profile", "octets", "tells"),
    [
        (LinkProfile(delay_ms=3), 10**12, True),
        (LinkProfile(delay_ms=3, jitter_ms=0.1), 0, False),
        (LinkProfile(delay_ms=3, distribution=Distribution.TABLE, jitter_table=(1.0,)), 0, False),
        # A hundred seconds of a megabit are 12.5 MB, and half a percent of that 62,500 octets.
        (LinkProfile(delay_ms=3, rate_bps=10**6), 62_499, True),
        (LinkProfile(delay_ms=3, rate_bps=10**6), 62_500, False),
    ],
)
def test_which_profiles_tell_when_a_probe_was_due(profile: LinkProfile, octets: int, tells: bool) -> None:
    assert tells_lateness(profile, octets=octets, seconds=100.0) is tells


def test_a_busy_link_may_have_made_its_probes_wait(tmp_path: Path) -> None:
    made = record(tmp_path, {"a_to_b": 30.0, "b_to_a": 30.0})
    assert lateness(made, plan(rate_bps=10**9), octets=1000) == Lateness(27.0, (LINK,))
    assert lateness(made, plan(rate_bps=10**9), octets=10**9) is None


def test_late_probes_make_a_run_invalid() -> None:
    validity = Validity.model_validate({"lateness_p99": "5ms"})
    assert overload(validity, [], None, Lateness(5.0, ("a-b",))) is None
    assert overload(validity, [], None, Lateness(7.25, ("a-b", "c-d", "e-f"))) == (
        "the host was overloaded: lateness p99 7.25 ms on a-b and 2 more links, bound 5 ms"
    )


def shown(folder: Path, *, changed: bool) -> tuple[str, str]:
    """report.html and what a terminal shows, of a run whose link m1-m2 was probed."""
    made = local_breakout(folder / "run")
    lines = [
        link_line(LinkSample("m1-m2", way, number, ZERO + number / 10, number % 10 == 9, 0.25))
        for way in ("a_to_b", "b_to_a")
        for number in range(290)
    ]
    made.samples(LINK_PROBE).write_text("".join(lines))
    if changed:
        made.event("link_changed", t=ZERO + 9, link="m1-m2", to="9 ms", by="insertion")
    result = render(made.directory)
    console = Console(width=100, force_terminal=False)
    with console.capture() as capture:
        console.print(summary_table(result))
    return (made.directory / "report.html").read_text(), capture.get()


def test_a_report_shows_configured_and_probed(tmp_path: Path) -> None:
    page, terminal = shown(tmp_path, changed=False)
    assert "<span>Probed</span>" in page
    assert '<td class="n">0.250</td><td class="n">0.250</td><td class="n failed">10</td>' in page
    assert "Links that changed" not in page
    assert "58 of 580 probes of these links were lost" in terminal


def test_a_report_shows_changed_links_window_by_window(tmp_path: Path) -> None:
    page, _ = shown(tmp_path, changed=True)
    section = page[page.index("Links that changed") :].partition("</table>")[0]
    assert '<th rowspan="5">m1-m2</th>' in section
    assert section.count('<td class="n">0.250</td><td class="n">0.250</td>') == 2 * 5


def test_a_report_of_a_run_that_was_not_probed(tmp_path: Path) -> None:
    made = local_breakout(tmp_path / "run")
    render(made.directory)
    assert "<span>Probed</span>" not in (made.directory / "report.html").read_text()
