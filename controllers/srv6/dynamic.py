"""Dynamic paths: the best path that meets all requirements, or the requirements that nothing meets.

Each requirement but a delay bound comes down to links that it bans. When there is no path, the smallest set of
requirements that bans them all is to blame: one by itself where one is enough, else two that exclude each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations

from controllers.srv6.lsdb import Link, LinkId, fibres
from controllers.srv6.paths import Constraints, Domain, Metric, Path, bounded_path
from controllers.srv6.policy import DisjointFrom, Diversity, DynamicPath, PolicyId
from controllers.srv6.reservations import Reservations
from testbed.units import format_delay_us, format_rate

Ways = Mapping[PolicyId, frozenset[LinkId]]
"""Policy → the links of its active path; none if it has no valid path."""


class NoPathError(Exception):
    """There is no such path; the message names what nothing meets."""


@dataclass(frozen=True)
class Requirement:
    """One thing that has to hold, in words, and the links that it bans or the delay that it allows."""

    text: str
    banned: frozenset[LinkId] = frozenset()
    delay_bound_us: int | None = None


def compute(domain: Domain, policy: PolicyId, wanted: DynamicPath, books: Reservations, ways: Ways) -> Path:
    """The path of `policy` that `wanted` asks for. NoPathError if the endpoint is out of reach or nothing meets it."""
    for node in (policy.headend, policy.endpoint):
        if node not in domain.database.nodes or node in domain.database.nodes_down:
            raise NoPathError(f"node {node} is not there")
    requirements = list(_requirements(domain, policy, wanted, books, ways))
    path = _best(domain, policy, wanted.metric, requirements)
    if path is None:
        raise NoPathError(_blame(domain, policy, requirements))
    return path


def _best(domain: Domain, policy: PolicyId, metric: Metric, requirements: Iterable[Requirement]) -> Path | None:
    banned = frozenset(chain.from_iterable(requirement.banned for requirement in requirements))
    bounds = [bound for requirement in requirements if (bound := requirement.delay_bound_us) is not None]
    graph = domain.graph(metric, banned)
    path = graph.path(policy.headend, policy.endpoint)
    if path is None or not bounds or domain.delay_us(path) <= min(bounds):
        return path
    delays = domain.graph(Metric.DELAY, banned)
    return bounded_path(graph, delays, (policy.headend, policy.endpoint), min(bounds))


def _blame(domain: Domain, policy: PolicyId, requirements: Sequence[Requirement]) -> str:
    for size in range(len(requirements) + 1):
        for some in combinations(requirements, size):
            if _best(domain, policy, Metric.DELAY, some) is None:
                together = " together" if size > 1 else ""
                texts = " and ".join(requirement.text for requirement in some)
                if not some:
                    return f"{policy.endpoint} cannot be reached"
                return f"nothing meets{together}: {texts}{_least(domain, policy, some)}"
    raise AssertionError("there is a path after all")


def _least(domain: Domain, policy: PolicyId, requirements: Iterable[Requirement]) -> str:
    """The delay that there could be, where it is among what nothing meets."""
    others = [requirement for requirement in requirements if requirement.delay_bound_us is None]
    best = _best(domain, policy, Metric.DELAY, others)
    return f" (the least is {format_delay_us(domain.delay_us(best))})" if best else ""


def _requirements(
    domain: Domain, policy: PolicyId, wanted: DynamicPath, books: Reservations, ways: Ways
) -> Iterator[Requirement]:
    links = domain.database.usable
    for text, constraint in _single(wanted.constraints):
        yield Requirement(text, frozenset(link.id for link in links if not constraint.admits(link)))
    if wanted.disjoint_from is not None:
        yield _disjoint(domain, policy, wanted.disjoint_from, ways)
    if bps := wanted.bandwidth_bps:
        short = frozenset(link.id for link in links if not books.admits(link, policy, bps))
        yield Requirement(f"{format_rate(bps)} free on every link", short)
    if wanted.delay_bound_us is not None:
        yield Requirement(
            f"a delay of at most {format_delay_us(wanted.delay_bound_us)}", delay_bound_us=wanted.delay_bound_us
        )


def _single(constraints: Constraints) -> Iterator[tuple[str, Constraints]]:
    """Each of the constraints by itself, in words."""
    for text, values, alone in (
        ("affinities without", constraints.exclude_any, Constraints(exclude_any=constraints.exclude_any)),
        ("affinities with any of", constraints.include_any, Constraints(include_any=constraints.include_any)),
        ("affinities with all of", constraints.include_all, Constraints(include_all=constraints.include_all)),
        ("SRLGs without", constraints.exclude_srlgs, Constraints(exclude_srlgs=constraints.exclude_srlgs)),
    ):
        if values:
            yield f"{text} {', '.join(sorted(values))}", alone


def _disjoint(domain: Domain, policy: PolicyId, apart: DisjointFrom, ways: Ways) -> Requirement:
    other = ways.get(apart.policy, frozenset())
    kept = fibres(other)
    banned = {link.id for link in domain.database.usable if link.id in kept or _shares(domain, link, other, apart)}
    # Headend and endpoint are often those of the other path too; they cannot be avoided.
    if apart.diversity is Diversity.NODE:
        transit = {node for link in other for node in link} - {policy.headend, policy.endpoint}
        banned |= {link.id for link in domain.database.usable if not transit.isdisjoint(link.id)}
    whose = "the active path" if apart.policy == policy else f"policy {apart.policy}"
    return Requirement(f"{apart.diversity}-disjoint from {whose}", frozenset(banned))


def _shares(domain: Domain, link: Link, other: Iterable[LinkId], apart: DisjointFrom) -> bool:
    """Whether `link` is in a risk group of the other path's."""
    if apart.diversity is not Diversity.SRLG:
        return False
    return any(link.srlgs & domain.database.links[taken].srlgs for taken in other)
