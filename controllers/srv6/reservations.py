"""Bandwidth that policies hold on links, as a value. These are the controller's own books: no router is asked."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from controllers.srv6.lsdb import Link, LinkId
from controllers.srv6.policy import PolicyId


@dataclass(frozen=True)
class Held:
    """What one policy holds on each of `links`."""

    links: frozenset[LinkId]
    bandwidth_bps: int


@dataclass(frozen=True)
class Reservations:
    """Policy → what it holds; and the sums a link."""

    held: Mapping[PolicyId, Held] = field(default_factory=dict)
    reserved_bps: Mapping[LinkId, int] = field(default_factory=dict)

    def admits(self, link: Link, policy: PolicyId, bandwidth_bps: int) -> bool:
        """Whether `link` has that much left for `policy`; what it holds itself is left too, as it will move."""
        if link.bandwidth_bps is None:
            return True
        own = self.held.get(policy)
        mine = own.bandwidth_bps if own and link.id in own.links else 0
        return self.reserved_bps.get(link.id, 0) - mine + bandwidth_bps <= link.bandwidth_bps

    def reserve(self, policy: PolicyId, links: Set[LinkId], bandwidth_bps: int) -> Reservations:
        """With `bandwidth_bps` for `policy` on `links`, instead of what it held."""
        free = self.release(policy)
        sums = dict(free.reserved_bps)
        for link in links:
            sums[link] = sums.get(link, 0) + bandwidth_bps
        return Reservations({**free.held, policy: Held(frozenset(links), bandwidth_bps)}, sums)

    def release(self, policy: PolicyId) -> Reservations:
        """Without what `policy` held."""
        gone = self.held.get(policy)
        if gone is None:
            return self
        sums = dict(self.reserved_bps)
        for link in gone.links:
            sums[link] -= gone.bandwidth_bps
        rest = {other: held for other, held in self.held.items() if other != policy}
        return Reservations(rest, {link: bps for link, bps in sums.items() if bps})
