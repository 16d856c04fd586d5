"""How busy this host is: processor time from /proc/stat."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# proc(5); the times of guests are part of user and nice.
_KINDS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")


@dataclass(frozen=True)
class CpuShares:
    """How the processors' time was spent, as shares from 0 to 1; `steal` is what the hypervisor took."""

    busy: float
    steal: float


def cpu_ticks() -> dict[str, int]:
    """Clock ticks since boot by kind, all processors together."""
    fields = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:]
    return dict(zip(_KINDS, map(int, fields), strict=False))


def cpu_shares(before: dict[str, int], after: dict[str, int]) -> CpuShares:
    """How the time between two readings of `cpu_ticks` was spent."""
    spent = {kind: after[kind] - before[kind] for kind in before}
    total = max(1, sum(spent.values()))
    idle = spent["idle"] + spent["iowait"]
    return CpuShares(busy=round(1 - (idle + spent["steal"]) / total, 4), steal=round(spent["steal"] / total, 4))
