"""Reliable delivery of PFCP messages (TS 29.244 §6.4): retransmission, and duplicate requests answered alike.

A request is sent up to N1 times, T1 apart, always as the same bytes and so with the same sequence number. The one who
answers keeps its response for as long as the peer may still retransmit, and answers a duplicate with the same bytes
without handling it again. A duplicate is the same bytes from the same address: a peer that restarts and starts
counting where it did before is not mistaken for its former self.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile

Address = tuple[str, int]
"""IP address and UDP port."""

SEQUENCE_NUMBERS = 1 << 24
"""§7.2.2.3: the sequence number has three octets."""

_SERVED_AT_MOST, _OCTETS_AT_MOST = 1 << 16, 1 << 24
"""Responses kept; a peer that asks for more within the holding time has its oldest ones forgotten."""


@dataclass(frozen=True)
class Resend:
    """T1 expired and the request has transmissions left."""

    peer: Address
    datagram: bytes


@dataclass(frozen=True)
class GiveUp:
    """T1 expired after the last transmission."""

    peer: Address
    sequence: int


@dataclass(slots=True)
class _Outstanding:
    datagram: bytes
    sends_left: int
    due: float


@dataclass(slots=True)
class _Served:
    fingerprint: int
    forget_at: float
    priority: int | None
    response: bytes | None = None


class Duplicate(Exception):  # noqa: N818 - not a fault: it says what was received
    """The request was received before; `response` is what was answered, None while it is still being handled."""

    def __init__(self, response: bytes | None) -> None:
        self.response = response
        super().__init__("a retransmitted request")


class Transactions:
    """Requests that await their response, and responses that await a duplicate of their request."""

    def __init__(self, *, first_sequence: int, t1: float, n1: int) -> None:
        self._next_sequence = first_sequence % SEQUENCE_NUMBERS
        self._t1 = t1
        self._n1 = n1
        self._holding_time = t1 * (n1 + 1)
        # Both are in the order of insertion, and since T1 is the same for all, of `due` and `forget_at`.
        self._outstanding: dict[tuple[Address, int], _Outstanding] = {}
        self._served: dict[tuple[Address, int], _Served] = {}
        self._served_octets = 0

    def next_sequence(self) -> int:
        """The next sequence number. It wraps after 24 bits, when the request that had it last is long finished."""
        sequence = self._next_sequence
        self._next_sequence = (sequence + 1) % SEQUENCE_NUMBERS
        return sequence

    def start(self, peer: Address, sequence: int, datagram: bytes, now: float) -> None:
        """A request was sent for the first time."""
        self._outstanding[peer, sequence] = _Outstanding(datagram, self._n1 - 1, now + self._t1)

    def finish(self, peer: Address, sequence: int) -> bool:
        """A response came in; False if no request awaits it (any longer)."""
        return self._outstanding.pop((peer, sequence), None) is not None

    def admit(self, peer: Address, sequence: int, request: bytes, now: float, priority: int | None = None) -> None:
        """A request came in; raises `Duplicate` if it was received before, within the holding time."""
        self._forget(now)
        fingerprint = hash(request)
        known = self._served.get((peer, sequence))
        if known is not None and known.fingerprint == fingerprint:
            raise Duplicate(known.response)
        self._drop((peer, sequence))
        self._served[peer, sequence] = _Served(fingerprint, now + self._holding_time, priority)

    def priority(self, peer: Address, sequence: int) -> int | None:
        """The priority of an admitted request, which its response has too (§7.2.2.3); None if it said none."""
        known = self._served.get((peer, sequence))
        return None if known is None else known.priority

    def answer(self, peer: Address, sequence: int, response: bytes) -> None:
        """The response to an admitted request, kept for its duplicates."""
        known = self._served.get((peer, sequence))
        if known is not None:
            known.response = response
            self._served_octets += len(response)

    def get_timer(self) -> float | None:
        """When `expire` has something to do next."""
        return next((waiting.due for waiting in self._outstanding.values()), None)

    def expire(self, now: float) -> list[Resend | GiveUp]:
        """What is to be done about the requests whose T1 is over."""
        effects: list[Resend | GiveUp] = []
        for peer, sequence in self._due(now):
            waiting = self._outstanding.pop((peer, sequence))
            if waiting.sends_left:
                waiting.sends_left -= 1
                waiting.due = now + self._t1
                self._outstanding[peer, sequence] = waiting
                effects.append(Resend(peer, waiting.datagram))
            else:
                effects.append(GiveUp(peer, sequence))
        return effects

    def _due(self, now: float) -> list[tuple[Address, int]]:
        return [key for key, _ in takewhile(lambda item: item[1].due <= now, self._outstanding.items())]

    def _forget(self, now: float) -> None:
        while self._served:
            oldest = next(iter(self._served))
            is_full = len(self._served) >= _SERVED_AT_MOST or self._served_octets > _OCTETS_AT_MOST
            if self._served[oldest].forget_at > now and not is_full:
                return
            self._drop(oldest)

    def _drop(self, key: tuple[Address, int]) -> None:
        gone = self._served.pop(key, None)
        if gone is not None and gone.response is not None:
            self._served_octets -= len(gone.response)
