"""SR Policies (RFC 9256) as values: what is wanted. `selection` says what comes of it over a network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NamedTuple

from controllers.srv6.paths import Constraints, Metric
from controllers.srv6.segments import Segment
from controllers.srv6.sids import Behavior, Meaning, Sid, SidTable

DEFAULT_PREFERENCE = 100
"""RFC 9256 §2.7."""

DEFAULT_PRIORITY = 128
"""RFC 9256 §2.12."""


class PolicyError(ValueError):
    """A policy that cannot be, whatever the network is like."""


class PolicyId(NamedTuple):
    """What a policy is known by (RFC 9256 §2.1)."""

    headend: str
    color: int
    endpoint: str

    def __str__(self) -> str:
        """`shanghai→guiyang color 100`."""
        return f"{self.headend}→{self.endpoint} color {self.color}"


@dataclass(frozen=True)
class SegmentList:
    """Segments from the headend to the endpoint, and its share of the traffic (RFC 9256 §2.2, §2.11)."""

    segments: tuple[Segment, ...]
    weight: int = 1


@dataclass(frozen=True)
class ExplicitPath:
    """Segment lists as given (RFC 9256 §5.1)."""

    lists: tuple[SegmentList, ...]


class Diversity(StrEnum):
    """What two paths do not share; a node or a risk group apart, they share no link either."""

    LINK = "link"
    NODE = "node"
    SRLG = "srlg"


@dataclass(frozen=True)
class DisjointFrom:
    """Apart from the active path of `policy`. Its own policy is meant for a standby apart from the active path."""

    policy: PolicyId
    diversity: Diversity


@dataclass(frozen=True)
class DynamicPath:
    """What to minimise and what has to hold (RFC 9256 §5.2): the controller computes the segment list."""

    metric: Metric
    constraints: Constraints = field(default_factory=Constraints)
    disjoint_from: DisjointFrom | None = None
    bandwidth_bps: int = 0
    delay_bound_us: int | None = None


@dataclass(frozen=True)
class CandidatePath:
    """One way to do it; of those that are valid the highest `preference` wins, then `discriminator` (§2.9)."""

    path: ExplicitPath | DynamicPath
    preference: int = DEFAULT_PREFERENCE
    discriminator: int = 0

    @property
    def rank(self) -> tuple[int, int]:
        """More is better."""
        return self.preference, self.discriminator


@dataclass(frozen=True)
class SrPolicy:
    """A policy at `headend` toward `endpoint`; those of lower `priority` number are computed first (RFC 9256 §2.12).

    PolicyError for a color out of range and for candidate paths of equal rank.
    """

    headend: str
    color: int
    endpoint: str
    candidate_paths: tuple[CandidatePath, ...]
    binding_sid: Sid | None = None
    priority: int = DEFAULT_PRIORITY

    def __post_init__(self) -> None:
        if not 0 < self.color < 2**32:
            raise PolicyError(f"policy {self.id}: want a color from 1 to {2**32 - 1} (RFC 9256 §2.1)")
        if self.headend == self.endpoint:
            raise PolicyError(f"policy {self.id}: headend and endpoint are one node")
        for rank, times in Counter(candidate.rank for candidate in self.candidate_paths).items():
            if times > 1:
                raise PolicyError(
                    f"policy {self.id}: {times} candidate paths of preference {rank[0]}; want one of each"
                )

    @property
    def id(self) -> PolicyId:
        """What the policy is known by."""
        return PolicyId(self.headend, self.color, self.endpoint)

    @property
    def meaning(self) -> Meaning:
        """What its binding SID stands for."""
        return self.headend, Behavior.END_B6_ENCAPS, str(self.id)

    @property
    def by_preference(self) -> tuple[CandidatePath, ...]:
        """The candidate paths, the best first."""
        return tuple(sorted(self.candidate_paths, key=lambda candidate: candidate.rank, reverse=True))


def bind(policies: Iterable[SrPolicy], table: SidTable) -> tuple[tuple[SrPolicy, ...], SidTable]:
    """The policies with binding SIDs, and the table that has them (RFC 9256 §6).

    That of a policy is its own, the one that it had before, or the first that is free. SidError if its own collides;
    PolicyError if that is not an End.B6.Encaps of the headend, or the headend is no node.
    """
    bound = list(policies)
    for policy in bound:
        if policy.headend not in table.locators:
            raise PolicyError(f"policy {policy.id}: there is no router {policy.headend}")
        if policy.binding_sid is not None:
            table = _with_own(policy, policy.binding_sid, table)
    table = table.allocate(policy.meaning for policy in bound if not table.has(*policy.meaning))
    return tuple(replace(policy, binding_sid=table.find(*policy.meaning)) for policy in bound), table


def _with_own(policy: SrPolicy, sid: Sid, table: SidTable) -> SidTable:
    if sid.behavior is not Behavior.END_B6_ENCAPS or sid.locator != table.locators[policy.headend]:
        raise PolicyError(f"policy {policy.id}: binding SID {sid}; want an End.B6.Encaps of {policy.headend}")
    own = replace(sid, context=str(policy.id))
    return table if table.sids.get(own.address) == own else table.with_sid(own)


def shares(lists: Sequence[SegmentList]) -> tuple[float, ...]:
    """The part of the traffic that each list gets: its weight of all weights (RFC 9256 §2.11)."""
    total = sum(list_.weight for list_ in lists)
    return tuple(list_.weight / total for list_ in lists)
