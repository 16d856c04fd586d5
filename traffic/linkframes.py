"""Probes of one direction of a link: their frames, and what became of each. Pure; times are Unix nanoseconds."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from traffic.samples import LinkSample

ETHERTYPE = 0x88B5
"""IEEE Std 802-2014 §9.2.4: for local experiments."""

DESTINATION = bytes.fromhex("0180c200000e")
"""IEEE Std 802.1Q-2018 §8.6.3: no bridge forwards it, so that a probe stays on its link."""

SLOW_SEND_NS = 250_000
"""Sending takes 20 to 100 µs, more where the engine is woken by it. A sender that took longer was preempted, before or
after its frame left: nobody knows when that was."""

LOST_AFTER_NS = 10 * 10**9

_ETHERNET = struct.Struct("!6s6sH")
_PROBE = struct.Struct("!IIQ")
_SHORTEST_FRAME = 60


@dataclass(frozen=True)
class LinkProbe:
    """What a probe's frame says: the direction's number, the probe's own, and when it was sent."""

    direction: int
    sequence: int
    sent: int

    def encode(self, source: bytes) -> bytes:
        """As an Ethernet frame from the MAC address `source`."""
        header = _ETHERNET.pack(DESTINATION, source, ETHERTYPE)
        return (header + _PROBE.pack(self.direction, self.sequence, self.sent)).ljust(_SHORTEST_FRAME, b"\0")

    @classmethod
    def decode(cls, frame: bytes) -> LinkProbe | None:
        """None for a frame that is no probe."""
        if len(frame) < _SHORTEST_FRAME or int.from_bytes(frame[12:14]) != ETHERTYPE:
            return None
        return cls(*_PROBE.unpack_from(frame, _ETHERNET.size))


class ProbedDirection:
    """A direction of a link and its probes on their way; `source` is the sender's MAC address."""

    def __init__(self, number: int, link: str, way: str, source: bytes) -> None:
        self._number, self._link, self._way, self._source = number, link, way, source
        self._next = 0
        self._under_way: dict[int, int] = {}
        """Sequence → when it was sent, in the order of sending."""
        self._slow: set[int] = set()

    @property
    def under_way(self) -> bool:
        """True while a probe may still arrive."""
        return bool(self._under_way)

    def depart(self, now: int) -> bytes:
        """The frame of the next probe, to be sent at once."""
        probe = LinkProbe(self._number, self._next, now)
        self._under_way[probe.sequence] = now
        self._next += 1
        return probe.encode(self._source)

    def departed(self, now: int) -> None:
        """Sending the last probe has ended; if that took too long, its delay says nothing about the link."""
        last = self._next - 1
        if now - self._under_way[last] > SLOW_SEND_NS:
            self._slow.add(last)

    def receive(self, frame: bytes, at: int) -> LinkSample | None:
        """The sample that a frame completes; None for duplicates, and for what the link has corrupted."""
        probe = LinkProbe.decode(frame)
        if probe is None or probe.direction != self._number or self._under_way.get(probe.sequence) != probe.sent:
            return None
        del self._under_way[probe.sequence]
        timed = probe.sequence not in self._slow
        self._slow.discard(probe.sequence)
        return self._sample(probe.sequence, probe.sent, lost=False, delay_ms=(at - probe.sent) / 1e6 if timed else None)

    def expire(self, now: int) -> Iterator[LinkSample]:
        """Give up the probes that have been under way for too long."""
        yield from self._give_up([sequence for sequence, sent in self._under_way.items() if now - sent > LOST_AFTER_NS])

    def abandon(self) -> Iterator[LinkSample]:
        """Give up all that are under way."""
        yield from self._give_up(list(self._under_way))

    def _give_up(self, sequences: list[int]) -> Iterator[LinkSample]:
        for sequence in sequences:
            self._slow.discard(sequence)
            yield self._sample(sequence, self._under_way.pop(sequence), lost=True, delay_ms=None)

    def _sample(self, sequence: int, sent: int, *, lost: bool, delay_ms: float | None) -> LinkSample:
        return LinkSample(self._link, self._way, sequence, round(sent / 1e9, 7), lost, delay_ms)
