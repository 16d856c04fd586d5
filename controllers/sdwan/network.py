"""The overlay that the controller is given: values, as the plan wrote them down (JSON, `read_overlay`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network

from pydantic import TypeAdapter

from controllers.joint.model import Mode
from controllers.joint.quality import Sla
from controllers.srv6.network import FlowMatch, Prefix

PROBE_VNI = 0xFF_FFFF
"""The VXLAN network of probes; no tenant has it."""


@dataclass(frozen=True)
class Reach:
    """A prefix on a LAN, and the MAC address of the host or function that has it."""

    prefix: Prefix
    mac: str


@dataclass(frozen=True)
class Lan:
    """A port of an edge towards a tenant's hosts; `gateway` and `mac` are what the edge answers there with.

    Its gateway of IPv6 has the same `mac`; hosts know it without asking.
    """

    port: int
    tenant: str
    gateway: IPv4Address
    mac: str
    prefix: IPv4Network
    reaches: tuple[Reach, ...]


@dataclass(frozen=True)
class Attachment:
    """An edge's attachment to a transport at `router`, and what that carries each way; None for no limit."""

    transport: str
    address: IPv4Address
    router: str
    up_bps: int | None = None
    down_bps: int | None = None


@dataclass(frozen=True)
class Edge:
    """A CPE. Probes enter and leave by `probe_port`, and what is duplicated by `replica_port`, where anything is."""

    name: str
    dpid: int
    namespace: str
    probe_port: int
    probe_mac: str
    attachments: tuple[Attachment, ...]
    lans: tuple[Lan, ...]
    replica_port: int | None = None


@dataclass(frozen=True)
class Transport:
    """An underlay service. `price` is that of a Mbit/s carried, in any currency; colors are of SR Policies under it."""

    name: str
    price: float = 0.0
    colors: tuple[int, ...] = ()


@dataclass(frozen=True)
class OverlayTunnel:
    """A tunnel from `source` to `target`, that leaves `source` by OpenFlow port `port`; the way back is another one.

    Probes go between addresses that no other tunnel has. `color` is that of the SR Policies that it rides: its outer
    packets have the DSCP that the underlay steers by.
    """

    name: str
    transport: str
    source: str
    target: str
    port: int
    probe_source: IPv4Address
    probe_target: IPv4Address
    color: int | None = None


class Forwarding(StrEnum):
    """How the tunnels of a class's demands are chosen among those that meet its SLA."""

    PREFERRED = "preferred"
    """The first transport in the order of the class."""
    CHEAPEST = "cheapest"
    BALANCE = "balance"
    """Flows over all, by weight."""
    DUPLICATE = "duplicate"
    """Every packet over the first two, so that neither is waited for when the other fails."""


@dataclass(frozen=True)
class SlaClass:
    """What a class of applications needs. Only `transports` may carry it; `weights` are theirs, to balance.

    `dscp` marks its packets and its probes. Of two classes that cannot both have what they need, the one of the higher
    `priority` has it. `limit_bps` is the most that an edge sends of it to another.
    """

    name: str
    dscp: int
    transports: tuple[str, ...]
    sla: Sla = field(default_factory=Sla)
    forwarding: Forwarding = Forwarding.PREFERRED
    weights: tuple[int, ...] = ()
    priority: int = 1
    limit_bps: int | None = None


@dataclass(frozen=True)
class Named:
    """Servers by name: `portal.example`, or all below `video.example` as `*.video.example`.

    `port` is the servers'; None for any.
    """

    domain: str
    protocol: int | None = None
    port: int | None = None
    dscp: int | None = None


@dataclass(frozen=True)
class Application:
    """Flows that are recognised by one of `matches`, or those of servers that are found by name.

    `tenant` is None for those of all tenants. The first application that matches counts, and those by name before.
    """

    name: str
    sla_class: str
    matches: tuple[FlowMatch, ...] = ()
    tenant: str | None = None
    named: Named | None = None


@dataclass(frozen=True)
class Demand:
    """An application's traffic from one edge to another; `rate_bps` is what it is expected to be.

    What is not `expected` at all is carried, but its class's SLA does not have to hold there.
    """

    application: str
    source: str
    target: str
    rate_bps: int = 0
    expected: bool = True

    @property
    def name(self) -> str:
        """`video:cpe-edge>cpe-cloud`."""
        return f"{self.application}:{self.source}>{self.target}"


@dataclass(frozen=True)
class Probing:
    """How tunnels are measured, and how much it takes to believe it.

    A probe goes every `interval_ms`; `lost` of them in a row without an answer, each for `timeout_ms`, are a blackout.
    Quality is judged over windows of `window_ms`: after `bad` windows in a row that break an SLA it is broken, after
    `good` ones that meet it with `margin` (a share of the bound) to spare it is met again.
    """

    interval_ms: float = 100.0
    timeout_ms: float = 100.0
    lost: int = 3
    window_ms: float = 500.0
    bad: int = 2
    good: int = 6
    margin: float = 0.1


@dataclass(frozen=True)
class Tenant:
    """A customer's network of its own; `vni` keeps its packets apart (RFC 7348 §4)."""

    name: str
    vni: int


@dataclass(frozen=True)
class Overlay:
    """All of it. An edge reaches those that no tunnel of its own leads to by the first of `hubs` with one to both.

    `demands` are all that there can be: one for each application between each two edges of its tenants.
    """

    edges: tuple[Edge, ...]
    transports: tuple[Transport, ...]
    tunnels: tuple[OverlayTunnel, ...]
    tenants: tuple[Tenant, ...]
    classes: tuple[SlaClass, ...]
    applications: tuple[Application, ...]
    demands: tuple[Demand, ...]
    hubs: tuple[str, ...] = ()
    probing: Probing = field(default_factory=Probing)
    mode: Mode = Mode.OVERLAY

    @cached_property
    def edge(self) -> dict[str, Edge]:
        """Name → edge."""
        return {edge.name: edge for edge in self.edges}

    @cached_property
    def tunnel(self) -> dict[str, OverlayTunnel]:
        """Name → tunnel."""
        return {tunnel.name: tunnel for tunnel in self.tunnels}

    @cached_property
    def way_back(self) -> dict[str, str]:
        """Tunnel → the one the other way, between the same ends."""
        ends = {(each.source, each.probe_source, each.target, each.probe_target): each.name for each in self.tunnels}
        back = ((each, (each.target, each.probe_target, each.source, each.probe_source)) for each in self.tunnels)
        return {each.name: ends[reverse] for each, reverse in back if reverse in ends}

    @cached_property
    def class_of(self) -> dict[str, SlaClass]:
        """Application → its class."""
        by_name = {each.name: each for each in self.classes}
        return {application.name: by_name[application.sla_class] for application in self.applications}

    def sla(self, demand: Demand) -> Sla:
        """What has to hold for a demand."""
        return self.class_of[demand.application].sla if demand.expected else Sla()

    def duplicates(self, demand: Demand) -> bool:
        """Whether every packet of a demand is sent twice."""
        return self.class_of[demand.application].forwarding is Forwarding.DUPLICATE

    def between(self, source: str, target: str) -> tuple[OverlayTunnel, ...]:
        """The tunnels from one edge to another."""
        return tuple(tunnel for tunnel in self.tunnels if (tunnel.source, tunnel.target) == (source, target))

    def next_edge(self, source: str, target: str) -> str | None:
        """Where `source` sends what is for `target`: there, or to a hub; None if there is no way."""
        ways = {(tunnel.source, tunnel.target) for tunnel in self.tunnels}
        if (source, target) in ways:
            return target
        return next((hub for hub in self.hubs if (source, hub) in ways and (hub, target) in ways), None)


_OVERLAY = TypeAdapter(Overlay)


def read_overlay(text: str) -> Overlay:
    """The overlay in a JSON text; pydantic's ValidationError for what is not one."""
    return _OVERLAY.validate_json(text)
