"""UDP datagrams in Ethernet frames, plain or inside GTP-U (TS 29.281), as deep as the path proof needs. Pure."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

Address = IPv4Address | IPv6Address

GTPU_PORT = 2152

_ETHERTYPE = slice(12, 14)
_IPV4 = b"\x08\x00"
_IPV6 = b"\x86\xdd"
_UDP = 17
_G_PDU = 255
_PDU_SESSION_CONTAINER = 0x85


@dataclass(frozen=True)
class Tunnel:
    """The outer header of a G-PDU; `qfi` is None without a PDU Session Container (TS 38.415)."""

    src: Address
    dst: Address
    teid: int
    qfi: int | None


@dataclass(frozen=True)
class Datagram:
    """A user's UDP datagram and the tunnel that it was in, None for a plain one."""

    src: Address
    dst: Address
    src_port: int
    dst_port: int
    payload: bytes
    tunnel: Tunnel | None = None


def dissect(frame: bytes) -> Datagram | None:
    """The innermost UDP datagram of a frame; None for what is no UDP, is malformed or was cut off before its end."""
    if frame[_ETHERTYPE] not in (_IPV4, _IPV6):
        return None
    try:
        outer = _udp_in_ip(frame[14:])
        if outer is None or outer.dst_port != GTPU_PORT:
            return outer
        return _user_datagram(outer)
    except (struct.error, IndexError):
        return None


def _udp_in_ip(packet: bytes, tunnel: Tunnel | None = None) -> Datagram | None:
    if packet[0] >> 4 == 6:
        (length,) = struct.unpack_from("!H", packet, 4)
        protocol, src, dst, payload = packet[6], packet[8:24], packet[24:40], packet[40 : 40 + length]
    else:
        length, fragment = struct.unpack_from("!H2xH", packet, 2)
        protocol, src, dst = packet[9], packet[12:16], packet[16:20]
        payload = packet[(packet[0] & 0x0F) * 4 : length]
        if fragment & 0x1FFF:  # a later fragment has no UDP header
            return None
    if protocol != _UDP:
        return None
    src_port, dst_port, length = struct.unpack_from("!HHH", payload)
    if len(payload) < length:
        return None
    return Datagram(ip_address(src), ip_address(dst), src_port, dst_port, payload[8:length], tunnel)


def _user_datagram(outer: Datagram) -> Datagram | None:
    """What a G-PDU carries (TS 29.281 §5.1): 8 octets, 4 more if any of E, S and PN is set, then extension headers."""
    flags, kind, teid = struct.unpack_from("!BB2xI", outer.payload)
    if flags >> 4 != 0b0011 or kind != _G_PDU:  # version 1, protocol type GTP
        return None
    offset, extension = (12, outer.payload[11] if flags & 0x04 else 0) if flags & 0x07 else (8, 0)
    qfi = None
    while extension:
        length = outer.payload[offset] * 4
        if length == 0:
            return None
        if extension == _PDU_SESSION_CONTAINER:  # TS 38.415 §5.5.2: QFI in the second octet, uplink and downlink alike
            qfi = outer.payload[offset + 2] & 0x3F
        offset += length
        extension = outer.payload[offset - 1]
    return _udp_in_ip(outer.payload[offset:], Tunnel(outer.src, outer.dst, teid, qfi))
