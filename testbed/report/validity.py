"""Whether the host was up to a run: bounds of the scenario against what links and host did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from testbed.scenario.model import Validity

ENOUGH_PACKETS = 1000
"""A 99th percentile of fewer says nothing."""


def overload(validity: Validity, links: Sequence[Mapping[str, Any]], host: Mapping[str, Any] | None) -> str | None:
    """Why a run cannot be believed, with figures and bounds; None if it can."""
    reasons = [*_late_links(validity, links), *_busy_host(validity, host or {})]
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
        count = len({name for _, name in late})
        others = f" and {count - 1} more links" if count > 1 else ""
        yield f"lateness p99 {worst_ms:.3g} ms on {name}{others}, bound {validity.lateness_p99:g} ms"


def _busy_host(validity: Validity, host: Mapping[str, Any]) -> Iterator[str]:
    steal, delay = host.get("steal", 0.0), host.get("run_delay_ms", 0.0)
    if steal > validity.steal:
        yield f"steal {steal:.1%}, bound {validity.steal:.1%}"
    if delay > validity.run_delay:
        process = host.get("run_delay_of")
        yield f"{process} waited {delay:.3g} ms for a processor on average, bound {validity.run_delay:g} ms"
