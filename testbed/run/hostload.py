"""How busy the host was while a timeline ran: processor time, steal, and how long the lab's processes had to wait."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from testbed.host import RunQueue, cpu_shares, cpu_ticks, run_queue
from testbed.lab.processes import Supervisor


@dataclass(frozen=True)
class HostReading:
    """Counters at one moment; `queues` by process."""

    ticks: dict[str, int]
    queues: Mapping[str, RunQueue]


def read_host(supervisor: Supervisor) -> HostReading:
    """Read now; of the processes those that serve, and the link engine's."""
    pids = {name: supervisor.pid(name) for name in supervisor.names if not name.startswith(("probe-", "capture-"))}
    return HostReading(cpu_ticks(), {name: run_queue(pid) for name, pid in pids.items()})


def load_between(before: HostReading, after: HostReading) -> dict[str, Any]:
    """The fields of the event `host`: shares, and the longest mean wait for a processor of any process."""
    shares = cpu_shares(before.ticks, after.ticks)
    delays = {
        name: queue.mean_delay_ms(before.queues[name]) for name, queue in after.queues.items() if name in before.queues
    }
    slowest = max(delays, key=lambda name: delays[name], default=None)
    waited = {} if slowest is None else {"run_delay_ms": round(delays[slowest], 6), "run_delay_of": slowest}
    return {"busy": shares.busy, "steal": shares.steal, **waited}
