"""What a record says, and whether that is what was expected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from testbed.record import RunRecord, Window
from testbed.scenario.expectation import parse
from testbed.verdict import Verdict, flow_difference, judge, measure
from tests.support.record import WINDOWS, local_breakout, shipped

MEASURED: dict[str, dict[str, Any]] = {
    "before.probe": {"rtt_ms": {"p50": 20.0}, "owd_ms": {"up": {"p50": 11.0}}, "loss": 0.005, "lost": 4},
    "after.probe": {"rtt_ms": {"p50": 21.9}, "owd_ms": {"up": {"p50": None}}, "loss": None, "lost": 0},
    "before.flow": {"bytes": 0, "packets": 0},
}


def one(expr: str) -> Verdict:
    (verdict,) = judge(MEASURED, [parse(expr)])
    return verdict


@pytest.mark.parametrize(
    ("expr", "passed"),
    [
        ("before.probe.rtt_ms.p50 < 20 ms", False),
        ("before.probe.rtt_ms.p50 <= 20 ms", True),
        ("before.probe.rtt_ms.p50 == 20 ms", True),
        ("before.probe.rtt_ms.p50 >= 20 ms", True),
        ("before.probe.rtt_ms.p50 > 20 ms", False),
        ("before.probe.rtt_ms.p50 > 19.9 ms", True),
        ("before.probe.owd_ms.up.p50 < before.probe.rtt_ms.p50", True),
        ("after.probe.rtt_ms.p50 within 10% of before.probe.rtt_ms.p50", True),
        ("after.probe.rtt_ms.p50 within 9% of before.probe.rtt_ms.p50", False),
        ("before.probe.rtt_ms.p50 within 9% of after.probe.rtt_ms.p50", True),
        ("before.flow.bytes == 0 B", True),
        ("before.flow.packets > 0", False),
    ],
)
def test_operators(expr: str, passed: bool) -> None:
    assert one(expr).passed is passed


def test_loss_is_a_share_that_is_compared_in_percent() -> None:
    assert one("before.probe.loss < 1 %") == Verdict("before.probe.loss < 1 %", 0.5, 1.0, "%", passed=True)
    assert not one("before.probe.loss < 0.4 %").passed


def test_bound_is_the_other_metric_s_value() -> None:
    verdict = one("after.probe.rtt_ms.p50 within 10% of before.probe.rtt_ms.p50")
    assert (verdict.value, verdict.bound, verdict.unit) == (21.9, 20.0, "ms")


@pytest.mark.parametrize(
    "expr",
    [
        "after.probe.loss < 1 %",
        "after.probe.owd_ms.up.p50 < 100 ms",
        "never.probe.lost == 0",
        "before.nobody.bytes == 0 B",
    ],
)
def test_what_was_not_measured_does_not_pass(expr: str) -> None:
    assert (one(expr).value, one(expr).passed) == (None, False)


def test_a_bound_that_was_not_measured_does_not_pass() -> None:
    verdict = one("before.probe.rtt_ms.p50 > never.probe.rtt_ms.p50")
    assert (verdict.value, verdict.bound, verdict.passed) == (20.0, None, False)


def reading(t: float, count: int) -> dict[str, Any]:
    return {"t": t, "flow": "f", "bytes": 100 * count, "packets": count}


def test_flow_is_the_difference_of_the_readings_nearest_to_the_bounds() -> None:
    readings = [reading(9.2, 1), reading(10.1, 5), reading(15.0, 50), reading(19.9, 95), reading(20.5, 99)]
    assert flow_difference(readings, Window("w", 10.0, 20.0)) == {"bytes": 9000, "packets": 90}


@pytest.mark.parametrize(
    "readings",
    [
        [],
        [reading(10.0, 5)],
        [reading(10.0, 5), reading(18.0, 5)],
        [reading(12.0, 5), reading(20.0, 5)],
    ],
    ids=["none", "only the start", "end too far off", "start too far off"],
)
def test_a_flow_without_readings_is_not_measured_rather_than_zero(readings: list[dict[str, Any]]) -> None:
    assert flow_difference(readings, Window("w", 10.0, 20.0)) == {"bytes": None, "packets": None}


def test_a_short_window_needs_two_readings() -> None:
    assert flow_difference([reading(10.2, 5)], Window("w", 10.0, 10.5)) == {"bytes": None, "packets": None}


def test_every_probe_and_flow_is_measured_in_every_window(tmp_path: Path) -> None:
    scenario, _ = shipped()
    measured = measure(local_breakout(tmp_path), scenario)
    assert set(measured) == {f"{window}.{name}" for window in WINDOWS for name in scenario.measurement_kinds()}
    assert measured["before.ue1-portal"]["rtt_ms"]["p50"] > 20
    assert measured["edge.ue1-portal"]["rtt_ms"]["p50"] < 8
    assert measured["insertion.ue1-portal"]["lost"] > 0
    assert measured["edge.ue1-portal-http"]["served_by"] == {"mec1": 16}
    assert measured["edge.portal-backbone"] == {"bytes": 0, "packets": 0}
    assert measured["before.portal-backbone"]["packets"] > 0


def test_a_run_that_did_not_get_so_far_has_no_windows(tmp_path: Path) -> None:
    scenario, _ = shipped()
    assert measure(RunRecord.create(tmp_path / "run"), scenario) == {}
