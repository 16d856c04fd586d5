"""STAMP sessions along segment lists: what is measured, and what became of the probes, window by window. Pure.

The controller's northbound says what to measure, `GET /v1/measurement/subjects`:

    {"interval_ms": 100, "window_ms": 1000, "subjects": [
        {"id": "link/pe1/agg1", "headend": {"namespace": "bl-x-pe1", "address": "fd00::1"},
         "segments": ["fcbb:bb00:1:e000::"], "reflector": {"namespace": "bl-x-agg1", "address": "fd00::2"}}, …]}

`segments` are visited in this order, and the reflector's address after them; the last must not be End of the
reflector's own node, since Linux delivers nothing locally after End. Windows go back to it as they are
complete, `POST /v1/measurement/windows`:

    {"windows": [{"id": "link/pe1/agg1", "sent": 10, "received": 9, "least_us": 5012.3, "mean_us": 5020.8}, …]}

Delays are one way, from the headend to the reflector; null if no probe was answered. Times are Unix nanoseconds.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv6Address

from pydantic import TypeAdapter

from traffic.sessions import End, Positive
from traffic.stamp import PACKET_LENGTH, SessionSender, UnixNs

LOST_AFTER_NS = 10**9
"""More than the round trip by a geostationary satellite, and as long as nobody takes replies out of the sockets."""

_ROUTING, _UDP, _ROUTING_TYPE_SRH = 43, 17, 4
_HOP_LIMIT = 255  # RFC 8762 §4.2.1
_IPV6 = struct.Struct("!IHBB")
_UDP_HEADER = struct.Struct("!HHHH")


@dataclass(frozen=True)
class Subject:
    """A segment list to be measured, from `headend` by `segments` to `reflector`."""

    id: str
    headend: End
    segments: tuple[IPv6Address, ...]
    reflector: End


@dataclass(frozen=True)
class Subjects:
    """All that is to be measured: a probe along each every interval, one report of each every window."""

    interval_ms: Positive
    window_ms: Positive
    subjects: tuple[Subject, ...]


@dataclass(frozen=True)
class ProbedWindow:
    """What became of the probes of the subject `id` that were sent in one window."""

    id: str
    sent: int
    received: int
    least_us: float | None
    mean_us: float | None


_SUBJECTS = TypeAdapter(Subjects)
_WINDOWS = TypeAdapter(dict[str, tuple[ProbedWindow, ...]])


def read_subjects(text: str | bytes) -> Subjects:
    """From the northbound's JSON; pydantic's ValidationError for what is not such."""
    return _SUBJECTS.validate_json(text)


def windows_json(windows: tuple[ProbedWindow, ...]) -> bytes:
    """For the northbound."""
    return _WINDOWS.dump_json({"windows": windows})


class ProbePackets:
    """IPv6 packets with an SRH (RFC 8754 §2) that take probes along a list, from UDP port `source` to `to`."""

    def __init__(self, subject: Subject, source: int, to: int) -> None:
        route = (*subject.segments, subject.reflector.address)
        last = len(route) - 1
        srh = bytes((_UDP, 2 * len(route), _ROUTING_TYPE_SRH, last, last, 0, 0, 0))
        srh += b"".join(segment.packed for segment in reversed(route))
        length = _UDP_HEADER.size + PACKET_LENGTH
        ends = subject.headend.address.packed
        self._head = _IPV6.pack(6 << 28, len(srh) + length, _ROUTING, _HOP_LIMIT) + ends + route[0].packed + srh
        self._udp = source, to, length
        # RFC 8200 §8.1: the pseudo-header has the final destination.
        self._sum = sum(_words(ends + route[-1].packed)) + _UDP + length + source + to + length

    def packet(self, probe: bytes | bytearray) -> bytes:
        """The packet with a probe of 44 octets."""
        total = self._sum + sum(_words(probe))
        checksum = 0xFFFF - total % 0xFFFF  # one's complement arithmetic is modulo 2^16 - 1; never 0, which is none
        return self._head + _UDP_HEADER.pack(*self._udp, checksum) + probe


def _words(octets: bytes | bytearray) -> tuple[int, ...]:
    return struct.unpack(f"!{len(octets) // 2}H", octets)


@dataclass
class _Tally:
    sent: int = 0
    lost: int = 0
    delays: list[int] = field(default_factory=list)

    @property
    def decided(self) -> bool:
        return self.sent == self.lost + len(self.delays)


class MeasuredSession:
    """A Session-Sender (RFC 8762 §4.2) for one subject. Windows begin at whole multiples of their length."""

    def __init__(self, subject: str, window_ns: int) -> None:
        self._subject, self._window_ns = subject, window_ns
        self._sender = SessionSender(timeout=LOST_AFTER_NS)
        self._tallies: dict[int, _Tally] = {}

    def prepare(self) -> bytearray:
        """The next probe, complete but for its time."""
        return self._sender.prepare()

    def depart(self, probe: bytearray, now: UnixNs) -> None:
        """Stamp a probe that leaves `now`."""
        self._sender.depart(probe, now)
        self._tallies.setdefault(now // self._window_ns, _Tally()).sent += 1

    def receive(self, reply: bytes, at: UnixNs) -> None:
        """Take a reply in, whatever it answers; MalformedPacketError for what is none."""
        sample = self._sender.receive(reply, at)
        if sample is not None:
            # A clock that was set back between the two readings makes no negative delay.
            delay = max(0, sample.received_by_reflector - sample.sent)
            self._tallies[sample.sent // self._window_ns].delays.append(delay)

    def complete(self, now: UnixNs) -> Iterator[ProbedWindow]:
        """The windows that are over and whose probes are all answered or given up, each once, oldest first."""
        for lost in self._sender.expire(now):
            self._tallies[lost.sent // self._window_ns].lost += 1
        over = [number for number in self._tallies if number < now // self._window_ns and self._tallies[number].decided]
        for number in sorted(over):
            yield self._window(self._tallies.pop(number))

    def _window(self, tally: _Tally) -> ProbedWindow:
        delays = tally.delays
        if not delays:
            return ProbedWindow(self._subject, tally.sent, 0, None, None)
        least, mean = min(delays) / 1000, round(sum(delays) / len(delays) / 1000, 3)
        return ProbedWindow(self._subject, tally.sent, len(delays), least, mean)
