"""What an edge's switch does with packets, in four tables.

    INGRESS    tunnel, probes' VNI → the probe port        probe port, a tunnel's addresses → that tunnel
               tunnel, a tenant's VNI → DELIVER, or ROUTE at a hub for another edge
               LAN, ARP for the gateway → answered here    LAN, IPv4 and IPv6 for the gateway → CLASSIFY
    CLASSIFY   which application it is; the class's DSCP → ROUTE
    ROUTE      which edge it is for: the class's meter, the tenant's VNI, the demand's group; or DELIVER
    DELIVER    the host's MAC address, one hop less to live → its LAN

What is to be duplicated leaves ROUTE by the port of replicas, where a process numbers it (IEEE 802.1CB); it comes back
with a tag and goes into the demand's group, all of whose tunnels carry it. What comes through a tunnel with a tag goes
there, too: the first of each number comes back without it. On this way the source address is the demand's and the
target address the tenant's.

Metadata keeps the tenant in its upper 16 bits and the application in its lower ones. A demand's group has a bucket for
each tunnel that carries it, so that moving it is one message; without a bucket it drops. What came through a tunnel is
never sent into another by an edge that is no hub, and by a hub only towards where it has a tunnel itself: no packet
goes round.

Applications by name have flows of their own (`named`). For them INGRESS copies packets of connections that
have not been looked at, and DELIVER copies answers of DNS, to the controller, besides sending them on.

IPv6 goes where IPv4 goes. Only ARP is answered: hosts know the gateway's IPv6 address from the start, as flows cannot
turn a neighbour solicitation into an advertisement on every datapath (another type, another option).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from ipaddress import IPv4Network

from controllers.flows import (
    ARP,
    CONTROLLER_METER,
    IPV4,
    TCP,
    UDP,
    Action,
    AddFlow,
    Bucket,
    DecTtl,
    Group,
    GroupKind,
    Masked,
    Match,
    Meter,
    ModifyGroup,
    Move,
    Output,
    ReservedPort,
    SetField,
    SwitchState,
    ToGroup,
)
from controllers.sdwan.matching import ETHERTYPES, recognising, towards
from controllers.sdwan.network import PROBE_VNI, Application, Edge, Lan, Overlay, OverlayTunnel, Reach
from controllers.sdwan.recognition import DNS_PORT, HTTP_PORT, HTTPS_PORT
from controllers.sdwan.steering import Placement
from controllers.srv6.network import FlowMatch, Prefix

INGRESS, CLASSIFY, ROUTE, DELIVER = range(4)

COOKIE, BY_NAME = 0x5D, 0x5DA
"""What marks our flows, and those of addresses that were recognised by name."""

_TENANT_BITS, APPLICATION_BITS = 0xFFFF_0000, 0xFFFF
R_TAG = 0xF1C1
"""EtherType of the redundancy tag (IEEE 802.1CB-2017 §7.8)."""

_ARP_REQUEST, _ARP_REPLY = 1, 2
_ELSEWHERE, _AGAIN, _HERE = 1, 200, 400
"""Priorities of routes, to which the length of a prefix is added: first what is reached on a LAN of this edge."""

_COPIES = Meter(CONTROLLER_METER, 200, 200)
"""Of an edge, to the controller: some 150 answers of DNS a second. What is above is not copied, and goes its way."""

_UNDER_WAY = Masked(0x10, 0x17)
"""RFC 9293 §3.1: ACK without SYN, RST and FIN. PSH comes with the end of what was written, names at its beginning."""

_BURST_S = 0.1
"""Of a meter: what a class may send at once, in time at its limit."""


def program(overlay: Overlay, edge: str, placements: Mapping[str, Placement]) -> SwitchState:
    """All that the switch of `edge` is to have; `placements` by the names of demands."""
    return SwitchState(
        meters=tuple(_meters(overlay)),
        groups=tuple(_groups(overlay, edge, placements)),
        flows=tuple(Program(overlay, overlay.edge[edge]).flows()),
    )


def moves(overlay: Overlay, edge: str, placements: Mapping[str, Placement]) -> tuple[ModifyGroup, ...]:
    """What puts the demands in `placements` on their tunnels, of those that `edge` sends itself."""
    return tuple(
        ModifyGroup(_group(overlay, number, placements[demand.name]))
        for number, demand in enumerate(overlay.demands, 1)
        if demand.source == edge and demand.name in placements
    )


def placed(overlay: Overlay, edge: str, groups: Iterable[Group]) -> dict[str, Placement]:
    """Where a switch's groups have the demands that `edge` sends, by name; those in other groups are left out."""
    tunnels = {tunnel.port: tunnel.name for tunnel in overlay.tunnels if tunnel.source == edge}
    numbers = {number: demand.name for number, demand in enumerate(overlay.demands, 1) if demand.source == edge}
    found = {}
    for group in groups:
        actions = [(action, each.weight) for each in group.buckets for action in each.actions]
        buckets = [(action.port, weight) for action, weight in actions if isinstance(action, Output)]
        if group.number in numbers and all(port in tunnels for port, _ in buckets):
            placement = Placement(tuple((tunnels[port], max(1, weight)) for port, weight in buckets))
            if _group(overlay, group.number, placement) == group:
                found[numbers[group.number]] = placement
    return found


def _groups(overlay: Overlay, edge: str, placements: Mapping[str, Placement]) -> Iterator[Group]:
    for number, demand in enumerate(overlay.demands, 1):
        if demand.source == edge:
            yield _group(overlay, number, placements.get(demand.name, Placement()))


def _group(overlay: Overlay, number: int, placement: Placement) -> Group:
    ports = [(overlay.tunnel[name].port, weight) for name, weight in placement.tunnels]
    if overlay.duplicates(overlay.demands[number - 1]):
        return Group(number, GroupKind.ALL, tuple(Bucket((Output(port),)) for port, _ in ports))
    return Group(number, GroupKind.SELECT, tuple(Bucket((Output(port),), weight) for port, weight in ports))


def _meters(overlay: Overlay) -> Iterator[Meter]:
    """One for each demand whose class has a limit, by the number of its group, and one for copies."""
    if any(application.named for application in overlay.applications):
        yield _COPIES
    for number, demand in enumerate(overlay.demands, 1):
        if limit := overlay.class_of[demand.application].limit_bps:
            kbps = max(1, round(limit / 1000))
            yield Meter(number, kbps, max(1, round(kbps * _BURST_S)))


class Program:
    """The flows of one edge."""

    def __init__(self, overlay: Overlay, edge: Edge) -> None:
        self._overlay, self._edge = overlay, edge
        self._tenants = {tenant.name: number for number, tenant in enumerate(overlay.tenants, 1)}
        self._vnis = {tenant.name: tenant.vni for tenant in overlay.tenants}
        self._applications = {each.name: number for number, each in enumerate(overlay.applications, 1)}

    def flows(self) -> Iterator[AddFlow]:
        """All that are there from the start."""
        for tunnel in self._overlay.tunnels:
            if tunnel.source == self._edge.name:
                yield from self._tunnel(tunnel)
        if self._edge.replica_port is not None:
            yield from self._replicas(self._edge.replica_port)
        for lan in self._edge.lans:
            yield from self._lan(lan)
        for tenant in self.tenants_here():
            yield from self._classified(tenant)
            yield from self._routed(tenant)

    def tenants_here(self) -> Iterable[str]:
        """Those with a LAN here; at a hub all, since others' packets pass."""
        if self._edge.name in self._overlay.hubs:
            return self._tenants
        return dict.fromkeys(lan.tenant for lan in self._edge.lans)

    def _tunnel(self, tunnel: OverlayTunnel) -> Iterator[AddFlow]:
        edge = self._edge
        to_probe = (SetField("eth_dst", edge.probe_mac), Output(edge.probe_port))
        yield flow(INGRESS, Match(in_port=tunnel.port, tunnel_id=PROBE_VNI), to_probe, priority=20)
        target = IPv4Network(tunnel.probe_target)
        into = (SetField("tunnel_id", PROBE_VNI), Output(tunnel.port))
        yield flow(INGRESS, Match(in_port=edge.probe_port, eth_type=IPV4, ipv4_dst=target), into, priority=20)
        for tenant, vni in self._vnis.items():
            match = Match(in_port=tunnel.port, tunnel_id=vni)
            # At a hub what is for another edge is classified once more, since metadata does not cross a tunnel.
            goto = CLASSIFY if edge.name in self._overlay.hubs else DELIVER
            yield flow(INGRESS, match, goto=goto, metadata=self.tenant(tenant), priority=10)
            if edge.replica_port is not None:
                copy = replace(match, eth_type=R_TAG)
                yield flow(INGRESS, copy, (Output(edge.replica_port),), priority=15)

    def _replicas(self, port: int) -> Iterator[AddFlow]:
        """What comes back: numbered, for the tunnels of a demand, or the first of its number, for whom it is."""
        for tenant, vni in self._vnis.items():
            sent = Match(in_port=port, eth_dst=self._tenant_mac(tenant))
            goto = CLASSIFY if self._edge.name in self._overlay.hubs else DELIVER
            for ethertype in ETHERTYPES.values():
                first = replace(sent, eth_type=ethertype)
                yield flow(INGRESS, first, goto=goto, metadata=self.tenant(tenant), priority=10)
            for number, demand in enumerate(self._overlay.demands, 1):
                if demand.source == self._edge.name and self._overlay.duplicates(demand):
                    numbered = replace(sent, eth_type=R_TAG, eth_src=_demand_mac(number))
                    actions = (SetField("tunnel_id", vni), ToGroup(number))
                    yield flow(INGRESS, numbered, actions, priority=10)

    def _lan(self, lan: Lan) -> Iterator[AddFlow]:
        asked = Match(in_port=lan.port, eth_type=ARP, arp_op=_ARP_REQUEST, arp_tpa=IPv4Network(lan.gateway))
        yield flow(INGRESS, asked, _arp_answer(lan), priority=20)
        for ethertype in ETHERTYPES.values():
            sent = Match(in_port=lan.port, eth_type=ethertype, eth_dst=lan.mac)
            yield flow(INGRESS, sent, goto=CLASSIFY, metadata=self.tenant(lan.tenant), priority=10)
            for port in self._inspected(lan.tenant):
                first = replace(sent, ip_proto=TCP, tcp_dst=port, tcp_flags=_UNDER_WAY)
                copy, metadata = Output(ReservedPort.CONTROLLER), self.tenant(lan.tenant)
                yield flow(INGRESS, first, (copy,), goto=CLASSIFY, metadata=metadata, priority=12)
        for reach in lan.reaches:
            yield from self._delivered(lan, reach)

    def _delivered(self, lan: Lan, reach: Reach) -> Iterator[AddFlow]:
        """To a host; answers of DNS are copied to the controller, once each: this is the last edge that they pass."""
        match = towards(reach.prefix, self.tenant(lan.tenant))
        addressed = (DecTtl(), SetField("eth_src", lan.mac), SetField("eth_dst", reach.mac))
        # A switch sends nothing out of the port that it came in by, unless it is told to.
        back = replace(match, in_port=lan.port)
        first = 4 * reach.prefix.prefixlen
        for priority, (wanted, port) in enumerate(((match, lan.port), (back, ReservedPort.IN_PORT)), first + 1):
            sent = (*addressed, Output(port))
            yield flow(DELIVER, wanted, sent, priority=priority)
            if lan.tenant in self._asking:
                answer = replace(wanted, ip_proto=UDP, udp_src=DNS_PORT)
                yield flow(DELIVER, answer, (Output(ReservedPort.CONTROLLER), *sent), priority=priority + 2)

    def _inspected(self, tenant: str) -> tuple[int, ...]:
        """The servers' ports to which connections are looked into."""
        wanted = [each.named for each in self._overlay.applications if each.named and each.tenant in (None, tenant)]
        over_tcp = [(each.port,) if each.port else (HTTP_PORT, HTTPS_PORT) for each in wanted if each.protocol != UDP]
        return tuple(sorted({port for ports in over_tcp for port in ports}))

    @cached_property
    def _asking(self) -> set[str]:
        """Tenants that have applications by name."""
        wanted = {application.tenant for application in self._overlay.applications if application.named}
        return {tenant for tenant in self._tenants if wanted & {None, tenant}}

    def _classified(self, tenant: str) -> Iterator[AddFlow]:
        for application in self._overlay.applications:
            if application.tenant in (None, tenant):
                for match in application.matches:
                    yield from self.recognised(tenant, application, match, self.rank(application))

    def rank(self, application: Application) -> int:
        """The first application has the most, the last one 1."""
        return len(self._applications) + 1 - self._applications[application.name]

    def recognised(self, tenant: str, application: Application, match: FlowMatch, priority: int) -> Iterator[AddFlow]:
        """What puts packets of a tenant into an application."""
        dscp = self._overlay.class_of[application.name].dscp
        mark = (SetField("ip_dscp", dscp),) if dscp else ()
        number = Masked(self._applications[application.name], APPLICATION_BITS)
        for wanted in recognising(match, self.tenant(tenant)):
            yield flow(CLASSIFY, wanted, mark, goto=ROUTE, metadata=number, priority=priority)

    def _routed(self, tenant: str) -> Iterator[AddFlow]:
        for lan in self._edge.lans:
            if lan.tenant == tenant:
                for prefix in _prefixes(lan):
                    match = towards(prefix, self.tenant(tenant))
                    yield flow(ROUTE, match, goto=DELIVER, priority=_HERE + prefix.prefixlen)
        here = self._edge.name
        for number, demand in enumerate(self._overlay.demands, 1):
            if demand.source != here or self._overlay.next_edge(here, demand.target) is None:
                continue
            limited = self._overlay.class_of[demand.application].limit_bps is not None
            actions = self._onward(tenant, number)
            both = self._both(tenant, demand.application)
            for prefix in self._prefixes_at(demand.target, tenant):
                match = towards(prefix, both)
                metered = number if limited else None
                yield flow(ROUTE, match, actions, meter=metered, priority=_ELSEWHERE + prefix.prefixlen)
                replicas = self._edge.replica_port
                if here in self._overlay.hubs and replicas is not None and self._overlay.duplicates(demand):
                    # What came from there goes back there, to be numbered for its next tunnels.
                    back = (*actions[:-1], Output(ReservedPort.IN_PORT))
                    again = replace(match, in_port=replicas)
                    yield flow(ROUTE, again, back, meter=metered, priority=_AGAIN + prefix.prefixlen)

    def _onward(self, tenant: str, number: int) -> tuple[Action, ...]:
        """Into the tunnels of a demand, by way of replication if it is to be duplicated."""
        if self._edge.replica_port is None or not self._overlay.duplicates(self._overlay.demands[number - 1]):
            return SetField("tunnel_id", self._vnis[tenant]), ToGroup(number)
        addressed = SetField("eth_src", _demand_mac(number)), SetField("eth_dst", self._tenant_mac(tenant))
        return (*addressed, Output(self._edge.replica_port))

    def _prefixes_at(self, edge: str, tenant: str) -> Iterator[Prefix]:
        for lan in self._overlay.edge[edge].lans:
            if lan.tenant == tenant:
                yield from _prefixes(lan)

    def _tenant_mac(self, tenant: str) -> str:
        return f"02:b1:fd:00:{self._tenants[tenant] >> 8:02x}:{self._tenants[tenant] & 0xFF:02x}"

    def tenant(self, tenant: str) -> Masked:
        """The metadata of its packets."""
        return Masked(self._tenants[tenant] << 16, _TENANT_BITS)

    def _both(self, tenant: str, application: str) -> Masked:
        value = self._tenants[tenant] << 16 | self._applications[application]
        return Masked(value, _TENANT_BITS | APPLICATION_BITS)


def flow(  # noqa: PLR0913
    table: int,
    match: Match,
    actions: tuple[Action, ...] = (),
    *,
    goto: int | None = None,
    metadata: Masked | None = None,
    meter: int | None = None,
    priority: int,
) -> AddFlow:
    """One of our flows."""
    return AddFlow(table, match, actions, goto, priority, metadata=metadata, meter=meter, cookie=COOKIE, watched=True)


def _demand_mac(number: int) -> str:
    """The source address of a demand's stream."""
    return f"02:b1:fe:{number >> 16:02x}:{number >> 8 & 0xFF:02x}:{number & 0xFF:02x}"


def _prefixes(lan: Lan) -> Iterator[Prefix]:
    """What is reached on a LAN: each once, its own prefix is that of the hosts."""
    yield from dict.fromkeys(reach.prefix for reach in lan.reaches)


def _arp_answer(lan: Lan) -> tuple[Action, ...]:
    """RFC 826: the request becomes its own answer."""
    return (
        Move("eth_src", "eth_dst", 48),
        SetField("eth_src", lan.mac),
        SetField("arp_op", _ARP_REPLY),
        Move("arp_sha", "arp_tha", 48),
        SetField("arp_sha", lan.mac),
        Move("arp_spa", "arp_tpa", 32),
        SetField("arp_spa", str(lan.gateway)),
        Output(ReservedPort.IN_PORT),
    )
