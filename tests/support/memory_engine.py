"""A link engine that carries nothing and remembers what it was told."""

from __future__ import annotations

from collections.abc import Iterable

from testbed.links.engine import EmulatedLink, LinkCounters, LinkEngineError
from testbed.links.profile import LinkProfile


class Engine:
    """Remembers what it was told."""

    name = "memory"

    def __init__(self) -> None:
        self.changes: list[tuple[str, LinkProfile, LinkProfile]] = []
        self.states: list[tuple[str, bool]] = []
        self.broken = False

    def add(self, links: Iterable[EmulatedLink]) -> None:
        raise NotImplementedError

    def change(self, name: str, a_to_b: LinkProfile, b_to_a: LinkProfile) -> None:
        if self.broken:
            raise LinkEngineError(name, "broken")
        self.changes.append((name, a_to_b, b_to_a))

    def set_up(self, name: str, *, up: bool) -> None:
        self.states.append((name, up))

    def counters(self) -> tuple[LinkCounters, ...]:
        return ()

    def close(self) -> None:
        raise NotImplementedError
