"""A plain sentence for each move of a plan, and for each violation that it leaves: which constraint is in the way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from controllers.joint.model import ColorMove, DemandMove, Mode, Move, Plan, RouteMove, State, Violation
from controllers.joint.problem import NONE, NOWHERE, Problem, Way
from controllers.joint.quality import DOWN, FORBIDDEN, KEPT, Breach, Metric, Quality, Sla, breaches, severity
from testbed.units import format_rate


@dataclass(frozen=True)
class Explanation:
    """Sentences beside `plan.moves` and `plan.violations`, in their order."""

    moves: tuple[str, ...]
    violations: tuple[str, ...]


def explain(state: State, plan: Plan) -> Explanation:
    """Why `plan` does with `state` what it does."""
    story = _Story(state, plan)
    return Explanation(
        tuple(story.move(move) for move in plan.moves),
        tuple(story.violation(violation) for violation in plan.violations),
    )


class _Story:
    """The state before and after the plan, in the same numbers; `free` is the one after it, with all moves allowed."""

    def __init__(self, state: State, plan: Plan) -> None:
        placed = replace(state, placement=plan.placement)
        self.before, self.after = Problem(state, plan.mode), Problem(placed, plan.mode)
        self.free = Problem(placed, Mode.JOINT)
        self.demands = {demand.name: number for number, demand in enumerate(self.after.demands)}
        self.tunnels = {tunnel.name: number for number, tunnel in enumerate(self.after.tunnels)}
        self.policies = {policy.id: number for number, policy in enumerate(self.after.policies)}
        self.ways = [self.after.start_way(tunnel) for tunnel in self.after.start_tunnels]

    def move(self, move: Move) -> str:
        """Why `move` is made."""
        match move:
            case DemandMove():
                return self._demand(self.demands[move.demand])
            case RouteMove(policy, source, target):
                number = self.policies[policy]
                old = {
                    demand: way._replace(route=self.before.start_routes[number])
                    for demand, way in enumerate(self.ways)
                    if way.policy == number
                }
                return f"policy {policy} moved from {source or 'no route'} to {target}: {self._below(old)}"
            case ColorMove(tunnel, source, target):
                number = self.tunnels[tunnel]
                was = self.before.start_policies[number]
                route = NONE if was == NONE else self.after.start_routes[was]
                old = {demand: Way(number, was, route) for demand, way in enumerate(self.ways) if way.tunnel == number}
                before = f"color {source.color}" if source else "no color"
                return f"tunnel {tunnel} moved from {before} to color {target.color}: {self._below(old)}"

    def violation(self, violation: Violation) -> str:
        """What stops `violation` from being mended."""
        demand = self.demands[violation.demand]
        return f"{violation.demand} stays violated: {self._wrong(self.after, demand)}; {self._obstacle(demand)}"

    def _demand(self, demand: int) -> str:
        before, after = self.before, self.after
        old, new = before.start_way(before.start_tunnels[demand]), self.ways[demand]
        head = f"{after.demands[demand].name} moved from {self._place(old)} to {self._place(new)}: "
        if new == NOWHERE:
            return head + f"{self._wrong(before, demand)}, and nothing else can carry it"
        more = (after.terms(demand, new).cost - before.terms(demand, old).cost) / 1e6
        cost = "the same" if not more else f"{abs(more):.1f} {'more' if more > 0 else 'less'}"
        gives = f"{self._by(new)} {_gives(after.demands[demand].sla, after.offer(new).quality)} and costs {cost}"
        return f"{head}{self._why(demand, old, new)}; {gives}"

    def _why(self, demand: int, old: Way, new: Way) -> str:
        before, after = self.before, self.after
        if before.severity(demand, old) != KEPT:
            return self._wrong(before, demand)
        for number in before.offer(old).resources:
            if before.loads[number] > before.capacities[number]:
                return f"{self._load(number, before.loads[number], 'had')}"
        stay = after.start_way(old.tunnel)
        if after.severity(demand, stay) > after.severity(demand, new):
            return f"{self._by(stay)} {_gives(after.demands[demand].sla, after.offer(stay).quality)}"
        if crowded := self._crowded([demand], stay):
            return crowded
        was, now = before.terms(demand, old), after.terms(demand, new)
        if now.rank == was.rank and now.cost >= was.cost:
            return "it makes way for others"
        return f"{self._by(new)} is {'preferred' if now.rank < was.rank else 'cheaper'}"

    def _below(self, old: dict[int, Way]) -> str:
        """Why what is below demands changed from `old`."""
        after = self.after
        now = {demand: self.ways[demand] for demand in old}
        worse = [each for each, way in old.items() if after.severity(each, way) > after.severity(each, now[each])]
        if worse:
            worst = max(worse, key=lambda demand: after.demands[demand].weight)
            way, sla = old[worst], after.demands[worst].sla
            more = f" and {len(worse) - 1} more" if len(worse) > 1 else ""
            return (
                f"for {after.demands[worst].name}{more}, {self._by(way)} {_gives(sla, after.offer(way).quality)}; "
                f"{self._by(now[worst])} {_gives(sla, after.offer(now[worst]).quality)}"
            )
        for way in dict.fromkeys(old.values()):
            if crowded := self._crowded(old, way):
                return crowded
        saved = sum(after.terms(each, way).cost - after.terms(each, now[each]).cost for each, way in old.items())
        return f"it costs {saved / 1e6:.1f} less" if saved > 0 else "it makes way for others"

    def _crowded(self, demands: Iterable[int], way: Way) -> str:
        """The resource of `way` that would have too much to carry with `demands` on it; empty if there is none."""
        after, demands = self.after, list(demands)
        for number in after.offer(way).resources:
            coming = [demand for demand in demands if number not in after.offer(self.ways[demand]).resources]
            load = after.loads[number] + sum(after.needs[demand] for demand in coming)
            if coming and load > after.capacities[number]:
                return self._load(number, load, "would have")
        return ""

    def _load(self, number: int, load: int, had: str) -> str:
        resource = self.after.resources[number]
        return f"{resource.name} {had} {format_rate(load)} to carry of {format_rate(resource.capacity_bps)}"

    def _wrong(self, problem: Problem, demand: int) -> str:
        """What is wrong with the way of `demand`."""
        who, way = problem.demands[demand], problem.start_way(problem.start_tunnels[demand])
        match problem.severity(demand, way):
            case _ if way == NOWHERE:
                return "no tunnel carries it"
            case n if n >= FORBIDDEN:
                return f"its policy forbids {self._place(way)}"
            case n if n >= DOWN:
                return f"{self._by(way)} is down"
            case _:
                worst = breaches(who.sla, problem.offer(way).quality)[0]
                value, bound = _shown(worst)
                return f"{worst.metric} {value} on {self._by(way)} broke its {bound} bound"

    def _obstacle(self, demand: int) -> str:
        who, after = self.after.demands[demand], self.after
        tunnels = after.between.get((who.source, who.destination), [])
        ways = [way for tunnel in tunnels for way in self.free.ways_over(tunnel)]
        allowed = [way for way in ways if who.may_use(after.tunnels[way.tunnel].transport)]
        if keeping := [way for way in allowed if after.severity(demand, way) == KEPT]:
            possible = [way for way in keeping if self._in_mode(demand, way)]
            if not possible:
                return f"{self._by(keeping[0])} would keep it, but that is no move of mode {after.mode}"
            return f"{self._by(possible[0])} would keep it, but {self._full(demand, possible[0])}"
        if kept := next((way for way in ways if severity(who.sla, after.offer(way).quality) == KEPT), None):
            return f"{self._by(kept)} would keep it, but its policy forbids {after.tunnels[kept.tunnel].transport}"
        if not allowed:
            return f"no tunnel that it may use goes from {who.source} to {who.destination}"
        nearest = min(allowed, key=lambda way: (after.severity(demand, way), _worst(who.sla, after.offer(way).quality)))
        if after.severity(demand, nearest) >= DOWN:
            return "all tunnels that it may use are down"
        return f"the nearest, {self._by(nearest)}, {_gives(who.sla, after.offer(nearest).quality)}"

    def _in_mode(self, demand: int, way: Way) -> bool:
        return way.tunnel in self.after.tunnel_choices[demand] and way in self.after.ways_over(way.tunnel)

    def _full(self, demand: int, way: Way) -> str:
        after = self.after
        for number in after.offer(way).resources:
            if number not in after.offer(self.ways[demand]).resources:
                left = max(0, after.limits[number] - after.loads[number])
                if left < after.needs[demand]:
                    needs = format_rate(after.needs[demand])
                    return f"{after.resources[number].name} has {format_rate(left)} left of the {needs} that it needs"
        return "others that ride with it would lose more"

    def _place(self, way: Way) -> str:
        """`private on color 10`."""
        if way.tunnel == NONE:
            return "nowhere"
        transport = self.after.tunnels[way.tunnel].transport
        return transport if way.policy == NONE else f"{transport} on color {self.after.policies[way.policy].id.color}"

    def _by(self, way: Way) -> str:
        """`private by hanzhou`."""
        transport = self.after.tunnels[way.tunnel].transport
        return transport if way.route == NONE else f"{transport} by {self.after.routes[way.policy][way.route].name}"


def _gives(sla: Sla, quality: Quality) -> str:
    """What of the SLA `quality` uses up, in the metric that is nearest to its bound or furthest above it."""
    if not quality.usable:
        return "is down"
    if broken := breaches(sla, quality):
        value, bound = _shown(broken[0])
        return f"has {broken[0].metric} {value} of {bound}"
    used = [
        Breach(metric, value, bound)
        for metric, value, bound in (
            (Metric.DELAY, quality.delay_ms, sla.delay_ms),
            (Metric.JITTER, quality.jitter_ms, sla.jitter_ms),
            (Metric.LOSS, quality.loss, sla.loss),
        )
        if bound is not None
    ]
    if not used:
        return "is up"
    value, bound = _shown(max(used, key=lambda each: each.value / each.bound if each.bound else 0.0))
    return f"keeps {value} of {bound}"


def _worst(sla: Sla, quality: Quality) -> float:
    broken = breaches(sla, quality)
    return broken[0].shortfall if broken else 0.0


def _shown(breach: Breach) -> tuple[str, str]:
    """Value and bound with their unit."""
    if breach.metric is Metric.LOSS:
        return f"{breach.value * 100:.3g} %", f"{breach.bound * 100:.3g} %"
    return f"{breach.value:.3g} ms", f"{breach.bound:.3g} ms"
