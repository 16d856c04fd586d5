"""What the probe of the links found: beside the engine's counters, and as the lateness of engines that have none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from testbed.links.profile import Distribution, LinkProfile
from testbed.plan.model import Plan
from testbed.plan.processes import LINK_PROBE
from testbed.record import RunRecord, Window
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
    windows = record.windows()
    return [{**link, "achieved": _achieved(link, probed, windows)} for link in links]


def probed_lateness(
    links: Iterable[Mapping[str, Any]], probed: Probed, record: RunRecord, plan: Plan
) -> Lateness | None:
    """Of the links whose engine does not say how late it was; None if too few probes tell.

    Only of probes sent before anything changed their link, so that the planned profile tells when each was due.
    """
    windows = record.windows()
    start, end = (windows[0].start, windows[-1].end) if windows else (0.0, 0.0)
    changed_at = {event["link"]: event["t"] for event in reversed(record.events(*LINK_EVENTS))}
    late: dict[str, list[float]] = {}
    for link in links:
        name, until = link["name"], min(end, changed_at.get(link["name"], end))
        behaviour = plan.link(name).behaviour
        for way, direction in (("a_to_b", behaviour.a_to_b), ("b_to_a", behaviour.b_to_a)):
            counted = (link.get("achieved") or {}).get(way)
            if counted is None or counted["lateness_us_p99"] is not None or direction.trace:
                continue
            if tells_lateness(direction.profile, octets=counted["bytes"], seconds=until - start):
                late.setdefault(name, []).extend(_late(probed.get((name, way), ()), direction.profile, start, until))
    return _pooled(late)


def tells_lateness(profile: LinkProfile, *, octets: int, seconds: float) -> bool:
    """True if each packet's delay is known: no jitter, and hardly ever a queue for the `octets` of these `seconds`."""
    if profile.jitter_ms or profile.distribution is Distribution.TABLE or seconds <= 0:
        return False
    return profile.rate_bps is None or octets * 8 / (profile.rate_bps * seconds) < BUSY_SHARE


def _achieved(link: Mapping[str, Any], probed: Probed, windows: Sequence[Window]) -> dict[str, Any] | None:
    achieved: dict[str, Any] | None = link.get("achieved")
    if not achieved or not windows:
        return achieved
    found = {}
    for way, counted in achieved.items():
        samples = probed.get((link["name"], way), ())
        whole = link_statistics(samples, windows[0].start, windows[-1].end)
        each = {window.name: link_statistics(samples, window.start, window.end) for window in windows}
        found[way] = counted | {"probe": {**whole, "windows": each} if samples else None}
    return found


def _late(samples: Iterable[LinkSample], profile: LinkProfile, start: float, end: float) -> Iterator[float]:
    for sample in samples:
        if sample.delay_ms is not None and start <= sample.t < end:
            yield sample.delay_ms - profile.delay_ms


def _pooled(late: Mapping[str, Sequence[float]]) -> Lateness | None:
    """All links together: how late an engine is lies with the host, and one link has few probes."""
    values = sorted(value for of_link in late.values() for value in of_link)
    if len(values) < ENOUGH_PROBES:
        return None
    links = sorted((name for name in late if late[name]), key=lambda name: max(late[name]), reverse=True)
    return Lateness(percentile(values, 99), tuple(links))
