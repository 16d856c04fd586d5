"""What a time window of samples says. Pure.

A window is `[start, end)` in Unix seconds and holds the probes *sent* in it, whenever they came back.
Percentiles are by nearest rank: the smallest value that at least that share of the values does not exceed. So every
figure is a value that was measured; p50 of an even number of values is the lower of the middle two.
Where a window has no value, the figures are None.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TypedDict

from traffic.samples import HttpSample, LinkSample, StampSample


class Distribution(TypedDict):
    """Milliseconds; all None if there were no values."""

    min: float | None
    p50: float | None
    p95: float | None
    p99: float | None
    max: float | None
    mean: float | None


class OneWayDelays(TypedDict):
    """One-way delays: `up` towards the reflector, `down` back."""

    up: Distribution
    down: Distribution


class StampStatistics(TypedDict):
    """`loss` is a share from 0 to 1, None if nothing was sent.

    `longest_gap_ms` is the longest time without a reply while one was owed: from a reply's arrival, or from the sending
    of the next probe if that was later, to the next arrival, or to the last sending if there is none. So a sender that
    a busy host held up makes no gap, and lost or late packets do. A gap counts, whole, in every window that it touches:
    what goes wrong at a window's edge is in both. `reordered` counts replies that arrived after one to a later probe
    (RFC 4737 §3, over the round trip).
    """

    sent: int
    lost: int
    loss: float | None
    rtt_ms: Distribution
    owd_ms: OneWayDelays
    longest_gap_ms: float | None
    reordered: int


class HttpStatistics(TypedDict):
    """Durations are of the requests that succeeded; `served_by` counts those by the server's name."""

    requests: int
    errors: int
    connect_ms: Distribution
    ttfb_ms: Distribution
    total_ms: Distribution
    served_by: dict[str, int]


class LinkStatistics(TypedDict):
    """Of one direction of a link."""

    sent: int
    lost: int
    delay_ms: Distribution


def percentile(ordered: Sequence[float], percent: int) -> float:
    """The value of nearest rank in `ordered`, which is sorted and not empty; `percent` is 1 to 100."""
    rank = -(-len(ordered) * percent // 100)
    return ordered[rank - 1]


def distribution(values: Iterable[float]) -> Distribution:
    """Summary of `values`."""
    ordered = sorted(values)
    if not ordered:
        return Distribution(min=None, p50=None, p95=None, p99=None, max=None, mean=None)
    return Distribution(
        min=ordered[0],
        p50=percentile(ordered, 50),
        p95=percentile(ordered, 95),
        p99=percentile(ordered, 99),
        max=ordered[-1],
        mean=math.fsum(ordered) / len(ordered),
    )


def stamp_statistics(samples: Iterable[StampSample], start: float, end: float) -> StampStatistics:
    """Of the probes sent in `[start, end)`; gaps need those before and after, too."""
    samples = tuple(samples)
    window = [sample for sample in samples if start <= sample.t < end]
    delays = [sample.delays for sample in window if sample.delays is not None]
    touching = (gap for gap in _gaps(samples) if gap[0] < end and gap[1] > start)
    lost = len(window) - len(delays)
    return StampStatistics(
        sent=len(window),
        lost=lost,
        loss=lost / len(window) if window else None,
        rtt_ms=distribution(delay.rtt_ms for delay in delays),
        owd_ms=OneWayDelays(
            up=distribution(delay.up_ms for delay in delays), down=distribution(delay.down_ms for delay in delays)
        ),
        longest_gap_ms=max(((until - since) * 1000 for since, until in touching), default=None),
        reordered=_reordered(sequence for _, sequence in _arrivals(window)),
    )


def http_statistics(samples: Iterable[HttpSample], start: float, end: float) -> HttpStatistics:
    """Of the requests begun in `[start, end)`."""
    window = [sample for sample in samples if start <= sample.t < end]
    good = [sample for sample in window if sample.error is None]
    return HttpStatistics(
        requests=len(window),
        errors=len(window) - len(good),
        connect_ms=distribution(sample.connect_ms for sample in good if sample.connect_ms is not None),
        ttfb_ms=distribution(sample.ttfb_ms for sample in good if sample.ttfb_ms is not None),
        total_ms=distribution(sample.total_ms for sample in good if sample.total_ms is not None),
        served_by=dict(sorted(Counter(sample.served_by for sample in good if sample.served_by is not None).items())),
    )


def link_statistics(samples: Iterable[LinkSample], start: float, end: float) -> LinkStatistics:
    """Of the probes of a direction sent in `[start, end)`."""
    window = [sample for sample in samples if start <= sample.t < end]
    return LinkStatistics(
        sent=len(window),
        lost=sum(sample.lost for sample in window),
        delay_ms=distribution(sample.delay_ms for sample in window if sample.delay_ms is not None),
    )


def _arrivals(samples: Iterable[StampSample]) -> list[tuple[float, int]]:
    """Time and sequence of every reply, in the order of time."""
    return sorted((sample.received, sample.seq) for sample in samples if sample.received is not None)


def _gaps(samples: Sequence[StampSample]) -> Iterator[tuple[float, float]]:
    """From when to when a reply was owed: before each arrival but the first, and at the end."""
    sent = {sample.seq: sample.t for sample in samples}
    arrivals = _arrivals(samples)
    latest = -1
    for (earlier, sequence), (later, _) in pairwise((*arrivals, (max(sent.values(), default=0.0), -1))):
        latest = max(latest, sequence)
        since = max(earlier, sent.get(latest + 1, earlier))
        if later > since:
            yield since, later


def _reordered(sequences_by_arrival: Iterable[int]) -> int:
    latest = -1
    late = 0
    for sequence in sequences_by_arrival:
        late += sequence < latest
        latest = max(latest, sequence)
    return late
