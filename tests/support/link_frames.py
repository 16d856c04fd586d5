"""Raw frames and TCP bytes across a link, for what UDP sockets do not show."""

from __future__ import annotations

import hashlib
import select
import socket
import threading
from collections.abc import Sequence
from math import sqrt

from testbed import netns

ETH_P_ALL, ETH_P_EXPERIMENT = 3, 0x88B5
HEADER = bytes.fromhex("ffffffffffff 020000000001 88b5")
"""A frame of no protocol that a kernel answers: broadcast, local experimental EtherType."""

_SO_RCVBUFFORCE, _PACKET_OUTGOING = 33, 4


class Frames:
    """A packet socket on `ifname` in `namespace`; close it, or use it as a context manager."""

    def __init__(self, namespace: str, ifname: str = "link0") -> None:
        with netns.entered(namespace):
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 64 << 20)
        self._socket.bind((ifname, ETH_P_ALL))

    def __enter__(self) -> Frames:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, frame: bytes, *, count: int = 1) -> None:
        """Send it as it is."""
        for _ in range(count):
            self._socket.send(frame)

    def received(self, *, quiet_s: float = 0.3) -> list[bytes]:
        """All frames that came in, until nothing has come for `quiet_s`."""
        found = []
        while select.select([self._socket], [], [], quiet_s)[0]:
            data, address = self._socket.recvfrom(70_000)
            if address[2] != _PACKET_OUTGOING:
                found.append(data)
        return found


def transfer(source: str, sink: str, address: str, size: int, *, port: int = 9001) -> bool:
    """Send `size` bytes by TCP; True if they came in as they were sent."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    data = hashlib.shake_128(b"bearerlab").digest(1 << 16) * (size >> 16)
    with netns.entered(sink):
        listener = socket.create_server((address, port), family=family)
    with netns.entered(source):
        client = socket.socket(family, socket.SOCK_STREAM)
    listener.settimeout(10)
    client.settimeout(10)

    def send() -> None:
        with client:
            client.connect((address, port))
            client.sendall(data)

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    with listener, listener.accept()[0] as connection:
        connection.settimeout(10)
        received = hashlib.sha256()
        while chunk := connection.recv(1 << 20):
            received.update(chunk)
    sender.join()
    return received.digest() == hashlib.sha256(data).digest()


def differing_bits(one: bytes, other: bytes) -> int:
    """How many bits differ between two frames of the same length."""
    assert len(one) == len(other)
    return (int.from_bytes(one) ^ int.from_bytes(other)).bit_count()


def binomial_bounds(count: int, chance: float) -> tuple[float, float]:
    """Five standard deviations on either side of what is expected: one run in two million is outside."""
    spread = 5 * sqrt(count * chance * (1 - chance))
    return count * chance - spread, count * chance + spread


def bursts(lost: Sequence[bool]) -> list[int]:
    """The lengths of the runs of losses."""
    runs, length = [], 0
    for gone in [*lost, False]:
        if gone:
            length += 1
        elif length:
            runs.append(length)
            length = 0
    return runs
