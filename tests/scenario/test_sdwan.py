"""The shipped scenarios of the SD-WAN: failover, and the modes of scheduling beside each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import bearerlab, events, leftovers
from tests.support.scenario import SCENARIOS

pytestmark = [pytest.mark.scenario, pytest.mark.slow]


def run(scenario: Path, out: Path) -> dict[str, Any]:
    """Run a scenario, whose expectations hold; its result."""
    done = bearerlab("run", scenario, "--out", out, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert leftovers(events(out, "lab")[0]["id"]) == []
    result: dict[str, Any] = json.loads((out / "result.json").read_text())
    assert result["expectations"]
    assert all(each["passed"] for each in result["expectations"])
    return result


def test_blackouts_and_brownouts_move_applications_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "run"
    run(SCENARIOS / "sdwan-failover.yml", out)
    assert {event["tunnel"] for event in events(out, "tunnel_down")} == {
        "cpe-edge>cpe-cloud:private",
        "cpe-cloud>cpe-edge:private",
    }
    slow = {event["tunnel"] for event in events(out, "sla_broken") if event["bound"] == "delay_ms"}
    assert slow <= {"cpe-edge>cpe-cloud:internet", "cpe-cloud>cpe-edge:internet"}
    assert slow
    assert {event["changes"] for event in events(out, "edge_programmed")} != {0}
    assert events(out, "openflow_error") == []
    moved = {event["demand"].partition(":")[0] for event in events(out, "demand_moved")}
    assert "shopping" not in moved, "it has no other transport that it may take"
    assert {"machines", "cameras"} <= moved


def test_only_joint_scheduling_keeps_both_slas(tmp_path: Path) -> None:
    result = run(SCENARIOS / "joint-scheduling.yml.j2", tmp_path / "run")
    modes = {each["mode"]: each for each in result["modes"]}
    assert list(modes) == ["static", "overlay", "underlay", "joint"]
    suffered = {mode: sum(each["violated_s"].values()) for mode, each in modes.items()}
    assert min(suffered, key=suffered.__getitem__) == "joint"
    assert modes["static"]["moves"] == 0
    assert modes["joint"]["moves"] > 0
