"""Token buckets and meters as packets pass them, one call a packet."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from core_stub.upf.rules import NEVER, Mark, Meter, Rate, Reading


class TokenBucket:
    """Lets `rate` pass, and at once no more than its burst."""

    __slots__ = ("_burst", "_octets_per_s", "_tokens", "_updated", "rate")

    def __init__(self, rate: Rate, now: float) -> None:
        self.rate = rate
        self._burst = float(rate.burst)
        self._octets_per_s = rate.kbps * 125.0
        self._tokens = self._burst
        self._updated = now

    def takes(self, octets: int, now: float) -> bool:
        """Whether a packet of this size conforms at the time `now`."""
        tokens = min(self._burst, self._tokens + (now - self._updated) * self._octets_per_s)
        self._updated = now
        if tokens < octets:
            self._tokens = tokens
            return False
        self._tokens = tokens - octets
        return True


class LiveMeter:
    """A `Meter` at work. `tell` is called with its URR ID once for every mark that is set and reached.

    Mostly the thread of the packets counts, but control's does while it flushes a queue. No lock is needed: CPython
    changes threads at calls and loops, not within an addition.
    """

    __slots__ = (
        "_first",
        "_last",
        "_since",
        "_stop",
        "_tell",
        "_told",
        "_urr_id",
        "downlink",
        "downlink_packets",
        "uplink",
        "uplink_packets",
    )

    def __init__(self, urr_id: int, tell: Callable[[int], None]) -> None:
        self._urr_id = urr_id
        self._told = tell
        self._tell: Limits | None = None
        self._stop: Limits | None = None
        self._since = 0.0
        self._first: float | None = None
        self._last: float | None = None
        self.uplink = self.downlink = self.uplink_packets = self.downlink_packets = 0

    def set(self, meter: Meter) -> None:
        """Take over the marks of `meter`."""
        if meter.since != self._since:
            self._since, self._first, self._last = meter.since, None, None
        self._stop = limits(meter.stop)
        self._tell = limits(meter.tell)
        self._tell_if_reached()

    @property
    def is_exhausted(self) -> bool:
        """Whether `stop` has been reached."""
        return self._stop is not None and self._has_reached(self._stop)

    def count_uplink(self, octets: int, now: float) -> None:
        """A packet went on."""
        self.uplink += octets
        self.uplink_packets += 1
        self._counted(now)

    def count_downlink(self, octets: int, now: float) -> None:
        """A packet went on."""
        self.downlink += octets
        self.downlink_packets += 1
        self._counted(now)

    def _counted(self, now: float) -> None:
        self._last = now
        if self._first is None:
            self._first = now
        if self._tell is not None:
            self._tell_if_reached()

    def reading(self) -> Reading:
        """The counts so far."""
        return Reading(self.uplink, self.downlink, self.uplink_packets, self.downlink_packets, self._first, self._last)

    def _tell_if_reached(self) -> None:
        if self._tell is not None and self._has_reached(self._tell):
            self._tell = None
            self._told(self._urr_id)

    def _has_reached(self, marks: Limits) -> bool:
        total, uplink, downlink, packets = marks
        return (
            self.uplink >= uplink
            or self.downlink >= downlink
            or self.uplink + self.downlink >= total
            or self.uplink_packets + self.downlink_packets >= packets
        )


Limits = tuple[float, float, float, float]
"""Total, uplink and downlink octets, and packets; infinite where there is no limit."""


def limits(mark: Mark) -> Limits | None:
    """`mark` as numbers that can be compared, None if it can never be reached."""
    if mark == NEVER:
        return None
    total, uplink, downlink, packets = (
        inf if count is None else count for count in (mark.total, mark.uplink, mark.downlink, mark.packets)
    )
    return total, uplink, downlink, packets
