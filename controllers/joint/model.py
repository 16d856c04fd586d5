"""Overlay and underlay as values: what there is, how it is placed, and what a plan answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from controllers.joint.quality import PERFECT, Breach, Quality, Sla
from controllers.srv6.policy import PolicyId


class StateError(ValueError):
    """A state that does not fit together; says all that is wrong with it."""


class Mode(StrEnum):
    """What a plan may move: nothing, demands, routes and colors, or all of it."""

    STATIC = "static"
    OVERLAY = "overlay"
    UNDERLAY = "underlay"
    JOINT = "joint"

    @property
    def moves_overlay(self) -> bool:
        """Whether demands change tunnels."""
        return self in (Mode.OVERLAY, Mode.JOINT)

    @property
    def moves_underlay(self) -> bool:
        """Whether tunnels change colors and policies change routes."""
        return self in (Mode.UNDERLAY, Mode.JOINT)


@dataclass(frozen=True)
class Transport:
    """An underlay service (MEF 70) and its price for a Mbit/s."""

    name: str
    price_per_mbps: float = 0.0


@dataclass(frozen=True)
class Resource:
    """What tunnels and routes share: an access link in one direction, a link of the underlay."""

    name: str
    capacity_bps: int


@dataclass(frozen=True)
class Route:
    """One way through the underlay that a policy may take: its links, what was measured, its TE cost for a Mbit/s."""

    name: str
    resources: tuple[str, ...] = ()
    quality: Quality = PERFECT
    cost_per_mbps: float = 0.0


@dataclass(frozen=True)
class Policy:
    """An SR Policy and its candidate routes; their names differ within it."""

    id: PolicyId
    routes: tuple[Route, ...]


@dataclass(frozen=True)
class Tunnel:
    """From CPE to CPE over one transport.

    One that rides SR Policies has them in `policies`, and takes one; its `quality` and `resources` are then those of
    the access at both ends alone. Otherwise they are of the whole tunnel.
    """

    name: str
    source: str
    destination: str
    transport: str
    resources: tuple[str, ...] = ()
    quality: Quality = PERFECT
    policies: tuple[PolicyId, ...] = ()


@dataclass(frozen=True)
class Demand:
    """An application's flow between two CPEs. `weight` is how much a violation of it counts.

    `transports` are those that it may use; None for all. Of those that keep its SLA it wants the first of `preferred`,
    whatever that costs; the cheapest without any.
    """

    name: str
    source: str
    destination: str
    rate_bps: int
    sla: Sla = field(default_factory=Sla)
    sla_class: str = ""
    weight: int = 1
    transports: frozenset[str] | None = None
    preferred: tuple[str, ...] = ()

    @property
    def needs_bps(self) -> int:
        """What it takes of resources."""
        return max(self.rate_bps, self.sla.bandwidth_bps)

    def may_use(self, transport: str) -> bool:
        """Whether its policy lets it."""
        return self.transports is None or transport in self.transports

    def rank(self, transport: str) -> int:
        """How many transports it prefers to this one."""
        return self.preferred.index(transport) if transport in self.preferred else len(self.preferred)


@dataclass(frozen=True)
class Placement:
    """Demand → tunnel, tunnel → policy (if it rides any), policy → route; what is not there has none (yet)."""

    tunnels: Mapping[str, str] = field(default_factory=dict)
    policies: Mapping[str, PolicyId] = field(default_factory=dict)
    routes: Mapping[PolicyId, str] = field(default_factory=dict)


@dataclass(frozen=True)
class State:
    """All that a plan is made of. StateError if names are twice there or refer to nothing."""

    demands: tuple[Demand, ...]
    tunnels: tuple[Tunnel, ...]
    policies: tuple[Policy, ...]
    transports: tuple[Transport, ...]
    resources: tuple[Resource, ...]
    placement: Placement

    def __post_init__(self) -> None:
        if problems := list(_problems(self)):
            raise StateError("; ".join(problems))


def _problems(state: State) -> Iterator[str]:
    named: dict[str, list[object]] = {
        "demand": [demand.name for demand in state.demands],
        "tunnel": [tunnel.name for tunnel in state.tunnels],
        "policy": [policy.id for policy in state.policies],
        "transport": [transport.name for transport in state.transports],
        "resource": [resource.name for resource in state.resources],
    }
    for kind, names in named.items():
        if len(names) != len(set(names)):
            yield from (f"{kind} {name}: {n} of that name; want one" for name, n in Counter(names).items() if n > 1)
    known = {kind: set(names) for kind, names in named.items()}
    uses: list[tuple[object, str, tuple[object, ...]]] = [
        *((tunnel.name, "transport", (tunnel.transport,)) for tunnel in state.tunnels),
        *((tunnel.name, "resource", tunnel.resources) for tunnel in state.tunnels),
        *((tunnel.name, "policy", tunnel.policies) for tunnel in state.tunnels),
        *((policy.id, "resource", route.resources) for policy in state.policies for route in policy.routes),
    ]
    for user, kind, used in uses:
        for name in used:
            if name not in known[kind]:
                yield f"{user}: {kind} {name} is not there; want one of the state's"
    yield from (f"{demand.name}: weight {demand.weight}; want above 0" for demand in state.demands if demand.weight < 1)


@dataclass(frozen=True)
class DemandMove:
    """Put a demand on another tunnel; `source` is None if it had none, `target` if nothing may carry it."""

    demand: str
    source: str | None
    target: str | None


@dataclass(frozen=True)
class ColorMove:
    """Let a tunnel ride another policy."""

    tunnel: str
    source: PolicyId | None
    target: PolicyId


@dataclass(frozen=True)
class RouteMove:
    """Let a policy take another route."""

    policy: PolicyId
    source: str | None
    target: str


Move = DemandMove | ColorMove | RouteMove


@dataclass(frozen=True)
class Violation:
    """A demand whose SLA does not hold. Without `breaches` it is `down`, or on a transport that it may not use."""

    demand: str
    severity: int
    breaches: tuple[Breach, ...] = ()


@dataclass(frozen=True)
class Overrun:
    """A resource that has more to carry than it can."""

    resource: str
    load_bps: int
    capacity_bps: int


@dataclass(frozen=True, order=True)
class Objective:
    """Less is better, the first field first. `price` is cost and what moves are charged, in millionths of its unit."""

    violations: int
    overrun_bps: int
    rank: int
    price: int
    moves: int


@dataclass(frozen=True)
class Plan:
    """Carry `moves` out in their order, and `placement` is there; `objective` and the rest are of that moment.

    `overloads` are resources that no order of the moves found keeps from overload meanwhile. `cost` is in the unit of
    the transports' prices.
    """

    mode: Mode
    placement: Placement
    moves: tuple[Move, ...]
    violations: tuple[Violation, ...]
    overruns: tuple[Overrun, ...]
    overloads: tuple[str, ...]
    cost: float
    objective: Objective
