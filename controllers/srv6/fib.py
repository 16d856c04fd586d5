"""What a router's kernel has to have for SRv6, as values, and the `ip -batch` lines that make one state of another.

pyroute2 reverses segments and drops flavours, so it is iproute2 that writes routes; `readback` reads what came of it.
Everything of ours has the protocol number `PROTOCOL`, and nothing else is ever touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

from controllers.srv6.network import Address, FlowMatch, Prefix
from controllers.srv6.sids import Behavior, Flavor

PROTOCOL = 66
"""Of our routes and rules; not in iproute2's list."""

MAIN_TABLE = 254

PRIMARY, BACKUP, LAST_RESORT = 1024, 2048, 4096
"""Metrics: the IGP's route, what TI-LFA has ready for when it is taken away, and a VPN's "unreachable"."""

ANCHOR = "sr0"
"""The device that routes with an encapsulation or a local SID hang on. Nothing leaves there, so that no link takes them
along when it goes down; IPv6 turns routes on `lo` into rejections."""


@dataclass(frozen=True)
class Encap:
    """A headend behaviour (RFC 8986 §5): `segments` in the order in which they are visited."""

    segments: tuple[IPv6Address, ...]
    mode: str = "encap.red"


@dataclass(frozen=True)
class NextHop:
    """One way on; `via` None for what is on the link, `weight` against that of the others."""

    dev: str
    via: Address | None = None
    weight: int = 1
    encap: Encap | None = None


@dataclass(frozen=True)
class LocalSid:
    """A behaviour for packets to the route's prefix, and its argument: `nexthop` of X, `table` of T, `segments` of B6.

    `csid_bits` are the bits of node and function that NEXT-CSID shifts out (RFC 9800 §4.1).
    """

    behavior: Behavior
    nexthop: Address | None = None
    table: int | None = None
    segments: tuple[IPv6Address, ...] = ()
    flavors: frozenset[Flavor] = frozenset()
    csid_bits: int = 16


RouteKey = tuple[int, Prefix, int]
"""Table, prefix, metric: what the kernel tells routes apart by."""


@dataclass(frozen=True)
class FibRoute:
    """A route: to next hops, or to a behaviour of the router itself; unreachable with neither."""

    prefix: Prefix
    nexthops: tuple[NextHop, ...] = ()
    local: LocalSid | None = None
    table: int = MAIN_TABLE
    metric: int = PRIMARY

    @property
    def key(self) -> RouteKey:
        """What the kernel knows the route by."""
        return self.table, self.prefix, self.metric


@dataclass(frozen=True, order=True)
class Rule:
    """A routing rule: packets by `iif`, with the firewall mark `mark`, or to the prefix `to`, look into `table`."""

    preference: int
    table: int
    version: int
    iif: str = ""
    mark: int = 0
    to: str = ""


@dataclass(frozen=True)
class Mark:
    """Packets from `iif` that `match` are marked, before their route is looked up."""

    iif: str
    match: FlowMatch
    mark: int


@dataclass(frozen=True)
class Border:
    """Packets from `iif` to the underlay's own prefixes are dropped (RFC 8754 §5.1): no customer speaks to SIDs."""

    iif: str
    prefixes: tuple[Prefix, ...]


@dataclass(frozen=True)
class RouterState:
    """All that one router has of us. `vrfs` is VRF → (table, the interfaces in it)."""

    routes: Mapping[RouteKey, FibRoute] = field(default_factory=dict)
    rules: frozenset[Rule] = frozenset()
    borders: tuple[Border, ...] = ()
    marks: tuple[Mark, ...] = ()
    vrfs: Mapping[str, tuple[int, tuple[str, ...]]] = field(default_factory=dict)


def changes(old: RouterState, new: RouterState) -> dict[int, tuple[str, ...]]:
    """IP version → the lines for `ip -4 -batch` or `ip -6 -batch` that make `old` into `new`.

    What is added or replaced comes first, and what goes last. VRFs, borders and marks are not among them: they are
    there from the beginning.
    """
    lines: dict[int, list[str]] = {4: [], 6: []}
    for rule in sorted(new.rules - old.rules):
        lines[rule.version].append(_rule_line("add", rule))
    for key, route in new.routes.items():
        if not _same(old.routes.get(key), route):
            lines[route.prefix.version].append(route_line("replace", route))
    for key, route in old.routes.items():
        if key not in new.routes:
            lines[route.prefix.version].append(route_line("del", route))
    for rule in sorted(old.rules - new.rules):
        lines[rule.version].append(_rule_line("del", rule))
    return {version: tuple(some) for version, some in lines.items() if some}


def route_line(verb: str, route: FibRoute) -> str:
    """`route replace fcbb:bb00:2::/48 table 254 proto 66 metric 1024 via fd00:1::1 dev pe2`."""
    kind = "" if route.nexthops or route.local else "unreachable "
    start = f"route {verb} {kind}{route.prefix} table {route.table} proto {PROTOCOL} metric {route.metric}"
    if verb == "del":
        return start
    if route.local:
        return f"{start} encap seg6local {_local(route.local)} count dev {ANCHOR}"
    if len(route.nexthops) == 1:
        return f"{start}{_nexthop(route.nexthops[0])}"
    hops = "".join(f" nexthop{_nexthop(hop)} weight {hop.weight}" for hop in route.nexthops)
    return f"{start}{hops}"


def _same(has: FibRoute | None, wanted: FibRoute) -> bool:
    """Whether the kernel sees no difference: a weight, or bits to shift, may be of no account."""
    return has == wanted or (has is not None and route_line("replace", has) == route_line("replace", wanted))


def _nexthop(hop: NextHop) -> str:
    encap = f" encap seg6 mode {hop.encap.mode} segs {','.join(map(str, hop.encap.segments))}" if hop.encap else ""
    return f"{encap}{f' via {hop.via}' if hop.via else ''} dev {hop.dev}"


def _local(sid: LocalSid) -> str:
    text = f"action {sid.behavior}"
    if sid.nexthop is not None:
        text += f" nh{'4' if isinstance(sid.nexthop, IPv4Address) else '6'} {sid.nexthop}"
    if sid.table is not None:
        text += f" {'table' if sid.behavior is Behavior.END_DT6 else 'vrftable'} {sid.table}"
    if sid.segments:
        text += f" srh segs {','.join(map(str, sid.segments))}"
    if sid.flavors:
        text += f" flavors {','.join(flavor.lower() for flavor in sorted(sid.flavors))}"
        text += f" lblen 32 nflen {sid.csid_bits}" if Flavor.NEXT_CSID in sid.flavors else ""
    return text


def _rule_line(verb: str, rule: Rule) -> str:
    named = (("iif", rule.iif), ("fwmark", rule.mark), ("to", rule.to))
    which = " ".join(f"{name} {value}" for name, value in named if value)
    return f"rule {verb} pref {rule.preference} {which} lookup {rule.table} protocol {PROTOCOL}"
