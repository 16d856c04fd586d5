"""What a benchmark answers with, and its JSON: `{"bench", "host", "figures": [{"name", "value", "unit", …}]}`."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from testbed.host import cpu_shares, cpu_ticks


@dataclass(frozen=True)
class Figure:
    """A value and, where there is one, the baseline of the same run, in the same unit."""

    name: str
    value: float
    unit: str
    baseline: float | None = None

    @property
    def ratio(self) -> float | None:
        """Value through baseline."""
        return round(self.value / self.baseline, 4) if self.baseline else None


@dataclass(frozen=True)
class Host:
    """Where it was measured; `steal` is the share of CPU time that the hypervisor took meanwhile, 0 to 1."""

    cpus: int
    kernel: str
    python: str
    steal: float


@dataclass(frozen=True)
class Bench:
    """The result of one benchmark."""

    bench: str
    host: Host
    figures: tuple[Figure, ...]

    def as_json(self) -> dict[str, Any]:
        """The object that `bearerlab bench … --json` prints."""
        figures = [{**asdict(figure), "ratio": figure.ratio} for figure in self.figures]
        return {"bench": self.bench, "host": asdict(self.host), "figures": figures}


class HostWatch:
    """What the host was like while a benchmark ran; `host` is there when the measurement is over."""

    host: Host


@contextmanager
def watched_host() -> Iterator[HostWatch]:
    """Watch the host during the body."""
    watch = HostWatch()
    before = cpu_ticks()
    yield watch
    steal = cpu_shares(before, cpu_ticks()).steal
    watch.host = Host(os.cpu_count() or 1, platform.release(), platform.python_version(), steal)


def render(bench: Bench) -> Table:
    """The figures as a table."""
    host = bench.host
    title = f"{bench.bench}: {host.cpus} processors, Linux {host.kernel}, steal {host.steal:.1%}"
    table = Table("figure", "value", "baseline", "ratio", title=title, title_justify="left")
    for figure in bench.figures:
        baseline = "" if figure.baseline is None else f"{figure.baseline:.3g} {figure.unit}"
        ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
        table.add_row(figure.name, f"{figure.value:.3g} {figure.unit}", baseline, ratio)
    return table
