"""What modes of scheduling came to, from the events of a run."""

from __future__ import annotations

from testbed.modes import ModeSummary, modes

WINDOW = {"kind": "window", "t": 20.0, "start": 0.0, "end": 20.0}


def test_a_run_that_sets_no_mode_has_none() -> None:
    assert list(modes([WINDOW], [1.0], ["plc"])) == []


def test_each_mode_has_what_happened_in_its_time() -> None:
    events = [
        {"kind": "mode_changed", "t": 0.0, "mode": "static", "cost": 10.0},
        {"kind": "sla_violated", "t": 1.0, "demand": "plc:a>b", "seconds": 0.5},
        {"kind": "sla_violated", "t": 2.0, "demand": "plc:a>b", "seconds": 0.5},
        {"kind": "sla_violated", "t": 2.0, "demand": "plc:b>a", "seconds": 0.5},
        {"kind": "mode_changed", "t": 10.0, "mode": "joint", "cost": 10.0},
        {"kind": "demand_moved", "t": 15.0, "demand": "plc:a>b"},
        {"kind": "overlay_cost", "t": 15.0, "cost": 30.0},
        {"kind": "policy_rerouted", "t": 16.0},
        WINDOW,
    ]
    static, joint = modes(events, [3.0, 4.0, 12.0], ["plc"])
    assert static == ModeSummary("static", 0.0, 10.0, {"plc": 1.0}, lost=2, cost=10.0, moves=0)
    assert joint == ModeSummary("joint", 10.0, 20.0, {"plc": 0.0}, lost=1, cost=20.0, moves=2)
