"""The order of moves: no step overloads a resource if there is an order without, and what carries comes first.

A policy takes its new route before a tunnel changes to it, and a tunnel has its new color before demands come to it.
Those leave first that do not depend on a change below a tunnel that is itself about to change. Where no order keeps
all of it, capacity goes before that; where no order keeps capacity, the least overload comes next. Moves go straight
to where they end: one that would have to step aside in between is left to overload.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from controllers.joint.assignment import Assignment, Change, Kind
from controllers.joint.problem import NONE, Problem

TRIALS = 5_000
"""Moves that are tried out by backtracking, where the first order that suggests itself does not work."""


@dataclass(frozen=True)
class Order:
    """All changes, and the resources that they overload on the way."""

    changes: tuple[Change, ...]
    overloads: tuple[int, ...] = ()


def in_order(problem: Problem, target: Assignment) -> Order:
    """From the start of `problem` to `target`."""
    changes = sorted(target.changes(), key=lambda change: _rank(problem, target, change))
    all_changes = frozenset(changes)
    needed = {change: _needed(target, change, all_changes) for change in changes}
    for dependencies in (needed, dict.fromkeys(changes, frozenset[Change]())):
        found = _straight(problem, changes, dependencies) or _backtracked(problem, changes, dependencies)
        if found is not None:
            return Order(found)
    return _least_overload(problem, changes)


def _needed(target: Assignment, change: Change, changes: frozenset[Change]) -> frozenset[Change]:
    """What has to come before `change`."""
    kind, _, value = change
    below: list[Change] = []
    if kind is Kind.DEMAND and value != NONE:
        below.append((Kind.COLOR, value, target.policies[value]))
        if (policy := target.policies[value]) != NONE:
            below.append((Kind.ROUTE, policy, target.routes[policy]))
    elif kind is Kind.COLOR:
        below.append((Kind.ROUTE, value, target.routes[value]))
    return frozenset(below) & changes


def _rank(problem: Problem, target: Assignment, change: Change) -> tuple[int, int]:
    """Demands that can go at once, routes, colors, and then demands that those are for."""
    kind, number, _ = change
    if kind is Kind.DEMAND:
        way = target.ways[number]
        return (3 if way != problem.start_way(way.tunnel) else 0), number
    return (1 if kind is Kind.ROUTE else 2), number


def _straight(
    problem: Problem, changes: Sequence[Change], needed: dict[Change, frozenset[Change]]
) -> tuple[Change, ...] | None:
    """Again and again whatever can be done next; None if that gets stuck."""
    now, waiting = Assignment(problem), dict.fromkeys(changes)
    done: dict[Change, None] = {}
    progress = True
    while waiting and progress:
        progress = False
        for change in tuple(waiting):
            if needed[change] <= done.keys() and _fits(now, change):
                del waiting[change]
                done[change] = None
                progress = True
    return None if waiting else tuple(done)


def _fits(now: Assignment, change: Change) -> bool:
    """Make `change` if it overloads nothing."""
    mark = now.mark()
    now.change(*change)
    if now.excess:
        now.back_to(mark)
        return False
    return True


def _backtracked(
    problem: Problem, changes: Sequence[Change], needed: dict[Change, frozenset[Change]]
) -> tuple[Change, ...] | None:
    """Depth first, without coming to the same set of changes twice; None if there is no order, or after TRIALS."""
    now, trials = Assignment(problem), TRIALS
    done: list[Change] = []
    seen = {frozenset[Change]()}
    branches = [iter(changes)]
    while branches and trials > 0:
        for change in branches[-1]:
            trials -= 1
            after = frozenset((*done, change))
            if change not in done and after not in seen and needed[change] <= after and _fits(now, change):
                seen.add(after)
                done.append(change)
                break
        else:
            branches.pop()
            if done:
                now.back_to(now.mark() - 1)
                done.pop()
            continue
        if len(done) == len(changes):
            return tuple(done)
        branches.append(iter(changes))
    return None


def _least_overload(problem: Problem, changes: Iterable[Change]) -> Order:
    now, waiting = Assignment(problem), list(changes)
    done: list[Change] = []
    over: set[int] = set()
    while waiting:
        change = min(waiting, key=lambda each: _excess_after(now, each))
        waiting.remove(change)
        now.change(*change)
        done.append(change)
        over |= {n for n, load in enumerate(now.loads) if load > problem.limits[n]}
    return Order(tuple(done), tuple(sorted(over)))


def _excess_after(now: Assignment, change: Change) -> int:
    mark = now.mark()
    now.change(*change)
    excess = now.excess
    now.back_to(mark)
    return excess
