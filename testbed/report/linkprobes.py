"""What the probe of the links found: beside the engine's counters, and as the lateness of engines that have none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from testbed.links.profile import Distribution, LinkProfile
from testbed.plan.model import Plan
from testbed.plan.processes import LINK_PROBE
from testbed.record import RunRecord
from traffic.samples import LinkSample, read_links
from traffic.statistics import link_statistics, percentile

Probed = Mapping[tuple[str, str], Sequence[LinkSample]]
"""(link, way) → its samples."""

LINK_EVENTS = ("link_changed", "link_state")
"""What a record says when a link becomes another one."""

ENOUGH_PROBES = 1000
"""A 99th percentile of fewer says nothing."""

BUSY_SHARE = 0.005
"""A link that sends for less of the time than this makes no more than as many probes wait: p99 does not see it."""


@dataclass(frozen=True)
class Lateness:
    """The 99th percentile over all probes whose due time is known, and their links, the latest first."""

    p99_ms: float
    links: tuple[str, ...]


def probed_links(record: RunRecord) -> Probed:
    """The samples of a record by direction; empty if no probe ran."""
    path = record.samples(LINK_PROBE)
    found: dict[tuple[str, str], list[LinkSample]] = {}
    for sample in read_links(path) if path.is_file() else ():
        found.setdefault((sample.link, sample.way), []).append(sample)
    return found


def with_probes(links: Iterable[Mapping[str, Any]], probed: Probed, record: RunRecord) -> list[dict[str, Any]]:
    """`result.json`'s `links` with `achieved.<way>.probe`: over the timeline, and in each of its windows."""
    return [{**link, "achieved": _achieved(link, probed, record)} for link in links]


def probed_lateness(
    links: Iterable[Mapping[str, Any]], probed: Probed, record: RunRecord, plan: Plan
) -> Lateness | None:
    """Of the links whose engine does not say how late it was; None if too few probes tell.

    Only of probes sent before anything changed their link, so that the planned profile tells when each was due.
    """
    late: dict[str, list[float]] = {}
    for link in links:
        start, end = _steady(record, link["name"])
        behaviour = plan.link(link["name"]).behaviour
        for way, direction in (("a_to_b", behaviour.a_to_b), ("b_to_a", behaviour.b_to_a)):
            achieved = (link.get("achieved") or {}).get(way)
            if achieved is None or achieved["lateness_us_p99"] is not None or direction.trace:
                continue
            if tells_lateness(direction.profile, octets=achieved["bytes"], seconds=end - start):
                samples = probed.get((link["name"], way), ())
                late.setdefault(link["name"], []).extend(_late(samples, direction.profile, start, end))
    pooled = sorted(lateness for values in late.values() for lateness in values)
    if len(pooled) < ENOUGH_PROBES:
        return None
    by_lateness = sorted((name for name in late if late[name]), key=lambda name: max(late[name]), reverse=True)
    return Lateness(percentile(pooled, 99), tuple(by_lateness))


def tells_lateness(profile: LinkProfile, *, octets: int, seconds: float) -> bool:
    """True if each packet's delay is known: no jitter, and hardly ever a queue for the `octets` of these `seconds`."""
    if profile.jitter_ms or profile.distribution is Distribution.TABLE or seconds <= 0:
        return False
    return profile.rate_bps is None or octets * 8 / (profile.rate_bps * seconds) < BUSY_SHARE


def _achieved(link: Mapping[str, Any], probed: Probed, record: RunRecord) -> dict[str, Any] | None:
    achieved: dict[str, Any] | None = link.get("achieved")
    windows = record.windows()
    if not achieved or not windows:
        return achieved
    found = {}
    for way, counted in achieved.items():
        samples = probed.get((link["name"], way), ())
        whole = link_statistics(samples, windows[0].start, windows[-1].end)
        each = {window.name: link_statistics(samples, window.start, window.end) for window in windows}
        found[way] = counted | {"probe": {**whole, "windows": each} if samples else None}
    return found


def _steady(record: RunRecord, link: str) -> tuple[float, float]:
    """From the start of the timeline to its end, or until something changes the link."""
    windows = record.windows()
    if not windows:
        return 0.0, 0.0
    changes = [event["t"] for event in record.events(*LINK_EVENTS) if event["link"] == link]
    return windows[0].start, min([windows[-1].end, *changes])


def _late(samples: Iterable[LinkSample], profile: LinkProfile, start: float, end: float) -> Iterator[float]:
    for sample in samples:
        if sample.delay_ms is not None and start <= sample.t < end:
            yield sample.delay_ms - profile.delay_ms
