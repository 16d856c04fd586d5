"""What stands between an edge and a transport that is encrypted: a gateway, and a NAT where the edge is behind one.

    transport's router ══ link ══ gateway: WireGuard ── cpe
    transport's router ══ link ══ NAT ── gateway: WireGuard ── cpe

Each is a namespace of its own. So the edge's tunnels leave by a bridge of it, as on any transport: ovs-vswitchd in user
space sends them by nothing else, and an interface of WireGuard cannot be in a bridge. Only the gateway can tell what is
inside, by the addresses that tunnels end at: those are between it and its edge alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Network

from testbed.graph import Link, Role, Tier
from testbed.links.profile import LinkProfile
from testbed.plan.addressing import ifname
from testbed.plan.model import (
    LinkEnd,
    PlannedInterface,
    PlannedLink,
    PlannedNode,
    PlannedPeer,
    PlannedWireguard,
    Route,
)
from testbed.plan.routing import host_prefix

WIREGUARD_ROOM = 20 + 8 + 16 + 16
"""What WireGuard adds: IPv4, UDP, its header and its tag."""

PORT = 51820
"""Where gateways listen."""

KEEPALIVE_S = 5
"""How often a gateway behind a NAT speaks, so that the NAT keeps knowing it."""

SECURED4 = IPv4Network("100.64.0.0/16")
"""Between gateways and their edges (RFC 6598); they mean something there only."""

BEHIND_NAT4 = IPv4Network("192.168.0.0/16")
"""Between gateways and NATs (RFC 1918)."""

_CPE, _NAT, _GATEWAY = "cpe", "nat", "gateway"
"""What gateways and NATs call their interfaces to each other and to the edge."""


@dataclass(frozen=True)
class Attachment:
    """How an edge is attached to an encrypted transport; `number` is that of its gateway.

    `public` is its address there, which is the NAT's if it is `behind_nat`; `via` is the transport's router.
    """

    edge: str
    transport: str
    number: int
    link: Link
    public: str
    via: str
    behind_nat: bool

    @property
    def gateway(self) -> str:
        """The gateway's name, which no node of a topology has."""
        return f"{self.edge}.{self.transport}"

    @property
    def nat(self) -> str:
        """The NAT's name."""
        return f"{self.gateway}.{_NAT}"

    @property
    def endpoint(self) -> str:
        """Where the edge's tunnels end, without prefix length."""
        return str(SECURED4[2 * self.number + 1])

    @property
    def next_hop(self) -> str:
        """The gateway's address at the edge."""
        return str(SECURED4[2 * self.number])


def inserted(
    nodes: Sequence[PlannedNode], links: Sequence[PlannedLink], peers: Sequence[tuple[Attachment, Attachment]]
) -> tuple[tuple[PlannedNode, ...], tuple[PlannedLink, ...]]:
    """Nodes and links with gateways and NATs between them; `peers` have a tunnel, one way each."""
    there = {node.name: node for node in nodes}
    wires = {link.name: link for link in links}
    new_nodes: list[PlannedNode] = []
    new_links: list[PlannedLink] = []
    for here in dict.fromkeys(one for one, _ in peers):
        wire = wires[here.link.name]
        outermost = here.nat if here.behind_nat else here.gateway
        wires[wire.name] = _ending_at(wire, here.edge, outermost)
        edge = there[here.edge]
        mtu = wire.mtu - WIREGUARD_ROOM
        there[here.edge] = _with_mtu(edge, ifname(here.link, here.edge), mtu)
        others = [other for one, other in peers if one == here]
        new_nodes += _nodes(here, edge, wire.mtu, others)
        new_links += _links(here, wire.mtu)
    return (*there.values(), *new_nodes), (*wires.values(), *new_links)


def _ending_at(wire: PlannedLink, edge: str, outermost: str) -> PlannedLink:
    a, b = (replace(end, node=outermost) if end.node == edge else end for end in (wire.a, wire.b))
    return replace(wire, a=a, b=b)


def _with_mtu(node: PlannedNode, name: str, mtu: int) -> PlannedNode:
    return replace(
        node, interfaces=tuple(replace(port, mtu=mtu) if port.name == name else port for port in node.interfaces)
    )


def _nodes(here: Attachment, edge: PlannedNode, mtu: int, others: Sequence[Attachment]) -> Iterator[PlannedNode]:
    outside = PlannedInterface(ifname(here.link, here.edge), _mac(here, 0), mtu, (f"{here.public}/31",))
    inside = PlannedInterface(_CPE, _mac(here, 1), mtu - WIREGUARD_ROOM, (f"{here.next_hop}/31",))
    via = here.via
    if here.behind_nat:
        ours, its = (BEHIND_NAT4[2 * here.number + end] for end in (1, 0))
        to_gateway = PlannedInterface(_GATEWAY, _mac(here, 2), mtu, (f"{its}/31",))
        yield _node(here.nat, edge, (outside, to_gateway), _routes(others, outside.name, via), masquerades=outside.name)
        outside, via = PlannedInterface(_NAT, _mac(here, 3), mtu, (f"{ours}/31",)), str(its)
    peers = tuple(
        PlannedPeer(other.gateway, None if other.behind_nat else f"{other.public}:{PORT}", host_prefix(other.endpoint))
        for other in others
    )
    wireguard = PlannedWireguard(PORT, mtu - WIREGUARD_ROOM, peers, KEEPALIVE_S if here.behind_nat else None)
    yield _node(here.gateway, edge, (outside, inside), _routes(others, outside.name, via), wireguard=wireguard)


def _node(  # noqa: PLR0913
    name: str,
    edge: PlannedNode,
    interfaces: tuple[PlannedInterface, ...],
    routes: tuple[Route, ...],
    *,
    wireguard: PlannedWireguard | None = None,
    masquerades: str | None = None,
) -> PlannedNode:
    return PlannedNode(
        name,
        Role.GATEWAY,
        edge.site,
        "WireGuard" if wireguard else "NAT",
        edge.position,
        forwards=True,
        interfaces=interfaces,
        routes=routes,
        wireguard=wireguard,
        masquerades=masquerades,
    )


def _routes(others: Sequence[Attachment], dev: str, via: str) -> tuple[Route, ...]:
    return tuple(Route(host_prefix(other.public), dev, via) for other in others)


def _links(here: Attachment, mtu: int) -> Iterator[PlannedLink]:
    to_edge = LinkEnd(here.edge, ifname(here.link, here.edge))
    yield _plain(here.gateway, LinkEnd(here.gateway, _CPE), to_edge, mtu - WIREGUARD_ROOM)
    if here.behind_nat:
        yield _plain(here.nat, LinkEnd(here.nat, _GATEWAY), LinkEnd(here.gateway, _NAT), mtu)


def _plain(name: str, a: LinkEnd, b: LinkEnd, mtu: int) -> PlannedLink:
    return PlannedLink(name, Tier.DATACENTRE, a, b, mtu, 0.0, LinkProfile(), LinkProfile())


def _mac(here: Attachment, end: int) -> str:
    return f"02:b1:01:{here.number >> 8:02x}:{here.number & 0xFF:02x}:{end:02x}"
