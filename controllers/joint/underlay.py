"""What the planner may do below the overlay: the SR Policies that tunnels ride, and the ways that each may take.

The ways of a policy are the shortest by delay, the one that it takes, and for each fibre of that one the shortest
without it: whichever fibre is bad, there is a way around.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from controllers.joint.quality import Quality
from controllers.srv6.controller import Controller
from controllers.srv6.lsdb import LinkId, fibres
from controllers.srv6.paths import Domain, Metric, Path
from controllers.srv6.policy import CandidatePath, ExplicitPath, PolicyId, SegmentList, SrPolicy
from controllers.srv6.segments import Segment, pin

SCHEDULED = 1_000_000
"""Preference of the candidate path that the planner adds: above all others, which take over where it is invalid."""

_COST_PER_MS = 0.01
"""Of a Mbit/s, in the unit of the transports' prices: of two ways that keep an SLA the shorter one is taken."""


@dataclass(frozen=True)
class Way:
    """A path that a policy may take, and the segments that pin it."""

    path: Path
    segments: tuple[Segment, ...]
    quality: Quality
    cost_per_mbps: float

    @property
    def name(self) -> str:
        """`shanghai>guangzhou>guiyang`."""
        return ">".join(self.path)

    @property
    def links(self) -> tuple[LinkId, ...]:
        """The links that it crosses."""
        return tuple(pairwise(self.path))


@dataclass(frozen=True)
class PolicyWays:
    """A policy, its ways, and the name of the one that it takes; None if that is none of them."""

    id: PolicyId
    ways: tuple[Way, ...]
    current: str | None


@dataclass(frozen=True)
class Underlay:
    """Policies with their ways, and what links can carry, in bit/s, where that is known."""

    policies: tuple[PolicyWays, ...] = ()
    capacities: Mapping[LinkId, int] | None = None


def underlay(core: Controller, wanted: Iterable[PolicyId]) -> Underlay:
    """Of the policies `wanted`, those that there are."""
    domain = Domain(core.database)
    there = {policy.id for policy in core.policies}
    capacities = {link.id: link.bandwidth_bps for link in core.database.usable if link.bandwidth_bps is not None}
    return Underlay(tuple(_policy(core, domain, each) for each in dict.fromkeys(wanted) if each in there), capacities)


def scheduled(policy: SrPolicy, way: Way | None) -> SrPolicy:
    """`policy` on `way`, before what it has of its own; on its own alone without one."""
    own = tuple(candidate for candidate in policy.candidate_paths if candidate.preference != SCHEDULED)
    if way is None:
        return replace(policy, candidate_paths=own)
    path = ExplicitPath((SegmentList(way.segments),))
    return replace(policy, candidate_paths=(CandidatePath(path, SCHEDULED), *own))


def _policy(core: Controller, domain: Domain, policy: PolicyId) -> PolicyWays:
    current = _current(core, domain, policy)
    paths = dict.fromkeys(_paths(domain, policy, current))
    return PolicyWays(policy, tuple(_way(core, domain, path) for path in paths), ">".join(current) if current else None)


def _paths(domain: Domain, policy: PolicyId, current: Path | None) -> Iterator[Path]:
    ends = policy.headend, policy.endpoint
    best = domain.graph(Metric.DELAY).path(*ends)
    for path in (current, best):
        if path:
            yield path
    for link in pairwise(current or best or ()):
        if around := domain.graph(Metric.DELAY, fibres([link])).path(*ends):
            yield around


def _current(core: Controller, domain: Domain, policy: PolicyId) -> Path | None:
    """The way of its packets, along its first segment list."""
    state = core.selection.states.get(policy)
    if state is None or state.active is None:
        return None
    nodes: list[str] = [policy.headend]
    for segment in state.active.lists[0].segments:
        stretch = domain.igp.path(nodes[-1], segment.node)
        if stretch is None:
            return None
        nodes += stretch[1:]
        if nodes[-1] != segment.end:
            nodes.append(segment.end)
    return tuple(nodes)


def _way(core: Controller, domain: Domain, path: Path) -> Way:
    delay_ms = domain.delay_us(path) / 1000
    arriving = 1.0
    for link in pairwise(path):
        arriving *= 1 - core.loss(link)
    return Way(path, pin(domain.igp, path), Quality(delay_ms, 0.0, 1 - arriving), delay_ms * _COST_PER_MS)
