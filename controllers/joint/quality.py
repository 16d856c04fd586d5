"""What applications need, what tunnels and routes give, and how far one is from the other."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

KEPT = 0
BROKEN = 100
DOWN = 200
FORBIDDEN = 300
"""Severities. Broken bounds are from 100 to 109, so that a flow without a good way takes the least bad one."""


class Metric(StrEnum):
    """What an SLA bounds."""

    DELAY = "delay"
    JITTER = "jitter"
    LOSS = "loss"


@dataclass(frozen=True)
class Sla:
    """One-way bounds, None for no bound: milliseconds, and the share of packets that may be lost, 0 to 1.

    `bandwidth_bps` is what has to be free for the flow even while it sends less.
    """

    delay_ms: float | None = None
    jitter_ms: float | None = None
    loss: float | None = None
    bandwidth_bps: int = 0

    @property
    def tightness(self) -> float:
        """More is harder to keep."""
        return sum(1 / (1 + bound) for bound in (self.delay_ms, self.jitter_ms, self.loss) if bound is not None)


@dataclass(frozen=True)
class Quality:
    """One-way, as measured; `loss` from 0 to 1."""

    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    loss: float = 0.0
    usable: bool = True

    def then(self, other: Quality) -> Quality:
        """Of this and then `other`; jitters add, which is the worst case."""
        return Quality(
            self.delay_ms + other.delay_ms,
            self.jitter_ms + other.jitter_ms,
            1 - (1 - self.loss) * (1 - other.loss),
            self.usable and other.usable,
        )


PERFECT = Quality()
UNUSABLE = Quality(usable=False)


@dataclass(frozen=True)
class Breach:
    """A bound that is not kept; milliseconds, or a ratio for loss."""

    metric: Metric
    value: float
    bound: float

    @property
    def shortfall(self) -> float:
        """Above 0, up to 1: the part of `value` that is too much."""
        return 1 - self.bound / self.value


def breaches(sla: Sla, quality: Quality) -> tuple[Breach, ...]:
    """The bounds of `sla` that `quality` breaks, the worst first."""
    compared = (
        (Metric.DELAY, quality.delay_ms, sla.delay_ms),
        (Metric.JITTER, quality.jitter_ms, sla.jitter_ms),
        (Metric.LOSS, quality.loss, sla.loss),
    )
    found = [Breach(metric, value, bound) for metric, value, bound in compared if bound is not None and value > bound]
    return tuple(sorted(found, key=lambda breach: -breach.shortfall))


def severity(sla: Sla, quality: Quality) -> int:
    """KEPT, BROKEN and up to 9 more for how far, or DOWN."""
    if not quality.usable:
        return DOWN
    if broken := breaches(sla, quality):
        return BROKEN + min(9, int(10 * broken[0].shortfall))
    return KEPT
