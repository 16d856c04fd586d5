"""States for the planner's tests, and every placement that there is of one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from random import Random

from hypothesis import strategies as st

from controllers.joint.assignment import Assignment, Kind
from controllers.joint.model import (
    ColorMove,
    Demand,
    DemandMove,
    Move,
    Objective,
    Placement,
    Policy,
    Resource,
    Route,
    State,
    Transport,
    Tunnel,
)
from controllers.joint.problem import Problem
from controllers.joint.quality import Quality, Sla
from controllers.srv6.policy import PolicyId
from testbed.bench.sdwan_states import small_state

MBIT = 1_000_000
GOLD, PLAIN = PolicyId("pe1", 10, "pe2"), PolicyId("pe1", 20, "pe2")

SEEDS = st.integers(0, 10**6)


def states(most_demands: int) -> st.SearchStrategy[State]:
    """Small states; a seed shrinks to nothing, but names its state."""
    return SEEDS.map(lambda seed: small_state(Random(seed), most_demands=most_demands))


def every_objective(problem: Problem) -> Iterator[Objective]:
    """Of all assignments that the mode and the limits allow."""
    used = sorted({tunnel for choices in problem.tunnel_choices for tunnel in choices if problem.rides(tunnel)})
    policies = sorted({policy for tunnel in used for policy in problem.policy_choices[tunnel] if policy >= 0})
    numbers = [
        *((Kind.ROUTE, policy, problem.route_choices[policy]) for policy in policies),
        *((Kind.COLOR, tunnel, problem.policy_choices[tunnel]) for tunnel in used),
        *((Kind.DEMAND, demand, choices) for demand, choices in enumerate(problem.tunnel_choices)),
    ]
    assignment = Assignment(problem)
    for values in product(*(choices for _, _, choices in numbers)):
        for (kind, number, _), value in zip(numbers, values, strict=True):
            assignment.change(kind, number, value)
        if not assignment.excess:
            yield assignment.objective


def loads(state: State) -> dict[str, int]:
    """Resource → bit/s that its placement puts on it, worked out without the planner."""
    tunnels = {tunnel.name: tunnel for tunnel in state.tunnels}
    routes = {(policy.id, route.name): route for policy in state.policies for route in policy.routes}
    sums = dict.fromkeys((resource.name for resource in state.resources), 0)
    for demand in state.demands:
        if (name := state.placement.tunnels.get(demand.name)) is None:
            continue
        used = set(tunnels[name].resources)
        if (policy := state.placement.policies.get(name)) and (route := state.placement.routes.get(policy)):
            used |= set(routes[policy, route].resources)
        for resource in used:
            sums[resource] += max(demand.rate_bps, demand.sla.bandwidth_bps)
    return sums


def moved(state: State, move: Move) -> State:
    """`state` after `move`, which has to start where `state` is."""
    now = state.placement
    match move:
        case DemandMove(demand, source, target):
            assert now.tunnels.get(demand) == source
            rest = {name: tunnel for name, tunnel in now.tunnels.items() if name != demand}
            return replace(state, placement=replace(now, tunnels=rest | ({demand: target} if target else {})))
        case ColorMove(tunnel, policy, color):
            assert now.policies.get(tunnel) == policy
            return replace(state, placement=replace(now, policies={**now.policies, tunnel: color}))
        case _:
            assert now.routes.get(move.policy) == move.source
            return replace(state, placement=replace(now, routes={**now.routes, move.policy: move.target}))


def flow(name: str, rate_mbps: int = 4, sla: Sla | None = None, **more: object) -> Demand:
    """A demand from `a` to `b`; 30 ms and 1% if nothing else is said."""
    return replace(Demand(name, "a", "b", rate_mbps * MBIT, sla or Sla(delay_ms=30, loss=0.01)), **more)  # type: ignore[arg-type]


def two_sites(
    *demands: Demand,
    on: dict[str, str],
    internet: Quality = Quality(10),  # noqa: B008
    by: str = "hanzhou",
    hanzhou: Quality = Quality(12),  # noqa: B008
    link_mbps: int = 10,
    color: PolicyId = GOLD,
) -> State:
    """Two CPEs with a private tunnel and one over the internet.

    Under the private tunnel color 10 goes by hanzhou or wuhan, and color 20 by nanjing.
    """
    return State(
        demands,
        (
            Tunnel("a-b-private", "a", "b", "private", ("a-private",), Quality(2), (GOLD, PLAIN)),
            Tunnel("a-b-internet", "a", "b", "internet", ("a-internet",), internet),
        ),
        (
            Policy(GOLD, (Route("hanzhou", ("link1",), hanzhou), Route("wuhan", ("link2",), Quality(20), 0.1))),
            Policy(PLAIN, (Route("nanjing", ("link3",), Quality(45)),)),
        ),
        (Transport("private", 1.0), Transport("internet", 0.5)),
        tuple(
            Resource(name, capacity * MBIT)
            for name, capacity in {
                "a-private": 100,
                "a-internet": 100,
                "link1": link_mbps,
                "link2": link_mbps,
                "link3": 100,
            }.items()
        ),
        Placement(
            {name: f"a-b-{transport}" for name, transport in on.items()},
            {"a-b-private": color},
            {GOLD: by, PLAIN: "nanjing"},
        ),
    )
