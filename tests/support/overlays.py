"""Overlays for unit tests, and packets through all of their switches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from itertools import combinations, permutations

from controllers.flows import ReservedPort
from controllers.joint.quality import Sla
from controllers.sdwan.controller import Controller, Effect, Emit, Send
from controllers.sdwan.network import (
    Application,
    Attachment,
    Demand,
    Edge,
    Forwarding,
    Lan,
    Overlay,
    OverlayTunnel,
    Reach,
    SlaClass,
    Tenant,
    Transport,
)
from controllers.sdwan.telemetry import ClassWindow
from controllers.srv6.network import FlowMatch
from tests.support.overlay_switch import Choose, OverlaySwitch, Packet

VOICE = SlaClass("voice", 46, ("mpls", "internet"), Sla(delay_ms=50, loss=0.01))
BULK = SlaClass("bulk", 10, ("internet",))
DEFAULT = SlaClass("default", 0, ("mpls", "internet"))

VOICE_PORT, BULK_PORT = 5004, 80
APPLICATIONS = (
    Application("calls", "voice", (FlowMatch(protocol=17, destination_port=VOICE_PORT),)),
    Application("backup", "bulk", (FlowMatch(destination_port=BULK_PORT), FlowMatch(source_port=BULK_PORT))),
    Application("other", "default", (FlowMatch(),)),
)


def make_overlay(
    attached: Mapping[str, Iterable[str]],
    *,
    tenants: Mapping[str, Iterable[str]] | None = None,
    hubs: Sequence[str] = (),
    classes: Sequence[SlaClass] = (VOICE, BULK, DEFAULT),
    applications: Sequence[Application] = APPLICATIONS,
    prices: Mapping[str, float] | None = None,
) -> Overlay:
    """Edge → its transports; tenant → the edges where it has a LAN, all of them by default.

    All tenants have the same addresses: `host` says which.
    """
    edges = list(attached)
    of_tenant = {name: set(there) for name, there in (tenants or {"acme": edges}).items()}
    transports = list(dict.fromkeys(name for names in attached.values() for name in names))
    tunnels = list(_tunnels({edge: list(names) for edge, names in attached.items()}, set(hubs), transports))
    there = {edge: {name for name, where in of_tenant.items() if edge in where or edge in hubs} for edge in edges}
    has_lan = {edge: {name for name, where in of_tenant.items() if edge in where} for edge in edges}
    return Overlay(
        edges=tuple(
            replace(
                _edge(number, edge, list(attached[edge]), of_tenant),
                replica_port=101 if any(each.forwarding is Forwarding.DUPLICATE for each in classes) else None,
            )
            for number, edge in enumerate(edges, 1)
        ),
        transports=tuple(Transport(name, (prices or {}).get(name, 0.0)) for name in transports),
        tunnels=tuple(tunnels),
        tenants=tuple(Tenant(name, 100 + number) for number, name in enumerate(of_tenant)),
        classes=tuple(classes),
        applications=tuple(applications),
        demands=tuple(
            Demand(application.name, source, target)
            for application in applications
            for source, target in permutations(edges, 2)
            if there[source] & has_lan[target]
        ),
        hubs=tuple(hubs),
    )


def host(overlay: Overlay, edge: str) -> IPv4Address:
    """The address of the host behind an edge, in whichever tenant."""
    return IPv4Address(f"10.0.{[each.name for each in overlay.edges].index(edge) + 1}.2")


def host6(overlay: Overlay, edge: str) -> IPv6Address:
    """Its IPv6 address, the same in all tenants, too."""
    return IPv6Address(f"fd00:0:0:{[each.name for each in overlay.edges].index(edge) + 1:x}::2")


def _tunnels(attached: Mapping[str, list[str]], hubs: set[str], transports: list[str]) -> Iterable[OverlayTunnel]:
    number = 0
    for a, b in combinations(attached, 2):
        if hubs and not {a, b} & hubs:
            continue
        for transport in transports:
            if transport in attached[a] and transport in attached[b]:
                ends = {a: IPv4Address(f"169.254.{number}.0"), b: IPv4Address(f"169.254.{number}.1")}
                for source, target in ((a, b), (b, a)):
                    name = f"{source}>{target}:{transport}"
                    yield OverlayTunnel(name, transport, source, target, 1001 + number, ends[source], ends[target])
                number += 1


def _edge(number: int, name: str, transports: list[str], tenants: Mapping[str, set[str]]) -> Edge:
    lans = []
    for index, (tenant, where) in enumerate(tenants.items(), 1):
        if name in where:
            prefix = IPv4Network(f"10.0.{number}.0/24")
            mac = f"02:00:00:{index:02x}:{number:02x}:02"
            addresses = IPv4Network(f"{prefix[2]}/32"), IPv6Network(f"fd00:0:0:{number:x}::2/128")
            reaches = tuple(Reach(address, mac) for address in addresses)
            lans.append(Lan(index, tenant, prefix[1], f"02:00:00:{index:02x}:{number:02x}:01", prefix, reaches))
    attachments = tuple(Attachment(each, IPv4Address(f"192.0.2.{number}"), f"router-{each}") for each in transports)
    return Edge(name, number, f"ns-{name}", 100, f"02:ff:00:00:00:{number:02x}", attachments, tuple(lans))


@dataclass(frozen=True)
class Trail:
    """What became of a packet: the tunnels that it took, and where and how it came out; `lan` None if it was lost."""

    tunnels: tuple[str, ...]
    edge: str
    lan: Lan | None
    packet: Packet


class OverlayLab:
    """A controller and its switches, but for `without` all connected; every effect is carried out at once."""

    def __init__(self, overlay: Overlay, *, without: str | None = None) -> None:
        self.overlay = overlay
        self.controller = Controller(overlay)
        self.switches = {edge.name: OverlaySwitch() for edge in overlay.edges}
        self.events: list[Emit] = []
        self.copies: list[tuple[str, Packet]] = []
        self.now = 0.0
        for edge in overlay.edges:
            if edge.name != without:
                self.connect(edge.name)

    def restart(self) -> None:
        """Another controller takes the place of this one; switches have what they had."""
        self.controller = Controller(self.overlay)
        for edge in self.overlay.edges:
            self.connect(edge.name)

    def connect(self, edge: str) -> None:
        """The switch of an edge finds the controller."""
        dpid = self.overlay.edge[edge].dpid
        self.run(self.controller.switch_up(dpid))
        self.run(self.controller.tables(dpid, self.switches[edge].state, self.now))

    def run(self, effects: Iterable[Effect]) -> None:
        """Carry out what the controller wants."""
        for effect in effects:
            match effect:
                case Send(edge, changes):
                    for change in changes:
                        self.switches[edge].apply(change)
                case Emit():
                    self.events.append(effect)
                case _:
                    raise AssertionError(effect)

    def answer(self, *silent: str) -> None:
        """Every tunnel answers but those that are `silent`."""
        for tunnel in self.overlay.tunnels:
            self.run(self.controller.liveness(tunnel.name, up=tunnel.name not in silent, now=self.now))

    def windows(self, times: int, **measured: tuple[float, float]) -> None:
        """So many windows of all tunnels, good unless `measured` has transport → (delay in ms, loss)."""
        rules = self.overlay.probing
        for _ in range(times):
            self.now += rules.window_ms / 1000
            for tunnel in self.overlay.tunnels:
                delay, loss = measured.get(tunnel.transport, (10.0, 0.0))
                windows = [
                    ClassWindow(tunnel.name, each.dscp, 100, round(100 * (1 - loss)), round(100 * loss), delay, 0.1)
                    for each in self.overlay.classes
                    if tunnel.transport in each.transports
                ]
                self.run(self.controller.measured(windows, self.now))

    def send(
        self, source: str, target: str, *, tenant: str = "acme", choose: Choose = lambda _: 0, **more: object
    ) -> Trail:
        """A packet from the tenant's host behind one edge to that behind another; of IPv6 with `eth_type`."""
        lan = next(lan for lan in self.overlay.edge[source].lans if lan.tenant == tenant)
        packet = Packet(
            lan.port,
            eth_dst=lan.mac,
            ipv4_src=host(self.overlay, source),
            ipv4_dst=host(self.overlay, target),
            ipv6_src=host6(self.overlay, source),
            ipv6_dst=host6(self.overlay, target),
        )
        return self.follow(source, replace(packet, **more), choose)  # type: ignore[arg-type]

    def follow(self, edge: str, packet: Packet, choose: Choose = lambda _: 0) -> Trail:
        """A packet from a port of an edge on."""
        taken: list[str] = []
        while True:
            sent = self.switches[edge].outputs(packet, choose)
            self.copies += [(edge, copied) for port, copied in sent if port == ReservedPort.CONTROLLER]
            sent = [(port, passed) for port, passed in sent if port != ReservedPort.CONTROLLER]
            if not sent:
                return Trail(tuple(taken), edge, None, packet)
            ((port, packet),) = sent
            tunnel = next((t for t in self.overlay.tunnels if (t.source, t.port) == (edge, port)), None)
            if tunnel is None:
                lan = next((lan for lan in self.overlay.edge[edge].lans if lan.port == port), None)
                return Trail(tuple(taken), edge, lan, packet)
            taken.append(tunnel.name)
            assert len(taken) <= len(self.overlay.edges), f"a loop: {taken}"
            edge, packet = tunnel.target, replace(packet, in_port=tunnel.port, metadata=0)
