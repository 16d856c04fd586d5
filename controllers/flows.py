"""What is to be in a switch's tables, as frozen values that neither os-ken nor a socket is needed for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from ipaddress import IPv4Network, IPv6Network

IPV4, ARP, IPV6 = 0x0800, 0x0806, 0x86DD
ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58


class ReservedPort(IntEnum):
    """Ports that stand for more than a number (OpenFlow 1.3.5 §4.5)."""

    IN_PORT = 0xFFFF_FFF8
    FLOOD = 0xFFFF_FFFB
    CONTROLLER = 0xFFFF_FFFD


CONTROLLER_METER = 0xFFFF_FFFE
"""The meter of what goes to the controller (OpenFlow 1.3.5 §7.3.4.5): it drops copies, and not what they are of."""


@dataclass(frozen=True)
class Masked:
    """The bits of `mask` are those of `value`."""

    value: int
    mask: int


@dataclass(frozen=True)
class Match:
    """What a packet must have (names of OpenFlow 1.3.5 §7.2.3.7); None matches everything.

    A MAC address may carry a mask: `01:00:…/01:00:…`. `tcp_flags` is the ONF's extension 109.
    `others` are fields that a switch reported and nobody here sets.
    """

    in_port: int | None = None
    metadata: Masked | None = None
    tunnel_id: int | None = None
    eth_src: str | None = None
    eth_dst: str | None = None
    eth_type: int | None = None
    ip_dscp: int | None = None
    ip_proto: int | None = None
    ipv4_src: IPv4Network | None = None
    ipv4_dst: IPv4Network | None = None
    ipv6_src: IPv6Network | None = None
    ipv6_dst: IPv6Network | None = None
    tcp_src: int | None = None
    tcp_dst: int | None = None
    tcp_flags: Masked | None = None
    udp_src: int | None = None
    udp_dst: int | None = None
    arp_op: int | None = None
    arp_tpa: IPv4Network | None = None
    others: tuple[tuple[str, object], ...] = ()


@dataclass(frozen=True)
class Output:
    """Send the packet out of a port; a port that it came in by needs ReservedPort.IN_PORT."""

    port: int


@dataclass(frozen=True)
class ToGroup:
    """Let a group decide."""

    group: int


@dataclass(frozen=True)
class SetField:
    """Write a header field, or `tunnel_id`."""

    field: str
    value: int | str


@dataclass(frozen=True)
class Move:
    """Copy the lowest `bits` of one header field into another (Nicira's extension)."""

    source: str
    target: str
    bits: int


@dataclass(frozen=True)
class DecTtl:
    """One hop less to live: of IPv4's TTL, or of IPv6's hop limit."""


@dataclass(frozen=True)
class Unknown:
    """An action that a switch reported and nobody here uses."""

    text: str


Action = Output | ToGroup | SetField | Move | DecTtl | Unknown


@dataclass(frozen=True)
class AddFlow:
    """Put a flow into a table, in place of one with the same match and priority.

    A packet that matches passes `meter`, has `actions` done, `metadata` written and goes on to table `goto`; with none
    of these it is dropped. The flow goes away `hard_timeout_s` after it was added, or after `idle_timeout_s` without a
    packet; 0 for never. Of one that is `watched` the switch tells when somebody has removed it.
    """

    table: int
    match: Match
    actions: tuple[Action, ...] = ()
    goto: int | None = None
    priority: int = 1
    hard_timeout_s: int = 0
    idle_timeout_s: int = 0
    metadata: Masked | None = None
    meter: int | None = None
    cookie: int = 0
    watched: bool = False


@dataclass(frozen=True)
class RemoveFlows:
    """Remove every flow of a table that is at least as specific as `match`."""

    table: int
    match: Match


@dataclass(frozen=True)
class RemoveFlow:
    """Remove the one flow of a table with this match and priority."""

    table: int
    match: Match
    priority: int


class GroupKind(StrEnum):
    """How a group uses its buckets (§5.6.1)."""

    ALL = "all"
    SELECT = "select"
    INDIRECT = "indirect"


@dataclass(frozen=True)
class Bucket:
    """An action set; `weight` counts in a SELECT group."""

    actions: tuple[Action, ...]
    weight: int = 0


@dataclass(frozen=True)
class Group:
    """Group number `number`; without buckets it drops."""

    number: int
    kind: GroupKind
    buckets: tuple[Bucket, ...] = ()


@dataclass(frozen=True)
class Meter:
    """Drops what is above `rate_kbps` once a burst of `burst_kbit` is used up."""

    number: int
    rate_kbps: int
    burst_kbit: int


@dataclass(frozen=True)
class AddGroup:
    """A group that was not there."""

    group: Group


@dataclass(frozen=True)
class ModifyGroup:
    """Replace the buckets of a group at once; flows that use it are not touched."""

    group: Group


@dataclass(frozen=True)
class RemoveGroup:
    """Remove a group, and with it every flow that uses it."""

    number: int


@dataclass(frozen=True)
class AddMeter:
    """A meter that was not there."""

    meter: Meter


@dataclass(frozen=True)
class ModifyMeter:
    """Other bounds for a meter."""

    meter: Meter


@dataclass(frozen=True)
class RemoveMeter:
    """Remove a meter, and with it every flow that uses it."""

    number: int


@dataclass(frozen=True)
class Barrier:
    """What was asked before is done before what is asked after."""


FlowChange = AddFlow | RemoveFlows | RemoveFlow
GroupChange = AddGroup | ModifyGroup | RemoveGroup
MeterChange = AddMeter | ModifyMeter | RemoveMeter
Change = FlowChange | GroupChange | MeterChange | Barrier


@dataclass(frozen=True)
class Count:
    """Packets and octets, of a counter that only rises until what it counts is made anew."""

    packets: int
    octets: int


@dataclass(frozen=True)
class Counters:
    """Of a switch, or some of it: what came in by ports, and what left by the buckets of groups."""

    ports: Mapping[int, Count] = field(default_factory=dict)
    groups: Mapping[int, tuple[Count, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class SwitchState:
    """All that is, or is to be, in a switch's tables."""

    meters: tuple[Meter, ...] = ()
    groups: tuple[Group, ...] = ()
    flows: tuple[AddFlow, ...] = ()
