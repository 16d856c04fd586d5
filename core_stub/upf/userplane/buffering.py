"""The queue of a FAR that buffers: filled by the thread of the packets, emptied by control's."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from threading import Lock

from core_stub.upf.rules import Buffer, Counter

Act = Callable[[bytes, int | None], None]
"""What to do with an inner packet and the QFI that it came with."""


class BufferQueue:
    """Packets in the order that they came in. `notify` is called with the PDR ID of one that nobody knows of.

    Once released, a queue never holds packets again but passes them on: a thread that still follows the old rules
    adds its packet behind those that the queue held, never before.
    """

    __slots__ = ("_limits", "_lock", "_notified", "_notify", "_octets", "_packets", "_successors")

    def __init__(self, buffer: Buffer, notify: Callable[[int], None]) -> None:
        self._limits = buffer
        self._notify = notify
        self._notified = False
        self._packets: deque[tuple[int, bytes, int | None]] = deque()
        self._octets = 0
        self._successors: Mapping[int, Act] | None = None
        self._lock = Lock()

    def act(self, pdr_id: int) -> Act:
        """The action of a rule with this PDR ID that buffers."""
        return lambda packet, qfi: self._add(pdr_id, packet, qfi)

    def resize(self, buffer: Buffer, *, acted_on: bool) -> None:
        """Take over other limits; if `acted_on`, the next packet is told again."""
        with self._lock:
            self._limits = buffer
            self._notified = self._notified and not acted_on

    def drop(self) -> None:
        """Forget what is in the queue."""
        with self._lock:
            self._packets.clear()
            self._octets = 0
            self._notified = False

    def release(self, successors: Mapping[int, Act]) -> None:
        """Hand everything, and what still comes, to the new actions by PDR ID; what has none is dropped."""
        with self._lock:
            for pdr_id, packet, qfi in self._packets:
                _pass_on(successors, pdr_id, packet, qfi)
            self._packets.clear()
            self._successors = successors

    def holds(self) -> Counter:
        """Packets and octets in the queue."""
        return Counter(len(self._packets), self._octets)

    def _add(self, pdr_id: int, packet: bytes, qfi: int | None) -> None:
        with self._lock:
            if self._successors is not None:
                _pass_on(self._successors, pdr_id, packet, qfi)
                return
            limits = self._limits
            if len(self._packets) < limits.packets and self._octets + len(packet) <= limits.octets:
                self._packets.append((pdr_id, packet, qfi))
                self._octets += len(packet)
            is_news = limits.notify and not self._notified
            self._notified = self._notified or is_news
        if is_news:
            self._notify(pdr_id)


def _pass_on(successors: Mapping[int, Act], pdr_id: int, packet: bytes, qfi: int | None) -> None:
    act = successors.get(pdr_id)
    if act is not None:
        act(packet, qfi)
