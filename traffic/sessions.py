"""What measures for a controller has in common: where sessions end, and whose turn it is. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Annotated, Generic, TypeVar

from pydantic import Field

Item = TypeVar("Item")

Positive = Annotated[float, Field(gt=0)]

MOST_PROBES = 2500
"""A second, of all subjects together. With more of them than that allows, the interval is longer."""

_BURST = 20
"""At least, if there are as many. Of 20 at a time each costs a third of what one costs that finds all caches cold."""

_LEAST_SPACING_NS = 5_000_000
"""Of bursts."""


@dataclass(frozen=True)
class End:
    """An address of a node, and the node's network namespace."""

    namespace: str
    address: IPv4Address | IPv6Address


class Bursts(Generic[Item]):
    """Whose turn it is, where waking up costs more than what is done then: once an interval each, many at a time.

    A burst is due every `spacing` ns. There are not more than `MOST_PROBES` turns a second.
    """

    def __init__(self, items: Sequence[Item], interval: int) -> None:
        self._given = items, interval
        interval = max(interval, len(items) * 10**9 // MOST_PROBES)
        self._bursts = max(1, min(len(items) // _BURST, interval // _LEAST_SPACING_NS))
        self.spacing = interval // self._bursts
        self._items, self._turn = items, 0

    def are(self, items: Sequence[Item], interval: int) -> bool:
        """They are of these, at this interval: new ones would begin with the first again."""
        return self._given == (items, interval)

    def next(self) -> Sequence[Item]:
        """The next burst."""
        turn, self._turn = self._turn, (self._turn + 1) % self._bursts
        return self._items[turn :: self._bursts]


class Schedule(Generic[Item]):
    """Whose turn it is: each of some items once an interval, evenly spread over it. Times are of any clock, in ns."""

    def __init__(self) -> None:
        self._items: Sequence[Item] = ()
        self._spacing = self._next = self._turn = 0

    def set(self, items: Sequence[Item], interval: int) -> None:
        """From now on it is these, not more than `MOST_PROBES` a second."""
        self._items = items
        self._spacing = max(interval // len(items), 10**9 // MOST_PROBES) if items else 0

    def due(self, now: int) -> Iterator[Item]:
        """Those whose turn has come. After a pause longer than the interval it begins anew."""
        if now - self._next > self._spacing * len(self._items):
            self._next = now
        while self._items and self._next <= now:
            yield self._items[self._turn % len(self._items)]
            self._turn += 1
            self._next += self._spacing
