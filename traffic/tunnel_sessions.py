"""STAMP sessions along tunnels: what is measured, whether a tunnel is alive, and how good it is. Pure.

The controller's northbound says what to measure, `GET /v1/overlay/probing`:

    {"interval_ms": 100, "timeout_ms": 100, "lost": 3, "window_ms": 500, "tunnels": [
        {"id": "mpls/a>b", "namespace": "bl-x-a", "source": "100.64.0.1", "target": "100.64.0.2",
         "target_namespace": "bl-x-b", "classes": [46, 0]}, …]}

Every interval a tunnel has a round: a probe of each class, by the class's DSCP. Where one was lost extra rounds follow.
What was found goes back, `POST /v1/overlay/measurements`:

    {"windows": [{"tunnel": "mpls/a>b", "dscp": 46, "t": 1795435200.0, "sent": 5, "received": 4, "lost_forward": 1,
                  "lost_back": 0, "forward": {"min_us": 5012.3, "mean_us": 5020.8, "p95_us": 5100.1, "jitter_us": 87.8},
                  "back": …}, …],
     "liveness": [{"tunnel": "mpls/a>b", "up": false, "t": 1795435200.4}, …]}

`t` is in Unix seconds: when a window began, when a change of liveness was found. Liveness is told as it changes, the
first state too. A tunnel is down when so many rounds in a row had no answer in time; an answer in time ends that.
`forward` and `back` are null if no probe was answered. Jitter is PDV (RFC 5481 §4.2): the 95th percentile less the
least. Lost probes are in `lost_forward` or `lost_back` by the numbers of the replies around them (RFC 8762 §4); those
after which no reply has come yet are in neither.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from itertools import pairwise
from typing import Annotated, NamedTuple

from pydantic import Field, TypeAdapter

from traffic.sessions import Positive
from traffic.stamp import Sample, UnixNs
from traffic.statistics import percentile

Dscp = Annotated[int, Field(ge=0, le=63)]

DOUBTED_ROUNDS = 100
"""After one that was not answered whole: as many as it takes to say a share of loss."""

ClockNs = int
"""Nanoseconds of a clock that stands still while nobody takes replies in: such a pause loses no probe."""


@dataclass(frozen=True)
class ProbedTunnel:
    """A tunnel that probes go along from `source` to `target`."""

    id: str
    namespace: str
    source: IPv4Address
    target: IPv4Address
    target_namespace: str
    classes: Annotated[tuple[Dscp, ...], Field(min_length=1)]


@dataclass(frozen=True)
class TunnelProbing:
    """All that is to be measured, and how."""

    interval_ms: Positive
    timeout_ms: Positive
    lost: Annotated[int, Field(ge=1)]
    window_ms: Positive
    tunnels: tuple[ProbedTunnel, ...]


@dataclass(frozen=True)
class OneWay:
    """Of the delays in one direction."""

    min_us: float
    mean_us: float
    p95_us: float
    jitter_us: float


@dataclass(frozen=True)
class TunnelWindow:
    """What became of the probes of a tunnel and a class that were sent in the window from `t` on."""

    tunnel: str
    dscp: int
    t: float
    sent: int
    received: int
    lost_forward: int
    lost_back: int
    forward: OneWay | None
    back: OneWay | None


@dataclass(frozen=True)
class Liveness:
    """A tunnel was found up or down at `t`."""

    tunnel: str
    up: bool
    t: float


@dataclass(frozen=True)
class Measurements:
    """A report."""

    windows: tuple[TunnelWindow, ...] = ()
    liveness: tuple[Liveness, ...] = ()


_PROBING = TypeAdapter(TunnelProbing)
_MEASUREMENTS = TypeAdapter(Measurements)


def read_probing(text: str | bytes) -> TunnelProbing:
    """From the northbound's JSON; pydantic's ValidationError for what is not such."""
    return _PROBING.validate_json(text)


def measurements_json(found: Measurements) -> bytes:
    """For the northbound."""
    return _MEASUREMENTS.dump_json(found)


@dataclass(frozen=True)
class Timing:
    """What there is of `TunnelProbing` for each session, in nanoseconds."""

    timeout: int
    lost: int
    window: int
    settle: int
    """How long after its end a window is told: when the round behind it, too, is answered or given up."""

    @classmethod
    def of(cls, probing: TunnelProbing) -> Timing:
        """From milliseconds."""
        interval, timeout, window = (
            round(ms * 1e6) for ms in (probing.interval_ms, probing.timeout_ms, probing.window_ms)
        )
        return cls(timeout, probing.lost, window, interval + timeout)


class _Answer(NamedTuple):
    sequence: int
    reflected: int
    """The reflector's own number."""
    forward: int = 0
    back: int = 0


@dataclass
class _Tally:
    sent: int = 0
    answers: list[_Answer] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)


class _ClassSession:
    """A Session-Sender (RFC 8762 §4.2) of a class, its probes by windows."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._under_way: dict[int, UnixNs] = {}
        self._tallies: dict[int, _Tally] = {}
        self._before = _Answer(-1, -1)

    def depart(self, number: int, sent: UnixNs) -> None:
        self._under_way[number] = sent
        window = sent // self._window
        tally = self._tallies.get(window)
        if tally is None:
            tally = self._tallies[window] = _Tally()
        tally.sent += 1

    def receive(self, sample: Sample) -> bool:
        """False if it answers no probe under way: one that an earlier run sent has our number, but not our time."""
        if self._under_way.get(sample.sequence) != sample.sent:
            return False
        del self._under_way[sample.sequence]
        # A clock that was set back between two readings makes no negative delay.
        forward = max(0, sample.received_by_reflector - sample.sent)
        back = max(0, sample.received - sample.sent_by_reflector)
        answer = _Answer(sample.sequence, sample.reply_sequence, forward, back)
        self._tallies[sample.sent // self._window].answers.append(answer)
        return True

    def give_up(self, until: UnixNs) -> None:
        """All that were sent by then."""
        for number, sent in list(self._under_way.items()):
            if sent > until:
                break
            del self._under_way[number]
            self._tallies[sent // self._window].lost.append(number)

    def over(self, before: int) -> list[int]:
        """The windows of which nothing was told, up to the one with the number `before`."""
        return sorted(number for number in self._tallies if number < before)

    def window(self, tunnel: str, dscp: int, number: int) -> TunnelWindow:
        """Take a window out."""
        tally = self._tallies.pop(number)
        answers = sorted(tally.answers, key=lambda answer: answer.sequence)
        after = min((each for later in self._tallies.values() for each in later.answers), key=_number, default=None)
        around = [self._before, *answers] + ([after] if after else [])
        forward, back = lost_by_direction(tally.lost, [(each.sequence, each.reflected) for each in around])
        self._before = around[len(answers)]
        return TunnelWindow(
            tunnel,
            dscp,
            number * self._window / 1e9,
            tally.sent,
            len(answers),
            forward,
            back,
            _one_way(answer.forward for answer in answers),
            _one_way(answer.back for answer in answers),
        )


def _number(answer: _Answer) -> int:
    return answer.sequence


def lost_by_direction(lost: Iterable[int], answers: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """How many of the probes `lost` were lost on their way forward, and of how many the reply was.

    `answers` are the numbers of probes and of their replies, in the order of the probes. Where the reflector has
    counted on between two answers it has seen the probes: their replies are lost. If not all between two answers were
    lost in one direction, those on the way forward are taken for the earlier ones. A reflector that began anew has
    seen none.
    """
    numbers = frozenset(lost)
    forward = back = 0
    for (before, reflected), (after, reflected_after) in pairwise(answers):
        missing = after - before - 1
        if missing > 0:
            seen = min(max(reflected_after - reflected - 1, 0), missing)
            forward += sum(number in numbers for number in range(before + 1, after - seen))
            back += sum(number in numbers for number in range(after - seen, after))
    return forward, back


def _one_way(delays_ns: Iterable[int]) -> OneWay | None:
    ordered = sorted(delay / 1000 for delay in delays_ns)
    if not ordered:
        return None
    p95 = percentile(ordered, 95)
    mean = math.fsum(ordered) / len(ordered)
    return OneWay(ordered[0], round(mean, 3), p95, round(p95 - ordered[0], 3))


@dataclass
class _Round:
    number: int
    began: ClockNs
    waiting: int
    """Classes without an answer."""
    extra: bool
    departed: UnixNs = 0


class TunnelSession:
    """The sessions of all classes along a tunnel, and whether it is alive. Their probes have the same numbers."""

    def __init__(self, tunnel: str, classes: Iterable[int], timing: Timing) -> None:
        self._tunnel, self._timing = tunnel, timing
        self._sessions = {dscp: _ClassSession(timing.window) for dscp in classes}
        self.classes = tuple(self._sessions)
        self._rounds: deque[_Round] = deque()
        self._next_number = 0
        self._doubts = 0
        self._answered_through = -1
        self._silent = 0
        self._up: bool | None = None
        self._told_before = 0

    @property
    def timeout(self) -> int:
        """How long after its beginning a round is given up, in nanoseconds."""
        return self._timing.timeout

    @property
    def waiting(self) -> bool:
        """A round is neither answered by all classes nor given up."""
        return bool(self._rounds)

    @property
    def doubted(self) -> bool:
        """Whether more rounds should tell soon how much is lost: one of the last rounds has not been answered whole.

        One that is down is not doubted.
        """
        return self._doubts > 0 and self._up is not False

    def begin(self, clock: ClockNs, *, extra: bool = False) -> int:
        """A round begins: a probe of each class follows, all of one number. Unanswered `extra` ones are no blackout."""
        number = self._next_number
        self._rounds.append(_Round(number, clock, len(self.classes), extra))
        self._next_number += 1
        self._doubts -= self._doubts > 0
        return number

    def depart(self, dscp: int, sent: UnixNs) -> None:
        """The probe of a class, of the round that began last, has left."""
        last = self._rounds[-1]
        self._sessions[dscp].depart(last.number, sent)
        last.departed = sent

    def receive(self, dscp: int, sample: Sample) -> Liveness | None:
        """Take a reply in, whatever it answers."""
        if not self._sessions[dscp].receive(sample):
            return None
        self._answered(sample.sequence)
        if sample.sequence <= self._answered_through:
            return None
        self._answered_through, self._silent = sample.sequence, 0
        return self._now(True, sample.received)

    def expire(self, clock: ClockNs, now: UnixNs) -> Liveness | None:
        """Give up the rounds that have waited long enough."""
        while self._rounds and clock - self._rounds[0].began >= self._timing.timeout:
            over = self._rounds.popleft()
            self._doubts = DOUBTED_ROUNDS
            for session in self._sessions.values():
                session.give_up(over.departed)
            self._silent += not over.extra and over.number > self._answered_through
            self._forget_answered()
        return self._now(False, now) if self._silent >= self._timing.lost else None

    def complete(self, now: UnixNs) -> Iterator[TunnelWindow]:
        """The windows that can be told, each once, oldest first."""
        settled = now - self._timing.settle
        if self._rounds:
            settled = min(settled, self._rounds[0].departed)
        before = settled // self._timing.window
        if before == self._told_before:
            return
        self._told_before = before
        for dscp, session in self._sessions.items():
            for number in session.over(before):
                yield session.window(self._tunnel, dscp, number)

    def _answered(self, number: int) -> None:
        rounds = self._rounds
        if not rounds or number < rounds[0].number:
            return  # given up, and remembered only because the host's clock was set back
        rounds[number - rounds[0].number].waiting -= 1
        self._forget_answered()

    def _forget_answered(self) -> None:
        while self._rounds and not self._rounds[0].waiting:
            self._rounds.popleft()

    def _now(self, up: bool, at: UnixNs) -> Liveness | None:
        if up is self._up:
            return None
        self._up = up
        return Liveness(self._tunnel, up, at / 1e9)
