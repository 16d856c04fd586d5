"""UDP datagrams in Ethernet frames: plain, in GTP-U (TS 29.281), in VXLAN (RFC 7348), or GTP-U in VXLAN. Pure."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, ip_address

from core_stub.gtpu import PORT as GTPU_PORT
from core_stub.gtpu import GPdu, GtpuError, decapsulate

Address = IPv4Address | IPv6Address

_ETHERTYPE = slice(12, 14)
_IPV4 = b"\x08\x00"
_IPV6 = b"\x86\xdd"
_UDP = 17
_VXLAN_PORT = 4789


@dataclass(frozen=True)
class Tunnel:
    """The outer header of a G-PDU; `qfi` is None without a PDU Session Container (TS 38.415)."""

    src: Address
    dst: Address
    teid: int
    qfi: int | None


@dataclass(frozen=True)
class Datagram:
    """A user's UDP datagram and the tunnel that it was in, None for a plain one; `vni` is the overlay's, if any."""

    src: Address
    dst: Address
    src_port: int
    dst_port: int
    payload: bytes
    tunnel: Tunnel | None = None
    vni: int | None = None


def dissect(frame: bytes) -> Datagram | None:
    """The innermost UDP datagram of a frame; None for what is no UDP, is malformed or was cut off before its end."""
    if frame[_ETHERTYPE] not in (_IPV4, _IPV6):
        return None
    try:
        outer = _udp_in_ip(frame[14:])
        if outer is None:
            return None
        if outer.dst_port == _VXLAN_PORT:
            return _in_overlay(outer)
        return _user_datagram(outer) if outer.dst_port == GTPU_PORT else outer
    except (struct.error, IndexError, GtpuError):
        return None


def udp_datagram(packet: bytes) -> Datagram | None:
    """The UDP datagram in an IP packet, whatever is in it; None as for `dissect`."""
    try:
        return _udp_in_ip(packet)
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


def _in_overlay(outer: Datagram) -> Datagram | None:
    """What a frame in a VXLAN network carries (RFC 7348 §5)."""
    inner = dissect(outer.payload[8:])
    return inner and replace(inner, vni=int.from_bytes(outer.payload[4:7]))


def _user_datagram(outer: Datagram) -> Datagram | None:
    match decapsulate(outer.payload):
        case GPdu(teid, packet, qfi):
            return _udp_in_ip(packet, Tunnel(outer.src, outer.dst, teid, qfi))
    return None
