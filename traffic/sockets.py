"""Sockets whose packets the kernel stamps on arrival, so that a late reader does no harm to the measurement."""

from __future__ import annotations

import ctypes
import socket
import struct
from typing import Any, NamedTuple

from traffic.process import Endpoint

# asm-generic/socket.h and linux/in.h: Python has no names for these. SO_TIMESTAMPNS is also its control message's type.
_SO_ATTACH_FILTER = 26
_SO_RCVBUFFORCE = 33
_SO_TIMESTAMPNS = 35
_IP_TOS, _IP_RECVTTL, _IP_RECVTOS = 1, 12, 13
_IPV6_TCLASS = 67

# linux/if_packet.h, linux/if_ether.h, linux/filter.h
_SOL_PACKET, _PACKET_IGNORE_OUTGOING = 263, 23
_ETH_P_ALL = 3
_BPF_INSTRUCTION = struct.Struct("=HBBI")
_BPF_PROGRAM = struct.Struct("@HP")

_TIMESPEC = struct.Struct("@qq")
_NUMBER = struct.Struct("@i")
_RECEIVE_BUFFER = 4 * 2**20
_CONTROL_SPACE = socket.CMSG_SPACE(_TIMESPEC.size) + 2 * socket.CMSG_SPACE(_NUMBER.size)
_MAX_DATAGRAM = 65535

_STAMP_TTL = 255  # RFC 8762 §4.2.1 counts hops from there

Program = tuple[tuple[int, int, int, int], ...]
"""Classic BPF (linux/filter.h): code, jumps if true and if false, operand."""

Address = Any
"""A socket address as recvmsg gives it and sendto takes it: a tuple whose shape depends on the family."""


class Received(NamedTuple):
    """A datagram, who sent it, when the kernel got it (Unix nanoseconds) and the TTL or hop limit that it had left.

    A frame has none: 0. `tos` is the octet with the DSCP: of IPv4 the type of service, of IPv6 the traffic class.
    """

    data: bytes
    peer: Address
    at: int
    ttl: int
    tos: int = 0


def stamped_udp(local: Endpoint | None, *, ipv6: bool) -> socket.socket:
    """A UDP socket bound to `local` (any free port if None) that sends with TTL 255; OSError if it can't be bound."""
    udp = socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        udp.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        _enlarge_buffer(udp)
        if ipv6:
            udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, _STAMP_TTL)
            udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
            udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
        else:
            udp.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, _STAMP_TTL)
            udp.setsockopt(socket.IPPROTO_IP, _IP_RECVTTL, 1)
            udp.setsockopt(socket.IPPROTO_IP, _IP_RECVTOS, 1)
        if local is not None:
            udp.bind((local.address, local.port))
    except OSError:
        udp.close()
        raise
    return udp


def set_dscp(sending: socket.socket, dscp: int) -> None:
    """Let an IPv4 or IPv6 socket send with this DSCP (RFC 2474: the upper six bits of an octet)."""
    if sending.family == socket.AF_INET6:
        sending.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, dscp << 2)
    else:
        sending.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, dscp << 2)


def stamped_packets(ifname: str, ethertype: int) -> socket.socket:
    """A packet socket, not blocking, that sends frames on `ifname` and gets those that arrive there with `ethertype`.

    OSError if there is no such interface.
    """
    packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
    try:
        packets.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        packets.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
        _attach(packets, _only(ethertype))
        # Only sockets for all protocols see a frame before Open vSwitch takes it away from its port.
        packets.bind((ifname, _ETH_P_ALL))
    except OSError:
        packets.close()
        raise
    return packets


def udp_port_packets(port: int) -> socket.socket:
    """A packet socket on all interfaces, for IPv4 packets without their link's header from or to a UDP port, both ways.

    One that came before the filter was there may be another.
    """
    packets = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
    try:
        packets.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        _enlarge_buffer(packets)
        _attach(packets, _only_udp_port(port))
    except OSError:
        packets.close()
        raise
    return packets


def only_ending(packets: socket.socket, tail: bytes) -> None:
    """Let a packet socket take only packets whose last eight octets are `tail`, whatever is in front of them."""
    _attach(packets, _only_ending(*struct.unpack("!II", tail)))


def mac(packets: socket.socket) -> bytes:
    """The MAC address of a packet socket's interface."""
    address: bytes = packets.getsockname()[4]
    return address


def _only(ethertype: int) -> Program:
    """A classic BPF program: load the EtherType; take the frame if it is this one, else nothing of it."""
    return (0x28, 0, 0, 12), (0x15, 0, 1, ethertype), (0x06, 0, 0, _MAX_DATAGRAM), (0x06, 0, 0, 0)


def _only_udp_port(port: int) -> Program:
    """As `_only`, for packets that begin with their IPv4 header: its version, protocol and length; then the ports."""
    load_byte, load_half_behind_header, header_length, shift, equal, take = 0x30, 0x48, 0xB1, 0x74, 0x15, 0x06
    return (
        (load_byte, 0, 0, 0),
        (shift, 0, 0, 4),
        (equal, 0, 8, 4),
        (load_byte, 0, 0, 9),
        (equal, 0, 6, socket.IPPROTO_UDP),
        (header_length, 0, 0, 0),
        (load_half_behind_header, 0, 0, 0),
        (equal, 2, 0, port),
        (load_half_behind_header, 0, 0, 2),
        (equal, 0, 1, port),
        (take, 0, 0, _MAX_DATAGRAM),
        (take, 0, 0, 0),
    )


def _only_ending(first: int, second: int) -> Program:
    """As `_only`, for the two last words of a packet: tunnels put headers in front, so these stay where they are."""
    load_length, subtract, to_index, load_word_at_index, equal, take = 0x80, 0x14, 0x07, 0x40, 0x15, 0x06
    return (
        (load_length, 0, 0, 0),
        (subtract, 0, 0, 8),
        (to_index, 0, 0, 0),
        (load_word_at_index, 0, 0, 0),
        (equal, 0, 3, first),
        (load_word_at_index, 0, 0, 4),
        (equal, 0, 1, second),
        (take, 0, 0, _MAX_DATAGRAM),
        (take, 0, 0, 0),
    )


def _attach(packets: socket.socket, program: Program) -> None:
    octets = b"".join(_BPF_INSTRUCTION.pack(*instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(octets, len(octets))
    packets.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, _BPF_PROGRAM.pack(len(program), ctypes.addressof(buffer)))


def _enlarge_buffer(udp: socket.socket) -> None:
    try:
        udp.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
    except PermissionError:  # without CAP_NET_ADMIN the kernel caps it at net.core.rmem_max
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)


def receive(udp: socket.socket) -> Received:
    """The next datagram or frame of a socket made here; OSError as recvmsg raises it."""
    data, ancillary, _, peer = udp.recvmsg(_MAX_DATAGRAM, _CONTROL_SPACE)
    at = ttl = tos = 0
    for _, kind, value in ancillary:  # the levels would tell nothing more apart
        if kind == _SO_TIMESTAMPNS:
            seconds, nanoseconds = _TIMESPEC.unpack(value)
            at = seconds * 10**9 + nanoseconds
        elif kind == _IP_TOS:
            tos = value[0]
        elif kind == _IPV6_TCLASS:
            (tos,) = _NUMBER.unpack(value)
        else:
            (ttl,) = _NUMBER.unpack(value)
    return Received(data, peer, at, ttl, tos)
