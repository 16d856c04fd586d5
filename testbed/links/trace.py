"""Files that say what a link does: deviations of delay, losses, and profiles that change with time.

Lines that are empty or begin with `#` are comments. Every parser raises ValueError saying which line is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

from testbed.links.profile import LinkProfile
from testbed.units import parse_duration_ms, parse_rate, parse_ratio

LONGEST = 1_000_000
"""More values than this are a mistake."""

T = TypeVar("T")


class AtEnd(StrEnum):
    """What follows the last line of a trace."""

    REPEAT = "repeat"
    HOLD = "hold"


@dataclass(frozen=True)
class TracePoint:
    """A line of a trace; None leaves the profile's own."""

    rate_bps: int
    delay_ms: float | None = None
    loss: float | None = None


@dataclass(frozen=True)
class Trace:
    """One direction over time, a point each `interval_ms`."""

    file: str
    points: tuple[TracePoint, ...]
    interval_ms: float
    at_end: AtEnd

    def applied(self, step: int, profile: LinkProfile) -> LinkProfile:
        """`profile` as the trace has it `step` intervals after its start."""
        last = len(self.points) - 1
        point = self.points[step % len(self.points) if self.at_end is AtEnd.REPEAT else min(step, last)]
        profile = replace(profile, rate_bps=point.rate_bps)
        if point.delay_ms is not None:
            profile = replace(profile, delay_ms=point.delay_ms)
        if point.loss is not None:
            profile = replace(profile, loss=point.loss, loss_bursts=None, loss_trace=())
        return profile

    @property
    def moved(self) -> tuple[str, ...]:
        """The scenario's names of what it moves."""
        delay = any(point.delay_ms is not None for point in self.points)
        loss = any(point.loss is not None for point in self.points)
        return ("rate",) + ("delay",) * delay + ("loss",) * loss

    def moving(self, step: int) -> bool:
        """False once a trace that holds has ended."""
        return self.at_end is AtEnd.REPEAT or step < len(self.points)

    def ends(self, step: int) -> int:
        """How often it has ended after that many intervals; a trace that holds ends once."""
        ends = step // len(self.points)
        return ends if self.at_end is AtEnd.REPEAT else min(ends, 1)


def parse_jitter_table(text: str) -> tuple[float, ...]:
    """Deviations from the delay in milliseconds, one a line."""
    return _values((_deviation(number, line) for number, line in _lines(text)), "a deviation in milliseconds on a line")


def parse_loss_trace(text: str) -> tuple[bool, ...]:
    """A 0 (arrives) or 1 (lost) for each packet; spaces and line ends between them mean nothing."""
    flags = []
    for number, line in _lines(text):
        for character in "".join(line.split()):
            if character not in "01":
                raise ValueError(f"line {number}: want only 0 and 1")
            flags.append(character == "1")
    return _values(iter(flags), "a 0 or a 1")


def parse_trace(text: str) -> tuple[TracePoint, ...]:
    """`RATE [DELAY [LOSS]]` on each line, such as `38.2Mbit 12ms 0.1%`."""
    return _values((_point(number, line) for number, line in _lines(text)), "a line such as `38.2Mbit 12ms 0.1%`")


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), start=1):
        content = line.partition("#")[0].strip()
        if content:
            yield number, content


def _values(values: Iterator[T], want: str) -> tuple[T, ...]:
    found = tuple(values)
    if not 0 < len(found) <= LONGEST:
        raise ValueError(f"{len(found)} values: want at least {want}, and at most {LONGEST}")
    return found


def _deviation(number: int, line: str) -> float:
    try:
        value = float(line)
    except ValueError:
        value = math.nan
    if not abs(value) <= 60_000:
        raise ValueError(f"line {number}: want a deviation in milliseconds such as -0.3")
    return value


def _point(number: int, line: str) -> TracePoint:
    try:
        rate, delay, loss, *more = (*line.split(), "", "")
        if any(more):
            raise ValueError("want nothing after rate, delay and loss")
        return TracePoint(
            parse_rate(rate), parse_duration_ms(delay) if delay else None, parse_ratio(loss) if loss else None
        )
    except ValueError as error:
        raise ValueError(f"line {number}: {error}") from error
