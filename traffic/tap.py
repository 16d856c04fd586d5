"""Listens to a UDP port of a network namespace, on all of its interfaces and both ways, without a file in between."""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from testbed import netns
from traffic.dissect import Datagram, udp_datagram
from traffic.sockets import RECEIVE_BUFFER, SO_RCVBUFFORCE, SO_TIMESTAMPNS, TIMESPEC

_ETH_P_ALL = 3
_SO_ATTACH_FILTER = 26
_LARGEST = 65535

# Classic BPF (linux/filter.h): (code, jump if true, jump if false, k). Offsets are from the IPv4 header, which is where
# a cooked packet socket's packets begin.
_LD_BYTE, _LD_HALF_AT_X, _LDX_HEADER_LENGTH, _RSH, _JEQ, _RET = 0x30, 0x48, 0xB1, 0x74, 0x15, 0x06


@dataclass(frozen=True)
class Tapped:
    """A datagram and when the kernel saw it, in seconds of Unix time."""

    t: float
    datagram: Datagram


@contextmanager
def udp_tap(namespace: str, port: int) -> Iterator[Iterator[Tapped]]:
    """What is sent from or to the port over IPv4, as it happens, without end; needs root.

    FileNotFoundError if there is no such namespace.
    """
    with netns.entered(namespace):
        tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
    with tap:
        tap.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        tap.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
        _attach_filter(tap, port)
        yield _tapped(tap, port)


def _tapped(tap: socket.socket, port: int) -> Iterator[Tapped]:
    while True:
        packet, ancillary, _, _ = tap.recvmsg(_LARGEST, socket.CMSG_SPACE(TIMESPEC.size))
        datagram = udp_datagram(packet)
        # What came before the filter was there is none of ours.
        if datagram is not None and ancillary and port in (datagram.src_port, datagram.dst_port):
            seconds, nanoseconds = TIMESPEC.unpack(ancillary[0][2])
            yield Tapped(seconds + nanoseconds / 1e9, datagram)


def _attach_filter(tap: socket.socket, port: int) -> None:
    program = (
        (_LD_BYTE, 0, 0, 0),  # version
        (_RSH, 0, 0, 4),
        (_JEQ, 0, 8, 4),
        (_LD_BYTE, 0, 0, 9),  # protocol
        (_JEQ, 0, 6, socket.IPPROTO_UDP),
        (_LDX_HEADER_LENGTH, 0, 0, 0),
        (_LD_HALF_AT_X, 0, 0, 0),  # source port
        (_JEQ, 2, 0, port),
        (_LD_HALF_AT_X, 0, 0, 2),  # destination port
        (_JEQ, 0, 1, port),
        (_RET, 0, 0, _LARGEST),
        (_RET, 0, 0, 0),
    )
    octets = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *each) for each in program))
    tap.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(program), ctypes.addressof(octets)))
