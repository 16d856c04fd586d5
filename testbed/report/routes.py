"""Which way packets go by the plan's routes: nodes between two tunnel ends, bridges included. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from ipaddress import ip_address, ip_interface, ip_network
from itertools import pairwise

from testbed.graph import LAYER2, Role
from testbed.plan.model import Plan, PlannedNode
from testbed.report.result import HopResult

_LONGEST = 64


class Routes:
    """Follows packets through a plan."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._nodes = {node.name: node for node in plan.nodes}
        self._peers = {(link.a.node, link.a.ifname): link.b.node for link in plan.links}
        self._peers |= {(link.b.node, link.b.ifname): link.a.node for link in plan.links}
        self._owners = {ip_interface(address).ip: node.name for node in plan.nodes for address in _ports(node)}

    def role(self, address: str) -> Role | None:
        """The role of the node that has this address on an interface."""
        owner = self._owners.get(ip_address(address))
        return self._nodes[owner].role if owner else None

    def owner(self, address: str) -> str:
        """The name of the node that has this address, else the address."""
        return self._owners.get(ip_address(address), address)

    def walk(self, start: str, address: str) -> tuple[str, ...]:
        """The nodes from `start` to the one that has `address`, or as far as the routes go; a UPF ends it too."""
        way = [start]
        while len(way) < _LONGEST and (onward := self._hop(self._nodes[way[-1]], address)):
            way += onward
            if self._nodes[way[-1]].role is Role.UPF:
                break
        return tuple(way)

    def probe_links(self, ue: str, service: str, ue_address: str, hops: Sequence[HopResult]) -> set[frozenset[str]]:
        """The pairs of adjacent nodes that a proven probe and its reply passed."""
        session = next((session for session in self._plan.sessions if session.ue == ue), None)
        if session is None or not hops:
            return set()
        up = self._follow(session.gnb, (hop for hop in hops if hop.direction == "up"), service)
        down = self._follow(up[-1], (hop for hop in hops if hop.direction == "down"), ue_address)
        adjacent = [*pairwise([ue, *up]), *pairwise([*down, ue])]
        return {frozenset(pair) for pair in adjacent}

    def _follow(self, start: str, hops: Iterable[HopResult], address: str) -> list[str]:
        """From tunnel end to tunnel end, and outside tunnels towards `address`."""
        way = [start]
        for hop in hops:
            way += self.walk(way[-1], hop.tunnel.dst if hop.tunnel else address)[1:]
        return way

    def _hop(self, node: PlannedNode, address: str) -> tuple[str, ...]:
        """The bridges and the next node on the way to `address`; nothing if it is here or there is no route."""
        own = {ip_interface(held).ip for held in (*_ports(node), *node.loopback)}
        target = ip_address(address)
        if target in own:
            return ()
        best: tuple[int, str, str] = (-1, "", "")
        for prefix, dev, via in _candidates(node):
            network = ip_network(prefix, strict=False)
            if target.version == network.version and target in network and network.prefixlen > best[0]:
                best = (network.prefixlen, dev, via or address)
        _, dev, via = best
        owner = self._owners.get(ip_address(via)) if dev else None
        return self._across(node.name, dev, owner) if owner else ()

    def _across(self, node: str, dev: str, target: str) -> tuple[str, ...]:
        """From an interface through bridges to the neighbour `target`."""
        first = self._peers[node, dev]
        queue: deque[tuple[str, ...]] = deque([(first,)])
        seen = {node, first}
        while queue:
            way = queue.popleft()
            if way[-1] == target:
                return way
            if self._nodes[way[-1]].role in LAYER2:
                beyond = [self._peers[way[-1], port.name] for port in self._nodes[way[-1]].interfaces]
                queue.extend((*way, name) for name in beyond if name not in seen)
                seen.update(beyond)
        return ()


def _ports(node: PlannedNode) -> tuple[str, ...]:
    return tuple(address for port in node.interfaces for address in port.addresses)


def _candidates(node: PlannedNode) -> Iterable[tuple[str, str, str | None]]:
    for port in node.interfaces:
        for address in port.addresses:
            yield address, port.name, None
    for route in node.routes:
        yield route.prefix, route.dev, route.via
