"""How the kernel's netem is told of a distribution: a table of deviations, each of which it draws with equal chance."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from testbed.links.profile import Distribution, LinkProfile

TABLE_MAX = 16_384
"""NETEM_DIST_MAX of linux/pkt_sched.h."""

_TABLE_SIZE = 8192
_UNIT = 8192  # NETEM_DIST_SCALE: what netem takes for one `jitter`
_LARGEST = 32_767


@dataclass(frozen=True)
class JitterTable:
    """A deviation is `jitter_ns` times the 16-bit number that netem drew from `table`, over 8192."""

    jitter_ns: int
    table: bytes


def jitter_table(profile: LinkProfile) -> JitterTable:
    """The table for a profile's jitter, scaled so that the furthest deviation just fits; netem cuts Pareto's at 4."""
    deviations_ns = [deviation * 1e6 for deviation in deviations(profile)]
    jitter_ns = max(1, round(max(abs(deviation) for deviation in deviations_ns) * _UNIT / _LARGEST + 0.5))
    numbers = (max(-_LARGEST, min(_LARGEST, round(deviation * _UNIT / jitter_ns))) for deviation in deviations_ns)
    return JitterTable(jitter_ns, struct.pack(f"={len(deviations_ns)}h", *numbers))


def deviations(profile: LinkProfile) -> tuple[float, ...]:
    """Deviations from the delay in milliseconds that stand for the profile's distribution, in ascending order."""
    if profile.distribution is Distribution.TABLE:
        return _thinned(sorted(profile.jitter_table))
    quantile = _QUANTILES[profile.distribution]
    return tuple(profile.jitter_ms * quantile((i + 0.5) / _TABLE_SIZE) for i in range(_TABLE_SIZE))


def _uniform(share: float) -> float:
    return 2 * share - 1


def _pareto(share: float) -> float:
    # Shape 3 and a minimum of 1 have the mean 3/2 and the variance 3/4.
    return float(((1 - share) ** (-1 / 3) - 1.5) / 0.75**0.5)


_QUANTILES: dict[Distribution, Callable[[float], float]] = {
    Distribution.UNIFORM: _uniform,
    Distribution.NORMAL: NormalDist().inv_cdf,
    Distribution.PARETO: _pareto,
}


def _thinned(ordered: Sequence[float]) -> tuple[float, ...]:
    if len(ordered) <= TABLE_MAX:
        return tuple(ordered)
    return tuple(ordered[(2 * i + 1) * len(ordered) // (2 * TABLE_MAX)] for i in range(TABLE_MAX))
