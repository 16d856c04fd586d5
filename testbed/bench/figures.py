"""What a benchmark answers with, and its JSON: `{"bench", "host", "figures": [{"name", "value", "unit", …}]}`."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


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
        return self.value / self.baseline if self.baseline else None


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
    before = _cpu_times()
    yield watch
    spent = [after - earlier for earlier, after in zip(before, _cpu_times(), strict=True)]
    steal = spent[7] / max(1, sum(spent))
    watch.host = Host(os.cpu_count() or 1, platform.release(), platform.python_version(), round(steal, 4))


def _cpu_times() -> list[int]:
    # proc(5): user nice system idle iowait irq softirq steal; guest times are part of user and nice.
    return [int(ticks) for ticks in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
