"""States of SD-WAN and underlay to plan for: a large one as operators have it, and small ones as chance makes them."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from random import Random

from controllers.joint.model import Demand, Placement, Policy, Resource, Route, State, Transport, Tunnel
from controllers.joint.quality import Quality, Sla
from controllers.srv6.policy import PolicyId

MBIT = 1_000_000

TRANSPORTS = (Transport("private", 1.0), Transport("internet", 0.25), Transport("lte", 3.0))

CLASSES = {
    "voice": (Sla(150.0, 30.0, 0.01, 100_000), 8, 100_000),
    "video": (Sla(100.0, 30.0, 0.01), 4, 4 * MBIT),
    "control": (Sla(40.0, 10.0, 0.001), 10, 200_000),
    "data": (Sla(loss=0.03), 1, 2 * MBIT),
}
"""Class → SLA, weight, rate of one flow."""

_ROUTES = 3


def large_state(sites: int = 20, flows: int = 1000) -> State:
    """A full mesh of `sites` over three transports, with two colors of three routes each under every private tunnel.

    The underlay is a ring of PEs with chords. Flows are where they are cheapest while all is well.
    """
    rng = Random(7)
    names = [f"cpe{number:02}" for number in range(sites)]
    access = [
        Resource(f"{site}-{transport.name}-{way}", capacity * MBIT)
        for site in names
        for transport, capacity in zip(TRANSPORTS, (200, 300, 60), strict=True)
        for way in ("out", "in")
    ]
    links = [Resource(f"link{number:02}", 1_000 * MBIT) for number in range(3 * sites)]
    policies = [
        Policy(
            PolicyId(f"pe-{source}", color, f"pe-{target}"),
            tuple(_route(rng, number, color, links) for number in range(_ROUTES)),
        )
        for source, target in permutations(names, 2)
        for color in (10, 20)
    ]
    tunnels = [
        _tunnel(rng, source, target, transport) for source, target in permutations(names, 2) for transport in TRANSPORTS
    ]
    demands = []
    for number in range(flows):
        source, target = rng.sample(names, 2)
        sla_class = rng.choice(tuple(CLASSES))
        sla, weight, rate = CLASSES[sla_class]
        demands.append(Demand(f"{sla_class}-{number}", source, target, rate, sla, sla_class, weight))
    placement = Placement(
        {each.name: f"{each.source}-{each.destination}-{_usual(each)}" for each in demands},
        {tunnel.name: tunnel.policies[0] for tunnel in tunnels if tunnel.policies},
        {policy.id: policy.routes[0].name for policy in policies},
    )
    return State(tuple(demands), tuple(tunnels), tuple(policies), TRANSPORTS, (*access, *links), placement)


def brownout(state: State, transport: str = "internet", loss: float = 0.05, sites: int = 5) -> State:
    """With `loss` on `transport` from and to the first `sites`."""
    struck = sorted({tunnel.source for tunnel in state.tunnels})[:sites]
    return replace(
        state,
        tunnels=tuple(
            replace(tunnel, quality=replace(tunnel.quality, loss=loss))
            if tunnel.transport == transport and (tunnel.source in struck or tunnel.destination in struck)
            else tunnel
            for tunnel in state.tunnels
        ),
    )


def _usual(demand: Demand) -> str:
    return "private" if demand.sla_class == "control" else "internet"


def _route(rng: Random, number: int, color: int, links: list[Resource]) -> Route:
    delay = rng.uniform(4, 14) + (6 * number if color == 10 else 10 + 6 * number)
    used = tuple(link.name for link in rng.sample(links, 2 + number))
    return Route(f"route{number}", used, Quality(delay, 1.0, 0.0), (2 - number if color == 10 else 0) * 0.1)


def _tunnel(rng: Random, source: str, target: str, transport: Transport) -> Tunnel:
    name = f"{source}-{target}-{transport.name}"
    resources = (f"{source}-{transport.name}-out", f"{target}-{transport.name}-in")
    match transport.name:
        case "private":
            policies = tuple(PolicyId(f"pe-{source}", color, f"pe-{target}") for color in (10, 20))
            return Tunnel(name, source, target, transport.name, resources, Quality(2.0, 0.5, 0.0), policies)
        case "internet":
            quality = Quality(rng.uniform(15, 60), rng.uniform(2, 12), rng.choice((0.0, 0.001, 0.002)))
        case _:
            quality = Quality(rng.uniform(40, 80), rng.uniform(10, 30), 0.005)
    return Tunnel(name, source, target, transport.name, resources, quality)


def small_state(rng: Random, *, most_demands: int = 6) -> State:
    """Two or three sites, few demands, scarce resources; some are overloaded, on forbidden transports or nowhere."""
    names = ["a", "b", "c"][: rng.choice((2, 2, 3))]
    pairs = [("a", "b"), ("a", "c"), ("b", "c")][: len(names)] if len(names) > 2 else [("a", "b")]
    links = [Resource(f"link{number}", rng.randint(2, 14) * MBIT) for number in range(4)]
    access = [
        Resource(f"{site}-{transport.name}", rng.randint(4, 24) * MBIT) for site in names for transport in TRANSPORTS
    ]
    policies = [
        Policy(PolicyId(source, color, target), tuple(_small_route(rng, n, links) for n in range(rng.randint(1, 3))))
        for source, target in pairs
        for color in (10, 20)
    ]
    tunnels = [_small_tunnel(rng, *pair, transport) for pair in pairs for transport in TRANSPORTS]
    demands = [_small_demand(rng, number, pairs) for number in range(rng.randint(1, most_demands))]
    placement = Placement(
        {
            each.name: f"{each.source}-{each.destination}-{rng.choice(TRANSPORTS).name}"
            for each in demands
            if rng.random() < 0.9
        },
        {tunnel.name: rng.choice(tunnel.policies) for tunnel in tunnels if tunnel.policies and rng.random() < 0.95},
        {policy.id: rng.choice(policy.routes).name for policy in policies if rng.random() < 0.95},
    )
    return State(tuple(demands), tuple(tunnels), tuple(policies), TRANSPORTS, (*links, *access), placement)


def _small_quality(rng: Random) -> Quality:
    loss = rng.choice((0.0, 0.0, 0.001, 0.02, 0.05))
    return Quality(float(rng.randint(2, 60)), float(rng.randint(0, 20)), loss, rng.random() < 0.93)


def _small_route(rng: Random, number: int, links: list[Resource]) -> Route:
    used = tuple(link.name for link in rng.sample(links, rng.randint(1, 2)))
    return Route(f"route{number}", used, _small_quality(rng), rng.randint(0, 4) * 0.25)


def _small_tunnel(rng: Random, source: str, target: str, transport: Transport) -> Tunnel:
    resources = (f"{source}-{transport.name}", f"{target}-{transport.name}")
    name = f"{source}-{target}-{transport.name}"
    if transport.name == "private":
        policies = (PolicyId(source, 10, target), PolicyId(source, 20, target))
        return Tunnel(name, source, target, transport.name, resources, Quality(1.0, 1.0, 0.0), policies)
    return Tunnel(name, source, target, transport.name, resources, _small_quality(rng))


def _small_demand(rng: Random, number: int, pairs: list[tuple[str, str]]) -> Demand:
    sla = Sla(
        rng.choice((None, 20.0, 40.0)), rng.choice((None, 10.0)), rng.choice((None, 0.01)), rng.choice((0, 2 * MBIT))
    )
    allowed = rng.choice((None, None, None, frozenset({"private"}), frozenset({"internet", "lte"})))
    rate = rng.randint(1, 6) * MBIT
    weight, ends = rng.choice((1, 2, 5)), rng.choice(pairs)
    preferred = rng.choice((None, None, ("private", "internet", "lte"), ("internet", "private")))
    return Demand(f"flow{number}", *ends, rate, sla, "any", weight, allowed, preferred or ())
