"""The overlay of a scenario: what each edge's Open vSwitch has, and what the controller is given.

The latter is JSON in the shape of `controllers.sdwan.network`; the package that understands it is not imported. Every
LAN of an edge is a port of its switch, every transport a bridge of its own whose local port has the address: VXLAN
leaves by way of it whether the kernel or ovs-vswitchd forwards.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Network
from itertools import combinations, permutations

from testbed.graph import Graph, Link, Role
from testbed.plan import addressing
from testbed.plan.addressing import Port, Subnet, ifname
from testbed.plan.circuits import DEFAULT
from testbed.plan.gateways import WIREGUARD_ROOM, Attachment
from testbed.plan.model import (
    Neighbour,
    PlannedBridge,
    PlannedEdge,
    PlannedProbePort,
    PlannedReplicaPort,
    PlannedTunnel,
    Route,
)
from testbed.plan.processes import REPLICAS
from testbed.plan.profiles import LinkPlan
from testbed.plan.routing import host_prefix
from testbed.plan.sdwan_applications import Applications, sla_class
from testbed.plan.srv6 import limited
from testbed.plan.tenants import Json
from testbed.scenario.impairment import Links
from testbed.scenario.model import Scenario
from testbed.scenario.sdwan import Sdwan, SlaClass, Transport

TAG = 6
"""An R-TAG (IEEE 802.1CB-2017 §7.8)."""

ROOM = 20 + 8 + 8 + 14 + TAG
"""What the overlay adds: IPv4, UDP, VXLAN and the inner Ethernet header (RFC 7348 §5), and an R-TAG (IEEE 802.1CB)."""

OTHER = "other"
"""The application of what no application is."""

PROBES = "probes"
"""In an edge, the interface by which probes of its tunnels come and go."""

PROBES4 = IPv4Network("169.254.0.0/16")
"""Probes' addresses, two for each tunnel; they mean something inside a CPE only (RFC 3927)."""

PROBE_PORT, REPLICA_PORT, FIRST_TUNNEL_PORT = 100, 101, 1001


@dataclass(frozen=True)
class Wan:
    """How an edge is attached to a transport: by `link` to `router`."""

    transport: str
    link: Link
    router: str


@dataclass(frozen=True)
class _Tunnel:
    """Both directions; `number` is its port at both ends."""

    a: str
    b: str
    transport: str
    color: int | None
    dscp: int | None
    number: int

    def name(self, source: str) -> str:
        target = self.b if source == self.a else self.a
        return f"{source}>{target}:{self.transport}" + (f"-{self.color}" if self.color is not None else "")

    def probe_address(self, edge: str) -> str:
        return str(PROBES4[2 * (self.number - FIRST_TUNNEL_PORT + 1) + (edge == self.b)])


def with_room(links: tuple[LinkPlan, ...], graph: Graph, sdwan: Sdwan, wanted: Links) -> tuple[LinkPlan, ...]:
    """Links behind edges with an MTU that leaves room for VXLAN, but for those whose MTU is given."""
    routers = {node.name for node in graph.with_role(Role.ROUTER)}
    of_routers = {link.name for link in graph.links if routers & {link.a, link.b}}
    return limited(links, largest_inner_mtu(links, sdwan), of_routers, wanted)


def largest_inner_mtu(links: Iterable[LinkPlan], sdwan: Sdwan) -> int:
    """What fits through every attachment to a transport with VXLAN around it, and WireGuard where that is."""
    mtus = {planned.link.name: planned.mtu for planned in links}
    attached = (
        (mtus[name], room_on(each)) for each in sdwan.transports.values() for name in each.links if name in mtus
    )
    return min((mtu - room for mtu, room in attached), default=9000 - ROOM)


def room_on(transport: Transport) -> int:
    """What a tunnel over a transport adds to a packet, in octets."""
    return ROOM + (WIREGUARD_ROOM if transport.encryption else 0)


def lan_ports(graph: Graph, sdwan: Sdwan) -> Iterator[tuple[Port, str]]:
    """The ports of edges that are attached to no transport, and their links."""
    attached = sdwan.attachments
    for edge in graph.with_role(Role.EDGE):
        for link in graph.links_of(edge.name):
            if link.name not in attached:
                yield Port(edge.name, ifname(link, edge.name)), link.name


def tenant_of(lan: str, sdwan: Sdwan) -> str:
    """Whose link `lan` from an edge to hosts is."""
    return next((name for name, tenant in sdwan.tenants.items() if lan in tenant.attach), DEFAULT)


def gateway_neighbours(graph: Graph, subnets: Iterable[Subnet], macs: Mapping[Port, str]) -> dict[Port, Neighbour]:
    """Port of a host on a LAN of an edge → the edge as IPv6 finds it there: its switch answers to ARP only."""
    edges = {node.name for node in graph.with_role(Role.EDGE)}
    routers = {node.name for node in graph.with_role(Role.ROUTER)}
    return {
        port: Neighbour(subnet.addresses[edge][1], macs[edge])
        for subnet in subnets
        for edge in subnet.ports()
        if edge.node in edges
        for port in subnet.ports()
        if port.node not in edges | routers
    }


def tenants_of(node: str, graph: Graph, subnets: Iterable[Subnet], sdwan: Sdwan) -> frozenset[str]:
    """The tenants of the LANs that `node` is on."""
    lans = dict(lan_ports(graph, sdwan))
    return frozenset(
        tenant_of(lans[port], sdwan)
        for subnet in subnets
        if node in {port.node for port in subnet.ports()}
        for port in subnet.ports()
        if port in lans
    )


def pairs_with_tunnels(edges: Iterable[str], sdwan: Sdwan) -> Iterator[tuple[str, str]]:
    """Which edges have tunnels to each other over the transports that they share."""
    if not sdwan.hubs and not sdwan.pairs:
        yield from combinations(edges, 2)
        return
    wanted = {frozenset(pair) for pair in sdwan.pairs}
    hubs = set(sdwan.hubs)
    yield from ((a, b) for a, b in combinations(edges, 2) if frozenset((a, b)) in wanted or {a, b} & hubs)


class OverlayPlan:
    """The overlay of a scenario whose references were checked."""

    def __init__(
        self, scenario: Scenario, graph: Graph, links: tuple[LinkPlan, ...], subnets: tuple[Subnet, ...]
    ) -> None:
        assert scenario.sdwan is not None
        self._scenario, self._sdwan, self._graph = scenario, scenario.sdwan, graph
        self._links = {planned.link.name: planned for planned in links}
        self._subnets = subnets
        self._subnet = {port: subnet for subnet in subnets for port in subnet.ports()}
        self._macs = addressing.macs(planned.link for planned in links)
        self._edges = tuple(node.name for node in graph.with_role(Role.EDGE))
        self._tenants = {port: tenant_of(link, self._sdwan) for port, link in lan_ports(graph, self._sdwan)}
        self._recognised = Applications(self._sdwan.applications, scenario.services, graph, self._subnet)

    @cached_property
    def wans(self) -> dict[str, tuple[Wan, ...]]:
        """Edge → its attachments, in the order of the file."""
        found: dict[str, list[Wan]] = {edge: [] for edge in self._edges}
        for transport, given in self._sdwan.transports.items():
            for name in given.links:
                link = self._graph.link(name)
                edge, router = (link.a, link.b) if link.a in found else (link.b, link.a)
                found[edge].append(Wan(transport, link, router))
        return {edge: tuple(wans) for edge, wans in found.items()}

    def planned(self, edge: str) -> PlannedEdge:
        """What the edge's switch has."""
        return PlannedEdge(
            lans=tuple(port.ifname for port in self._lan_ports(edge)),
            bridges=tuple(self._bridge(edge, number, wan) for number, wan in enumerate(self.wans[edge], 1)),
            tunnels=tuple(self._tunnel_port(edge, tunnel) for tunnel in self._tunnels_of(edge)),
            probes=PlannedProbePort(
                PROBES,
                PROBE_PORT,
                self._probe_mac(edge),
                tuple(f"{tunnel.probe_address(edge)}/31" for tunnel in self._tunnels_of(edge)),
            ),
            replicas=PlannedReplicaPort(REPLICAS, REPLICA_PORT, self._largest) if self.replicated else None,
        )

    @cached_property
    def replicated(self) -> tuple[str, ...]:
        """The edges that send anything twice: all, if a class wants it that an application has."""
        used = {each.sla_class for each in self._sdwan.applications.values()} | {DEFAULT}
        wanted = any(self._classes[name].forwarding == "duplicate" for name in used if name in self._classes)
        return self._edges if wanted else ()

    @property
    def _largest(self) -> int:
        """What hosts behind edges send at most, with a tag."""
        return largest_inner_mtu(self._links.values(), self._sdwan) + TAG

    def text(self, datapath_ids: Mapping[str, int]) -> str:
        """What the controller is given."""
        overlay = {
            "edges": [self._edge(edge, datapath_ids[edge]) for edge in self._edges],
            "transports": [
                {"name": name, "price": given.price, "colors": list(given.colors)}
                for name, given in self._sdwan.transports.items()
            ],
            "tunnels": [way for tunnel in self._tunnels for way in self._both_ways(tunnel)],
            "tenants": [{"name": name, "vni": vni} for name, vni in self._vnis.items()],
            "classes": [sla_class(name, given) for name, given in self._classes.items()],
            "applications": [*self._recognised.applications(), {"name": OTHER, "sla_class": DEFAULT, "matches": [{}]}],
            "demands": list(self._demands()),
            "hubs": self._sdwan.hubs,
            "probing": self._probing(),
            "mode": self._sdwan.mode,
        }
        return json.dumps(overlay, indent=1) + "\n"

    @cached_property
    def _tunnels(self) -> tuple[_Tunnel, ...]:
        found: list[_Tunnel] = []
        for a, b in pairs_with_tunnels(self._edges, self._sdwan):
            there = {wan.transport for wan in self.wans[b]}
            for transport in (wan.transport for wan in self.wans[a] if wan.transport in there):
                for color, dscp in self._colors(transport):
                    found.append(_Tunnel(a, b, transport, color, dscp, FIRST_TUNNEL_PORT + len(found)))
        return tuple(found)

    def _colors(self, transport: str) -> Iterable[tuple[int, int] | tuple[None, None]]:
        """Colors and their DSCPs; one tunnel without either for a transport that has none."""
        return self._sdwan.transports[transport].colors.items() or ((None, None),)

    def _tunnels_of(self, edge: str) -> Iterator[_Tunnel]:
        return (tunnel for tunnel in self._tunnels if edge in (tunnel.a, tunnel.b))

    def _lan_ports(self, edge: str) -> tuple[Port, ...]:
        return tuple(port for port in self._tenants if port.node == edge)

    @cached_property
    def _secured(self) -> dict[tuple[str, str], Attachment]:
        """(edge, transport) → how it is attached, where the transport is encrypted."""
        there = [(edge, wan) for edge, wans in self.wans.items() for wan in wans]
        there = [(edge, wan) for edge, wan in there if self._sdwan.transports[wan.transport].encryption]
        return {
            (edge, wan.transport): Attachment(
                edge,
                wan.transport,
                number,
                wan.link,
                public=self._address(Port(edge, ifname(wan.link, edge))),
                via=self._router_address(wan),
                behind_nat=edge in self._sdwan.transports[wan.transport].nat,
            )
            for number, (edge, wan) in enumerate(there)
        }

    def secured(self) -> list[tuple[Attachment, Attachment]]:
        """The ends of tunnels over encrypted transports, each of both ways."""
        return [
            (self._secured[a, tunnel.transport], self._secured[b, tunnel.transport])
            for tunnel in self._tunnels
            for a, b in ((tunnel.a, tunnel.b), (tunnel.b, tunnel.a))
            if (a, tunnel.transport) in self._secured
        ]

    def _router_address(self, wan: Wan) -> str:
        return self._address(Port(wan.router, ifname(wan.link, wan.router)))

    def _wan_address(self, edge: str, transport: str) -> str:
        """Where an edge's tunnels over a transport end."""
        if secured := self._secured.get((edge, transport)):
            return secured.endpoint
        wan = next(wan for wan in self.wans[edge] if wan.transport == transport)
        return self._address(Port(edge, ifname(wan.link, edge)))

    def _address(self, port: Port) -> str:
        return self._subnet[port].addresses[port][0]

    def _bridge(self, edge: str, number: int, wan: Wan) -> PlannedBridge:
        port = Port(edge, ifname(wan.link, edge))
        name = f"wan.{number}"
        secured = self._secured.get((edge, wan.transport))
        gateway = secured.next_hop if secured else self._router_address(wan)
        remotes = {
            self._wan_address(self._other(tunnel, edge), wan.transport)
            for tunnel in self._tunnels_of(edge)
            if tunnel.transport == wan.transport
        }
        routes = tuple(Route(host_prefix(remote), name, gateway) for remote in sorted(remotes))
        address = f"{self._wan_address(edge, wan.transport)}/31"
        mtu = self._links[wan.link.name].mtu - (WIREGUARD_ROOM if secured else 0)
        return PlannedBridge(name, port.ifname, self._macs[port], mtu, address, routes)

    @staticmethod
    def _other(tunnel: _Tunnel, edge: str) -> str:
        return tunnel.b if edge == tunnel.a else tunnel.a

    def _tunnel_port(self, edge: str, tunnel: _Tunnel) -> PlannedTunnel:
        local = self._wan_address(edge, tunnel.transport)
        remote = self._wan_address(self._other(tunnel, edge), tunnel.transport)
        return PlannedTunnel(f"tun.{tunnel.number}", tunnel.number, local, remote, tunnel.dscp)

    def _probe_mac(self, edge: str) -> str:
        return f"02:b1:ff:00:00:{self._edges.index(edge):02x}"

    def _edge(self, edge: str, datapath_id: int) -> Json:
        return {
            "name": edge,
            "dpid": datapath_id,
            "namespace": f"{{base}}-{edge}",
            "probe_port": PROBE_PORT,
            "probe_mac": self._probe_mac(edge),
            "replica_port": REPLICA_PORT if self.replicated else None,
            "attachments": [self._attachment(edge, wan) for wan in self.wans[edge]],
            "lans": [self._lan(number, port) for number, port in enumerate(self._lan_ports(edge), 1)],
        }

    def _attachment(self, edge: str, wan: Wan) -> Json:
        behaviour = self._links[wan.link.name].behaviour
        ways = (behaviour.a_to_b.profile.rate_bps, behaviour.b_to_a.profile.rate_bps)
        up, down = ways if wan.link.a == edge else reversed(ways)
        return {
            "transport": wan.transport,
            "address": self._wan_address(edge, wan.transport),
            "router": wan.router,
            "up_bps": up,
            "down_bps": down,
        }

    def _lan(self, number: int, port: Port) -> Json:
        subnet = self._subnet[port]
        return {
            "port": number,
            "tenant": self._tenants[port],
            "gateway": self._address(port),
            "mac": self._macs[port],
            "prefix": str(subnet.prefix4),
            "reaches": [
                {"prefix": prefix, "mac": self._macs[other]}
                for other in subnet.ports()
                if other != port
                for prefix in self._reached_at(other)
            ],
        }

    def _reached_at(self, port: Port) -> Iterator[str]:
        """The host's own addresses, its services, and a UPF's UEs."""
        yield from map(host_prefix, self._subnet[port].addresses[port])
        for service in self._scenario.services.values():
            if port.node in service.hosts:
                yield host_prefix(str(service.address))
        if port == self._n6.get(port.node):
            yield from (str(dnn.pool) for dnn in self._scenario.core.dnns.values() if dnn.psa == port.node)

    @cached_property
    def _n6(self) -> dict[str, Port]:
        """UPF → where its UEs are reached from behind: its port to a LAN, else the only one that it has."""
        found: dict[str, Port] = {}
        for subnet in sorted(self._subnets, key=lambda subnet: len(subnet.ports()), reverse=True):
            for port in subnet.ports():
                found.setdefault(port.node, port)
        return {node.name: found[node.name] for node in self._graph.with_role(Role.UPF) if node.name in found}

    @cached_property
    def _vnis(self) -> dict[str, int]:
        """Tenant → VNI, of those that have a LAN."""
        given = {name: tenant.vni for name, tenant in self._sdwan.tenants.items()}
        free = next(vni for vni in range(1, len(given) + 2) if vni not in given.values())
        used = set(self._tenants.values())
        return {name: vni for name, vni in ({DEFAULT: free} | given).items() if name in used}

    @property
    def _classes(self) -> dict[str, SlaClass]:
        return {DEFAULT: SlaClass(transports=list(self._sdwan.transports))} | self._sdwan.classes

    def _demands(self) -> Iterator[Json]:
        rates = {(each.application, each.source, each.target): each.rate for each in self._sdwan.demands}
        tenants = {edge: {self._tenants[port] for port in self._lan_ports(edge)} for edge in self._edges}
        # What spokes send to each other is a hub's to send on.
        carried = {edge: {*self._vnis} if edge in self._sdwan.hubs else there for edge, there in tenants.items()}
        limits = {name: given.tenant for name, given in self._sdwan.applications.items()} | {OTHER: None}
        for application, tenant in limits.items():
            for source, target in permutations(self._edges, 2):
                shared = carried[source] & tenants[target]
                if shared and (tenant is None or tenant in shared):
                    ends = {"application": application, "source": source, "target": target}
                    expected = self._expected(application, source, target)
                    yield ends | {"rate_bps": rates.get((application, source, target), 0), "expected": expected}

    def _expected(self, application: str, source: str, target: str) -> bool:
        """What the file lists of an application, or else wherever its server is at one of the ends."""
        listed = {(each.source, each.target) for each in self._sdwan.demands if each.application == application}
        if listed:
            return (source, target) in listed
        given = self._sdwan.applications.get(application)
        places = [place for place in (given.source, given.to) if place] if given else []
        return all({source, target} & self._edges_before(place) for place in places)

    def _edges_before(self, place: str) -> set[str]:
        """The edges that a service's hosts, or a node, are behind."""
        service = self._scenario.services.get(place)
        nodes = {*service.hosts} if service else {place}
        return {lan.node for lan in self._tenants if nodes & {port.node for port in self._subnet[lan].ports()}}

    def _both_ways(self, tunnel: _Tunnel) -> Iterator[Json]:
        for source, target in ((tunnel.a, tunnel.b), (tunnel.b, tunnel.a)):
            yield {
                "name": tunnel.name(source),
                "transport": tunnel.transport,
                "source": source,
                "target": target,
                "port": tunnel.number,
                "probe_source": tunnel.probe_address(source),
                "probe_target": tunnel.probe_address(target),
                "color": tunnel.color,
            }

    def _probing(self) -> Json:
        given = self._sdwan.probing
        return {
            "interval_ms": given.interval,
            "timeout_ms": given.timeout,
            "lost": given.lost,
            "window_ms": given.window,
            "bad": given.bad,
            "good": given.good,
            "margin": given.margin,
        }
