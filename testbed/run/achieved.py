"""Configured against achieved: what the engine counted from the start of the timeline on, for links.json."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from testbed.links.engine import DirectionCounters, LinkCounters
from testbed.plan.model import Plan

_SUMS = ("packets", "bytes", "dropped_loss", "dropped_queue", "dropped_error", "duplicated", "corrupted", "marked_ecn")

Histogram = tuple[tuple[float, int], ...]


def counted_since(before: Sequence[LinkCounters], after: Sequence[LinkCounters]) -> tuple[LinkCounters, ...]:
    """What was counted between two readings; a link that is not in the first is counted from zero."""
    old = {link.name: link for link in before}
    return tuple(
        LinkCounters(link.name, _since(old[link.name].a_to_b, link.a_to_b), _since(old[link.name].b_to_a, link.b_to_a))
        if link.name in old
        else link
        for link in after
    )


def links_json(plan: Plan, engine: str, counters: Sequence[LinkCounters]) -> list[dict[str, Any]]:
    """`result.json`'s `links`: every link that the engine carried, as planned and as counted."""
    achieved = {link.name: link for link in counters}
    return [
        {
            "name": link.name,
            "tier": link.tier,
            "engine": engine,
            "configured": {"a_to_b": asdict(link.a_to_b), "b_to_a": asdict(link.b_to_a)},
            "achieved": {"a_to_b": _shown(achieved[link.name].a_to_b), "b_to_a": _shown(achieved[link.name].b_to_a)},
        }
        for link in plan.links
        if link.name in achieved
    ]


def _since(before: DirectionCounters, after: DirectionCounters) -> DirectionCounters:
    # The kernel's counters go with an interface: one that has gone reports less than before.
    sums = {name: max(0, getattr(after, name) - getattr(before, name)) for name in _SUMS}
    if not after.lateness_us:
        return replace(after, **sums)
    grown = Counter(dict(after.lateness_us))
    grown.subtract(dict(before.lateness_us))
    histogram = tuple((lateness, packets) for lateness, packets in sorted(grown.items()) if packets > 0)
    p50, p99 = percentile(histogram, 0.50), percentile(histogram, 0.99)
    return replace(after, **sums, lateness_us=histogram, lateness_us_p50=p50, lateness_us_p99=p99)


def percentile(histogram: Histogram, share: float) -> float | None:
    """By nearest rank; None if nothing was counted."""
    left = share * sum(packets for _, packets in histogram)
    for lateness_us, packets in histogram:
        left -= packets
        if left <= 0:
            return lateness_us
    return None


def _shown(counters: DirectionCounters) -> dict[str, Any]:
    """The histogram is as long as the rest of the result; its percentiles stay."""
    shown = {name: value for name, value in asdict(counters).items() if name != "lateness_us"}
    lost = counters.dropped_loss
    offered = counters.packets - counters.duplicated + lost + counters.dropped_queue + counters.dropped_error
    return shown | {"loss": lost / offered if offered > 0 else None}
