"""What a timeline does to links: each step from what the last one left, decided before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from testbed.plan.model import Plan, PlannedChange
from tests.support.pair import LINK, planned


def changes(folder: Path, *timeline: dict[str, Any], **override: Any) -> tuple[PlannedChange, ...]:
    return plan(folder, *timeline, **override).changes


def plan(folder: Path, *timeline: dict[str, Any], **override: Any) -> Plan:
    return planned(folder, {"override": [{"link": LINK, **override}]}, list(timeline))


def test_an_impairment_keeps_what_it_does_not_name(tmp_path: Path) -> None:
    step = {"impair": {"links": [LINK], "loss": "1%", "down": {"delay": "7ms"}}, "as": "worse"}
    (change,) = changes(tmp_path, step, delay="3ms", rate="10Mbit")
    assert (change.window, change.after_ms, change.link) == ("worse", 0, LINK)
    there, back = change.behaviour.a_to_b.profile, change.behaviour.b_to_a.profile
    assert (there.delay_ms, there.loss, there.rate_bps) == (3, 0.01, 10_000_000)
    assert (back.delay_ms, back.loss, back.rate_bps) == (7, 0.01, 10_000_000)


def test_steps_add_up_and_a_reset_goes_back(tmp_path: Path) -> None:
    found = changes(
        tmp_path,
        {"impair": {"links": [LINK], "loss": "1%"}, "as": "lossy"},
        {"impair": {"links": [LINK], "delay": "9ms"}, "as": "and-slow"},
        {"reset": {"links": [LINK]}, "as": "back"},
        delay="3ms",
    )
    profiles = [change.behaviour.a_to_b.profile for change in found]
    assert [(profile.loss, profile.delay_ms) for profile in profiles] == [(0.01, 3), (0.01, 9), (0, 3)]


def test_a_ramp_moves_in_equal_steps(tmp_path: Path) -> None:
    ramp = {"links": [LINK], "delay": {"from": "10ms", "to": "20ms"}, "rate": {"from": "4Mbit", "to": "2Mbit"}}
    found = changes(tmp_path, {"ramp": {**ramp, "over": "1s", "steps": 2}, "as": "slower"}, jitter="1ms")
    assert [change.after_ms for change in found] == [0, 500, 1000]
    profiles = [change.behaviour.a_to_b.profile for change in found]
    assert [profile.delay_ms for profile in profiles] == [10, 15, 20]
    assert [profile.rate_bps for profile in profiles] == [4_000_000, 3_000_000, 2_000_000]
    assert {profile.jitter_ms for profile in profiles} == {1}


@pytest.mark.parametrize(
    "step",
    [
        {"impair": {"links": [LINK], "loss": "1%"}, "as": "a"},
        {"link": {"name": LINK, "state": "down"}, "as": "a"},
    ],
)
def test_a_link_that_the_timeline_changes_is_emulated_from_the_start(tmp_path: Path, step: dict[str, Any]) -> None:
    assert plan(tmp_path, step, preset="datacentre").link(LINK).emulated
    assert not plan(tmp_path, preset="datacentre", distance="0km").link(LINK).emulated


@pytest.mark.parametrize(("parameter", "kept"), [("loss", True), ("rate", False), ("delay", False)])
def test_what_somebody_sets_is_no_longer_moved_by_a_trace(tmp_path: Path, parameter: str, kept: bool) -> None:
    (tmp_path / "rate.txt").write_text("10Mbit 3ms\n")
    value = {"loss": "1%", "rate": "1Mbit", "delay": "1ms"}[parameter]
    step = {"impair": {"links": [LINK], "up": {parameter: value}}, "as": "a"}
    (change,) = changes(tmp_path, step, trace={"file": "rate.txt"})
    assert (change.behaviour.a_to_b.trace is not None) == kept
    assert change.behaviour.b_to_a.trace is not None


def test_a_trace_that_begins_with_a_step(tmp_path: Path) -> None:
    (tmp_path / "rate.txt").write_text("10Mbit 3ms\n")
    (change,) = changes(tmp_path, {"impair": {"links": [LINK], "trace": {"file": "rate.txt"}}, "as": "a"})
    assert change.behaviour.a_to_b.trace
