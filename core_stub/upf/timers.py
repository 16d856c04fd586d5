"""Many deadlines by key, of which the earliest is asked for; no clock."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

_SPARE = 1024
"""Deadlines that hold no more stay in the heap until they come, unless there are more of them than of others and so."""


class Timers(Generic[Key]):
    """At most one deadline a key."""

    def __init__(self) -> None:
        self._due: dict[Key, float] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._numbers = count()

    def arm(self, key: Key, due: float | None) -> None:
        """Have `key` expire at `due` and not when it would have; None for not at all."""
        if due is None:
            self._due.pop(key, None)
        elif self._due.get(key) != due:
            self._due[key] = due
            heappush(self._heap, (due, next(self._numbers), key))
        if len(self._heap) > 2 * len(self._due) + _SPARE:
            self._heap = [(due, next(self._numbers), key) for key, due in self._due.items()]
            heapify(self._heap)

    def next(self) -> float | None:
        """The earliest deadline."""
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def expired(self, now: float) -> Iterator[Key]:
        """Each key whose deadline has come, which it then has no longer."""
        while (due := self.next()) is not None and due <= now:
            _, _, key = heappop(self._heap)
            del self._due[key]
            yield key
