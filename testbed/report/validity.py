"""Whether the host was up to a run: bounds of the scenario against what links and host did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from testbed.report.linkprobes import Lateness
from testbed.scenario.model import Validity

ENOUGH_PACKETS = 1000
"""A 99th percentile of fewer says nothing."""


def overload(
    validity: Validity,
    links: Sequence[Mapping[str, Any]],
    host: Mapping[str, Any] | None,
    probed: Lateness | None = None,
) -> str | None:
    """Why a run cannot be believed, with figures and bounds; None if it can.

    `probed` stands for the links whose engine does not say how late it was.
    """
    reasons = [*_late_links(validity, links), *_late_probes(validity, probed), *_busy_host(validity, host or {})]
    return f"the host was overloaded: {'; '.join(reasons)}" if reasons else None


def _late_links(validity: Validity, links: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    late = []
    for link in links:
        for way in (link.get("achieved") or {}).values():
            p99_us = way.get("lateness_us_p99")
            if p99_us is not None and way["packets"] >= ENOUGH_PACKETS and p99_us > validity.lateness_p99 * 1000:
                late.append((p99_us / 1000, link["name"]))
    if late:
        worst_ms, name = max(late)
        others = {name for _, name in late} - {name}
        yield _lateness(worst_ms, (name, *others), validity)


def _late_probes(validity: Validity, probed: Lateness | None) -> Iterator[str]:
    if probed and probed.p99_ms > validity.lateness_p99:
        yield _lateness(probed.p99_ms, probed.links, validity)


def _lateness(p99_ms: float, names: Sequence[str], validity: Validity) -> str:
    others = f" and {len(names) - 1} more links" if len(names) > 1 else ""
    return f"lateness p99 {p99_ms:.3g} ms on {names[0]}{others}, bound {validity.lateness_p99:g} ms"


def _busy_host(validity: Validity, host: Mapping[str, Any]) -> Iterator[str]:
    steal, delay = host.get("steal", 0.0), host.get("run_delay_ms", 0.0)
    if steal > validity.steal:
        yield f"steal {steal:.1%}, bound {validity.steal:.1%}"
    if delay > validity.run_delay:
        process = host.get("run_delay_of")
        yield f"{process} waited {delay:.3g} ms for a processor on average, bound {validity.run_delay:g} ms"
