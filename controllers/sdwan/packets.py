"""What is in a packet that a switch has copied, as far as it tells of names; None for what is not as it should be."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import ip_network

from controllers.flows import IPV4, IPV6, TCP, UDP
from controllers.srv6.network import Prefix

_ETHERNET, _IPV4, _IPV6, _UDP, _TCP = 14, 20, 40, 8, 20


@dataclass(frozen=True)
class Datagram:
    """What UDP carries."""

    source_port: int
    payload: bytes


@dataclass(frozen=True)
class Segment:
    """What TCP carries, from whom to whom; addresses are prefixes of one address."""

    source: Prefix
    source_port: int
    destination: Prefix
    destination_port: int
    payload: bytes


def datagram(frame: bytes) -> Datagram | None:
    """The UDP datagram in an Ethernet frame; None for fragments and IPv6 extension headers, too."""
    found = _transport(frame)
    if found is None or found.protocol != UDP or len(found.data) < _UDP:
        return None
    source, _, length = struct.unpack_from("!HHH", found.data)
    return Datagram(source, found.data[_UDP:length]) if _UDP <= length <= len(found.data) else None


def segment(frame: bytes) -> Segment | None:
    """The TCP segment in an Ethernet frame; None for fragments and IPv6 extension headers, too."""
    found = _transport(frame)
    if found is None or found.protocol != TCP or len(found.data) < _TCP:
        return None
    source, destination = struct.unpack_from("!HH", found.data)
    header = (found.data[12] >> 4) * 4
    if header < _TCP:
        return None
    return Segment(ip_network(found.source), source, ip_network(found.destination), destination, found.data[header:])


@dataclass(frozen=True)
class _Transport:
    """What IP carries, as far as it is there."""

    protocol: int
    source: bytes
    destination: bytes
    data: bytes


def _transport(frame: bytes) -> _Transport | None:
    ethertype, packet = int.from_bytes(frame[12:_ETHERNET]), frame[_ETHERNET:]
    if ethertype == IPV4 and len(packet) >= _IPV4:
        header, length = packet[0] % 16 * 4, int.from_bytes(packet[2:4])
        fragment = int.from_bytes(packet[6:8]) & 0x3FFF  # RFC 791 §3.1: more of them, or an offset
        if fragment or header < _IPV4:
            return None
        return _Transport(packet[9], packet[12:16], packet[16:20], packet[header:length])
    if ethertype == IPV6 and len(packet) >= _IPV6:
        data = packet[_IPV6 : _IPV6 + int.from_bytes(packet[4:6])]
        return _Transport(packet[6], packet[8:24], packet[24:40], data)
    return None
