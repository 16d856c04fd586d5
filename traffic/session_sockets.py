"""Ends of sessions as sockets in other namespaces, of which one thread keeps many."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, TypeVar

from testbed import netns
from traffic.process import Endpoint
from traffic.sessions import End
from traffic.sockets import Received, receive, set_dscp, stamped_udp
from traffic.stamp import PORT, MalformedPacketError, ReflectorMode, SessionReflector, stamp_departure

_MOST_ROUNDS = 64
"""Of taking one packet out of each socket: a flood must not keep probes from being sent."""


class EndSocket(Protocol):
    """An end of a session."""

    socket: socket.socket

    def take(self, packet: Received) -> None:
        """Take in what came."""


class Closes(Protocol):
    """What is opened and closed."""

    def close(self) -> None:
        """Close all that it has."""


class Ends(Closes, Protocol):
    """Ends that are opened and closed together."""

    @property
    def ends(self) -> Sequence[EndSocket]:
        """All of them."""


Key = TypeVar("Key")
Kept = TypeVar("Kept", bound=Ends)


Closable = TypeVar("Closable", bound=Closes)


def keep(opened: dict[Key, Closable], wanted: Iterable[Key], open_: Callable[[Key], Closable]) -> None:
    """Close those of `opened` that are not wanted, open those that are missing; what cannot be is left out."""
    keys = dict.fromkeys(wanted)
    for key in [key for key in opened if key not in keys]:
        opened.pop(key).close()
    for key in keys:
        if key not in opened:
            with suppress(OSError):  # its node has no such address yet, or has just gone
                opened[key] = open_(key)


class Sockets:
    """All that are open, and what arrives at them."""

    def __init__(self) -> None:
        self._arriving: dict[int, EndSocket] = {}
        self._epoll = select.epoll()

    def keep(self, opened: dict[Key, Kept], wanted: Iterable[Key], open_: Callable[[Key], Kept]) -> None:
        """As the function `keep`."""
        keys = dict.fromkeys(wanted)
        for end in (end for key, kept in opened.items() if key not in keys for end in kept.ends):
            del self._arriving[end.socket.fileno()]
        keep(opened, keys, lambda key: self._watched(open_(key)))

    def _watched(self, new: Kept) -> Kept:
        """All of its ends; OSError if not, and then it is closed."""
        try:
            for end in new.ends:
                self._epoll.register(end.socket, select.EPOLLIN)
        except OSError:
            new.close()
            raise
        self._arriving |= {end.socket.fileno(): end for end in new.ends}
        return new

    def take(self) -> None:
        """Give each its packets; those that answers to them bring at once are among them."""
        for _ in range(_MOST_ROUNDS):
            ready = self._epoll.poll(0)
            if not ready:
                break
            for descriptor, _ in ready:
                end = self._arriving[descriptor]
                try:
                    packet = receive(end.socket)
                except OSError:
                    continue
                end.take(packet)


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
        inode = inode_of(end.namespace)
        return None if inode is None else cls(end, inode)


def inode_of(namespace: str) -> int | None:
    """What tells a namespace from another that had its name before; None if there is none."""
    try:
        return (netns.NETNS_DIR / namespace).stat().st_ino
    except OSError:
        return None


class Reflector:
    """A Session-Reflector (RFC 8762 §4.3) at `place`; OSError if the address or the port is not to be had.

    A reply has the DSCP of its probe.
    """

    def __init__(self, place: Place, mode: ReflectorMode) -> None:
        self.socket = udp_at(place.end, PORT)
        self.ends = (self,)
        self._reflector = SessionReflector(mode)
        self._dscp = 0

    def take(self, packet: Received) -> None:
        """Answer a probe."""
        try:
            reply = self._reflector.reflect(packet.data, packet.peer, received=packet.at, ttl=packet.ttl)
            self._mark(packet.tos >> 2)
            stamp_departure(reply, time.time_ns())
            self.socket.sendto(reply, packet.peer)
        except (MalformedPacketError, OSError):
            return  # no probe, or no way back: its sender counts it as lost

    def _mark(self, dscp: int) -> None:
        """Let the next reply have it."""
        if dscp != self._dscp:
            set_dscp(self.socket, dscp)
            self._dscp = dscp

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()


def udp_at(end: End, port: int) -> socket.socket:
    """A socket, not blocking, at an address in a namespace (any free port if 0); OSError if it is not to be had."""
    with netns.entered(end.namespace):
        udp = stamped_udp(Endpoint(str(end.address), port), ipv6=end.address.version == 6)
    udp.setblocking(False)
    return udp
