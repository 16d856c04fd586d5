"""Policies as clients write them. Every key is checked; quantities have units."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from controllers.srv6.paths import Constraints, Metric
from controllers.srv6.policy import (
    DEFAULT_PREFERENCE,
    DEFAULT_PRIORITY,
    CandidatePath,
    DisjointFrom,
    Diversity,
    DynamicPath,
    ExplicitPath,
    PolicyId,
    SegmentList,
    SrPolicy,
)
from controllers.srv6.segments import AdjacencySegment, NodeSegment, Segment
from controllers.srv6.sids import Behavior, Locator, Sid, SidError
from testbed.units import DurationMs, Rate


class Body(BaseModel):
    """See the head of this module."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _is_segment(text: str) -> str:
    if not all(text.split(">")) or text.count(">") > 1:
        raise ValueError('want a node such as "p1", or an adjacency such as "p1>p2"')
    return text


Color = Annotated[int, Field(ge=1, lt=2**32)]
Node = Annotated[str, Field(min_length=1)]
SegmentText = Annotated[str, AfterValidator(_is_segment), Field(pattern="^[^>]+(>[^>]+)?$", examples=["p1", "p1>p2"])]


class WindowBody(Body):
    """What became of the probes of the subject `id` in one window; delays are one way, in µs, null without answers."""

    id: str
    sent: int = Field(ge=0)
    received: int = Field(ge=0)
    least_us: float | None = Field(ge=0)
    mean_us: float | None = Field(ge=0)


class WindowsBody(Body):
    """Windows that are complete."""

    windows: tuple[WindowBody, ...]


class PolicyName(Body):
    """What a policy is known by (RFC 9256 §2.1)."""

    headend: Node
    color: Color
    endpoint: Node

    @property
    def id(self) -> PolicyId:
        """As the core has it."""
        return PolicyId(self.headend, self.color, self.endpoint)


class Apart(PolicyName):
    """Of which policy's active path to share nothing: no link, no node on the way, or no link with a shared risk."""

    diversity: Diversity = Diversity.LINK


class Dynamic(Body):
    """What to minimise and what has to hold; the controller computes the segment list (RFC 9256 §5.2)."""

    metric: Metric = Metric.IGP
    exclude: frozenset[str] = Field(default=frozenset(), description="Affinities that no link may have.")
    include_any: frozenset[str] = Field(default=frozenset(), description="Affinities of which each link has one.")
    include_all: frozenset[str] = Field(default=frozenset(), description="Affinities that each link has.")
    exclude_srlgs: frozenset[str] = Field(default=frozenset(), description="Shared risks that no link may have.")
    bound: DurationMs | None = Field(default=None, gt=0, description="The delay of the path at most.")
    bandwidth: Rate | None = Field(default=None, description="What is reserved on every link.")
    disjoint_from: Apart | None = None

    def path(self) -> DynamicPath:
        """As the core has it."""
        apart = self.disjoint_from
        return DynamicPath(
            self.metric,
            Constraints(self.exclude, self.include_any, self.include_all, self.exclude_srlgs),
            DisjointFrom(apart.id, apart.diversity) if apart else None,
            self.bandwidth or 0,
            None if self.bound is None else round(self.bound * 1000),
        )


class WeightedList(Body):
    """Segments from the headend to the endpoint, and their share of the traffic against that of other lists."""

    segments: tuple[SegmentText, ...] = Field(min_length=1)
    weight: int = Field(default=1, ge=1, le=255)

    def list_(self) -> SegmentList:
        """As the core has it."""
        return SegmentList(tuple(map(_segment, self.segments)), self.weight)


class Way(Body):
    """Segment lists as given, or what to compute them by."""

    explicit: tuple[WeightedList, ...] | None = Field(default=None, min_length=1)
    dynamic: Dynamic | None = None

    def path(self) -> ExplicitPath | DynamicPath | None:
        """As the core has it; None for neither."""
        if self.explicit is not None:
            return ExplicitPath(tuple(each.list_() for each in self.explicit))
        return self.dynamic.path() if self.dynamic else None


class Candidate(Way):
    """One way to do it; of those that are valid the highest preference wins."""

    preference: int = Field(default=DEFAULT_PREFERENCE, ge=0, lt=2**32)
    discriminator: int = Field(default=0, ge=0, lt=2**32)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.explicit is None) == (self.dynamic is None):
            raise ValueError("want one of explicit and dynamic")
        return self

    def candidate(self) -> CandidatePath:
        """As the core has it."""
        path = self.path()
        assert path is not None
        return CandidatePath(path, self.preference, self.discriminator)


class PolicyBody(PolicyName, Way):
    """An SR Policy (RFC 9256): its candidate paths, or the only one by itself."""

    candidate_paths: tuple[Candidate, ...] | None = Field(default=None, min_length=1)
    binding_sid: IPv6Address | None = Field(default=None, description="Of the headend; by default one that is free.")
    priority: int = Field(default=DEFAULT_PRIORITY, ge=0, le=255, description="Lower ones are computed first.")

    @model_validator(mode="after")
    def _some_path(self) -> Self:
        if sum(each is not None for each in (self.explicit, self.dynamic, self.candidate_paths)) != 1:
            raise ValueError("want one of explicit, dynamic and candidate_paths")
        return self

    def policy(self, block: IPv6Network) -> SrPolicy:
        """As the core has it; PolicyError or SidError for what cannot be."""
        path = self.path()
        candidates = (CandidatePath(path),) if path else tuple(each.candidate() for each in self.candidate_paths or ())
        sid = _binding_sid(self.binding_sid, block, self.id) if self.binding_sid else None
        return SrPolicy(*self.id, candidates, sid, self.priority)


def _segment(text: str) -> Segment:
    node, _, peer = text.partition(">")
    return AdjacencySegment(node, peer) if peer else NodeSegment(node)


def _binding_sid(address: IPv6Address, block: IPv6Network, policy: PolicyId) -> Sid:
    if address not in block:
        raise SidError(f"binding SID {address}: want one of {block}, such as {Locator(block, 1).address(0xF800)}")
    value = int(address)
    sid = Sid(Locator(block, value >> 80 & 0xFFFF), value >> 64 & 0xFFFF, Behavior.END_B6_ENCAPS, str(policy))
    if sid.address != address:
        raise SidError(f"binding SID {address}: nothing comes behind the function, as in {sid.address}")
    return sid
