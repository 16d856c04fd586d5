"""State and mode in, plan out: solve, order the moves, and say what is left that does not hold."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from controllers.joint import exact, heuristic
from controllers.joint.assignment import Assignment, Change, Kind
from controllers.joint.model import (
    ColorMove,
    DemandMove,
    Mode,
    Move,
    Overrun,
    Placement,
    Plan,
    RouteMove,
    State,
    Violation,
)
from controllers.joint.ordering import in_order
from controllers.joint.problem import NONE, SAVING, Problem
from controllers.joint.quality import DOWN, KEPT, breaches

_log = logging.getLogger(__name__)

Solver = Callable[[Problem], Assignment]
"""`best`, `heuristic.solve` or `exact.solve`."""

SMALL = 20
"""Demands: up to here the best plan is there in time, and the heuristic misses it where capacity is scarce."""


def best(problem: Problem) -> Assignment:
    """The best assignment of a small problem, a good one of a large one."""
    if len(problem.demands) > SMALL:
        return heuristic.solve(problem)
    try:
        return exact.solve(problem)
    except exact.SolverError as error:
        _log.warning("%s; the heuristic plans instead", error)
        return heuristic.solve(problem)


def plan(state: State, mode: Mode = Mode.JOINT, solve: Solver = best, saving: float = SAVING) -> Plan:
    """What to do about `state`. Nothing moves for less than the share `saving` of what it costs now."""
    problem = Problem(state, mode, saving)
    found = Assignment(problem) if mode is Mode.STATIC else solve(problem)
    order = in_order(problem, found)
    return Plan(
        mode=mode,
        placement=_placement(found),
        moves=tuple(_moves(problem, order.changes)),
        violations=tuple(_violations(found)),
        overruns=tuple(_overruns(found)),
        overloads=tuple(problem.resources[number].name for number in order.overloads),
        cost=found.cost / 1e6,
        objective=found.objective,
    )


def _placement(found: Assignment) -> Placement:
    problem = found.problem
    return Placement(
        {
            demand.name: problem.tunnels[tunnel].name
            for demand, tunnel in zip(problem.demands, found.tunnels, strict=True)
            if tunnel != NONE
        },
        {
            tunnel.name: problem.policies[policy].id
            for tunnel, policy in zip(problem.tunnels, found.policies, strict=True)
            if policy != NONE
        },
        {
            policy.id: routes[route].name
            for policy, routes, route in zip(problem.policies, problem.routes, found.routes, strict=True)
            if route != NONE
        },
    )


def _moves(problem: Problem, changes: Iterable[Change]) -> Iterable[Move]:
    for kind, number, value in changes:
        match kind:
            case Kind.DEMAND:
                old = problem.start_tunnels[number]
                source, target = (None if each == NONE else problem.tunnels[each].name for each in (old, value))
                yield DemandMove(problem.demands[number].name, source, target)
            case Kind.COLOR:
                old = problem.start_policies[number]
                before = None if old == NONE else problem.policies[old].id
                yield ColorMove(problem.tunnels[number].name, before, problem.policies[value].id)
            case Kind.ROUTE:
                old, routes = problem.start_routes[number], problem.routes[number]
                yield RouteMove(
                    problem.policies[number].id, None if old == NONE else routes[old].name, routes[value].name
                )


def _violations(found: Assignment) -> Iterable[Violation]:
    problem = found.problem
    for number, (demand, way) in enumerate(zip(problem.demands, found.ways, strict=True)):
        severity = problem.severity(number, way)
        if severity != KEPT:
            broken = breaches(demand.sla, problem.offer(way).quality) if severity < DOWN else ()
            yield Violation(demand.name, severity, broken)


def _overruns(found: Assignment) -> Iterable[Overrun]:
    for resource, load in zip(found.problem.resources, found.loads, strict=True):
        if load > resource.capacity_bps:
            yield Overrun(resource.name, load, resource.capacity_bps)
