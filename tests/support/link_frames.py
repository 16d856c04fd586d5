"""Raw frames and TCP bytes across a link, for what UDP sockets do not show."""

from __future__ import annotations

import hashlib
import select
import socket
import struct
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from testbed import netns

ETH_P_ALL, ETH_P_EXPERIMENT = 3, 0x88B5
HEADER = bytes.fromhex("ffffffffffff 020000000001 88b5")
"""A frame of no protocol that a kernel answers: broadcast, local experimental EtherType."""

_SO_RCVBUFFORCE, _PACKET_OUTGOING = 33, 4
_SOL_PACKET, _PACKET_AUXDATA, _PACKET_VNET_HDR, _PACKET_IGNORE_OUTGOING = 263, 8, 15, 23
_TP_STATUS_VLAN_VALID = 0x10
_NEEDS_CSUM, _GSO_UDP_L4 = 1, 5


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


@dataclass(frozen=True)
class Offload:
    """What a virtio-net header says of an unfinished checksum: where its sum begins, and where it goes from there."""

    checksum_start: int
    checksum_offset: int


class TaggedFrames:
    """Tagged frames with virtio-net headers, and with the tags that the kernel keeps beside them put back."""

    def __init__(self, namespace: str, ifname: str = "link0") -> None:
        with netns.entered(namespace):
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        for option in (_PACKET_VNET_HDR, _PACKET_AUXDATA, _PACKET_IGNORE_OUTGOING):
            self._socket.setsockopt(_SOL_PACKET, option, 1)
        self._socket.bind((ifname, ETH_P_ALL))

    def __enter__(self) -> TaggedFrames:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, frame: bytes, offload: bytes = bytes(10)) -> None:
        """Send it as it is, with this virtio-net header."""
        self._socket.send(offload + frame)

    def received(self, *, quiet_s: float = 0.3) -> list[tuple[Offload, bytes]]:
        """All tagged frames that came in, until nothing has come for `quiet_s`."""
        found = []
        while select.select([self._socket], [], [], quiet_s)[0]:
            data, ancillary, _, _ = self._socket.recvmsg(70_000, 64)
            status, tci, tpid = struct.unpack("=I12xHH", ancillary[0][2])
            if status & _TP_STATUS_VLAN_VALID:
                frame = data[10:22] + struct.pack("!HH", tpid, tci) + data[22:]
                found.append((Offload(*struct.unpack_from("=HH", data, 6)), frame))
        return found


def tagged(tpid: int, tci: int, rest: bytes) -> bytes:
    """A broadcast frame with a VLAN tag; `rest` begins with the EtherType below it."""
    return HEADER[:12] + struct.pack("!HH", tpid, tci) + rest


def udp_super_packet(tag: bytes, payload: bytes, size: int) -> tuple[bytes, bytes]:
    """A tagged frame of UDP over IPv4 that stands for datagrams of `size` bytes, and its virtio-net header."""
    addresses = bytes([10, 9, 0, 1, 10, 9, 0, 2])
    length = 8 + len(payload)
    network = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 1, 0, 64, socket.IPPROTO_UDP, 0) + addresses
    network = network[:10] + struct.pack("!H", 0xFFFF ^ _sum16(network)) + network[12:]
    unfinished = _sum16(addresses + struct.pack("!HH", socket.IPPROTO_UDP, length))
    transport = struct.pack("!HHHH", 9000, 9001, length, unfinished)
    frame = HEADER[:12] + tag + b"\x08\x00" + network + transport + payload
    headers = len(frame) - len(payload)
    return frame, struct.pack("=BBHHHH", _NEEDS_CSUM, _GSO_UDP_L4, headers, size, headers - 8, 6)


def _sum16(data: bytes) -> int:
    """The ones' complement sum of RFC 1071."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


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
