"""SDF filters: flow descriptions (IPFilterRule, RFC 6733 §4.3.1 as narrowed by TS 29.212 §5.4.2) to fast matchers.

A description is written as the downlink sees a packet: `permit out ip from <far end> to assigned`. For a PDR whose
packets come from the access side, source and destination change places (TS 29.244 §5.2.1A.2A).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import NamedTuple

PortRange = tuple[int, int]

_PROTOCOLS_WITH_PORTS = frozenset({6, 17, 33, 132, 136})
_IPV6_EXTENSIONS = frozenset({0, 43, 60})
_IPV6_FRAGMENT = 44
_ports = struct.Struct("!HH")
_ipv4_addresses = struct.Struct("!12xII")


class FlowDescriptionError(ValueError):
    """A flow description that cannot be parsed: says where in it and what is wanted."""


class Flow(NamedTuple):
    """The fields of a packet that a filter looks at. Ports are -1 where there are none, as in later fragments."""

    version: int
    protocol: int
    source: int
    destination: int
    source_port: int
    destination_port: int


def flow_of(packet: bytes) -> Flow | None:
    """The flow of an IP packet, or None if it is no complete IPv4 or IPv6 header."""
    version = packet[0] >> 4 if packet else 0
    if version == 4 and len(packet) >= 20:
        return _ipv4_flow(packet)
    if version == 6 and len(packet) >= 40:
        return _ipv6_flow(packet)
    return None


def _ipv4_flow(packet: bytes) -> Flow:
    protocol = packet[9]
    ports = (-1, -1)
    offset = (packet[0] & 0xF) * 4
    first_fragment = not (packet[6] & 0x1F or packet[7])
    if protocol in _PROTOCOLS_WITH_PORTS and first_fragment and len(packet) >= offset + 4:
        ports = _ports.unpack_from(packet, offset)
    source, destination = _ipv4_addresses.unpack_from(packet)
    return Flow(4, protocol, source, destination, *ports)


def _ipv6_flow(packet: bytes) -> Flow:
    """RFC 8200 §4: the protocol stands behind the extension headers."""
    protocol, offset, first_fragment = packet[6], 40, True
    while (protocol in _IPV6_EXTENSIONS or protocol == _IPV6_FRAGMENT) and len(packet) >= offset + 8:
        if protocol == _IPV6_FRAGMENT:
            first_fragment = first_fragment and int.from_bytes(packet[offset + 2 : offset + 4]) < 8
            size = 8
        else:
            size = 8 + packet[offset + 1] * 8
        protocol, offset = packet[offset], offset + size
    ports = (-1, -1)
    if protocol in _PROTOCOLS_WITH_PORTS and first_fragment and len(packet) >= offset + 4:
        ports = _ports.unpack_from(packet, offset)
    return Flow(6, protocol, int.from_bytes(packet[8:24]), int.from_bytes(packet[24:40]), *ports)


@dataclass(frozen=True)
class Endpoint:
    """One side of a filter; `network` None is `any` or `assigned`, no `ports` are all of them."""

    network: IPv4Network | IPv6Network | None = None
    ports: tuple[PortRange, ...] = ()


@dataclass(frozen=True)
class FlowFilter:
    """A parsed flow description; `protocol` None is `ip`, any protocol."""

    protocol: int | None
    source: Endpoint
    destination: Endpoint

    def swapped(self) -> FlowFilter:
        """The same flow seen in the other direction."""
        return replace(self, source=self.destination, destination=self.source)

    def compile(self) -> FlowMatcher:
        """A matcher for packets in the direction that this filter is written in."""
        return FlowMatcher(self)


class FlowMatcher:
    """Integers and masks worked out once; calling it costs well under a microsecond."""

    __slots__ = ("_destination", "_destination_mask", "_ports", "_protocol", "_source", "_source_mask", "_version")

    def __init__(self, flow_filter: FlowFilter) -> None:
        self._protocol = flow_filter.protocol
        self._version, self._source, self._source_mask = _masked(flow_filter.source)
        version, self._destination, self._destination_mask = _masked(flow_filter.destination)
        self._version = self._version or version
        self._ports = (flow_filter.source.ports, flow_filter.destination.ports)

    def __call__(self, flow: Flow) -> bool:
        """True if `flow` is one that the filter describes."""
        if (
            (self._version and flow.version != self._version)
            or (self._protocol is not None and flow.protocol != self._protocol)
            or flow.source & self._source_mask != self._source
            or flow.destination & self._destination_mask != self._destination
        ):
            return False
        source_ports, destination_ports = self._ports
        return (not source_ports or _in(flow.source_port, source_ports)) and (
            not destination_ports or _in(flow.destination_port, destination_ports)
        )


def _masked(endpoint: Endpoint) -> tuple[int, int, int]:
    network = endpoint.network
    if network is None:
        return 0, 0, 0
    return network.version, int(network.network_address), int(network.netmask)


def _in(port: int, ranges: tuple[PortRange, ...]) -> bool:
    return any(low <= port <= high for low, high in ranges)


def parse_flow_description(text: str) -> FlowFilter:
    """The filter that `text` describes, as the downlink sees it; FlowDescriptionError if it does not parse."""
    words = text.split()
    if words[:2] != ["permit", "out"]:
        raise FlowDescriptionError(f'"{text}": want it to begin with "permit out" (TS 29.212 §5.4.2)')
    if len(words) < 7 or words[3] != "from" or "to" not in words[5:]:
        raise FlowDescriptionError(f'"{text}": want "permit out PROTOCOL from ADDRESS [PORTS] to ADDRESS [PORTS]"')
    to = words.index("to", 5)
    source = _endpoint(text, words[4:to])
    destination = _endpoint(text, words[to + 1 :])
    if source.network and destination.network and source.network.version != destination.network.version:
        raise FlowDescriptionError(f'"{text}": want both addresses of one IP version')
    return FlowFilter(_protocol(text, words[2]), source, destination)


def _protocol(text: str, word: str) -> int | None:
    if word == "ip":
        return None
    if word.isdecimal() and int(word) <= 255:
        return int(word)
    raise FlowDescriptionError(f'"{text}": protocol "{word}"; want "ip" or a number from 0 to 255')


def _endpoint(text: str, words: list[str]) -> Endpoint:
    if len(words) not in (1, 2):
        raise FlowDescriptionError(f'"{text}": want an address and at most one list of ports, got "{" ".join(words)}"')
    ports = _port_ranges(text, words[1]) if len(words) == 2 else ()
    if words[0] in ("any", "assigned"):
        return Endpoint(None, ports)
    try:
        return Endpoint(ip_network(words[0], strict=False), ports)
    except ValueError:
        raise FlowDescriptionError(
            f'"{text}": address "{words[0]}"; want "any", "assigned" or an IPv4 or IPv6 address or prefix'
        ) from None


def _port_ranges(text: str, word: str) -> tuple[PortRange, ...]:
    ranges = []
    for part in word.split(","):
        low, dash, high = part.partition("-")
        if not (low.isdecimal() and (high.isdecimal() or not dash)):
            raise FlowDescriptionError(f'"{text}": ports "{word}"; want numbers and ranges such as "80,8000-8999"')
        first, last = int(low), int(high or low)
        if not first <= last <= 65535:
            raise FlowDescriptionError(f'"{text}": ports "{part}"; want a range that rises, up to 65535')
        ranges.append((first, last))
    return tuple(ranges)
