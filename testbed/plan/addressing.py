"""MAC addresses, subnets and addresses, by the position of nodes and links in the graph: same graph, same addresses.

Point-to-point links between addressed nodes get a /31 and a /127; the links around bridges (LANs, CPEs) make one
layer-2 domain with a /24 and a /64; routers have loopbacks. A UE's link has no addresses: the UE's comes from the SMF.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

import networkx as nx

from testbed.graph import CPES, LAYER2, Graph, Link, Role

LOOPBACK4 = IPv4Network("10.255.0.0/16")
LINKS4 = IPv4Network("10.1.0.0/16")
LANS4 = IPv4Network("10.10.0.0/16")
MANAGEMENT4 = IPv4Network("172.31.255.0/24")
LOOPBACK6 = IPv6Network("fd00:255::/64")
LINKS6 = IPv6Network("fd00:1::/48")
LANS6 = IPv6Network("fd00:10::/32")

LEAST_MTU = 1280
"""Of a link with IPv6 addresses (RFC 8200 §5)."""

RESERVED_NAMES = frozenset(
    {
        "all",
        "br0",
        "controller",
        "default",
        "lo",
        "mgmt",
        "n6",
        "ovs-netdev",
        "ovs-system",
        "probes",
        "replicas",
        "sr0",
        "wire",
    }
)
"""Interfaces and processes of a lab have these names already, or the kernel refuses them: no node may."""

RESERVED4 = {
    "router loopbacks": LOOPBACK4,
    "point-to-point links": LINKS4,
    "DC LANs": LANS4,
    "the management network": MANAGEMENT4,
}
"""What the plan itself uses: pools and services must stay clear of it."""

RESERVED6 = {"router loopbacks": LOOPBACK6, "point-to-point links": LINKS6, "DC LANs": LANS6}
"""The same of IPv6."""


@dataclass(frozen=True)
class Port:
    """One end of a link at a node that has addresses."""

    node: str
    ifname: str


@dataclass(frozen=True)
class Subnet:
    """A point-to-point link or a layer-2 domain: its prefixes and the address of each port in it."""

    prefix4: IPv4Network
    prefix6: IPv6Network
    addresses: dict[Port, tuple[str, str]]
    """Port → (IPv4, IPv6), without prefix length."""

    def ports(self) -> tuple[Port, ...]:
        """The ports, in the order of their addresses."""
        return tuple(self.addresses)

    def prefixes(self) -> tuple[str, str]:
        """IPv4 and IPv6 prefix as text."""
        return str(self.prefix4), str(self.prefix6)

    def interface_addresses(self, port: Port) -> tuple[str, str]:
        """The port's addresses with prefix length."""
        address4, address6 = self.addresses[port]
        return f"{address4}/{self.prefix4.prefixlen}", f"{address6}/{self.prefix6.prefixlen}"


GATEWAYS = (Role.ROUTER, Role.EDGE)
"""Roles that are others' default gateways."""


def ifname(link: Link, node: str) -> str:
    """The interface of `link` at `node` is called after the peer."""
    return link.b if node == link.a else link.a


def mac(link_index: int, end: int) -> str:
    """A locally administered MAC address: the link's index and which end of it (0 or 1)."""
    return f"02:b1:00:{link_index >> 8:02x}:{link_index & 0xFF:02x}:{end:02x}"


def macs(links: Iterable[Link]) -> dict[Port, str]:
    """Each end of each link → its MAC address; `links` are all of a graph, in its order."""
    return {
        Port(node, ifname(link, node)): mac(index, end)
        for index, link in enumerate(links)
        for end, node in enumerate((link.a, link.b))
    }


def loopbacks(graph: Graph) -> dict[str, tuple[str, str]]:
    """Router → its addresses on `lo`, /32 and /128."""
    routers = graph.with_role(Role.ROUTER)
    return {
        router.name: (f"{LOOPBACK4[index]}/32", f"{LOOPBACK6[index]}/128") for index, router in enumerate(routers, 1)
    }


def management(graph: Graph) -> dict[str, str]:
    """CPE → its address on the management network; the base namespace has the first one."""
    cpes = (node for node in graph.nodes if node.role in CPES)
    return {cpe.name: f"{MANAGEMENT4[index]}/24" for index, cpe in enumerate(cpes, 2)}


def subnets(graph: Graph) -> tuple[Subnet, ...]:
    """All subnets: point-to-point links first, then layer-2 domains."""
    return (*_point_to_point(graph), *_layer2_domains(graph))


def _point_to_point(graph: Graph) -> Iterable[Subnet]:
    roles = {node.name: node.role for node in graph.nodes}
    unaddressed = LAYER2 | {Role.UE}
    links = [link for link in graph.links if not unaddressed & {roles[link.a], roles[link.b]}]
    for index, link in enumerate(links):
        prefix4 = IPv4Network((int(LINKS4.network_address) + 2 * index, 31))
        prefix6 = IPv6Network((int(LINKS6.network_address) + (index << 64), 127))
        ports = (Port(link.a, ifname(link, link.a)), Port(link.b, ifname(link, link.b)))
        yield Subnet(prefix4, prefix6, {port: (str(prefix4[end]), str(prefix6[end])) for end, port in enumerate(ports)})


def _layer2_domains(graph: Graph) -> Iterable[Subnet]:
    roles = {node.name: node.role for node in graph.nodes}
    bridges: nx.Graph[str] = nx.Graph()
    bridges.add_nodes_from(node.name for node in graph.nodes if node.role in LAYER2)
    bridges.add_edges_from((link.a, link.b) for link in graph.links if {roles[link.a], roles[link.b]} <= LAYER2)
    for index, domain in enumerate(nx.connected_components(bridges), 1):
        prefix4 = IPv4Network((int(LANS4.network_address) + (index << 8), 24))
        prefix6 = IPv6Network((int(LANS6.network_address) + (index << 80), 64))
        ports = sorted(_ports_of_domain(graph, domain), key=lambda port: roles[port.node] not in GATEWAYS)
        hosts = {port: (str(prefix4[number]), str(prefix6[number])) for number, port in enumerate(ports, 1)}
        yield Subnet(prefix4, prefix6, hosts)


def _ports_of_domain(graph: Graph, domain: set[str]) -> Iterable[Port]:
    for link in graph.links:
        for inside, outside in ((link.a, link.b), (link.b, link.a)):
            if inside in domain and outside not in domain:
                yield Port(outside, ifname(link, outside))


def gateway(graph: Graph, subnet: Subnet) -> Port | None:
    """The first port of a router or an edge in a subnet: the default gateway of everybody else there."""
    roles = {node.name: node.role for node in graph.nodes}
    return next((port for role in GATEWAYS for port in subnet.ports() if roles[port.node] is role), None)
