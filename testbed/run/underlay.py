"""What only path computation can tell of a plan: policies for which there is no path, segment lists without room."""

from __future__ import annotations

from collections.abc import Iterator

from controllers.srv6.controller import Controller
from controllers.srv6.network import read_network
from controllers.srv6.policy import PolicyError
from controllers.srv6.sids import SidError
from testbed.errors import Problem
from testbed.plan.model import Plan
from testbed.plan.processes import CONTROLLER
from testbed.scenario.model import Scenario


def policy_problems(scenario: Scenario, plan: Plan) -> Iterator[Problem]:
    """A problem for each policy of `srv6` that would be down from the start, with the reason of each candidate path."""
    text = next((process.config for process in plan.processes if process.name == CONTROLLER and process.config), "")
    if scenario.srv6 is None or not text:
        return
    try:
        selection = Controller(read_network(text)).selection
    except PolicyError as error:
        yield Problem("srv6.policies", str(error), "policies that can be")
        return
    except SidError as error:
        yield Problem("srv6", str(error), "SIDs of which each means one thing")
        return
    where = {policy.key: f"srv6.policies[{index}]" for index, policy in enumerate(scenario.srv6.policies)}
    for policy, state in selection.states.items():
        if state.active is None:
            reasons = "; ".join(invalid.reason for invalid in state.invalid)
            yield Problem(where[policy], f"no path: {reasons}", "at least one candidate path that is valid")
