"""What routers' states are made from: the network, its SIDs, and what was computed; with what several of them need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from controllers.srv6.containers import pack
from controllers.srv6.fib import Encap, NextHop
from controllers.srv6.network import Network, Prefix
from controllers.srv6.paths import Domain
from controllers.srv6.planes import Plane, planes
from controllers.srv6.segments import Segment, resolve, toward_service
from controllers.srv6.selection import Selection
from controllers.srv6.services import VpnRoute, vpn_routes
from controllers.srv6.sids import Sid, SidTable


@dataclass(frozen=True, eq=False)
class View:
    """One moment of the network."""

    network: Network
    table: SidTable
    domain: Domain
    selection: Selection

    @cached_property
    def planes(self) -> tuple[Plane, ...]:
        """The IGP's own plane, and those of the flex-algos."""
        return planes(self.network, self.table, self.domain)

    def plane_of(self, color: int | None) -> Plane:
        """Where traffic of `color` goes that has no policy."""
        algorithms = [None, *(algorithm.number for algorithm in self.network.flex_algos)]
        return self.planes[algorithms.index(self.network.colors.get(color) if color is not None else None)]

    @cached_property
    def sids(self) -> Mapping[str, tuple[Sid, ...]]:
        """Router → its SIDs."""
        found: dict[int, list[Sid]] = {}
        for sid in self.table.sids.values():
            found.setdefault(sid.locator.node_id, []).append(sid)
        return {name: tuple(found[locator.node_id]) for name, locator in self.table.locators.items()}

    @cached_property
    def vpns(self) -> Mapping[str, Mapping[Prefix, tuple[VpnRoute, ...]]]:
        """Tenant → prefix → all who have it; several for anycast."""
        found: dict[str, dict[Prefix, tuple[VpnRoute, ...]]] = {}
        for tenant in self.network.tenants:
            routes = found.setdefault(tenant.name, {})
            for route in vpn_routes(self.network, self.table, tenant):
                routes[route.prefix] = (*routes.get(route.prefix, ()), route)
        return found

    def next_hop(self, router: str, peer: str) -> NextHop:
        """Plainly over the link to `peer`."""
        return NextHop(self.network.port[router, peer].ifname, self.network.port[peer, router].address.ip)

    def encap(self, segments: Iterable[Segment], last: Sid, plane: Plane | None = None) -> Encap:
        """Along `segments` to `last`, in containers if the network has micro-SIDs."""
        sids = toward_service(resolve(segments, self.table), last)
        if plane is not None:
            sids = tuple(map(plane.sid, sids))
        return Encap(pack(sids) if self.network.compressed else tuple(sid.address for sid in sids))
