"""UDP load, many packets to a system call, and arrivals that the kernel stamps and keeps.

Nothing reads while a load runs: arrivals wait in a large socket buffer, or only the receiving interface counts them. So
the cores belong to the generator and to what is measured. Single packets are sent as `stamp, then send`, as
traffic.stamp_sender does; bursts go through sendmmsg, which Python's socket module lacks.

The ceiling is what one thread of this generator sends when it does not wait. Over a plain veth pair the same thread
also carries each packet into the receiver's namespace, so there the ceiling is the rate of the veth pair itself.
"""

from __future__ import annotations

import ctypes
import gc
import math
import os
import select
import socket
import struct
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from testbed import netns
from testbed.errors import RunInvalidError

PORT = 9000
HEADERS = 14 + 20 + 8
"""Bytes of Ethernet, IPv4 and UDP headers in front of a payload; frames are without their check sequence."""

BURST = 32
"""Packets that one system call sends, back to back, where the load is heavy."""

_STAMP = struct.Struct("!Q")
_SILENCE_S = 5.0
_SPIN_NS = 100_000  # waking up takes some 60 µs
_SO_RCVBUFFORCE, _SO_TIMESTAMPNS = 33, 35
_TIMESPEC = struct.Struct("@qq")
_SOCKADDR_IN, _SOCKADDR_IN6 = struct.Struct("=H2s4s8x"), struct.Struct("=H2sI16sI")
_IPV6_MORE = 20
"""Bytes by which an IPv6 header is longer."""
_libc = ctypes.CDLL(None, use_errno=True)


class _Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Mmsghdr(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("namelen", ctypes.c_uint32),
        ("iov", ctypes.POINTER(_Iovec)),
        ("iovlen", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("controllen", ctypes.c_size_t),
        ("flags", ctypes.c_int),
        ("length", ctypes.c_uint),
        ("padding", ctypes.c_uint),
    )


class Burst:
    """At least `packets` datagrams for one sendmmsg, as frames of `size` bytes, to each of the addresses in turn."""

    def __init__(self, addresses: Sequence[str], size: int, packets: int = BURST) -> None:
        length = size - HEADERS - (_IPV6_MORE if ":" in addresses[0] else 0)
        self._payload = ctypes.create_string_buffer(length)
        vector = ctypes.pointer(_Iovec(ctypes.addressof(self._payload), length))
        names = [_sockaddr(to) for to in addresses]
        repeated = names * math.ceil(packets / len(names))
        self.count = len(repeated)
        self._messages = (_Mmsghdr * self.count)(*(_Mmsghdr(name, len(name), vector, 1) for name in repeated))

    def send(self, descriptor: int) -> None:
        """Send all of them; OSError as sendmmsg gives it."""
        sent = _libc.sendmmsg(descriptor, self._messages, self.count, 0)
        if sent != self.count:
            code = ctypes.get_errno()
            raise OSError(code, f"sendmmsg sent {sent} of {self.count}: {os.strerror(code)}")


@dataclass(frozen=True)
class Sent:
    """What a generator has sent, and in how long."""

    packets: int
    seconds: float

    @property
    def per_second(self) -> float:
        """Packets per second."""
        return self.packets / self.seconds


class Generator:
    """A UDP socket in the namespace of the source, for addresses of one IP version."""

    def __init__(self, namespace: str, *, ipv6: bool = False) -> None:
        with netns.entered(namespace):
            self._socket = socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET, socket.SOCK_DGRAM)

    def __enter__(self) -> Generator:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def bursts(self, burst: Burst, per_second: float, seconds: float) -> Sent:
        """Send bursts for so long, on an absolute schedule, or with `math.inf` as fast as they go."""
        descriptor, interval = self._socket.fileno(), burst.count / per_second * 1e9
        number = 0
        with _undisturbed():
            start = time.monotonic_ns()
            end = start + round(seconds * 1e9)
            while _wait_until(min(start + round(number * interval), end)) < end:
                burst.send(descriptor)
                number += 1
            return Sent(number * burst.count, (time.monotonic_ns() - start) / 1e9)

    def stamped(self, address: str, per_second: float, seconds: float, *, size: int = 64) -> int:
        """Send packets one by one, each with the time just before it was sent; returns how many."""
        payload, count = bytearray(size - HEADERS), round(per_second * seconds)
        self._socket.connect((address, PORT))
        with _undisturbed():
            start = time.monotonic_ns()
            for number in range(count):
                _wait_until(start + round(number * 1e9 / per_second))
                _STAMP.pack_into(payload, 0, time.time_ns())
                self._socket.send(payload)
        return count


class Sink:
    """A UDP socket in the namespace of the sink that takes what comes to any of its addresses."""

    def __init__(self, namespace: str, *, buffer: int) -> None:
        with netns.entered(namespace):
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, buffer)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.bind(("0.0.0.0", PORT))

    def __enter__(self) -> Sink:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def arrivals(self, quiet_s: float = 0.2) -> list[tuple[int, int]]:
        """(sent, received) in nanoseconds of all that has come and still comes, until nothing does for `quiet_s`."""
        found = []
        while select.select([self._socket], [], [], quiet_s)[0]:
            data, ancillary, _, _ = self._socket.recvmsg(_STAMP.size, 64)
            seconds, nanoseconds = _TIMESPEC.unpack(ancillary[0][2])
            found.append((_STAMP.unpack(data)[0], seconds * 10**9 + nanoseconds))
        return found


@dataclass(frozen=True)
class Received:
    """What interfaces have received so far; bytes are those of whole Ethernet frames."""

    packets: int
    bytes: int


def received(namespace: str, ifnames: Iterable[str]) -> Received:
    """The counters of these interfaces of the namespace, together."""
    with netns.entered(namespace):
        lines = Path("/proc/thread-self/net/dev").read_text().splitlines()[2:]
    fields = {name.strip(): counters.split() for name, _, counters in (line.partition(":") for line in lines)}
    counted = [(int(fields[name][1]), int(fields[name][0])) for name in ifnames]
    return Received(*map(sum, zip(*counted, strict=True)))


def received_bps(namespace: str, ifname: str, seconds: float) -> float:
    """Bits per second that an interface receives, between two arrivals that are `seconds` apart."""
    begin, before = _next_arrival(namespace, ifname)
    time.sleep(seconds)
    end, after = _next_arrival(namespace, ifname)
    return (after - before) * 8 / (end - begin)


def _sockaddr(address: str) -> bytes:
    if ":" in address:
        return _SOCKADDR_IN6.pack(socket.AF_INET6, PORT.to_bytes(2), 0, IPv6Address(address).packed, 0)
    return _SOCKADDR_IN.pack(socket.AF_INET, PORT.to_bytes(2), IPv4Address(address).packed)


def _next_arrival(namespace: str, ifname: str) -> tuple[float, int]:
    begin, before = time.monotonic(), received(namespace, [ifname])
    while (now := received(namespace, [ifname])) == before:
        if time.monotonic() - begin > _SILENCE_S:
            raise RunInvalidError(f"{ifname} has received nothing for {_SILENCE_S:g} s; want a link that works")
    return time.monotonic(), now.bytes


def _wait_until(due: int) -> int:
    """Sleep, then spin, until the monotonic clock says `due`; returns what it says."""
    now = time.monotonic_ns()
    if due - now > 2 * _SPIN_NS:
        time.sleep((due - now - _SPIN_NS) / 1e9)
    while now < due:
        now = time.monotonic_ns()
    return now


@contextmanager
def _undisturbed() -> Iterator[None]:
    """No collections in the body, and real time where permitted: a real-time engine then takes another core."""
    gc.collect()
    gc.disable()
    try:
        with suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        gc.enable()
