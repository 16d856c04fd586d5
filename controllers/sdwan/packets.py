"""What is in a packet that a switch has copied, as far as it tells of names; None for what is not as it should be."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from controllers.flows import IPV4, IPV6, UDP

_ETHERNET, _IPV4, _IPV6, _UDP = 14, 20, 40, 8


@dataclass(frozen=True)
class Datagram:
    """What UDP carries."""

    source_port: int
    payload: bytes


def datagram(frame: bytes) -> Datagram | None:
    """The UDP datagram in an Ethernet frame; None for fragments and IPv6 extension headers, too."""
    found = _transport(frame)
    if found is None or found[0] != UDP or len(found[1]) < _UDP:
        return None
    source, _, length = struct.unpack_from("!HHH", found[1])
    return Datagram(source, found[1][_UDP:length]) if _UDP <= length <= len(found[1]) else None


def _transport(frame: bytes) -> tuple[int, bytes] | None:
    """The protocol that IP carries, and what of it is there."""
    ethertype, packet = int.from_bytes(frame[12:_ETHERNET]), frame[_ETHERNET:]
    if ethertype == IPV4 and len(packet) >= _IPV4:
        header, length = packet[0] % 16 * 4, int.from_bytes(packet[2:4])
        fragment = int.from_bytes(packet[6:8]) & 0x3FFF  # RFC 791 §3.1: more of them, or an offset
        return None if fragment or header < _IPV4 else (packet[9], packet[header:length])
    if ethertype == IPV6 and len(packet) >= _IPV6:
        return packet[6], packet[_IPV6 : _IPV6 + int.from_bytes(packet[4:6])]
    return None
