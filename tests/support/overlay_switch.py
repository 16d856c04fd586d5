"""A switch of an overlay for unit tests: takes OpenFlow 1.3 messages, flow-mods as bytes, and says where packets go.

It is as strict as Open vSwitch: what refers to a group or a meter that is not there is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

from os_ken.ofproto import ofproto_v1_3 as ofp
from os_ken.ofproto import ofproto_v1_3_parser as parser

from controllers import openflow
from controllers.flows import (
    ARP,
    IPV4,
    IPV6,
    TCP,
    UDP,
    AddFlow,
    Change,
    DecTtl,
    Group,
    GroupKind,
    Masked,
    Match,
    Meter,
    Move,
    Output,
    ReservedPort,
    SetField,
    SwitchState,
    ToGroup,
)
from tests.support.flowtable import SWITCH

FlowKey = tuple[int, Match, int]
Choose = Callable[[Group], int]
"""Which bucket of a SELECT group a packet takes."""


_HERE, _THERE = IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2")
_HERE6, _THERE6 = IPv6Address("fd00::1"), IPv6Address("fd00::2")

_PREREQUISITES: dict[str, tuple[str, set[int]]] = {
    "ipv4": ("eth_type", {IPV4}),
    "ipv6": ("eth_type", {IPV6}),
    "ip": ("eth_type", {IPV4, IPV6}),
    "arp": ("eth_type", {ARP}),
    "tcp": ("ip_proto", {TCP}),
    "udp": ("ip_proto", {UDP}),
}
"""How a field's name begins → the field that says whether a packet has it (OpenFlow 1.3.5 §7.2.3.6), and its values."""


class RefusedError(Exception):
    """What a real switch answers with an OFPErrorMsg."""


@dataclass(frozen=True)
class Packet:
    """The fields of one packet that flows match and write, by OpenFlow's names."""

    in_port: int
    eth_dst: str = "02:00:00:00:00:01"
    eth_src: str = "02:00:00:00:00:99"
    eth_type: int = IPV4
    ipv4_src: IPv4Address = _HERE
    ipv4_dst: IPv4Address = _THERE
    ipv6_src: IPv6Address = _HERE6
    ipv6_dst: IPv6Address = _THERE6
    ip_proto: int = 17
    ip_dscp: int = 0
    source_port: int = 40000
    destination_port: int = 5000
    tcp_flags: int = 0
    ttl: int = 64
    tunnel_id: int = 0
    metadata: int = 0
    arp_op: int = 0
    arp_sha: str = ""
    arp_spa: str = ""
    arp_tha: str = ""
    arp_tpa: str = ""

    def field(self, name: str) -> Any:
        """The value that a match is compared with; None where the packet has no such field."""
        layer, _, end = name.partition("_")
        if layer in _PREREQUISITES:
            says, values = _PREREQUISITES[layer]
            if self.field(says) not in values:
                return None
        if layer in ("tcp", "udp"):
            return {"src": self.source_port, "dst": self.destination_port, "flags": self.tcp_flags}[end]
        if name == "arp_tpa":
            return IPv4Address(self.arp_tpa) if self.arp_tpa else None
        return getattr(self, name)


class OverlaySwitch:
    """All tables of one switch; `changes` counts what it was asked for, barriers apart."""

    def __init__(self, *changes: Change) -> None:
        self.flows: dict[FlowKey, AddFlow] = {}
        self.groups: dict[int, Group] = {}
        self.meters: dict[int, Meter] = {}
        self.changes = 0
        for change in changes:
            self.apply(change)

    @property
    def state(self) -> SwitchState:
        """As it is read back."""
        return SwitchState(tuple(self.meters.values()), tuple(self.groups.values()), tuple(self.flows.values()))

    def apply(self, change: Change) -> None:
        """Carry out a change, from its message; os-ken reads none but flow-mods back from bytes."""
        message = openflow.message(SWITCH, change)
        message.set_xid(1)
        message.serialize()
        match message:
            case parser.OFPFlowMod():
                octets = message.buf
                self._flow_mod(type(message).parser(SWITCH, ofp.OFP_VERSION, message.msg_type, len(octets), 1, octets))
            case parser.OFPGroupMod():
                self._group_mod(message)
            case parser.OFPMeterMod():
                self._meter_mod(message)
            case _:
                return
        self.changes += 1

    def outputs(self, packet: Packet, choose: Choose = lambda _: 0) -> list[tuple[int, Packet]]:
        """The ports that a packet leaves by, and what it is like there."""
        return list(self._table(0, packet, choose))

    def _table(self, table: int, packet: Packet, choose: Choose) -> Iterator[tuple[int, Packet]]:
        fitting = [flow for (of, _, _), flow in self.flows.items() if of == table and matches(flow.match, packet)]
        if not fitting:
            return
        flow = max(fitting, key=lambda each: each.priority)
        ties = [each for each in fitting if each.priority == flow.priority]
        assert len(ties) == 1, f"undefined by OpenFlow: {ties}"
        for action in flow.actions:
            match action:
                case Output() | ToGroup():
                    yield from self._sent(action, packet, choose)
                case DecTtl():
                    if packet.ttl <= 1:
                        return
                    packet = replace(packet, ttl=packet.ttl - 1)
                case SetField(field, value):
                    packet = replace(packet, **{field: value})  # type: ignore[arg-type]
                case Move(source, target, _):
                    packet = replace(packet, **{target: getattr(packet, source)})
                case _:
                    raise AssertionError(action)
        if flow.metadata is not None:
            kept = packet.metadata & ~flow.metadata.mask
            packet = replace(packet, metadata=kept | flow.metadata.value & flow.metadata.mask)
        if flow.goto is not None:
            assert flow.goto > table, "OpenFlow only goes on"
            yield from self._table(flow.goto, packet, choose)

    def _sent(self, action: Output | ToGroup, packet: Packet, choose: Choose) -> Iterator[tuple[int, Packet]]:
        if isinstance(action, Output):
            port = packet.in_port if action.port == ReservedPort.IN_PORT else action.port
            if action.port == ReservedPort.IN_PORT or port != packet.in_port:
                yield port, packet
            return
        group = self.groups[action.group]
        buckets = group.buckets
        if group.kind is GroupKind.SELECT and buckets:
            buckets = (buckets[choose(group) % len(buckets)],)
        for bucket in buckets:
            for inner in bucket.actions:
                assert isinstance(inner, Output)
                yield from self._sent(inner, packet, choose)

    def _flow_mod(self, mod: Any) -> None:
        flow = openflow.read_flow(mod)
        key = (flow.table, flow.match, flow.priority)
        match mod.command:
            case ofp.OFPFC_ADD:
                self._check(flow)
                self.flows[key] = flow
            case ofp.OFPFC_DELETE_STRICT:
                self.flows.pop(key, None)
            case _:
                raise AssertionError(f"a command that the overlay does not use: {mod.command}")

    def _check(self, flow: AddFlow) -> None:
        written = (action.field for action in flow.actions if isinstance(action, SetField))
        for name in (*_wanted(flow.match), *written):
            says, values = _PREREQUISITES.get(name.partition("_")[0], ("", set()))
            if says and getattr(flow.match, says) not in values:
                raise RefusedError(f"{flow}: {name} without {says} of {values}")
        missing = {action.group for action in flow.actions if isinstance(action, ToGroup)} - self.groups.keys()
        if missing or (flow.meter is not None and flow.meter not in self.meters):
            raise RefusedError(f"{flow}: no group {missing} or no meter {flow.meter}")

    def _group_mod(self, mod: Any) -> None:
        there = mod.group_id in self.groups
        match mod.command:
            case ofp.OFPGC_DELETE:
                self.groups.pop(mod.group_id, None)
                used = (k for k, flow in self.flows.items() if ToGroup(mod.group_id) in flow.actions)
                for key in list(used):
                    del self.flows[key]
                return
            case ofp.OFPGC_ADD if there:
                raise RefusedError(f"group {mod.group_id} exists")
            case ofp.OFPGC_MODIFY if not there:
                raise RefusedError(f"no group {mod.group_id}")
        self.groups[mod.group_id] = openflow.read_group(mod)

    def _meter_mod(self, mod: Any) -> None:
        there = mod.meter_id in self.meters
        match mod.command:
            case ofp.OFPMC_DELETE:
                self.meters.pop(mod.meter_id, None)
                for key in [key for key, flow in self.flows.items() if flow.meter == mod.meter_id]:
                    del self.flows[key]
                return
            case ofp.OFPMC_ADD if there:
                raise RefusedError(f"meter {mod.meter_id} exists")
            case ofp.OFPMC_MODIFY if not there:
                raise RefusedError(f"no meter {mod.meter_id}")
        self.meters[mod.meter_id] = openflow.read_meter(mod)


def matches(match: Match, packet: Packet) -> bool:
    """Whether a packet is what a flow is for."""
    assert not match.others
    return all(_fits(value, packet.field(name)) for name, value in _wanted(match).items())


def _wanted(match: Match) -> dict[str, Any]:
    values = {each.name: getattr(match, each.name) for each in fields(Match) if each.name != "others"}
    return {name: value for name, value in values.items() if value is not None}


def _fits(wanted: Any, got: Any) -> bool:
    match wanted:
        case Masked(value, mask):
            return bool(got is not None and got & mask == value & mask)
        case IPv4Network() | IPv6Network():
            return got is not None and got in wanted
    return bool(wanted == got)
