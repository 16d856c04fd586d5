"""A placement that can be changed and taken back, with its objective kept up to date at each step.

This is what solvers work on, and it is mutable for their speed; a solver makes its own and hands it over once.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto

from controllers.joint.model import Objective
from controllers.joint.problem import NONE, Problem, Way

Score = tuple[int, int, int, int, int, int]
"""What to minimise: load above the limits, which is 0 in every plan, and then the fields of Objective."""


class Kind(Enum):
    """What a change changes: the tunnel of a demand, the policy of a tunnel, the route of a policy."""

    DEMAND = auto()
    COLOR = auto()
    ROUTE = auto()


Change = tuple[Kind, int, int]
"""Kind, the number of what changes, and the number that it gets."""


class Assignment:
    """Starts as the problem's present placement."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.values = {
            Kind.DEMAND: list(problem.start_tunnels),
            Kind.COLOR: list(problem.start_policies),
            Kind.ROUTE: list(problem.start_routes),
        }
        self.tunnels, self.policies, self.routes = self.values.values()
        self.ways = [problem.start_way(tunnel) for tunnel in self.tunnels]
        self.loads = list(problem.loads)
        self.riders: list[set[int]] = [set() for _ in problem.tunnels]
        self.riding: list[set[int]] = [set() for _ in problem.policies]
        for demand, tunnel in enumerate(self.tunnels):
            if tunnel != NONE:
                self.riders[tunnel].add(demand)
        for tunnel, policy in enumerate(self.policies):
            if policy != NONE:
                self.riding[policy].add(tunnel)
        self._start = {kind: tuple(values) for kind, values in self.values.items()}
        self._fees = {
            Kind.DEMAND: problem.demand_fees,
            Kind.COLOR: problem.tunnel_fees,
            Kind.ROUTE: problem.policy_fees,
        }
        self._trail: list[Change] = []
        terms = [problem.terms(demand, way) for demand, way in enumerate(self.ways)]
        self._violations = sum(each.violation for each in terms)
        self._rank = sum(each.rank for each in terms)
        self._price = sum(each.cost for each in terms)
        over = (max(0, load - capacity) for load, capacity in zip(self.loads, problem.capacities, strict=True))
        self._excess, self._overrun, self._moves = 0, sum(over), 0

    @property
    def score(self) -> Score:
        """Compare with `<`: less is better."""
        return self._excess, self._violations, self._overrun, self._rank, self._price, self._moves

    @property
    def excess(self) -> int:
        """Load above the limits; 0 if this is allowed."""
        return self._excess

    @property
    def objective(self) -> Objective:
        """Of what is assigned now."""
        return Objective(self._violations, self._overrun, self._rank, self._price, self._moves)

    @property
    def cost(self) -> int:
        """What the ways taken cost, in millionths, without what moves are charged."""
        return sum(self.problem.terms(demand, way).cost for demand, way in enumerate(self.ways))

    def changes(self) -> Iterator[Change]:
        """What differs from the start."""
        for kind, values in self.values.items():
            for number, (now, start) in enumerate(zip(values, self._start[kind], strict=True)):
                if now != start:
                    yield kind, number, now

    def mark(self) -> int:
        """Something to go back to."""
        return len(self._trail)

    def since(self, mark: int) -> tuple[Change, ...]:
        """What was changed since, and to what it was changed, for `replay`."""
        touched = dict.fromkeys((kind, number) for kind, number, _ in self._trail[mark:])
        return tuple((kind, number, self.values[kind][number]) for kind, number in touched)

    def back_to(self, mark: int) -> None:
        """Undo all since `mark`."""
        while len(self._trail) > mark:
            self._set(*self._trail.pop())

    def replay(self, changes: tuple[Change, ...]) -> None:
        """Make `changes`."""
        for kind, number, value in changes:
            self.change(kind, number, value)

    def change(self, kind: Kind, number: int, value: int) -> None:
        """Give `number` another `value`; nothing if it has that."""
        old = self.values[kind][number]
        if old != value:
            self._trail.append((kind, number, old))
            self._set(kind, number, value)

    def take(self, demand: int, way: Way) -> None:
        """Put `demand` on `way`, and everybody else on what that changes below them."""
        if self.ways[demand] == way:
            return
        if way.policy != NONE:
            self.change(Kind.ROUTE, way.policy, way.route)
            self.change(Kind.COLOR, way.tunnel, way.policy)
        self.change(Kind.DEMAND, demand, way.tunnel)

    def _set(self, kind: Kind, number: int, value: int) -> None:
        old = self.values[kind][number]
        self.values[kind][number] = value
        start, fee = self._start[kind][number], self._fees[kind][number]
        if old == start:
            self._moves += 1
            self._price += fee
        elif value == start:
            self._moves -= 1
            self._price -= fee
        if kind is Kind.DEMAND:
            if old != NONE:
                self.riders[old].discard(number)
            if value != NONE:
                self.riders[value].add(number)
            self._reroute(number)
            return
        if kind is Kind.COLOR:
            if old != NONE:
                self.riding[old].discard(number)
            if value != NONE:
                self.riding[value].add(number)
        for tunnel in (number,) if kind is Kind.COLOR else self.riding[number]:
            for demand in self.riders[tunnel]:
                self._reroute(demand)

    def way(self, tunnel: int) -> Way:
        """What a demand on `tunnel` gets now."""
        policy = NONE if tunnel == NONE else self.policies[tunnel]
        return Way(tunnel, policy, NONE if policy == NONE else self.routes[policy])

    def _reroute(self, demand: int) -> None:
        problem, old, new = self.problem, self.ways[demand], self.way(self.tunnels[demand])
        self.ways[demand] = new
        was, now = problem.terms(demand, old), problem.terms(demand, new)
        self._violations += now.violation - was.violation
        self._rank += now.rank - was.rank
        self._price += now.cost - was.cost
        need = problem.needs[demand]
        left, entered = problem.offer(old).resources, problem.offer(new).resources
        for resource in left:
            if resource not in entered:
                self._load(resource, -need)
        for resource in entered:
            if resource not in left:
                self._load(resource, need)

    def _load(self, resource: int, change: int) -> None:
        old = self.loads[resource]
        self.loads[resource] = new = old + change
        capacity = self.problem.capacities[resource]
        if old > capacity or new > capacity:
            limit = self.problem.limits[resource]
            self._overrun += max(0, new - capacity) - max(0, old - capacity)
            self._excess += max(0, new - limit) - max(0, old - limit)
