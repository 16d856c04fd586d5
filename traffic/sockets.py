"""UDP sockets whose packets the kernel stamps on arrival, so that a late reader does no harm to the measurement."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from typing import Any

from traffic.process import Endpoint

# asm-generic/socket.h and linux/in.h: Python has no names for these. SO_TIMESTAMPNS is also its control message's type.
SO_RCVBUFFORCE = 33
SO_TIMESTAMPNS = 35
_IP_RECVTTL = 12
TIMESPEC = struct.Struct("@qq")
_HOPS = struct.Struct("@i")
RECEIVE_BUFFER = 4 * 2**20
_CONTROL_SPACE = socket.CMSG_SPACE(TIMESPEC.size) + socket.CMSG_SPACE(_HOPS.size)
_MAX_DATAGRAM = 65535

_STAMP_TTL = 255  # RFC 8762 §4.2.1 counts hops from there

Address = Any
"""A socket address as recvmsg gives it and sendto takes it: a tuple whose shape depends on the family."""


@dataclass(frozen=True)
class Received:
    """A datagram, who sent it, when the kernel got it (Unix nanoseconds) and the TTL or hop limit that it had left."""

    data: bytes
    peer: Address
    at: int
    ttl: int


def stamped_udp(local: Endpoint | None, *, ipv6: bool) -> socket.socket:
    """A UDP socket bound to `local` (any free port if None) that sends with TTL 255; OSError if it can't be bound."""
    udp = socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        udp.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        _enlarge_buffer(udp)
        if ipv6:
            udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, _STAMP_TTL)
            udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
        else:
            udp.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, _STAMP_TTL)
            udp.setsockopt(socket.IPPROTO_IP, _IP_RECVTTL, 1)
        if local is not None:
            udp.bind((local.address, local.port))
    except OSError:
        udp.close()
        raise
    return udp


def _enlarge_buffer(udp: socket.socket) -> None:
    try:
        udp.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
    except PermissionError:  # without CAP_NET_ADMIN the kernel caps it at net.core.rmem_max
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)


def receive(udp: socket.socket) -> Received:
    """The next datagram of a socket that `stamped_udp` made; OSError as recvmsg raises it."""
    data, ancillary, _, peer = udp.recvmsg(_MAX_DATAGRAM, _CONTROL_SPACE)
    at = ttl = 0
    for level, kind, value in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
            seconds, nanoseconds = TIMESPEC.unpack(value)
            at = seconds * 10**9 + nanoseconds
        else:
            (ttl,) = _HOPS.unpack(value)
    return Received(data, peer, at, ttl)
