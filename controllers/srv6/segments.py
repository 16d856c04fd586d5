"""The fewest segments that pin a path over the IGP's shortest paths, and what they cost of the MTU.

A node segment takes a packet along the IGP's shortest path to the node; it pins a stretch of the path if that shortest
path is the only one. An adjacency segment is End.X: its locator takes the packet to the node in the same way, and its
function across one link, whatever the link costs. So every segment covers a stretch with a single shortest path, and
an adjacency segment one link more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from controllers.srv6.paths import Path, RoutingGraph
from controllers.srv6.sids import Sid, SidTable


@dataclass(frozen=True, order=True)
class NodeSegment:
    """To `node`, by the IGP: its End."""

    node: str

    @property
    def end(self) -> str:
        """Where the packet is when the segment is done."""
        return self.node

    def __str__(self) -> str:
        """`pe2`."""
        return self.node


@dataclass(frozen=True, order=True)
class AdjacencySegment:
    """To `node`, by the IGP, then across its link to `peer`: its End.X."""

    node: str
    peer: str

    @property
    def end(self) -> str:
        """Where the packet is when the segment is done."""
        return self.peer

    def __str__(self) -> str:
        """`pe1>pe2`."""
        return f"{self.node}>{self.peer}"


Segment = NodeSegment | AdjacencySegment


def pin(igp: RoutingGraph, path: Path) -> tuple[Segment, ...]:
    """The fewest segments with which a packet at the first node of `path` follows it to the last.

    Of those the ones with the fewest adjacencies, since a node segment outlives the failure of a link. `igp` is the
    graph by which locators are routed.
    """
    best: list[tuple[Segment, ...]] = [()] * len(path)
    for here in range(len(path) - 2, -1, -1):
        reach = _reach(igp, path, here)
        choices = [(NodeSegment(path[to]), *best[to]) for to in range(reach, here, -1)]
        choices += [
            (AdjacencySegment(path[at], path[at + 1]), *best[at + 1])
            for at in range(min(reach, len(path) - 2), here - 1, -1)
        ]
        best[here] = min(choices, key=rank)
    return best[0] if path else ()


def rank(segments: Sequence[Segment]) -> tuple[int, int]:
    """Less is better: the number of segments, then of adjacencies among them."""
    return len(segments), sum(isinstance(segment, AdjacencySegment) for segment in segments)


def resolve(segments: Iterable[Segment], table: SidTable) -> tuple[Sid, ...]:
    """The SIDs of `segments`; KeyError if `table` lacks one."""
    return tuple(
        table.end(segment.node) if isinstance(segment, NodeSegment) else table.end_x(segment.node, segment.peer)
        for segment in segments
    )


def toward_service(sids: Sequence[Sid], service: Sid) -> tuple[Sid, ...]:
    """`sids` and then the endpoint's `service` SID, which takes the place of the endpoint's End if that is the last."""
    same_node = bool(sids) and not sids[-1].function and sids[-1].locator == service.locator
    return (*sids[: -1 if same_node else None], service)


def _reach(igp: RoutingGraph, path: Path, here: int) -> int:
    """How far on `path` the IGP's only shortest path from `here` goes along with it."""
    spf, cost = igp.spf(path[here]), 0
    for index in range(here + 1, len(path)):
        link = igp.costs[path[index - 1]].get(path[index])
        cost += link or 0
        if link is None or spf.distance.get(path[index]) != cost or spf.count[path[index]] > 1:
            return index - 1
    return len(path) - 1


MOST_SEGMENTS = 127
"""Hdr Ext Len has 8 bits and counts 8 bytes, of which a segment takes two (RFC 8754 §2)."""


@dataclass(frozen=True)
class MtuBudget:
    """What encapsulation may add: packets of `inner_mtu` bytes have to go through links of `link_mtu`."""

    link_mtu: int
    inner_mtu: int

    def problem(self, segments: int, sids: int) -> str:
        """Why the `sids` of a list, in as many `segments` (containers, or the SIDs), are too many; empty if not."""
        what = f"{segments} segments" if segments == sids else f"{sids} SIDs, in {segments} segments,"
        if segments > MOST_SEGMENTS:
            return f"{what} are too many: an SRH holds {MOST_SEGMENTS}"
        added = encapsulation_bytes(segments)
        needed = self.inner_mtu + added
        if needed > self.link_mtu:
            return f"{what} add {added} bytes to packets of {self.inner_mtu}: {needed}, over the MTU {self.link_mtu}"
        return ""


def encapsulation_bytes(segments: int) -> int:
    """What H.Encaps.Red adds (RFC 8986 §5.2): IPv6, and an SRH of all segments but the first, if there are others."""
    return 40 + (8 + 16 * (segments - 1) if segments > 1 else 0)
