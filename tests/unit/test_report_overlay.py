"""What the overlay made of steps, from events; in words, on lanes over time, and in the terminal's table."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from testbed.report.bands import Bands
from testbed.report.lanes import lanes_chart, way_colours
from testbed.report.overlay import Lane, found_rows, lanes, moved_rows, overlay_changes
from testbed.report.result import OverlayChange, Result
from testbed.report.svg import Scale
from testbed.report.terminal import summary_table
from testbed.report.timeline import Phase

THERE, BACK = "cpe-a>cpe-b:private", "cpe-b>cpe-a:private"
PLC, PLC_BACK = "plc:cpe-a>cpe-b", "plc:cpe-b>cpe-a"


def event(t: float, kind: str, **fields: Any) -> dict[str, Any]:
    return {"t": 100.0 + t, "kind": kind, **fields}


def moved(t: float, demand: str, source: str, target: str) -> dict[str, Any]:
    ends = demand.partition(":")[2]
    return event(t, "demand_moved", demand=demand, to=[f"{ends}:{target}"], why="so") | {"from": [f"{ends}:{source}"]}


def broken(t: float, tunnel: str, sla_class: str, **fields: Any) -> dict[str, Any]:
    return event(t, "sla_broken", tunnel=tunnel, **{"class": sla_class}, **fields)


EVENTS = [
    event(0.0, "overlay_ready", placements={PLC: [THERE], PLC_BACK: [BACK], "other:cpe-a>cpe-b": [THERE]}),
    # As in a record: a move is told before what it was made for, a window when it is over.
    broken(0.1, THERE, "control", bound="delay_ms", value=40.0, limit=15.0),
    event(1.0, "link_state", link="pe1-cpe-a", state="down", by="dark"),
    moved(1.2, PLC, "private", "internet"),
    moved(1.2, "other:cpe-a>cpe-b", "private", "internet"),
    event(1.2, "tunnel_down", tunnel=THERE),
    moved(1.25, PLC_BACK, "private", "internet"),
    event(1.25, "tunnel_down", tunnel=BACK),
    event(1.5, "sla_violated", demand=PLC, seconds=0.5),
    event(2.9, "window", name="dark", start=100.9, end=102.9),
    event(3.0, "link_changed", link="pe1-pe2", to="30 ms", by="slow"),
    event(3.1, "link_changed", link="pe2-pe3", to="40 ms", by="slow"),
    broken(4.0, THERE, "control", bound="delay_ms", value=36.64, limit=15.0),
    broken(4.5, THERE, "video", bound="loss", value=0.055, limit=0.02),
    event(4.5, "policy_rerouted", policy="pe1→pe2 color 100", to="pe1>p1>pe2", why="it is slow"),
    event(5.0, "link_state", link="lan", state="down", by="nobody minds"),
    event(6.0, "mode_changed", mode="joint", placements={PLC: [THERE], PLC_BACK: [BACK]}),
    event(7.0, "tunnel_up", tunnel=THERE),
]


@pytest.fixture
def changes() -> list[OverlayChange]:
    return overlay_changes(EVENTS, ("plc",))


def test_what_follows_a_step_is_told_with_the_time_since_it(changes: list[OverlayChange]) -> None:
    dark, slow, mode = changes
    assert (dark.window, dark.what, dark.t) == ("dark", "pe1-cpe-a down", 101.0)
    assert [(f.tunnel, f.found, round(f.after_ms)) for f in dark.findings] == [
        (THERE, "blackout", 200),
        (BACK, "blackout", 250),
    ]
    assert [(m.application, m.ends, m.source, m.target) for m in dark.moves] == [
        ("plc", "cpe-a>cpe-b", "private", "internet"),
        ("plc", "cpe-b>cpe-a", "private", "internet"),
    ]
    # Several changes of one window are one step, from the first of them on.
    assert (slow.window, slow.what) == ("slow", "pe1-pe2 30 ms, pe2-pe3 40 ms")
    assert [round(f.after_ms) for f in slow.findings] == [1000, 1500]
    assert (mode.what, mode.findings[0].found) == ("mode joint", "up again")


def test_rows_put_directions_and_classes_together(changes: list[OverlayChange]) -> None:
    (row,) = found_rows(changes[0])
    assert (row.said, row.when, row.hint) == ("private: blackout", "200–250 ms", f"{THERE}, {BACK}")
    (row,) = moved_rows(changes[0])
    assert (row.said, row.when) == ("plc: private → internet", "200–250 ms")
    (row,) = found_rows(changes[1])
    assert row.said == "private: brownout for control, video (delay 36.6 ms of 15)"
    (row,) = moved_rows(changes[1])
    assert (row.said, row.when, row.hint) == ("pe1→pe2 color 100: pe1>p1>pe2", "1,500 ms", "it is slow")
    assert changes[1].findings[1].measured == "loss 5.5 % of 2"


def test_a_lane_has_what_a_demand_took_and_when_its_sla_did_not_hold() -> None:
    found = lanes(EVENTS, ("plc",), zero=100.5, end=8.0)
    assert [lane.name for lane in found] == [PLC, PLC_BACK]
    taken = [(round(start, 2), round(stop, 2), way) for start, stop, way in found[0].taken]
    assert taken == [(0.0, 0.7, "private"), (0.7, 5.5, "internet"), (5.5, 8.0, "private")]
    assert [(round(start, 2), round(stop, 2)) for start, stop in found[0].violated] == [(0.5, 1.0)]
    assert found[1].violated == ()


def test_lanes_are_drawn_in_the_colours_of_the_ways() -> None:
    two = (Lane("plc", ((0.0, 1.0, "private"), (1.0, 2.0, "internet")), ((0.5, 1.0),)), Lane("web", (), ()))
    assert way_colours(two) == {"internet": "c0", "private": "c1"}
    drawn = lanes_chart(two, (Phase("calm", 0.0, 2.0, "c0"),), 2.0)
    assert drawn.count("fill-c1") == drawn.count("fill-c0") == 1
    assert "the SLA did not hold" in drawn
    assert "internet, 1.000 to 2.000 s" in drawn


def test_names_of_many_windows_do_not_touch() -> None:
    phases = [Phase(f"underlay-internet-dark-{number}", number, number + 1.0, "change") for number in range(20)]
    bands = Bands(Scale(0.0, 20.0, 52.0, 1152.0), tuple(phases))
    placed = list(zip(bands.rows, (bands.extent(phase) for phase in phases), strict=True))
    for number, (row, (left, right)) in enumerate(placed):
        assert 52.0 <= left < right <= 1152.0
        assert all(end < left for other, (_, end) in placed[:number] if other == row)
    assert bands.height > 0
    assert Bands(Scale(0.0, 20.0, 52.0, 1152.0), tuple(phases[::10])).height == 0


def test_the_terminal_has_a_row_for_each_step(changes: list[OverlayChange]) -> None:
    nothing: dict[str, Any] = {"scenario": "x", "seed": 1, "valid": True, "passed": True, "provenance": {}}
    empty: dict[str, Any] = {name: [] for name in ("links", "events", "expectations", "paths")}
    console = Console(width=100, record=True)
    with console.capture() as captured:
        console.print(summary_table(Result(**nothing, **empty, measurements={}, overlay=changes)))
    lines = captured.get().splitlines()
    assert any("dark" in line and "private: blackout, 200–250 ms" in line for line in lines)
    assert any("plc: private → internet, 200–250 ms" in line for line in lines)
