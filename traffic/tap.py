"""Listens to a UDP port of a network namespace, on all of its interfaces and both ways, without a file in between."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from testbed import netns
from traffic.dissect import Datagram, udp_datagram
from traffic.sockets import receive, udp_port_packets


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
        packets = udp_port_packets(port)
    with packets:
        yield _tapped(packets, port)


def _tapped(packets: socket.socket, port: int) -> Iterator[Tapped]:
    while True:
        received = receive(packets)
        datagram = udp_datagram(received.data)
        if datagram is not None and port in (datagram.src_port, datagram.dst_port):
            yield Tapped(received.at / 1e9, datagram)
