"""Verdicts: what a run record says about what was expected. Pure functions of the record and the scenario.

`measure` reads, besides the windows and the probes' samples, the events of kind `flow`: `{"flow", "bytes", "packets"}`,
readings of counters that only grow, taken near the start and the end of each window.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from testbed.modes import moved, violated_s
from testbed.record import Event, RunRecord, Window
from testbed.scenario.expectation import Expectation, MetricPath
from testbed.scenario.model import Scenario, StampProbe
from testbed.scenario.sdwan import Sdwan
from traffic.samples import HttpSample, StampSample, read_http, read_stamp
from traffic.statistics import http_statistics, stamp_statistics

Measurement = dict[str, Any]
"""Of a STAMP or HTTP probe as traffic.statistics says, of a flow `{"bytes", "packets"}`, of an application of the
overlay `{"violated_s", "moves"}`; None is "not measured"."""

FLOW_SLACK_S = 1.0
"""A counter reading farther than this from a window's bound says nothing about that window."""

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    ">=": operator.ge,
    ">": operator.gt,
}


@dataclass(frozen=True)
class Verdict:
    """An expectation, judged; `value` or `bound` is None if it was not measured, and then it has not passed."""

    expr: str
    value: float | None
    bound: float | None
    unit: str
    passed: bool


def measure(record: RunRecord, scenario: Scenario) -> dict[str, Measurement]:
    """`<window>.<probe, flow or application>` → what was measured, for each window that the run reached."""
    windows = record.windows()
    found: dict[str, Measurement] = {}
    for name, probe in scenario.probes.items():
        if isinstance(probe, StampProbe):
            stamp = stamp_samples(record, name)
            found |= {_key(w, name): dict(stamp_statistics(stamp, w.start, w.end)) for w in windows}
        else:
            http = http_samples(record, name)
            found |= {_key(w, name): dict(http_statistics(http, w.start, w.end)) for w in windows}
    for name in scenario.flows:
        readings = [event for event in record.events("flow") if event["flow"] == name]
        found |= {_key(w, name): flow_difference(readings, w) for w in windows}
    if scenario.sdwan:
        found |= dict(_applications(record, scenario.sdwan, windows))
    return found


def _applications(record: RunRecord, sdwan: Sdwan, windows: Iterable[Window]) -> Iterator[tuple[str, Measurement]]:
    events = record.events()
    for window in windows:
        inside = [event for event in events if window.start <= event["t"] < window.end]
        for name in sdwan.applications:
            measured = {"violated_s": violated_s(inside, name), "moves": moved(inside, name)}
            yield _key(window, name), measured


def stamp_samples(record: RunRecord, probe: str) -> list[StampSample]:
    """A STAMP probe's samples; none if it never started."""
    path = record.samples(probe)
    return read_stamp(path) if path.is_file() else []


def http_samples(record: RunRecord, probe: str) -> list[HttpSample]:
    """An HTTP probe's samples; none if it never started."""
    path = record.samples(probe)
    return read_http(path) if path.is_file() else []


def flow_difference(readings: Sequence[Event], window: Window) -> Measurement:
    """Bytes and packets between the reading nearest to the window's start and the one nearest to its end."""
    first, last = _nearest(readings, window.start), _nearest(readings, window.end)
    if first is None or last is None or first["t"] >= last["t"]:
        return {"bytes": None, "packets": None}
    return {unit: last[unit] - first[unit] for unit in ("bytes", "packets")}


def judge(measurements: Mapping[str, Measurement], expectations: Iterable[Expectation]) -> tuple[Verdict, ...]:
    """One verdict for each expectation, in their order."""
    return tuple(_judge(measurements, expectation) for expectation in expectations)


def _judge(measurements: Mapping[str, Measurement], expectation: Expectation) -> Verdict:
    value = _value(measurements, expectation.path)
    bound = expectation.bound
    limit = _value(measurements, bound) if isinstance(bound, MetricPath) else bound
    passed = value is not None and limit is not None and _holds(expectation, value, limit)
    return Verdict(expectation.expr, value, limit, expectation.path.unit, passed)


def _holds(expectation: Expectation, value: float, bound: float) -> bool:
    if expectation.op == "within":
        return abs(value - bound) <= expectation.tolerance * abs(bound)
    return _COMPARE[expectation.op](value, bound)


def _value(measurements: Mapping[str, Measurement], path: MetricPath) -> float | None:
    """The metric in the unit that its bounds are written in; None if it was not measured."""
    found: Any = measurements.get(path.measurement)
    for part in path.metric.split("."):
        found = None if found is None else found.get(part)
    if found is None:
        return None
    # Measurements hold shares, bounds are written in percent.
    return float(found) * 100 if path.unit == "%" else float(found)


def _nearest(readings: Sequence[Event], t: float) -> Event | None:
    near = [reading for reading in readings if abs(reading["t"] - t) <= FLOW_SLACK_S]
    return min(near, key=lambda reading: abs(reading["t"] - t), default=None)


def _key(window: Window, name: str) -> str:
    return f"{window.name}.{name}"
