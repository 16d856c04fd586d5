"""All policies over one network: which candidate path of each is active, which stands by, and why others are invalid.

A pure function of policies and database: after a link event, or when a policy comes or goes, it is computed again and
what differs is installed. Policies are taken by priority, and those that others keep apart from before those others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from controllers.srv6.containers import pack
from controllers.srv6.dynamic import NoPathError, Ways, compute
from controllers.srv6.lsdb import LinkId
from controllers.srv6.paths import Domain
from controllers.srv6.policy import (
    CandidatePath,
    DynamicPath,
    PolicyError,
    PolicyId,
    SegmentList,
    SrPolicy,
)
from controllers.srv6.reservations import Reservations
from controllers.srv6.segments import MtuBudget, Segment, pin, resolve, toward_service
from controllers.srv6.sids import FUNCTIONS, Behavior, Sid, SidTable

ListId = tuple[PolicyId, tuple[Segment, ...]]
"""A segment list of a policy, whatever its place and weight."""


@dataclass(frozen=True)
class Dataplane:
    """What segment lists are to packets: SIDs, in containers if `compressed`, that there has to be room for.

    No packet gets through by those that are `unanswered`, as measurement has found.
    """

    table: SidTable
    budget: MtuBudget
    compressed: bool = False
    unanswered: frozenset[ListId] = frozenset()

    def problem(self, policy: PolicyId, segments: tuple[Segment, ...]) -> str:
        """Why `segments`, and a service SID of the endpoint after them, cannot be used; empty if they can."""
        if (policy, segments) in self.unanswered:
            return f"measurement gets no answer along {' '.join(map(str, segments))}"
        service = Sid(self.table.locators[policy.endpoint], FUNCTIONS[Behavior.END_DT46].start, Behavior.END_DT46)
        sids = toward_service(resolve(segments, self.table), service)
        return self.budget.problem(len(pack(sids) if self.compressed else sids), len(sids))


@dataclass(frozen=True)
class ValidPath:
    """A candidate path that can be used, its segment lists, and all links that they may take."""

    candidate: CandidatePath
    lists: tuple[SegmentList, ...]
    links: frozenset[LinkId]


@dataclass(frozen=True)
class InvalidPath:
    """A candidate path that cannot be used, and why."""

    candidate: CandidatePath
    reason: str


@dataclass(frozen=True)
class PolicyState:
    """`standby` is the next valid candidate path, to be installed beside `active` (RFC 9256 §9.3).

    `invalid` has those that are better than these two, or all if there are no two.
    """

    policy: SrPolicy
    active: ValidPath | None
    standby: ValidPath | None
    invalid: tuple[InvalidPath, ...]


@dataclass(frozen=True)
class Selection:
    """Policy → its state, in the order of computation; and the bandwidth that active paths hold."""

    states: Mapping[PolicyId, PolicyState] = field(default_factory=dict)
    reservations: Reservations = field(default_factory=Reservations)


def select(domain: Domain, policies: Iterable[SrPolicy], dataplane: Dataplane | None = None) -> Selection:
    """The state of all `policies`. PolicyError if two have one id, or they wait for each other to be apart from."""
    states: dict[PolicyId, PolicyState] = {}
    books, ways = Reservations(), dict[PolicyId, frozenset[LinkId]]()
    for policy in _in_order(policies):
        state = _state(domain, policy, dataplane, books, ways)
        states[policy.id] = state
        if state.active is not None:
            ways[policy.id] = state.active.links
            wanted = state.active.candidate.path
            if isinstance(wanted, DynamicPath) and wanted.bandwidth_bps:
                books = books.reserve(policy.id, state.active.links, wanted.bandwidth_bps)
    return Selection(states, books)


def _state(
    domain: Domain, policy: SrPolicy, dataplane: Dataplane | None, books: Reservations, ways: Ways
) -> PolicyState:
    valid: list[ValidPath] = []
    invalid: list[InvalidPath] = []
    for candidate in policy.by_preference:
        seen = {**ways, policy.id: valid[0].links} if valid else ways
        try:
            lists = _sendable(policy.id, _lists(domain, policy.id, candidate, books, seen), dataplane)
            valid.append(ValidPath(candidate, lists, _links(domain, policy.headend, lists)))
        except NoPathError as error:
            invalid.append(InvalidPath(candidate, str(error)))
        if len(valid) == 2:
            break
    active, standby, *_ = (*valid, None, None)
    return PolicyState(policy, active, standby, tuple(invalid))


def _lists(
    domain: Domain, policy: PolicyId, candidate: CandidatePath, books: Reservations, ways: Ways
) -> tuple[SegmentList, ...]:
    """The valid segment lists of a candidate path, of which one is enough (RFC 9256 §5.1); NoPathError if none is."""
    if isinstance(candidate.path, DynamicPath):
        path = compute(domain, policy, candidate.path, books, ways)
        return (SegmentList(pin(domain.igp, path)),)
    problems = {list_: _list_problem(domain, policy, list_) for list_ in candidate.path.lists}
    return _good(problems)


def _list_problem(domain: Domain, policy: PolicyId, list_: SegmentList) -> str:
    """Why an explicit list is invalid (RFC 9256 §5.1); empty if it is not."""
    if not list_.segments or list_.weight < 1:
        return "a segment list has to have a segment and a weight of at least 1"
    here = policy.headend
    for segment in list_.segments:
        if here not in domain.igp.costs or domain.igp.distance(here, segment.node) is None:
            return f"{segment.node} cannot be reached from {here}"
        if segment.end != segment.node and segment.end not in domain.igp.costs[segment.node]:
            return f"there is no link from {segment.node} to {segment.end}"
        here = segment.end
    return "" if here == policy.endpoint else f"the segment list ends at {here}, not at {policy.endpoint}"


def _sendable(policy: PolicyId, lists: tuple[SegmentList, ...], dataplane: Dataplane | None) -> tuple[SegmentList, ...]:
    """Those of `lists` that packets can take; NoPathError if none."""
    if dataplane is None:
        return lists
    return _good({list_: dataplane.problem(policy, list_.segments) for list_ in lists})


def _good(problems: Mapping[SegmentList, str]) -> tuple[SegmentList, ...]:
    good = tuple(list_ for list_, problem in problems.items() if not problem)
    if not good:
        raise NoPathError("; ".join(problems.values()) or "there is no segment list")
    return good


def _links(domain: Domain, headend: str, lists: Iterable[SegmentList]) -> frozenset[LinkId]:
    """Every link that packets may take by `lists`, over all equal-cost ways."""
    links: set[LinkId] = set()
    for list_ in lists:
        here = headend
        for segment in list_.segments:
            links |= {(a, b) for a, hops in domain.igp.successors(here, segment.node).items() for b in hops}
            if segment.end != segment.node:
                links.add((segment.node, segment.end))
            here = segment.end
    return frozenset(links)


def _in_order(policies: Iterable[SrPolicy]) -> tuple[SrPolicy, ...]:
    by_id: dict[PolicyId, SrPolicy] = {}
    for policy in sorted(policies, key=lambda policy: (policy.priority, policy.id)):
        if policy.id in by_id:
            raise PolicyError(f"policy {policy.id} a second time")
        by_id[policy.id] = policy
    ordered: dict[PolicyId, SrPolicy] = {}
    for policy in by_id.values():
        _visit(policy, by_id, ordered, ())
    return tuple(ordered.values())


def _visit(
    policy: SrPolicy,
    by_id: Mapping[PolicyId, SrPolicy],
    ordered: dict[PolicyId, SrPolicy],
    waiting: tuple[PolicyId, ...],
) -> None:
    """Put those that `policy` keeps apart from into `ordered`, and then itself."""
    if policy.id in waiting:
        circle = ", ".join(map(str, waiting))
        raise PolicyError(f"policies {circle} wait for each other to be disjoint from: say it in one of them only")
    for other in sorted(_kept_apart_from(policy) - {policy.id}):
        if other not in by_id:
            raise PolicyError(f"policy {policy.id}: there is no policy {other} to be disjoint from")
        _visit(by_id[other], by_id, ordered, (*waiting, policy.id))
    ordered.setdefault(policy.id, policy)


def _kept_apart_from(policy: SrPolicy) -> set[PolicyId]:
    return {
        candidate.path.disjoint_from.policy
        for candidate in policy.candidate_paths
        if isinstance(candidate.path, DynamicPath) and candidate.path.disjoint_from is not None
    }
