"""Three routers, each joined to the other two by plain veth pairs, with the SIDs and routes that SRv6 needs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address, IPv6Network
from itertools import combinations, permutations

from controllers.srv6.fib import ANCHOR, FibRoute, LocalSid, NextHop, route_line
from controllers.srv6.sids import Behavior, Sid, SidTable, allocate
from testbed import netns
from tests.support.traffic_rig import Node, run

NAMES = "abc"
PAIRS = list(permutations(NAMES, 2))
TABLE: SidTable = allocate(IPv6Network("fcbb:bb00::/32"), NAMES, PAIRS, frozenset())


def loopback(name: str) -> IPv6Address:
    return IPv6Address(f"fd00::{NAMES.index(name) + 1}")


@contextmanager
def triangle(part: str) -> Iterator[dict[str, Node]]:
    """Name → router; interfaces are named after the peers."""
    nodes = {name: Node(name, f"blt-{part}-{name}", "", str(loopback(name))) for name in NAMES}
    made: list[Node] = []
    try:
        for node in nodes.values():
            netns.create(node.namespace)
            made.append(node)
        for a, b in combinations(nodes.values(), 2):
            run(a, "ip", "link", "add", "name", b.name, "type", "veth", "peer", "name", a.name, "netns", b.namespace)
        for node in nodes.values():
            prepare(node)
        yield nodes
    finally:
        for node in made:
            netns.delete(node.namespace)


def prepare(node: Node) -> None:
    """All of a router but its links."""
    peers = [peer for peer in NAMES if peer != node.name]
    run(node, "sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
    for ifname in ("all", "lo", *peers):
        run(node, "sysctl", "-qw", f"net.ipv6.conf.{ifname}.seg6_enabled=1")
    lines = [f"link add name {ANCHOR} type bridge", f"address add {node.address6}/128 dev lo"]
    lines += [f"address add {_address(node.name, peer)}/64 dev {peer} nodad" for peer in peers]
    lines += [f"link set dev {ifname} up" for ifname in ("lo", ANCHOR, *peers)]
    lines += [route_line("replace", _local(sid)) for sid in TABLE.of_node(node.name)]
    lines += [line for peer in peers for line in routes_to(node.name, peer)]
    run(node, "ip", "-6", "-batch", "-", text="\n".join(lines))


def routes_to(name: str, peer: str) -> list[str]:
    """The lines with which a router reaches the locator and the loopback of a peer, straight."""
    hop = NextHop(peer, _address(peer, name))
    prefixes = IPv6Network(loopback(peer)), TABLE.locators[peer].prefix
    return [route_line("replace", FibRoute(prefix, (hop,))) for prefix in prefixes]


def packets(node: Node, sid: Sid) -> int:
    """How many packets the kernel has counted at a SID."""
    routes = json.loads(run(node, "ip", "-6", "-s", "-j", "route", "show", str(sid.prefix)))
    return int(routes[0]["stats64"]["packets"])


def _local(sid: Sid) -> FibRoute:
    nexthop = _address(sid.context, _owner(sid)) if sid.context else None
    return FibRoute(sid.prefix, local=LocalSid(Behavior(sid.behavior), nexthop))


def _owner(sid: Sid) -> str:
    return next(name for name, locator in TABLE.locators.items() if locator == sid.locator)


def _address(name: str, peer: str) -> IPv6Address:
    """Of `name`'s link to `peer`."""
    link = "".join(sorted(name + peer))
    return IPv6Address(f"fd99:{link}::{1 if name < peer else 2}")
