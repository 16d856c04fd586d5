"""One state in one mode, as integers: who may move where, and what each way gives to each demand.

Everything is numbered by the order of names, so that the order in which a state lists it decides nothing. Costs are in
millionths of their unit: sums of integers are the same in any order.
"""

from __future__ import annotations

from typing import NamedTuple

from controllers.joint.model import Mode, Placement, State
from controllers.joint.quality import DOWN, FORBIDDEN, UNUSABLE, Quality, severity
from controllers.srv6.policy import PolicyId

NONE = -1
"""The number of no tunnel, no policy, no route."""

SAVING = 0.05
"""The share of its present cost that a move has to save to be worth it, if nothing else is."""


class Way(NamedTuple):
    """Numbers of a tunnel, of the policy that it rides and of the route of that; NONE where there is none."""

    tunnel: int
    policy: int
    route: int


class Offer(NamedTuple):
    """What a way gives to whoever takes it."""

    quality: Quality
    resources: tuple[int, ...]
    price_per_mbps: float


class Terms(NamedTuple):
    """What a way adds to the lines of the objective that are sums over demands."""

    violation: int
    rank: int
    cost: int


NOWHERE = Way(NONE, NONE, NONE)


class Problem:
    """Immutable but for what it has worked out and remembers.

    `start` has the present numbers: of each demand's tunnel, each tunnel's policy, each policy's route. `choices` has
    those that each may have in this mode. `loads` are those of `start`; `limits` are what loads must not exceed.
    """

    def __init__(self, state: State, mode: Mode, saving: float = SAVING) -> None:
        self.mode, self.saving = mode, saving
        self.demands = tuple(sorted(state.demands, key=lambda demand: demand.name))
        self.tunnels = tuple(sorted(state.tunnels, key=lambda tunnel: tunnel.name))
        self.policies = tuple(sorted(state.policies, key=lambda policy: policy.id))
        self.resources = tuple(sorted(state.resources, key=lambda resource: resource.name))
        self.capacities = tuple(resource.capacity_bps for resource in self.resources)
        self.needs = tuple(demand.needs_bps for demand in self.demands)
        self._number = {resource.name: number for number, resource in enumerate(self.resources)}
        self._prices = {transport.name: transport.price_per_mbps for transport in state.transports}
        self._policy_number = {policy.id: number for number, policy in enumerate(self.policies)}
        self._rides = tuple(
            tuple(sorted(self._policy_number[id_] for id_ in tunnel.policies)) for tunnel in self.tunnels
        )
        self.routes = tuple(tuple(sorted(policy.routes, key=lambda route: route.name)) for policy in self.policies)
        self._offers: dict[Way, Offer] = {}
        self._terms: dict[tuple[int, Way], Terms] = {}
        self._set_start(state.placement)
        self._set_choices()
        self._set_loads()

    def _set_start(self, placement: Placement) -> None:
        numbers = {tunnel.name: number for number, tunnel in enumerate(self.tunnels)}
        self.start_tunnels = tuple(numbers.get(placement.tunnels.get(each.name, ""), NONE) for each in self.demands)
        of_tunnels = (self._policy_of(placement.policies.get(tunnel.name)) for tunnel in self.tunnels)
        self.start_policies = tuple(
            policy if policy in rides else NONE for policy, rides in zip(of_tunnels, self._rides, strict=True)
        )
        self.start_routes = tuple(
            next((n for n, route in enumerate(routes) if route.name == placement.routes.get(policy.id)), NONE)
            for policy, routes in zip(self.policies, self.routes, strict=True)
        )

    def _policy_of(self, id_: PolicyId | None) -> int:
        return NONE if id_ is None else self._policy_number.get(id_, NONE)

    def _set_choices(self) -> None:
        between: dict[tuple[str, str], list[int]] = {}
        for number, tunnel in enumerate(self.tunnels):
            between.setdefault((tunnel.source, tunnel.destination), []).append(number)
        self.between = between
        self.tunnel_choices = tuple(self._tunnels_for(demand, now) for demand, now in enumerate(self.start_tunnels))
        underlay = self.mode.moves_underlay
        self.policy_choices = tuple(
            tuple(dict.fromkeys((now, *rides))) if underlay and rides else (now,)
            for now, rides in zip(self.start_policies, self._rides, strict=True)
        )
        self.route_choices = tuple(
            tuple(dict.fromkeys((now, *range(len(routes))))) if underlay else (now,)
            for now, routes in zip(self.start_routes, self.routes, strict=True)
        )

    def _tunnels_for(self, number: int, now: int) -> tuple[int, ...]:
        """Those that `demand` may be on: what it has first, which it leaves in any case if that is forbidden."""
        demand = self.demands[number]
        if not self.mode.moves_overlay:
            return (now,)
        tunnels = self.between.get((demand.source, demand.destination), ())
        allowed = [tunnel for tunnel in tunnels if demand.may_use(self.tunnels[tunnel].transport)]
        usable = [tunnel for tunnel in allowed if self._rides[tunnel] or self.tunnels[tunnel].quality.usable]
        kept = (now,) if now == NONE or now in allowed else (NONE,)
        return tuple(dict.fromkeys((*kept, *usable)))

    def _set_loads(self) -> None:
        loads = [0] * len(self.resources)
        costs = [0] * len(self.demands)
        self.policy_fees, self.tunnel_fees = [0] * len(self.policies), [0] * len(self.tunnels)
        for demand, tunnel in enumerate(self.start_tunnels):
            way = self.start_way(tunnel)
            for resource in self.offer(way).resources:
                loads[resource] += self.needs[demand]
            costs[demand] = self.terms(demand, way).cost
            if tunnel != NONE:
                self.tunnel_fees[tunnel] += costs[demand]
            if way.policy != NONE:
                self.policy_fees[way.policy] += costs[demand]
        self.loads = tuple(loads)
        self.limits = tuple(map(max, self.capacities, self.loads))
        self.demand_fees = [round(self.saving * cost) for cost in costs]
        self.tunnel_fees = [round(self.saving * cost) for cost in self.tunnel_fees]
        self.policy_fees = [round(self.saving * cost) for cost in self.policy_fees]

    def rides(self, tunnel: int) -> bool:
        """Whether `tunnel` has SR Policies under it."""
        return tunnel != NONE and bool(self._rides[tunnel])

    def ways_over(self, tunnel: int) -> tuple[Way, ...]:
        """All that `tunnel` may be in this mode."""
        if not self.rides(tunnel):
            return (Way(tunnel, NONE, NONE),)
        return tuple(
            Way(tunnel, policy, route)
            for policy in self.policy_choices[tunnel]
            for route in ((NONE,) if policy == NONE else self.route_choices[policy])
        )

    def start_way(self, tunnel: int) -> Way:
        """The way that is there now over `tunnel`."""
        policy = NONE if tunnel == NONE else self.start_policies[tunnel]
        return Way(tunnel, policy, NONE if policy == NONE else self.start_routes[policy])

    def offer(self, way: Way) -> Offer:
        """What `way` gives."""
        found = self._offers.get(way)
        if found is None:
            found = self._offers[way] = self._offer(way)
        return found

    def _offer(self, way: Way) -> Offer:
        if way.tunnel == NONE:
            return Offer(UNUSABLE, (), 0.0)
        tunnel = self.tunnels[way.tunnel]
        quality, names, price = tunnel.quality, tunnel.resources, self._prices[tunnel.transport]
        if self._rides[way.tunnel]:
            if way.route == NONE:
                quality = UNUSABLE
            else:
                route = self.routes[way.policy][way.route]
                quality, names, price = (
                    quality.then(route.quality),
                    names + route.resources,
                    price + route.cost_per_mbps,
                )
        return Offer(quality, tuple(self._number[name] for name in dict.fromkeys(names)), price)

    def terms(self, demand: int, way: Way) -> Terms:
        """What `way` is to `demand`: weight × severity, weight × rank of its transport, and its cost."""
        key = demand, way
        found = self._terms.get(key)
        if found is None:
            who, offer = self.demands[demand], self.offer(way)
            cost = round(offer.price_per_mbps * who.needs_bps)
            rank = 0 if way.tunnel == NONE else who.rank(self.tunnels[way.tunnel].transport)
            found = self._terms[key] = Terms(who.weight * self.severity(demand, way), who.weight * rank, cost)
        return found

    def severity(self, demand: int, way: Way) -> int:
        """Of what `way` does to the SLA of `demand`; DOWN without a tunnel."""
        who = self.demands[demand]
        if way.tunnel == NONE:
            return DOWN
        if not who.may_use(self.tunnels[way.tunnel].transport):
            return FORBIDDEN
        return severity(who.sla, self.offer(way).quality)
