"""Kernels in miniature: a packet goes from router to router by their states, as Linux would take it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address

from controllers.srv6.fib import MAIN_TABLE, Encap, FibRoute, LocalSid, RouterState
from controllers.srv6.lsdb import LinkId
from controllers.srv6.network import Address, Network
from controllers.srv6.sids import Behavior, Flavor

MOST_STEPS = 200


@dataclass(frozen=True)
class Packet:
    """The active destination, the segments of its SRH that are left, and the packet inside if there is one."""

    to: Address
    left: tuple[IPv6Address, ...] = ()
    inside: Packet | None = None


@dataclass(frozen=True)
class Trail:
    """Where a packet went, and how it ended: `delivered`, or why not."""

    routers: tuple[str, ...]
    end: str

    @property
    def delivered(self) -> bool:
        """Whether it came out."""
        return self.end == "delivered"


class Forwarding:
    """The data plane of `states`; links of `dead` carry nothing."""

    def __init__(self, network: Network, states: Mapping[str, RouterState], dead: Collection[LinkId] = ()) -> None:
        self._network, self._states, self._dead = network, states, dead
        self._across: dict[Address | None, str] = {port.address.ip: port.node for port in network.ports}
        self._peers = {(port.node, port.ifname): port.peer for port in network.ports}
        self._loopbacks = {router.name: router.loopback for router in network.routers}
        self._tables = {router: _tables(state) for router, state in states.items()}

    def trails(self, router: str, packet: Packet, table: int = MAIN_TABLE) -> Iterator[Trail]:
        """Every way that a packet may take that is at `router` now, by each of several equal next hops."""
        yield from self._walk((router,), packet, table, MOST_STEPS)

    def _walk(self, path: tuple[str, ...], packet: Packet, table: int, steps: int) -> Iterator[Trail]:
        if not steps:
            yield Trail(path, "loops")
            return
        here = path[-1]
        if packet.to == self._loopbacks[here]:
            yield Trail(path, "delivered")
            return
        route = self._lookup(here, packet.to, table)
        if route is None or not (route.local or route.nexthops):
            yield Trail(path, f"{here} has no route to {packet.to}")
        elif route.local:
            yield from self._local(path, packet, route.local, steps - 1)
        else:
            for hop in route.nexthops:
                if hop.encap:
                    yield from self._walk(path, _encapsulated(packet, hop.encap), MAIN_TABLE, steps - 1)
                else:
                    yield from self._over(path, packet, hop.dev, steps - 1)

    def _over(self, path: tuple[str, ...], packet: Packet, dev: str, steps: int) -> Iterator[Trail]:
        peer = self._peers.get((path[-1], dev))
        if peer is None:
            yield Trail(path, "delivered")
        elif (path[-1], peer) in self._dead:
            yield Trail(path, f"lost between {path[-1]} and {peer}")
        else:
            yield from self._walk((*path, peer), packet, MAIN_TABLE, steps)

    def _local(self, path: tuple[str, ...], packet: Packet, sid: LocalSid, steps: int) -> Iterator[Trail]:
        match sid.behavior:
            case Behavior.END | Behavior.END_X:
                onward = _next(packet, sid)
                if onward is None:
                    yield Trail(path, f"{packet.to} is the last segment")
                elif sid.behavior is Behavior.END_X:
                    dev = self._network.port[path[-1], self._across[sid.nexthop]].ifname
                    yield from self._over(path, onward, dev, steps)
                else:
                    yield from self._walk(path, onward, MAIN_TABLE, steps)
            case Behavior.END_DT6 | Behavior.END_DT46:
                assert packet.inside is not None and sid.table is not None
                yield from self._walk(path, packet.inside, sid.table, steps)
            case Behavior.END_DX4:
                assert packet.inside is not None and isinstance(packet.inside.to, IPv4Address)
                yield Trail(path, "delivered")

    def _lookup(self, router: str, to: Address, table: int) -> FibRoute | None:
        for bits, routes in self._tables[router].get((table, to.version), ()):
            route = routes.get(int(to) >> to.max_prefixlen - bits)
            if route is not None:
                return route
        return None


_Tables = dict[tuple[int, int], list[tuple[int, dict[int, FibRoute]]]]
"""(table, IP version) → prefix length and the best route of each prefix of that length, the longest first."""

_known: dict[int, tuple[RouterState, _Tables]] = {}
"""By identity: most routers keep their state from one step to the next."""


def _tables(state: RouterState) -> _Tables:
    if id(state) not in _known:
        tables: dict[tuple[int, int], dict[int, dict[int, FibRoute]]] = {}
        for route in sorted(state.routes.values(), key=lambda route: -route.metric):
            prefix = route.prefix
            routes = tables.setdefault((route.table, prefix.version), {}).setdefault(prefix.prefixlen, {})
            routes[int(prefix.network_address) >> prefix.max_prefixlen - prefix.prefixlen] = route
        _known[id(state)] = state, {key: sorted(table.items(), reverse=True) for key, table in tables.items()}
    return _known[id(state)][1]


def _encapsulated(packet: Packet, encap: Encap) -> Packet:
    first, *left = encap.segments
    return Packet(first, tuple(left), packet)


def _next(packet: Packet, sid: LocalSid) -> Packet | None:
    if Flavor.NEXT_CSID in sid.flavors:
        argument = int(packet.to) & (1 << 96 - sid.csid_bits) - 1
        if argument:
            block = int(packet.to) >> 96 << 96
            return replace(packet, to=IPv6Address(block | argument << sid.csid_bits))
    if not packet.left:
        return None
    return replace(packet, to=packet.left[0], left=packet.left[1:])
