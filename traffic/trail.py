"""One packet's way through a network, from where and when it was seen on interfaces. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from traffic.srheader import Headers


@dataclass(frozen=True)
class Sighting:
    """A copy of the packet on an interface of `node`; `at` in Unix nanoseconds, as the kernel stamped it."""

    at: int
    node: str
    ifname: str
    is_outgoing: bool
    headers: Headers


@dataclass(frozen=True)
class Hop:
    """A visit to a node: how the packet came, None at its source, and how it left, None where it ended."""

    node: str
    arrival: Sighting | None
    departure: Sighting | None

    @property
    def at(self) -> int:
        """When it was first seen there, in Unix nanoseconds."""
        return self.on_the_wire.at if self.arrival is None else self.arrival.at

    @property
    def on_the_wire(self) -> Sighting:
        """The packet as it left, or as it came where it did not leave."""
        seen = self.departure or self.arrival
        assert seen is not None
        return seen


@dataclass(frozen=True)
class Trail:
    """The hops in order, none if the packet was never seen, and whether the last of them is a destination."""

    hops: tuple[Hop, ...]
    arrived: bool

    @property
    def end(self) -> str:
        """`arrived at h2`, `lost in r2`, or `lost beyond r2 (interface r3)`."""
        if not self.hops:
            return "lost before it was on a wire"
        last = self.hops[-1]
        if self.arrived:
            return f"arrived at {last.node}"
        if last.departure is None:
            return f"lost in {last.node}"
        return f"lost beyond {last.node} (interface {last.departure.ifname})"


def follow(sightings: Iterable[Sighting], destinations: Collection[str]) -> Trail:
    """The way of the packet that `sightings`, in any order, are of; `destinations` are nodes with its address.

    The kernel stamps all of them by one clock. Of both ends of a link, where stamps are equal, the sender's is first.
    A node that is visited twice is two hops.
    """
    ordered = sorted(sightings, key=lambda seen: (seen.at, not seen.is_outgoing))
    hops = tuple(_visit(list(group)) for _, group in groupby(ordered, key=lambda seen: seen.node))
    return Trail(hops, bool(hops) and hops[-1].departure is None and hops[-1].node in destinations)


def _visit(seen: Sequence[Sighting]) -> Hop:
    """The hop that consecutive sightings at a node are; interfaces inside it, between the first and last, are not."""
    first, last = seen[0], seen[-1]
    return Hop(first.node, None if first.is_outgoing else first, last if last.is_outgoing else None)
