"""The client of `stamper` (stamper.c), the process that sends, answers and stamps STAMP packets (RFC 8762).

with Stamper.started() as stamper:
    stamper.reflect(socket_at_the_far_end)
    session = stamper.open(socket_at_the_near_end)      # connected; its DSCP is that of the probes
    exchanged = stamper.exchange([(session, 0)])        # when the probe with number 0 left
    …
    exchanged = stamper.exchange([(session, 1)])        # the reply to it, and when the next one left
"""

from __future__ import annotations

import socket
import struct
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from traffic.stamp import SAME_HOST, Sample, UnixNs

BINARY = Path(__file__).with_name("stamper")

EndId = int
"""Of a socket that a stamper has."""

_SENDER, _REFLECTOR, _CLOSE, _EXCHANGE = 1, 2, 3, 4
_REQUEST = struct.Struct("=II")
_PROBE = struct.Struct("=II")
_MESSAGE = struct.Struct("=Q")
_RECORD = struct.Struct("=IIII4q")
_MOST_PROBES = 4096
_LARGEST_MESSAGE = 2**16


class StamperError(RuntimeError):
    """The process has ended; its last words are on standard error."""


@dataclass(frozen=True)
class Exchanged:
    """When each probe left, in their order, and the replies that have come since the last time, by session."""

    departures: tuple[UnixNs, ...]
    replies: tuple[tuple[EndId, Sample], ...]


class Stamper:
    """A running process. A socket that it was given is its own from then on."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._free = iter(range(2**16 - 1))
        self._closed: list[EndId] = []

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[Stamper]:
        """One for as long as the context lasts; OSError if it was not built."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs, subprocess.Popen((str(BINARY), str(SAME_HOST.encode())), stdin=theirs.fileno()):
            theirs.close()
            try:
                yield cls(ours)
            finally:
                ours.close()  # it ends when nobody can ask it any more

    def open(self, udp: socket.socket) -> EndId:
        """Let probes leave by a connected socket."""
        return self._give(_SENDER, udp)

    def reflect(self, udp: socket.socket) -> EndId:
        """Answer what comes to a socket."""
        return self._give(_REFLECTOR, udp)

    def close(self, end: EndId) -> None:
        """Close a socket."""
        self._ask(_REQUEST.pack(_CLOSE, end))
        self._closed.append(end)

    def exchange(self, probes: Sequence[tuple[EndId, int]]) -> Exchanged:
        """Take in what has come, and send probes with these numbers; one that cannot be sent is lost."""
        departures: list[UnixNs] = []
        replies: list[tuple[EndId, Sample]] = []
        for first in range(0, len(probes) or 1, _MOST_PROBES):
            request = b"".join(_PROBE.pack(end, number) for end, number in probes[first : first + _MOST_PROBES])
            self._ask(_REQUEST.pack(_EXCHANGE, 0) + request)
            for end, sequence, number, is_reply, sent, there, back, received in self._records():
                if is_reply:
                    replies.append((end, Sample(sequence, sent, there, back, received, number)))
                else:
                    departures.append(sent)
        return Exchanged(tuple(departures), tuple(replies))

    def _give(self, kind: int, udp: socket.socket) -> EndId:
        end = self._closed.pop() if self._closed else next(self._free)
        self._ask(_REQUEST.pack(kind, end), [udp.fileno()])
        udp.close()
        return end

    def _ask(self, request: bytes, descriptors: Sequence[int] = ()) -> None:
        try:
            socket.send_fds(self._control, [request], descriptors)
        except OSError as error:
            raise StamperError(f"stamper: {error}") from error

    def _records(self) -> Iterable[tuple[int, ...]]:
        more = True
        while more:
            message = self._control.recv(_LARGEST_MESSAGE)
            if not message:
                raise StamperError("stamper: it has ended")
            (more,) = _MESSAGE.unpack_from(message)
            yield from _RECORD.iter_unpack(message[_MESSAGE.size :])
