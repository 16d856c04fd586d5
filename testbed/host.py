"""How busy this host is: processor time from /proc/stat, waiting for it from /proc/PID/task/TID/schedstat."""

from __future__ import annotations

from contextlib import suppress
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


@dataclass(frozen=True)
class RunQueue:
    """What the threads of a process have waited for a processor, and how often they got one."""

    waited_ns: int
    turns: int

    def mean_delay_ms(self, before: RunQueue) -> float:
        """The mean wait since an earlier reading."""
        turns = self.turns - before.turns
        return (self.waited_ns - before.waited_ns) / turns / 1e6 if turns > 0 else 0.0


def run_queue(pid: int) -> RunQueue:
    """All threads of a process together; zeros if it has gone or the kernel does not say."""
    waited_ns = turns = 0
    for file in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        # Documentation/scheduler/sched-stats: time on the processor, time waiting, turns. A thread may end meanwhile.
        with suppress(OSError):
            _, waited, count = map(int, file.read_text(encoding="ascii").split())
            waited_ns, turns = waited_ns + waited, turns + count
    return RunQueue(waited_ns, turns)
