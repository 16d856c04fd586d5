"""The plan: everything decided and nothing done.

Pure values, the same for the same scenario and seed. Names of namespaces carry no run prefix yet: the lab adds it.
"""

from __future__ import annotations

from dataclasses import dataclass

from testbed.graph import Role, Tier
from testbed.links.profile import LinkProfile
from testbed.links.trace import Trace


@dataclass(frozen=True)
class Neighbour:
    """An address on a link and the MAC address that it is reached at."""

    address: str
    mac: str


@dataclass(frozen=True)
class PlannedInterface:
    """An interface of a node, named after the peer. Addresses are `10.1.0.0/31` and `fd00:…/127` strings.

    `neighbours` are known from the start, so that nobody has to ask for them.
    """

    name: str
    mac: str
    mtu: int
    addresses: tuple[str, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()


@dataclass(frozen=True)
class Route:
    """A static route; `via` is None for a route on the link."""

    prefix: str
    dev: str
    via: str | None = None


@dataclass(frozen=True)
class PlannedBridge:
    """How an edge is attached to a transport: the bridge `name` over `ifname`, whose local port has the address."""

    name: str
    ifname: str
    mac: str
    mtu: int
    address: str
    routes: tuple[Route, ...] = ()


@dataclass(frozen=True)
class PlannedTunnel:
    """A VXLAN port of an edge (RFC 7348) and its OpenFlow number. Outer packets have the inner DSCP without `dscp`."""

    name: str
    port: int
    local: str
    remote: str
    dscp: int | None = None


@dataclass(frozen=True)
class PlannedProbePort:
    """Where probes of an edge's tunnels come and go: an interface of it, and its OpenFlow number."""

    ifname: str
    port: int
    mac: str
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class PlannedReplicaPort:
    """Where what is duplicated gets its numbers and loses them (IEEE 802.1CB): an interface, and its OpenFlow number.

    `mtu` is that of hosts and a tag.
    """

    ifname: str
    port: int
    mtu: int


@dataclass(frozen=True)
class PlannedEdge:
    """What the Open vSwitch of an edge has: `lans` are its OpenFlow ports 1, 2, … in this order."""

    lans: tuple[str, ...]
    bridges: tuple[PlannedBridge, ...]
    tunnels: tuple[PlannedTunnel, ...]
    probes: PlannedProbePort
    replicas: PlannedReplicaPort | None = None


@dataclass(frozen=True)
class PlannedPeer:
    """Another gateway, and what is reached there; `endpoint` is `10.1.0.5:51820`, None if it is behind a NAT."""

    gateway: str
    endpoint: str | None
    prefix: str


@dataclass(frozen=True)
class PlannedWireguard:
    """What a gateway has of WireGuard; `keepalive_s` if it is behind a NAT."""

    port: int
    mtu: int
    peers: tuple[PlannedPeer, ...]
    keepalive_s: int | None = None


@dataclass(frozen=True)
class PlannedNode:
    """A network namespace. `loopback` are addresses on `lo`; `forwards` turns IPv4 and IPv6 forwarding on."""

    name: str
    role: Role
    site: str
    label: str
    position: tuple[float, float]
    forwards: bool
    loopback: tuple[str, ...] = ()
    interfaces: tuple[PlannedInterface, ...] = ()
    routes: tuple[Route, ...] = ()
    datapath_id: int | None = None
    """OpenFlow datapath id of a CPE's bridge, None for other roles."""
    management: str | None = None
    """A CPE's address on the management network of the base namespace, with prefix length."""
    edge: PlannedEdge | None = None
    """What an edge of the overlay has instead of addresses on its interfaces."""
    wireguard: PlannedWireguard | None = None
    """What a gateway encrypts."""
    masquerades: str | None = None
    """The interface behind which a NAT hides what it forwards."""

    def interface(self, name: str) -> PlannedInterface:
        """The interface called `name`; KeyError if there is none."""
        return {interface.name: interface for interface in self.interfaces}[name]

    def address(self, version: int = 4) -> str:
        """The node's own address without prefix length: a router's is on `lo`, any other's on its first interface."""
        on_ports = tuple(address for port in self.interfaces for address in port.addresses)
        candidates = (*self.loopback, *on_ports) if self.role is Role.ROUTER else on_ports
        return next(a.partition("/")[0] for a in candidates if (":" in a) == (version == 6))


@dataclass(frozen=True)
class LinkEnd:
    """One end of a link: a node's name and the name of the interface there."""

    node: str
    ifname: str


@dataclass(frozen=True)
class Direction:
    """What one direction does to packets: its profile, and what moves that over time."""

    profile: LinkProfile
    trace: Trace | None = None


@dataclass(frozen=True)
class Behaviour:
    """What both directions of a link do to packets."""

    a_to_b: Direction
    b_to_a: Direction


@dataclass(frozen=True)
class PlannedLink:
    """A link, its MTU and what each direction does to packets.

    A plain veth pair carries it if it does nothing to them and no step of the timeline changes it.
    """

    name: str
    tier: Tier
    a: LinkEnd
    b: LinkEnd
    mtu: int
    distance_km: float
    a_to_b: LinkProfile
    b_to_a: LinkProfile
    a_to_b_trace: Trace | None = None
    b_to_a_trace: Trace | None = None
    steered: bool = False
    """True if a step of the timeline changes it."""

    @property
    def emulated(self) -> bool:
        """True if a link engine has to carry this link."""
        traced = self.a_to_b_trace or self.b_to_a_trace
        return self.steered or bool(traced) or not (self.a_to_b.transparent and self.b_to_a.transparent)

    @property
    def behaviour(self) -> Behaviour:
        """What it does over time."""
        return Behaviour(Direction(self.a_to_b, self.a_to_b_trace), Direction(self.b_to_a, self.b_to_a_trace))

    def end(self, node: str) -> LinkEnd:
        """The end at `node`; KeyError if the link does not end there."""
        return {self.a.node: self.a, self.b.node: self.b}[node]


@dataclass(frozen=True)
class PlannedProcess:
    """A long-running process of the lab.

    `argv` and `config` may name `{python}`, `{config}` (the path of the rendered `config` text), `{run}` (the run
    directory), `{state}` (the lab's own directory of sockets) and `{base}` (the base namespace; a node's is
    `{base}-NODE`). `node` is None for the base namespace. The process writes JSON lines to its standard output; the one
    with `"event": "ready"` says that it serves.
    """

    name: str
    node: str | None
    argv: tuple[str, ...]
    config: str = ""
    files: tuple[tuple[str, str], ...] = ()
    """More texts that it reads: the name of the placeholder for the path of each (`{name}`), and the text."""


@dataclass(frozen=True)
class PlannedService:
    """A service address and the hosts that serve it: HTTP on port 80 and STAMP on 862 at each."""

    name: str
    address: str
    hosts: tuple[str, ...]


@dataclass(frozen=True)
class PlannedSession:
    """A PDU session to establish: `ue` attaches at `gnb`; the SMF picks the address from the DNN's pool."""

    ue: str
    gnb: str
    dnn: str
    sst: int
    ue_mtu: int


@dataclass(frozen=True)
class PlannedFlow:
    """A flow counter: packets between `ue` and `service_address` on the interfaces `ifnames` of `node`."""

    name: str
    ue: str
    service_address: str
    node: str
    ifnames: tuple[str, ...]


@dataclass(frozen=True)
class PlannedCapture:
    """A capture of `ifname` at `node` into `captures/<file>`; `point` is its name in path proofs, such as N3.

    `filter` is in libpcap's language; empty for all packets.
    """

    node: str
    ifname: str
    point: str
    file: str
    filter: str = ""


@dataclass(frozen=True)
class PlannedChange:
    """What a link does to packets from `after_ms` into the window of a step on."""

    window: str
    after_ms: float
    link: str
    behaviour: Behaviour


@dataclass(frozen=True)
class Plan:
    """Everything that a run will do, decided."""

    scenario: str
    seed: int
    engine: str
    nodes: tuple[PlannedNode, ...]
    links: tuple[PlannedLink, ...]
    services: tuple[PlannedService, ...] = ()
    sessions: tuple[PlannedSession, ...] = ()
    controller: str | None = None
    """Where the CPEs find their controller, as Open vSwitch writes it; None where there is no CPE."""
    srv6: tuple[str, ...] | None = None
    """What the underlay needs of the kernel, by the doctor's names; None where routers have routes of the plan."""
    smf: str | None = None
    """The node, and the process, that establishes sessions; None where there is no core."""
    processes: tuple[PlannedProcess, ...] = ()
    """Network functions, controller and services, in the order in which they start."""
    probes: tuple[PlannedProcess, ...] = ()
    """Started once the sessions are up, stopped after the last step."""
    flows: tuple[PlannedFlow, ...] = ()
    captures: tuple[PlannedCapture, ...] = ()
    changes: tuple[PlannedChange, ...] = ()
    """What the timeline does to links, in its order."""

    def node(self, name: str) -> PlannedNode:
        """The node called `name`; KeyError if there is none."""
        return {node.name: node for node in self.nodes}[name]

    def link(self, name: str) -> PlannedLink:
        """The link called `name`; KeyError if there is none."""
        return {link.name: link for link in self.links}[name]
