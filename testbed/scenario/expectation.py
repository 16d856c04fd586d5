"""Expectations: `WINDOW.NAME.METRIC OP BOUND`, for example `before.ue1-portal.rtt_ms.p50 > 20 ms`.

The bound is a number with its unit, or another metric, then optionally with a tolerance:
`after.ue1-portal.rtt_ms.p50 within 10% of before.ue1-portal.rtt_ms.p50`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from testbed.units import parse_ratio

UNITS: dict[str, str] = {
    "rtt_ms": "ms",
    "owd_ms": "ms",
    "connect_ms": "ms",
    "ttfb_ms": "ms",
    "total_ms": "ms",
    "longest_gap_ms": "ms",
    "loss": "%",
    "sent": "",
    "lost": "",
    "reordered": "",
    "requests": "",
    "errors": "",
    "violated_s": "s",
    "moves": "",
    "bytes": "B",
    "packets": "",
}
"""First part of a metric's path → the unit that its bound is written in."""

_QUANTILES = ("min", "p50", "p95", "p99", "max", "mean")
_STAMP = {"rtt_ms": _QUANTILES, "owd_ms.up": _QUANTILES, "owd_ms.down": _QUANTILES}
_STAMP_SCALARS = ("sent", "lost", "loss", "longest_gap_ms", "reordered")
_HTTP = {"connect_ms": _QUANTILES, "ttfb_ms": _QUANTILES, "total_ms": _QUANTILES}
_HTTP_SCALARS = ("requests", "errors")


def _paths(groups: Mapping[str, tuple[str, ...]], scalars: tuple[str, ...]) -> frozenset[str]:
    return frozenset(scalars) | {f"{group}.{leaf}" for group, leaves in groups.items() for leaf in leaves}


METRICS: dict[str, frozenset[str]] = {
    "stamp": _paths(_STAMP, _STAMP_SCALARS),
    "http": _paths(_HTTP, _HTTP_SCALARS),
    "flow": frozenset({"bytes", "packets"}),
    "application": frozenset({"violated_s", "moves"}),
}
"""Kind of measurement → the paths that an expectation may name."""

_PATH = r"[a-z][a-z0-9-]*\.[a-z][a-z0-9-]*\.[a-z0-9_]+(?:\.[a-z0-9]+)*"
_COMPARE = re.compile(
    rf"^\s*(?P<path>{_PATH})\s*(?P<op><=|>=|==|<|>)\s*(?:(?P<number>\d+\.?\d*)\s*(?P<unit>ms|s|%|B)?|(?P<other>{_PATH}))\s*$"
)
_WITHIN = re.compile(rf"^\s*(?P<path>{_PATH})\s+within\s+(?P<tolerance>[\d.]+\s*%)\s+of\s+(?P<other>{_PATH})\s*$")
WANT = (
    '"WINDOW.NAME.METRIC OP BOUND", such as "before.ue1-portal.rtt_ms.p50 > 20 ms" or "after.ue1-portal.rtt_ms.p50 '
    'within 10% of before.ue1-portal.rtt_ms.p50"'
)


@dataclass(frozen=True)
class MetricPath:
    """A measurement, `window` and `name`, and the metric in it, such as `rtt_ms.p50`."""

    window: str
    name: str
    metric: str

    @property
    def measurement(self) -> str:
        """The key in the result's `measurements`."""
        return f"{self.window}.{self.name}"

    @property
    def unit(self) -> str:
        """The unit of the metric, as bounds are written."""
        return UNITS.get(self.metric.partition(".")[0], "")

    @property
    def is_known(self) -> bool:
        """Whether anything measures the metric; of another one nobody knows the unit."""
        return any(self.metric in metrics for metrics in METRICS.values())

    def __str__(self) -> str:
        """As it was written."""
        return f"{self.measurement}.{self.metric}"


@dataclass(frozen=True)
class Expectation:
    """`expr` as written; `bound` is a number in the metric's unit or another metric; `tolerance` only for `within`."""

    expr: str
    path: MetricPath
    op: str
    bound: float | MetricPath
    tolerance: float = 0.0

    @property
    def paths(self) -> tuple[MetricPath, ...]:
        """Every metric that it names."""
        return (self.path, self.bound) if isinstance(self.bound, MetricPath) else (self.path,)


def parse(expr: str) -> Expectation:
    """An expectation from its text; ValueError says what is wanted."""
    if match := _WITHIN.match(expr):
        tolerance = parse_ratio(match["tolerance"])
        return Expectation(expr, *_alike(match["path"], "within", match["other"]), tolerance)
    match = _COMPARE.match(expr)
    if match is None:
        raise ValueError(f"want {WANT}")
    path = _metric_path(match["path"])
    if match["other"]:
        return Expectation(expr, *_alike(match["path"], match["op"], match["other"]))
    unit = match["unit"] or ""
    if path.is_known and unit != path.unit:
        raise ValueError(f"want a bound {f'in {path.unit}' if path.unit else 'without a unit'}, as {path.metric} is")
    return Expectation(expr, path, match["op"], float(match["number"]))


def _alike(path: str, op: str, other: str) -> tuple[MetricPath, str, MetricPath]:
    left, right = _metric_path(path), _metric_path(other)
    if left.unit != right.unit:
        raise ValueError(f"want a bound in {left.unit or 'plain numbers'}, as {left.metric} is; {right.metric} is not")
    return left, op, right


def _metric_path(text: str) -> MetricPath:
    window, name, metric = text.split(".", 2)
    return MetricPath(window, name, metric)
