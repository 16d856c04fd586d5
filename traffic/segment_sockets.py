"""The headend of a measured segment list, as sockets in the router's namespace."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import suppress

from testbed import netns
from traffic.segment_sessions import MeasuredSession, ProbedWindow, ProbePackets, Subject
from traffic.session_sockets import udp_at
from traffic.sockets import Received
from traffic.stamp import PORT, MalformedPacketError

_ETH_P_IPV6 = 0x86DD
_LOOPBACK = "lo", _ETH_P_IPV6, 0, 0, bytes(6)


class Sender:
    """A Session-Sender along the list of `subject`; OSError if the headend does not have the address."""

    def __init__(self, subject: Subject, window_ns: int) -> None:
        self.socket = udp_at(subject.headend, 0)
        self.ends = (self,)
        try:
            self._entry = _entry(subject.headend.namespace)
        except OSError:
            self.socket.close()
            raise
        self._packets = ProbePackets(subject, self.socket.getsockname()[1], PORT)
        self._session = MeasuredSession(subject.id, window_ns)

    def send(self) -> None:
        """Send a probe; one that cannot be sent is lost."""
        probe = self._session.prepare()
        self._session.depart(probe, time.time_ns())
        with suppress(OSError):
            self._entry.sendto(self._packets.packet(probe), _LOOPBACK)

    def close(self) -> None:
        """Close the sockets."""
        self.socket.close()
        self._entry.close()

    def take(self, reply: Received) -> None:
        """Take a reply in."""
        with suppress(MalformedPacketError):
            self._session.receive(reply.data, reply.at)

    def complete(self) -> Iterator[ProbedWindow]:
        """The windows that are complete."""
        return self._session.complete(time.time_ns())


def _entry(namespace: str) -> socket.socket:
    """Where probes enter the router as if they came from a link: local SIDs act on no packet that it sends itself."""
    with netns.entered(namespace):
        return socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, 0)
