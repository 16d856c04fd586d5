"""What clients get: addresses as text, delays in µs, rates in bits per second."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Address = IPv4Address | IPv6Address
Prefix = IPv4Network | IPv6Network
State = Literal["up", "down"]


class Answer(BaseModel):
    """See the head of this module."""

    model_config = ConfigDict(frozen=True)


class SidView(Answer):
    """A SID, what its router does with it (RFC 8986), and what it belongs to: a neighbour, a tenant, a policy."""

    sid: IPv6Address
    behavior: str
    context: str
    flavors: tuple[str, ...]


class RouterView(Answer):
    """A router."""

    name: str
    namespace: str
    loopback: IPv6Address
    locator: IPv6Network
    state: State
    sids: tuple[SidView, ...]


class LinkView(Answer):
    """One direction of a link, and what is advertised of it; `state` is what its sender has told."""

    source: str
    target: str
    ifname: str
    address: IPv6Interface
    igp_metric: int
    te_metric: int
    delay_us: int
    bandwidth_bps: int | None
    reserved_bps: int
    affinities: tuple[str, ...]
    srlgs: tuple[str, ...]
    state: State


class Topology(Answer):
    """What the controller takes the network for."""

    routers: tuple[RouterView, ...]
    links: tuple[LinkView, ...]


class ListView(Answer):
    """A segment list: `a>b` is the link from a to b; `sids` are what packets carry, containers if compressed."""

    segments: tuple[str, ...]
    sids: tuple[IPv6Address, ...]
    weight: int
    share: float = Field(description="Of the policy's traffic, from 0 to 1.")


class PathView(Answer):
    """A valid candidate path, and all links that its packets may take."""

    preference: int
    discriminator: int
    origin: Literal["explicit", "dynamic"]
    lists: tuple[ListView, ...]
    links: tuple[tuple[str, str], ...]


class InvalidView(Answer):
    """A candidate path that cannot be used."""

    preference: int
    discriminator: int
    reason: str


class PolicyView(Answer):
    """A policy; `pending` until a convergence that is under way has taken it in."""

    headend: str
    color: int
    endpoint: str
    priority: int
    binding_sid: IPv6Address | None
    state: Literal["up", "down", "pending"]
    active: PathView | None
    standby: PathView | None
    invalid: tuple[InvalidView, ...]


class Policies(Answer):
    """All policies, in the order of computation."""

    policies: tuple[PolicyView, ...]


class HopView(Answer):
    """A node on the way. `delay_us` is from the headend; `ifname` where the packet leaves, by one of `ways`.

    `behavior` is what the node does with the SID that the packet is for, where it is for one of its own.
    """

    node: str
    ifname: str | None
    delay_us: int
    ways: int
    sid: IPv6Address | None
    behavior: str | None


class PacketView(Answer):
    """The outer header as it leaves the headend (RFC 8986 §5.2): `srh` has the segments to come, none without SRH."""

    source: IPv6Address
    destination: IPv6Address
    srh: tuple[IPv6Address, ...]
    bytes_added: int


class WayView(Answer):
    """What becomes of the packets of one segment list."""

    weight: int
    share: float
    segments: tuple[str, ...]
    delay_us: int
    hops: tuple[HopView, ...]
    packet: PacketView


class PathAnswer(Answer):
    """The way from headend to endpoint: by the policy of `color`, else by the color's flex-algo or the IGP."""

    headend: str
    endpoint: str
    color: int | None
    by: Literal["policy", "flex-algo", "igp"]
    reason: str | None = Field(description="Why it is not by the policy that was asked for.")
    ways: tuple[WayView, ...]


class CounterView(Answer):
    """What has come to a router for one of its SIDs; `errors` are packets that its behaviour could not be done to."""

    router: str
    sid: IPv6Network
    behavior: str
    context: str
    packets: int
    bytes: int
    errors: int


class Counters(Answer):
    """Counters of all SIDs, or those of one router."""

    counters: tuple[CounterView, ...]


class ReachView(Answer):
    """A prefix behind a host of the tenant."""

    prefix: Prefix
    via: Address
    color: int | None


class AttachmentView(Answer):
    """Where a tenant is attached to a router."""

    router: str
    ifname: str
    subnets: tuple[Prefix, ...]
    hosts: tuple[Address, ...]
    reaches: tuple[ReachView, ...]


class VpnRouteView(Answer):
    """What `egress` tells the tenant's other sites (RFC 9252)."""

    prefix: Prefix
    egress: str
    sid: IPv6Address
    color: int | None


class TenantView(Answer):
    """A VPN."""

    name: str
    table: int
    color: int | None
    attachments: tuple[AttachmentView, ...]
    routes: tuple[VpnRouteView, ...]


class Tenants(Answer):
    """All VPNs."""

    tenants: tuple[TenantView, ...]


class EndView(Answer):
    """An address of a router, and the router's network namespace."""

    namespace: str
    address: IPv6Address


class SubjectView(Answer):
    """A link or a segment list to be measured from `headend` by `segments` to `reflector`."""

    id: str
    headend: EndView
    segments: tuple[IPv6Address, ...]
    reflector: EndView


class SubjectsView(Answer):
    """What is to be measured: a probe along each every interval, one report of each every window."""

    interval_ms: float
    window_ms: float
    subjects: tuple[SubjectView, ...]


class ProblemView(Answer):
    """An error (RFC 9457); `problems` are all things that are wrong with a request, where it is one."""

    status: int
    title: str
    detail: str
    problems: tuple[str, ...] = ()
