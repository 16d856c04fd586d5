"""A plan in a fraction of a second: greedy repair, local search with ejection chains, then kicks while there is budget.

Deterministic: all that decides is the order of names, and effort is counted in changes tried, not in time.
"""

from __future__ import annotations

from collections.abc import Iterable

from controllers.joint.assignment import Assignment, Change, Kind
from controllers.joint.problem import Problem, Terms, Way
from controllers.joint.quality import KEPT

EFFORT = 6_000
"""Changes that chains and kicks may try in all; plain moves are not counted."""

CHAIN = 4
"""Demands that one move may push away, one after the other."""

KICKED = 100
"""Demands at most, for kicks to be worth it: each kick looks at all of them."""

VICTIMS = 12
"""Demands that are looked at, of those that could be pushed off a full resource."""


def solve(problem: Problem) -> Assignment:
    """A good assignment: never worse than the present one."""
    search = _Search(problem)
    search.descend(range(len(problem.demands)))
    if len(problem.demands) <= KICKED:
        search.kick()
    return search.assignment


class _Search:
    """One assignment on its way down."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.assignment = problem, Assignment(problem)
        self.effort = EFFORT
        self._ways: dict[int, tuple[Way, ...]] = {}

    def descend(self, demands: Iterable[int]) -> None:
        """Improve `demands` one by one, those that are worst off first, until none of them gets better."""
        demands = list(demands)
        improved = True
        while improved:
            improved = False
            for demand in sorted(demands, key=self._urgency):
                improved = self._improve(demand) or improved

    def kick(self) -> None:
        """Force each demand onto each way in turn, descend from there, and stay where that is better."""
        improved = True
        while improved and self.effort > 0:
            improved = False
            for demand in range(len(self.problem.demands)):
                for way in self._all_ways(demand):
                    if self.effort <= 0:
                        return
                    improved = self._kick(demand, way) or improved

    def _kick(self, demand: int, way: Way) -> bool:
        now = self.assignment
        if now.ways[demand] == way:
            return False
        mark, before = now.mark(), now.score
        self.effort -= len(self.problem.demands)
        self._take(demand, way)
        self._settle(mark, {demand})
        if not now.excess:
            self.descend(other for other in range(len(self.problem.demands)) if other != demand)
        if now.score < before:
            return True
        now.back_to(mark)
        return False

    def _urgency(self, demand: int) -> tuple[int, float, int, int]:
        """Violations first, by weight; then what is hard to place: tight and large."""
        who = self.problem.demands[demand]
        violation = self.problem.terms(demand, self.assignment.ways[demand]).violation
        return -violation, -who.sla.tightness, -who.needs_bps, demand

    def _improve(self, demand: int) -> bool:
        """Put `demand` where the whole gets best; make room there only if there is no other way to gain."""
        ways = self._promising(demand)
        if not ways:
            return False
        return self._try(demand, ways, settle=False) or (self.effort > 0 and self._try(demand, ways, settle=True))

    def _try(self, demand: int, ways: list[Way], *, settle: bool) -> bool:
        now = self.assignment
        mark, best, chosen = now.mark(), now.score, None
        for way in ways:
            now.take(demand, way)
            if settle:
                self.effort -= 1
                self._settle(mark, {demand})
            if now.score < best:
                best, chosen = now.score, now.since(mark)
            now.back_to(mark)
        if chosen is None:
            return False
        now.replay(chosen)
        return True

    def _promising(self, demand: int) -> list[Way]:
        """Ways that are better for `demand` itself; all others if it is on a resource that has too much to carry."""
        now, problem = self.assignment, self.problem
        here = now.ways[demand]
        ways = [way for way in self._all_ways(demand) if way != here]
        if any(now.loads[each] > problem.capacities[each] for each in problem.offer(here).resources):
            return ways
        terms = self._terms(demand, here)
        return [way for way in ways if self._terms(demand, way) < terms]

    def _terms(self, demand: int, way: Way) -> Terms:
        terms = self.problem.terms(demand, way)
        moved = way.tunnel != self.problem.start_tunnels[demand]
        return terms._replace(cost=terms.cost + moved * self.problem.demand_fees[demand])

    def _all_ways(self, demand: int) -> tuple[Way, ...]:
        return tuple(way for tunnel in self.problem.tunnel_choices[demand] for way in self._over(tunnel))

    def _over(self, tunnel: int) -> tuple[Way, ...]:
        found = self._ways.get(tunnel)
        if found is None:
            found = self._ways[tunnel] = self.problem.ways_over(tunnel)
        return found

    def _take(self, demand: int, way: Way) -> None:
        self.effort -= 1
        self.assignment.take(demand, way)

    def _settle(self, mark: int, settled: set[int]) -> None:
        """Push others off what is overfull since `mark`, and off routes that have become bad for them."""
        now = self.assignment
        for _ in range(CHAIN):
            if not now.excess or not self._relieve(settled):
                break
        if now.excess:
            return
        for demand in self._disturbed(now.since(mark)):
            if demand not in settled and self.problem.terms(demand, now.ways[demand]).violation > KEPT:
                self._try(demand, self._promising(demand), settle=False)

    def _disturbed(self, changes: tuple[Change, ...]) -> list[int]:
        """Demands below which something was changed."""
        now, demands = self.assignment, set[int]()
        for kind, number, _ in changes:
            tunnels = {number} if kind is Kind.COLOR else now.riding[number] if kind is Kind.ROUTE else set()
            for tunnel in tunnels:
                demands |= now.riders[tunnel]
        return sorted(demands, key=self._urgency)

    def _relieve(self, settled: set[int]) -> bool:
        """Move one demand off the resource that is most overfull; the best choice of demand and way."""
        now, problem = self.assignment, self.problem
        _, full = max((load - limit, -n) for n, (load, limit) in enumerate(zip(now.loads, problem.limits, strict=True)))
        resource = -full
        users = (n for n, way in enumerate(now.ways) if resource in problem.offer(way).resources and n not in settled)
        mark, best, chosen = now.mark(), now.score, None
        for demand in sorted(users, key=lambda n: (problem.demands[n].weight, n))[:VICTIMS]:
            for way in self._all_ways(demand):
                if way == now.ways[demand] or resource in problem.offer(way).resources:
                    continue
                self._take(demand, way)
                if now.score < best:
                    best, chosen = now.score, (demand, now.since(mark))
                now.back_to(mark)
        if chosen is None:
            return False
        settled.add(chosen[0])
        now.replay(chosen[1])
        return True
