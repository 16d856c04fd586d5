"""Frames as they came, copied by the kernel at that moment into a ring that it shares with us (PACKET_RX_RING).

An ordinary packet socket keeps a frame until it is read, and shares its octets with the rest of the kernel: a router
that does SRv6 rewrites destination and segments left in place, so that the frame would be read as it left.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from traffic.sockets import only_ending

_ETH_P_ALL = 3
_SOL_PACKET = 263
_PACKET_RX_RING, _PACKET_VERSION, _TPACKET_V2 = 5, 10, 1
_BLOCK, _BLOCKS, _FRAME = 1 << 16, 16, 1 << 11
_USER = 1
_HEADER = struct.Struct("@IIIHHII")  # status, length, captured, mac, net, seconds, nanoseconds
_IFINDEX_AT, _PACKET_TYPE_AT = 32 + 4, 32 + 10  # in the struct sockaddr_ll that comes behind the header
_SOCKADDR_LL = struct.Struct("=HHi12x")
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Frame:
    """A frame: the Unix time in nanoseconds at which the kernel had it, on which interface, whether on its way out."""

    octets: bytes
    at: int
    ifindex: int
    outgoing: bool


class PacketRing:
    """Frames of an interface of the calling thread's namespace, or of all if it is None, up to 2,000 octets each.

    With `ending`, eight octets, only those that end with them. OSError if there is no such interface.
    """

    def __init__(self, ifname: str | None, *, ending: bytes = b"") -> None:
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)  # protocol 0: deaf until bound
        try:
            if ending:
                only_ending(self.socket, ending)
            self.socket.setsockopt(_SOL_PACKET, _PACKET_VERSION, _TPACKET_V2)
            frames = _BLOCKS * _BLOCK // _FRAME
            self.socket.setsockopt(_SOL_PACKET, _PACKET_RX_RING, struct.pack("@IIII", _BLOCK, _BLOCKS, _FRAME, frames))
            self._ring = mmap.mmap(self.socket.fileno(), _BLOCKS * _BLOCK)
            # Python has no way to bind to all interfaces by name.
            _bind(self.socket, socket.if_nametoindex(ifname) if ifname else 0)
        except OSError:
            self.socket.close()
            raise
        self._next = 0

    def __enter__(self) -> PacketRing:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def frames(self) -> Iterator[Frame]:
        """What has come since this was asked, without waiting."""
        while True:
            base = self._next * _FRAME
            status, _, captured, mac, _, seconds, nanoseconds = _HEADER.unpack_from(self._ring, base)
            if not status & _USER:
                return
            octets = self._ring[base + mac : base + mac + captured]
            (ifindex,) = struct.unpack_from("@i", self._ring, base + _IFINDEX_AT)
            outgoing = self._ring[base + _PACKET_TYPE_AT] == socket.PACKET_OUTGOING
            struct.pack_into("@I", self._ring, base, 0)  # the kernel may have it again
            self._next = (self._next + 1) % (len(self._ring) // _FRAME)
            yield Frame(octets, seconds * 10**9 + nanoseconds, ifindex, outgoing)

    def close(self) -> None:
        """Give the ring back."""
        self._ring.close()
        self.socket.close()


def _bind(packets: socket.socket, ifindex: int) -> None:
    address = _SOCKADDR_LL.pack(socket.AF_PACKET, socket.htons(_ETH_P_ALL), ifindex)
    if _libc.bind(packets.fileno(), address, len(address)) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
