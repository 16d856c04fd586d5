"""Overlay and underlay as the joint planner takes them, and its plan as moves of this overlay.

A tunnel that rides a policy is as good as the way that the policy takes. On the way that it is on, the tunnel has been
measured itself; what it would be on another is what the underlay has measured of links. Demands over a hub are not
planned: each of their tunnels carries others' traffic, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from controllers.joint.explain import explain
from controllers.joint.model import (
    Demand,
    DemandMove,
    Mode,
    Placement,
    Policy,
    Resource,
    Route,
    RouteMove,
    State,
    Transport,
    Tunnel,
)
from controllers.joint.planner import plan
from controllers.joint.quality import PERFECT, Quality
from controllers.joint.underlay import PolicyWays, Underlay, Way
from controllers.sdwan.network import Forwarding, Overlay, OverlayTunnel
from controllers.sdwan.telemetry import Bound, SlaBroken, Telemetry
from controllers.srv6.policy import PolicyId

_LEAST_BPS = 100_000
"""What a demand of unknown rate is reckoned with, so that its price counts."""


@dataclass(frozen=True)
class Scheduled:
    """What the planner wants: ways for policies, tunnels for demands, and a sentence for each of these moves."""

    ways: Mapping[PolicyId, Way]
    tunnels: Mapping[str, str | None]
    why: Mapping[str, str]


def policy_of(overlay: Overlay, tunnel: OverlayTunnel) -> PolicyId | None:
    """The SR Policy that a tunnel of a color rides: between the routers at which its ends are attached."""
    if tunnel.color is None:
        return None
    headend, endpoint = (_router(overlay, edge, tunnel.transport) for edge in (tunnel.source, tunnel.target))
    return PolicyId(headend, tunnel.color, endpoint)


def policies_of(overlay: Overlay) -> tuple[PolicyId, ...]:
    """All that tunnels ride."""
    found = (policy_of(overlay, tunnel) for tunnel in overlay.tunnels)
    return tuple(dict.fromkeys(policy for policy in found if policy is not None))


@dataclass(frozen=True)
class Scheduling:
    """One state of the network. `tunnels` is demand → the tunnel that carries it."""

    overlay: Overlay
    telemetry: Telemetry
    broken: Mapping[tuple[str, str], SlaBroken]
    underlay: Underlay
    tunnels: Mapping[str, str]

    def schedule(self, mode: Mode) -> Scheduled:
        """What to do about it."""
        state = self.state()
        planned = plan(state, mode)
        explained = explain(state, planned)
        ways = {policy.id: {way.name: way for way in policy.ways} for policy in self.underlay.policies}
        moved: dict[PolicyId, Way] = {}
        tunnels: dict[str, str | None] = {}
        why: dict[str, str] = {}
        for move, sentence in zip(planned.moves, explained.moves, strict=True):
            match move:
                case RouteMove(policy, _, target):
                    moved[policy] = ways[policy][target]
                    why[str(policy)] = sentence
                case DemandMove(demand, _, target):
                    tunnels[demand], why[demand] = target, sentence
                case _:
                    pass
        return Scheduled(moved, tunnels, why)

    def state(self) -> State:
        """As the planner takes it."""
        policies = {policy.id: policy for policy in self.underlay.policies}
        riding = {tunnel.name: policy_of(self.overlay, tunnel) for tunnel in self.overlay.tunnels}
        rides = {name: policy for name, policy in riding.items() if policy in policies}
        demands = tuple(self._demands())
        return State(
            demands=demands,
            tunnels=tuple(self._tunnel(tunnel, rides.get(tunnel.name)) for tunnel in self.overlay.tunnels),
            policies=tuple(self._policy(policy, rides) for policy in policies.values()),
            transports=tuple(Transport(each.name, each.price) for each in self.overlay.transports),
            resources=tuple(self._resources()),
            placement=Placement(
                {each.name: self.tunnels[each.name] for each in demands if each.name in self.tunnels},
                {name: policy for name, policy in rides.items() if policy is not None},
                {policy.id: policy.current for policy in policies.values() if policy.current is not None},
            ),
        )

    def _demands(self) -> Iterator[Demand]:
        for demand in self.overlay.demands:
            if self.overlay.next_edge(demand.source, demand.target) != demand.target:
                continue
            wanted = self.overlay.class_of[demand.application]
            yield Demand(
                name=demand.name,
                source=demand.source,
                destination=demand.target,
                rate_bps=max(demand.rate_bps, _LEAST_BPS),
                sla=self.overlay.sla(demand),
                sla_class=wanted.name,
                weight=wanted.priority,
                transports=frozenset(wanted.transports),
                preferred=wanted.transports if wanted.forwarding is Forwarding.PREFERRED else (),
            )

    def _tunnel(self, tunnel: OverlayTunnel, policy: PolicyId | None) -> Tunnel:
        resources = [f"{tunnel.source} up {tunnel.transport}", f"{tunnel.target} down {tunnel.transport}"]
        return Tunnel(
            name=tunnel.name,
            source=tunnel.source,
            destination=tunnel.target,
            transport=tunnel.transport,
            resources=tuple(name for name in resources if name in self._limited),
            quality=PERFECT if policy else self._measured(tunnel) or PERFECT,
            policies=(policy,) if policy else (),
        )

    def _policy(self, policy: PolicyWays, rides: Mapping[str, PolicyId | None]) -> Policy:
        here = [tunnel for tunnel in self.overlay.tunnels if rides.get(tunnel.name) == policy.id]
        return Policy(policy.id, tuple(self._route(way, way.name == policy.current, here) for way in policy.ways))

    def _route(self, way: Way, taken: bool, tunnels: Iterable[OverlayTunnel]) -> Route:
        known = [quality for tunnel in tunnels if taken and (quality := self._measured(tunnel))]
        quality = known[0] if known else way.quality
        capacities = self.underlay.capacities or {}
        links = tuple(f"{a}>{b}" for a, b in way.links if (a, b) in capacities)
        return Route(way.name, links, quality, way.cost_per_mbps)

    def _measured(self, tunnel: OverlayTunnel) -> Quality | None:
        """The worst of all classes; a bound that was found broken counts as it was found, since quality is damped.

        None if it has not been measured since it goes its way.
        """
        usable = self.telemetry.up(tunnel.name)
        quality = Quality(usable=usable)
        measured = False
        for each in self.overlay.classes:
            found = self.telemetry.quality(tunnel.name, each.name)
            if tunnel.transport not in each.transports or found.delay_ms is None:
                continue
            measured = True
            quality = replace(
                quality,
                delay_ms=max(quality.delay_ms, found.delay_ms or 0.0),
                jitter_ms=max(quality.jitter_ms, found.jitter_ms or 0.0),
                loss=max(quality.loss, found.loss),
            )
            if broken := self.broken.get((tunnel.name, each.name)):
                quality = _at_least(quality, broken)
        return quality if measured or not usable else None

    def _resources(self) -> Iterator[Resource]:
        yield from self._limited.values()
        for (a, b), capacity in (self.underlay.capacities or {}).items():
            yield Resource(f"{a}>{b}", capacity)

    @cached_property
    def _limited(self) -> Mapping[str, Resource]:
        """Attachments to transports that carry no more than so much, each way."""
        return {resource.name: resource for resource in self._attachments()}

    def _attachments(self) -> Iterator[Resource]:
        for edge in self.overlay.edges:
            for attachment in edge.attachments:
                for way, capacity in (("up", attachment.up_bps), ("down", attachment.down_bps)):
                    if capacity is not None:
                        yield Resource(f"{edge.name} {way} {attachment.transport}", capacity)


def _at_least(quality: Quality, broken: SlaBroken) -> Quality:
    match broken.bound:
        case Bound.DELAY_MS:
            return replace(quality, delay_ms=max(quality.delay_ms, broken.value))
        case Bound.JITTER_MS:
            return replace(quality, jitter_ms=max(quality.jitter_ms, broken.value))
        case Bound.LOSS:
            return replace(quality, loss=max(quality.loss, broken.value))
        case Bound.BANDWIDTH_BPS:
            return quality  # the planner reckons with it itself


def _router(overlay: Overlay, edge: str, transport: str) -> str:
    return next(each.router for each in overlay.edge[edge].attachments if each.transport == transport)
