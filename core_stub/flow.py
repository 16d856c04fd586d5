"""The fields of an IP packet that SDF filters look at."""

from __future__ import annotations

import struct
from typing import NamedTuple

_PROTOCOLS_WITH_PORTS = frozenset({6, 17, 33, 132, 136})
_ESP, _AH = 50, 51
_IPV6_EXTENSIONS = frozenset({0, 43, 60})
_IPV6_FRAGMENT = 44
_NOTHING = (-1, -1, -1)
_ports = struct.Struct("!HH")
_spi = struct.Struct("!I")
_ipv4_addresses = struct.Struct("!12xII")


class Flow(NamedTuple):
    """Numbers as they stand in the packet; ports and SPI are -1 where there are none, as in later fragments."""

    version: int
    protocol: int
    source: int
    destination: int
    source_port: int
    destination_port: int
    traffic_class: int = 0
    """Type of Service of IPv4, Traffic Class of IPv6."""
    spi: int = -1
    flow_label: int = 0


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
    first_fragment = not (packet[6] & 0x1F or packet[7])
    source_port, destination_port, spi = _upper(packet, protocol, (packet[0] & 0xF) * 4) if first_fragment else _NOTHING
    source, destination = _ipv4_addresses.unpack_from(packet)
    return Flow(4, protocol, source, destination, source_port, destination_port, packet[1], spi)


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
    source_port, destination_port, spi = _upper(packet, protocol, offset) if first_fragment else _NOTHING
    first_word = int.from_bytes(packet[:4])
    return Flow(
        version=6,
        protocol=protocol,
        source=int.from_bytes(packet[8:24]),
        destination=int.from_bytes(packet[24:40]),
        source_port=source_port,
        destination_port=destination_port,
        traffic_class=first_word >> 20 & 0xFF,
        spi=spi,
        flow_label=first_word & 0xF_FFFF,
    )


def _upper(packet: bytes, protocol: int, offset: int) -> tuple[int, int, int]:
    """(source port, destination port, SPI) of what IP carries."""
    if protocol in _PROTOCOLS_WITH_PORTS and len(packet) >= offset + 4:
        return (*_ports.unpack_from(packet, offset), -1)
    # RFC 4303 §2 and RFC 4302 §2: ESP begins with the SPI, AH has it at its fifth octet.
    offset = offset + 4 if protocol == _AH else offset
    if protocol in (_ESP, _AH) and len(packet) >= offset + 4:
        return -1, -1, _spi.unpack_from(packet, offset)[0]
    return _NOTHING
