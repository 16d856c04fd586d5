"""The network that the controller is given: values, as the plan wrote them down (JSON, `read_network`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Interface, IPv6Network

from pydantic import TypeAdapter

from controllers.srv6.lsdb import Link, LinkId
from controllers.srv6.paths import FlexAlgo
from controllers.srv6.policy import SrPolicy
from controllers.srv6.tilfa import Protection

Address = IPv4Address | IPv6Address
Prefix = IPv4Network | IPv6Network


@dataclass(frozen=True)
class Router:
    """A router: its network namespace, and the address on `lo` that it is known by."""

    name: str
    namespace: str
    loopback: IPv6Address


@dataclass(frozen=True)
class Port:
    """Where `node`'s link to `peer` leaves it."""

    node: str
    peer: str
    ifname: str
    address: IPv6Interface


@dataclass(frozen=True)
class Reach:
    """A prefix that a tenant's host or function `via` has behind it; `color` is that of its route (RFC 9256 §8.4)."""

    prefix: Prefix
    via: Address
    color: int | None = None


@dataclass(frozen=True)
class Attachment:
    """A tenant's attachment circuit: the subnets on `ifname` of `router`, the hosts there, and what is behind them."""

    router: str
    ifname: str
    subnets: tuple[Prefix, ...]
    hosts: tuple[Address, ...]
    reaches: tuple[Reach, ...] = ()


@dataclass(frozen=True)
class FlowMatch:
    """Which packets; None for any. `protocol` is a number of IANA's (17 is UDP)."""

    dscp: int | None = None
    protocol: int | None = None
    source: Prefix | None = None
    destination: Prefix | None = None
    source_port: int | None = None
    destination_port: int | None = None


@dataclass(frozen=True)
class Steering:
    """Flows that take the policies of `color`, whatever color their destination has (RFC 9256 §8.6).

    Of several that match the first decides.
    """

    match: FlowMatch
    color: int


@dataclass(frozen=True)
class Tenant:
    """A VPN over the sites of one tenant. `table` is its routing table at every router; `color` that of its routes."""

    name: str
    table: int
    attachments: tuple[Attachment, ...]
    color: int | None = None
    steering: tuple[Steering, ...] = ()


@dataclass(frozen=True)
class Convergence:
    """How long routers take to notice and to tell, and whether they then update in an order without microloops.

    After `detection_ms` the point of local repair acts; a router that is so many hops from it converges
    `flooding_ms` a hop later, or, if `ordered` (RFC 6976), everybody in turn once the farthest knows.
    """

    detection_ms: float = 0.0
    flooding_ms: float = 0.0
    ordered: bool = True


@dataclass(frozen=True)
class Measurement:
    """How links and segment lists are measured (RFC 8762), and when a new delay is told to the path computation.

    A window's least delay is advertised if it differs from the advertised one by `threshold` (of that) and `least_us`,
    and no sooner than `hold_ms` after the last time. `lost_windows` windows without any answer take a list down.
    """

    interval_ms: float = 100.0
    window_ms: float = 1000.0
    threshold: float = 0.1
    least_us: int = 100
    hold_ms: float = 5000.0
    lost_windows: int = 3


@dataclass(frozen=True)
class Network:
    """All of it. Routers are numbered in their order: same order, same SIDs. Links are directed, ports both ways.

    `vrf` says that the kernel has VRFs: then a tenant has one End.DT46 SID at a router. Without, IPv6 gets an End.DT6,
    and IPv4 an End.DX4 for each host ("per CE", RFC 4364 §4.3.2). `colors` is color → the flex-algo that takes its
    traffic where there is no valid policy.
    """

    block: IPv6Network
    routers: tuple[Router, ...]
    links: tuple[Link, ...]
    ports: tuple[Port, ...]
    link_mtu: int
    inner_mtu: int
    compressed: bool = True
    vrf: bool = False
    fast_reroute: Protection | None = None
    convergence: Convergence = field(default_factory=Convergence)
    measurement: Measurement | None = None
    flex_algos: tuple[FlexAlgo, ...] = ()
    colors: Mapping[int, int] = field(default_factory=dict)
    tenants: tuple[Tenant, ...] = ()
    policies: tuple[SrPolicy, ...] = ()

    @cached_property
    def port(self) -> Mapping[LinkId, Port]:
        """(node, peer) → the port."""
        return {(port.node, port.peer): port for port in self.ports}


_NETWORK = TypeAdapter(Network)


def read_network(text: str) -> Network:
    """The network in a JSON text; pydantic's ValidationError for what is not one."""
    return _NETWORK.validate_json(text)
