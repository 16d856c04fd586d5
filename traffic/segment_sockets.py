"""The two ends of a measured segment list, as sockets in the routers' namespaces."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from testbed import netns
from traffic.process import Endpoint
from traffic.segment_sessions import End, MeasuredSession, ProbedWindow, ProbePackets, Subject
from traffic.sockets import Received, stamped_udp
from traffic.stamp import PORT, MalformedPacketError, ReflectorMode, SessionReflector, stamp_departure

_ETH_P_IPV6 = 0x86DD
_LOOPBACK = "lo", _ETH_P_IPV6, 0, 0, bytes(6)


@dataclass(frozen=True)
class Place:
    """An end in the namespace that has its name now: one made anew has another inode, and needs sockets of its own.

    Those in the old one have to be closed, or it would live on in them with all its links.
    """

    end: End
    inode: int

    @classmethod
    def of(cls, end: End) -> Place | None:
        """None if there is no such namespace."""
        try:
            return cls(end, (netns.NETNS_DIR / end.namespace).stat().st_ino)
        except OSError:
            return None


class Reflector:
    """A Session-Reflector (RFC 8762 §4.3) at `place`; OSError if the address or the port is not to be had."""

    def __init__(self, place: Place) -> None:
        self.socket = _udp(place.end, PORT)
        self._reflector = SessionReflector(ReflectorMode.STATELESS)

    def take(self, probe: Received) -> None:
        """Answer a probe."""
        with suppress(MalformedPacketError, OSError):  # no probe, or no way back: its sender counts it as lost
            reply = self._reflector.reflect(probe.data, probe.peer, received=probe.at, ttl=probe.ttl)
            stamp_departure(reply, time.time_ns())
            self.socket.sendto(reply, probe.peer)

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()


class Sender:
    """A Session-Sender along the list of `subject`; OSError if the headend does not have the address."""

    def __init__(self, subject: Subject, window_ns: int) -> None:
        self.socket = _udp(subject.headend, 0)
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


def _udp(end: End, port: int) -> socket.socket:
    with netns.entered(end.namespace):
        udp = stamped_udp(Endpoint(str(end.address), port), ipv6=True)
    udp.setblocking(False)
    return udp
