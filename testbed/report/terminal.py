"""The result on a terminal, within 100 columns: expectations first, then a few figures of each window."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

from rich import box
from rich.console import Group, JustifyMethod, RenderableType
from rich.table import Table
from rich.text import Text

from testbed.report.formats import count, ms, quantity, share, size
from testbed.report.overlay import found_rows, moved_rows
from testbed.report.result import (
    ApplicationMeasurement,
    FlowMeasurement,
    HttpMeasurement,
    Measurement,
    PathResult,
    Result,
    StampMeasurement,
)
from testbed.report.wanted import wanted
from testbed.units import counted


def summary_table(result: Result) -> RenderableType:
    """What `bearerlab run` prints at the end."""
    tables: tuple[RenderableType, ...] = (
        _measurements(result),
        *_modes(result),
        *_overlay(result),
        _links(result),
        _paths(result),
        _expectations(result),
    )
    shown = (table for table in tables if table)  # a text may be empty
    return Group(*(part for table in shown for part in (table, Text())), headline(result))


def headline(result: Result) -> Text:
    """`PASSED: 17 of 17 expectations hold`."""
    if not result.valid:
        return Text(f"INVALID: {result.reason}", style="bold yellow")
    held = sum(expectation.passed for expectation in result.expectations)
    word, style = ("PASSED", "bold green") if result.passed else ("FAILED", "bold red")
    return Text(f"{word}: {held} of {len(result.expectations)} expectations hold", style=style)


def _expectations(result: Result) -> Table:
    table = _table("", "expectation", "measured", "wanted", right=("measured",))
    for expectation in result.expectations:
        mark = Text("pass", style="green") if expectation.passed else Text("FAIL", style="bold red")
        path = expectation.expr.split()[0]
        table.add_row(mark, path, quantity(expectation.value, expectation.unit), wanted(expectation))
    return table


def _paths(result: Result) -> Text:
    """Where one probe of each phase was seen on its way to the service, and in which tunnel."""
    lines = [f"{path.window} {path.probe} {path.sequence}: {_way(path)}" for path in result.paths]
    return Text("\n".join(lines))


def _modes(result: Result) -> Iterator[Table]:
    """What each mode of scheduling came to."""
    if not result.modes:
        return
    applications = list(result.modes[0].violated_s)
    violated = [f"{name} violated s" for name in applications]
    figures = (*violated, "lost", "cost", "moves")
    table = _table("mode", *figures, right=figures)
    for mode in result.modes:
        seconds = (f"{mode.violated_s[name]:.1f}" for name in applications)
        table.add_row(mode.mode, *seconds, count(mode.lost), f"{mode.cost:.1f}", count(mode.moves))
    yield table


def _overlay(result: Result) -> Iterator[Table]:
    """What the overlay found and moved after each step."""
    if not result.overlay:
        return
    table = _table("step", "found", "moved", right=())
    for change in result.overlay:
        for number, rows in enumerate(zip_longest(found_rows(change), moved_rows(change))):
            cells = (f"{row.said}, {row.when}" if row else "" for row in rows)
            table.add_row("" if number else change.window, *cells)
    yield table


def _links(result: Result) -> Text:
    """Whether the emulated links were what they were told to be."""
    carried = [
        (link.name, way)
        for link in result.links
        if link.achieved
        for way in (link.achieved.a_to_b, link.achieved.b_to_a)
        if way.packets
    ]
    if not carried:
        return Text()
    said = f"{counted(len({name for name, _ in carried}), 'emulated link')} carried packets"
    if late := [(way.lateness_us_p99, name) for name, way in carried if way.lateness_us_p99 is not None]:
        p99_us, name = max(late)
        said += f"; the latest was {name}: p99 {p99_us / 1000:.3f} ms late"
    if probes := [way.probe for _, way in carried if way.probe]:
        lost, sent = sum(probe.lost for probe in probes), sum(probe.sent for probe in probes)
        said += f"\n{lost:,} of {sent:,} probes of these links were lost"
    return Text(said)


def _way(path: PathResult) -> str:
    up = [hop for hop in path.hops if hop.direction == "up"]
    return " → ".join(f"{hop.node} {hop.point}" for hop in up) or "not seen in any capture"


def _measurements(result: Result) -> Table:
    table = _table("window", "measurement", "p50 ms", "p95 ms", "p99 ms", "lost", "gap ms", "also", right=_NUMBERS)
    last = ""
    for key, measurement in sorted_by_window(result):
        window, _, name = key.partition(".")
        if last and window != last:
            table.add_section()
        table.add_row("" if window == last else window, name, *_figures(measurement))
        last = window
    return table


_NUMBERS = ("p50 ms", "p95 ms", "p99 ms", "lost", "gap ms")


def sorted_by_window(result: Result) -> list[tuple[str, Measurement]]:
    """The measurements, those of one window together, windows in the order of the run."""
    windows = [str(event["name"]) for event in result.events if event["kind"] == "window"]
    return sorted(result.measurements.items(), key=lambda item: windows.index(item[0].partition(".")[0]))


def _figures(measurement: Measurement) -> tuple[str, ...]:
    match measurement:
        case StampMeasurement(rtt_ms=rtt):
            lost = f"{share(measurement.loss)} %" if measurement.sent else "–"
            up, down = measurement.owd_ms.up.p50, measurement.owd_ms.down.p50
            gap = ms(measurement.longest_gap_ms)
            return ms(rtt.p50), ms(rtt.p95), ms(rtt.p99), lost, gap, f"RTT; up {ms(up)}, down {ms(down)}"
        case HttpMeasurement(ttfb_ms=ttfb):
            said = f"TTFB; {', '.join(measurement.served_by) or 'no answer'}"
            errors = f"{measurement.errors}/{measurement.requests}"
            return ms(ttfb.p50), ms(ttfb.p95), ms(ttfb.p99), errors, "", said
        case FlowMeasurement():
            return "", "", "", "", "", f"{count(measurement.packets)} packets, {size(measurement.bytes)}"
        case ApplicationMeasurement():
            return (
                "",
                "",
                "",
                "",
                "",
                f"SLA violated {measurement.violated_s:g} s, {counted(measurement.moves, 'move')}",
            )


def _table(*columns: str, right: tuple[str, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        justify: JustifyMethod = "right" if column in right else "left"
        table.add_column(column, justify=justify, no_wrap=column in ("measurement", "step"), overflow="fold")
    return table
