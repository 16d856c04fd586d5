"""The headers of a frame from the outside in, segment routing headers (RFC 8754) among them. Pure."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from traffic.dissect import Address

_VLANS = (0x8100, 0x88A8)
_IPV4, _IPV6 = 0x0800, 0x86DD
_IPIP, _IPV6_IN_IP, _ROUTING = 4, 41, 43
_SEGMENT_ROUTING = 4


class HeaderError(ValueError):
    """Octets that are no such header, or end before it does."""


@dataclass(frozen=True)
class SrHeader:
    """A segment routing header; `segments` as on the wire, the last to be visited first (RFC 8754 §2)."""

    segments_left: int
    segments: tuple[IPv6Address, ...]


@dataclass(frozen=True)
class IpHeader:
    """An IP header; `protocol` is what follows it, and its SRH if there is one."""

    src: Address
    dst: Address
    protocol: int
    srh: SrHeader | None = None


@dataclass(frozen=True)
class Headers:
    """The IP headers of a packet, the outermost first, and what the innermost carries."""

    ip: tuple[IpHeader, ...]
    payload: bytes


def decode(frame: bytes) -> Headers:
    """The headers of an Ethernet frame, VLAN tags skipped; HeaderError for what is no IP or is truncated."""
    try:
        at = 12
        (ethertype,) = struct.unpack_from("!H", frame, at)
        while ethertype in _VLANS:
            at += 4
            (ethertype,) = struct.unpack_from("!H", frame, at)
        if ethertype not in (_IPV4, _IPV6):
            raise HeaderError(f"EtherType {ethertype:#06x}; want IPv4 or IPv6")
        return _packet(frame[at + 2 :], 6 if ethertype == _IPV6 else 4)
    except struct.error as error:
        raise HeaderError(f"truncated after {len(frame)} octets") from error


def _packet(packet: bytes, version: int) -> Headers:
    headers = []
    while True:
        header, packet = _ipv6(packet) if version == 6 else _ipv4(packet)
        headers.append(header)
        if header.protocol not in (_IPIP, _IPV6_IN_IP):
            return Headers(tuple(headers), packet)
        version = 6 if header.protocol == _IPV6_IN_IP else 4


def _ipv4(packet: bytes) -> tuple[IpHeader, bytes]:
    first, length, protocol, src, dst = struct.unpack_from("!BxH5xB2x4s4s", packet)
    start = (first & 0x0F) * 4
    if first >> 4 != 4 or not 20 <= start <= length <= len(packet):
        raise HeaderError(f"IPv4 of {length} octets in {len(packet)}, header {start}")
    return IpHeader(ip_address(src), ip_address(dst), protocol), packet[start:length]


def _ipv6(packet: bytes) -> tuple[IpHeader, bytes]:
    first, length, protocol, src, dst = struct.unpack_from("!B3xHBx16s16s", packet)
    if first >> 4 != 6 or 40 + length > len(packet):
        raise HeaderError(f"IPv6 with {length} octets of payload in {len(packet)}")
    payload, srh = packet[40 : 40 + length], None
    if protocol == _ROUTING:
        protocol, srh, payload = _routing(payload)
    return IpHeader(ip_address(src), ip_address(dst), protocol, srh), payload


def _routing(payload: bytes) -> tuple[int, SrHeader | None, bytes]:
    following, units, kind, left, last = struct.unpack_from("!BBBBB3x", payload)
    size, rest = 8 + 8 * units, payload[8 + 8 * units :]
    if size > len(payload):
        raise HeaderError(f"routing header of {size} octets in {len(payload)}")
    if kind != _SEGMENT_ROUTING:
        return following, None, rest
    if 16 * (last + 1) > size - 8:
        raise HeaderError(f"Last Entry {last} in an SRH of {size} octets")
    segments = tuple(IPv6Address(payload[at : at + 16]) for at in range(8, 8 + 16 * (last + 1), 16))
    return following, SrHeader(left, segments), rest
