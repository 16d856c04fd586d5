"""The best plan, by a MILP and HiGHS: for small states, and to know how good the heuristic is.

One binary for each demand and way, each tunnel and policy, each policy and route; a way needs what is below it. The
lines of the objective are minimised one after the other, each then held.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import chain
from typing import TypeVar

import highspy

from controllers.joint.assignment import Assignment, Kind
from controllers.joint.problem import NONE, Problem, Way

MILLION = 1_000_000
"""Rates go in as Mbit/s and costs in their own unit: numbers of a size that the solver's tolerances are made for."""

TOLERANCE = 1e-6
"""Costs that differ by less, and overruns by less than 1 bit/s, are the same."""

_OPTIONS = {"mip_rel_gap": 0.0, "mip_abs_gap": 1e-7, "mip_feasibility_tolerance": 1e-9, "threads": 1, "random_seed": 0}

Linear = highspy.highs.highs_linear_expression
Value = TypeVar("Value", int, Way)


class SolverError(RuntimeError):
    """HiGHS found no optimum; the present placement always is a solution, so the numbers are beyond it."""


def _announce() -> None:
    """Let HiGHS say its name and licence now, to standard error: the first solver of a process says it to descriptor 1.

    Standard output is for events; no option keeps HiGHS from writing there before it has options.
    """
    kept = os.dup(1)
    try:
        os.dup2(2, 1)
        highspy.Highs()  # type: ignore[no-untyped-call]
    finally:
        os.dup2(kept, 1)
        os.close(kept)


_announce()


def solve(problem: Problem) -> Assignment:
    """The best assignment there is. SolverError if HiGHS gives up."""
    return _Model(problem).solve()


class _Model:
    def __init__(self, problem: Problem) -> None:
        self.problem, self.highs = problem, highspy.Highs()  # type: ignore[no-untyped-call]
        self.highs.silent()
        for option, value in _OPTIONS.items():
            self.highs.setOptionValue(option, value)
        self._add_choices()
        self._add_limits()

    def _add_choices(self) -> None:
        problem, binary = self.problem, self.highs.addBinary
        ways = [[way for tunnel in choices for way in problem.ways_over(tunnel)] for choices in problem.tunnel_choices]
        self.takes = [{way: binary() for way in each} for each in ways]
        used = sorted({way for each in ways for way in each if way.policy != NONE or problem.rides(way.tunnel)})
        self.colors = {
            tunnel: {policy: binary() for policy in problem.policy_choices[tunnel]}
            for tunnel in dict.fromkeys(way.tunnel for way in used)
        }
        self.routes = {
            policy: {route: binary() for route in problem.route_choices[policy]}
            for policy in dict.fromkeys(way.policy for way in used if way.policy != NONE)
        }
        for choice in chain(
            (each.values() for each in (*self.colors.values(), *self.routes.values())),
            (each.values() for each in self.takes),
        ):
            self.highs.addConstr(self._sum(choice) == 1)
        for takes in self.takes:
            for way, take in takes.items():
                if problem.rides(way.tunnel):
                    self.highs.addConstr(take <= self.colors[way.tunnel][way.policy])
                if way.policy != NONE:
                    self.highs.addConstr(take <= self.routes[way.policy][way.route])

    def _add_limits(self) -> None:
        problem = self.problem
        users: dict[int, list[Linear]] = {}
        for demand, takes in enumerate(self.takes):
            for way, take in takes.items():
                for resource in problem.offer(way).resources:
                    users.setdefault(resource, []).append(take * (problem.needs[demand] / MILLION))
        self.overruns = []
        for resource, terms in sorted(users.items()):
            load, capacity, limit = self._sum(terms), problem.capacities[resource], problem.limits[resource]
            self.highs.addConstr(load <= limit / MILLION)
            if limit > capacity:
                self.overruns.append(self.highs.addVariable(lb=0))
                self.highs.addConstr(load - self.overruns[-1] <= capacity / MILLION)

    def solve(self) -> Assignment:
        """Minimise line by line, and read the last solution."""
        violations, ranks, costs, moves = [], [], [], []
        for demand, takes in enumerate(self.takes):
            for way, take in takes.items():
                terms = self.problem.terms(demand, way)
                moved = way.tunnel != self.problem.start_tunnels[demand]
                violations.append(take * terms.violation)
                ranks.append(take * terms.rank)
                costs.append(take * ((terms.cost + moved * self.problem.demand_fees[demand]) / MILLION))
                moves.append(take * int(moved))
        for choices, start, fees in (
            (self.colors, self.problem.start_policies, self.problem.tunnel_fees),
            (self.routes, self.problem.start_routes, self.problem.policy_fees),
        ):
            for number, choice in choices.items():
                for value, chosen in choice.items():
                    if value != start[number]:
                        costs.append(chosen * (fees[number] / MILLION))
                        moves.append(chosen * 1)
        for line, slack in (
            (violations, 0.5),
            (self.overruns, TOLERANCE),
            (ranks, 0.5),
            (costs, TOLERANCE),
            (moves, 0.5),
        ):
            self._minimise(self._sum(line), slack)
        return self._solution()

    def _minimise(self, line: Linear, slack: float) -> None:
        self.highs.minimize(line)
        if self.highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            raise SolverError(f"HiGHS: {self.highs.modelStatusToString(self.highs.getModelStatus())}; want an optimum")
        if line.idxs:
            self.highs.addConstr(line <= self.highs.getObjectiveValue() + slack)

    def _solution(self) -> Assignment:
        found = Assignment(self.problem)
        values = self.highs.getSolution().col_value

        def chosen(choice: dict[Value, highspy.highs.highs_var]) -> Value:
            return max(choice, key=lambda each: values[choice[each].index])

        for policy, routes in self.routes.items():
            found.change(Kind.ROUTE, policy, chosen(routes))
        for tunnel, colors in self.colors.items():
            found.change(Kind.COLOR, tunnel, chosen(colors))
        for demand, takes in enumerate(self.takes):
            found.change(Kind.DEMAND, demand, chosen(takes).tunnel)
        return found

    def _sum(self, terms: Iterable[Linear | highspy.highs.highs_var]) -> Linear:
        return self.highs.qsum(list(terms), Linear())
