"""What only path computation can tell of a scenario: policies without a path, segment lists without room."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from controllers.srv6.controller import Controller
from controllers.srv6.network import read_network
from controllers.srv6.policy import PolicyError
from controllers.srv6.sids import SidError
from testbed.errors import Problem
from testbed.graph import Graph
from testbed.plan.planner import network
from testbed.plan.profiles import Presets
from testbed.scenario.load import Loaded, in_the_file
from testbed.scenario.model import Scenario
from testbed.scenario.srv6 import Policy

Key = tuple[str, int, str]

_POLICY = re.compile(r"srv6\.policies\[\d+\]")
_BESIDE = re.compile(r"(captures|controller|description|expect|flows|name|probes|seed|timeline|validity)\b")
"""What the underlay is not made of."""


def policy_problems(
    loaded: Loaded, graph: Graph, presets: Presets, others: Collection[Problem] = ()
) -> Iterator[Problem]:
    """A problem for each policy of `srv6` that would be down from the start, with the reason of each candidate path.

    `others` are the problems that are known. Policies that have some, or are to be apart from such, are not looked at,
    and none is where the network itself has some.
    """
    wrong = [problem.where for problem in others]
    if loaded.scenario is None or loaded.scenario.srv6 is None or not all(map(_is_beside, wrong)):
        return
    places = {
        policy.key: in_the_file(f"srv6.policies[{index}]", loaded.left_out)
        for index, policy in enumerate(loaded.scenario.srv6.policies)
    }
    broken = {match[0] for match in map(_POLICY.match, wrong) if match}
    scenario = _without(loaded.scenario, {key for key, place in places.items() if place in broken})
    try:
        selection = Controller(read_network(network(scenario, graph, presets, loaded.files))).selection
    except PolicyError as error:
        yield Problem("srv6.policies", str(error), "policies that can be")
        return
    except SidError as error:
        yield Problem("srv6", str(error), "SIDs of which each means one thing")
        return
    for policy, state in selection.states.items():
        if state.active is None:
            reasons = "; ".join(invalid.reason for invalid in state.invalid)
            yield Problem(places[policy], f"no path: {reasons}", "at least one candidate path that is valid")


def _is_beside(where: str) -> bool:
    return bool(_POLICY.match(where) or _BESIDE.match(where))


def _without(scenario: Scenario, gone: Collection[Key]) -> Scenario:
    """`scenario` without these policies, and those that are to be apart from one that is not there."""
    assert scenario.srv6 is not None
    kept = [policy for policy in scenario.srv6.policies if policy.key not in gone]
    there = {policy.key for policy in kept}
    if dangling := {policy.key for policy in kept if not _apart_from(policy) <= there}:
        return _without(scenario, {*gone, *dangling})
    return scenario.model_copy(update={"srv6": scenario.srv6.model_copy(update={"policies": kept})})


def _apart_from(policy: Policy) -> set[Key]:
    ways = (candidate.dynamic for candidate in policy.candidates if candidate.dynamic)
    return {way.disjoint_from.key for way in ways if way.disjoint_from}
