"""Scenario files for tests: the shipped one, and changes of it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from testbed.errors import Problem
from testbed.plan.planner import check
from testbed.scenario.load import validate
from topologies.catalogue import TopologyError, resolve
from topologies.tiers import PRESETS

SCENARIOS = Path(__file__).parents[2] / "scenarios"
LOCAL_BREAKOUT = SCENARIOS / "local-breakout.yml"
RYU_SWITCH = SCENARIOS / "apps" / "ryu_switch.py"
OWN_CONTROLLER = SCENARIOS / "own-controller.yml"
_DATA: dict[str, Any] = yaml.safe_load(LOCAL_BREAKOUT.read_text(encoding="utf-8"))


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The shipped scenario's data after `change`."""
    data = copy.deepcopy(_DATA)
    change(data)
    return data


def problems(data: dict[str, Any]) -> tuple[Problem, ...]:
    """Every problem of the scenario in `data`."""
    loaded = validate("test.yml", data)
    graph = None
    if loaded.scenario is not None:
        try:
            graph = resolve(loaded.scenario.topology, SCENARIOS)
        except TopologyError as error:
            return (*loaded.problems, *error.problems)
    return check(loaded, graph, PRESETS)
