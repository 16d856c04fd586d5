"""What every link engine offers to the lab.

Both engines have the same shape on the wire: each end of an emulated link is a veth pair whose outer end is the node's
interface and whose inner end lies in the engine's namespace. The lab makes the pairs; the engine joins the inner ends.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from testbed.links.profile import LinkProfile


@dataclass(frozen=True)
class EmulatedLink:
    """A link as an engine sees it: two interfaces of the engine's namespace and a profile per direction."""

    name: str
    a_ifname: str
    b_ifname: str
    a_to_b: LinkProfile
    b_to_a: LinkProfile


@dataclass(frozen=True)
class DirectionCounters:
    """What happened in one direction so far; lateness is how much later than due packets left, in microseconds."""

    packets: int
    bytes: int
    dropped_loss: int
    dropped_queue: int
    lateness_us_p50: float | None
    lateness_us_p99: float | None


@dataclass(frozen=True)
class LinkCounters:
    """Both directions of one link."""

    name: str
    a_to_b: DirectionCounters
    b_to_a: DirectionCounters


class LinkEngine(Protocol):
    """Joins pairs of interfaces into links that delay, lose and limit packets; profiles may change at any time."""

    name: str

    def add(self, links: Iterable[EmulatedLink]) -> None:
        """Start to emulate; raises LinkEngineError naming the link that could not be joined."""

    def change(self, name: str, a_to_b: LinkProfile, b_to_a: LinkProfile) -> None:
        """Give a running link new profiles; packets on their way keep the old ones."""

    def counters(self) -> tuple[LinkCounters, ...]:
        """Counters of all links, in the order in which they were added."""

    def close(self) -> None:
        """Stop; links carry nothing from here on."""
