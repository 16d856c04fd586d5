"""Life cycles of PFCP sessions (establish, modify, delete) against our UPF, with many sessions there, and with loss.

The UPF is a process of its own in one namespace, the requests come from this one in another. Latency is that of a whole
life cycle, three requests one after the other. The baseline of a rate is that of heartbeats to the same UPF, three for
a life cycle: all that N4 costs without sessions.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from testbed import netns
from testbed.bench.figures import Bench, Figure, watched_host
from testbed.bench.link import percentile
from testbed.bench.pairs import LINK, VETH, Pairs, pairs
from testbed.bench.pfcp_client import DNN, POOL, Client, Cycles, client, heartbeats_per_s
from testbed.bench.pfcp_codec import codec_figures
from testbed.links.profile import LinkProfile
from testbed.plan.model import PlannedProcess

LOSS_PERCENT = 5
OPEN_PER_S = 300

_PORT = 8805
_AT_A_TIME = 32
_LOSSY_AT_A_TIME = 1_000
"""Enough that those who wait for T1 do not hold up the rest."""


@dataclass(frozen=True)
class Effort:
    """How much to measure: seconds of each rate, sessions that are there meanwhile, life cycles over the lossy link.

    `holding_s` is as long as a UPF keeps its answers for duplicates (T1 times N1 + 1), and a little more: they are not
    part of what an idle session takes.
    """

    seconds: float = 5.0
    holding_s: float = 11.0
    sessions: tuple[int, ...] = (1_000, 5_000, 20_000)
    lossy_cycles: int = 5_000


FULL = Effort()


@dataclass(frozen=True)
class _Upf:
    pid: int
    peer: tuple[str, int]
    local: str

    def memory(self) -> int:
        """Resident octets."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

    def cpu_s(self) -> float:
        """Processor time that it has used."""
        return time.clock_gettime(~self.pid << 3 | 2)  # clock_getcpuclockid(3)


def bench_pfcp(effort: Effort = FULL) -> Bench:
    """Measure; needs root, and about three minutes."""
    with watched_host() as watch, pairs(1) as joined:
        with netns.entered(joined.source), _upf(joined, VETH) as upf:
            figures = asyncio.run(_measure(upf, effort))
        joined.impair(LinkProfile(loss=LOSS_PERCENT / 100))
        with netns.entered(joined.source), _upf(joined, LINK) as upf:
            figures += asyncio.run(_measure_loss(upf, effort))
        figures += codec_figures()
    return Bench("pfcp", watch.host, tuple(figures))


async def _measure(upf: _Upf, effort: Effort) -> list[Figure]:
    figures, memory = [], {}
    async with client(upf.local, upf.peer) as smf:
        baseline = heartbeats_per_s(upf.local, upf.peer, effort.seconds / 5) / 3
        for count in (0, *effort.sessions):
            await smf.hold(count)
            figures += await _rates(smf, upf, count, baseline, effort)
            await asyncio.sleep(effort.holding_s)
            memory[count] = upf.memory()
            figures.append(Figure(f"upf_memory_mb@{count}", round(memory[count] / 2**20, 1), "MB"))
    few, many = effort.sessions[-2:]
    return [*figures, Figure("bytes_per_session", round((memory[many] - memory[few]) / (many - few)), "B")]


async def _rates(smf: Client, upf: _Upf, held: int, baseline: float, effort: Effort) -> list[Figure]:
    suffix, also = (f"@{held}", f",{held}") if held else ("", "")
    before = upf.cpu_s(), time.process_time()
    closed = await smf.closed(_AT_A_TIME, effort.seconds)
    cycles = len(closed.latencies_ms)
    spent = {"upf": upf.cpu_s() - before[0], "smf": time.process_time() - before[1]}
    return [
        Figure(f"lifecycles_per_s{suffix}", round(closed.per_second, 1), "1/s", round(baseline, 1)),
        *(Figure(f"{side}_cpu_us{suffix}", round(cpu_s * 1e6 / cycles, 1), "us") for side, cpu_s in spent.items()),
        *_latencies(await smf.open(OPEN_PER_S, effort.seconds), f"@{OPEN_PER_S}{also}"),
    ]


async def _measure_loss(upf: _Upf, effort: Effort) -> list[Figure]:
    suffix = f"_loss{LOSS_PERCENT}"
    # What is given up is counted, not told one by one.
    logging.disable(logging.WARNING)
    try:
        async with client(upf.local, upf.peer) as smf:
            found = await smf.first(effort.lossy_cycles, _LOSSY_AT_A_TIME)
    finally:
        logging.disable(logging.NOTSET)
    return [
        Figure(f"lifecycles_per_s{suffix}", round(found.per_second, 1), "1/s"),
        Figure(f"lifecycles_failed{suffix}", found.failed, ""),
        *_latencies(found, suffix),
    ]


def _latencies(found: Cycles, suffix: str) -> Iterator[Figure]:
    for percent in (50, 99):
        yield Figure(f"latency_p{percent}_ms{suffix}", round(percentile(found.latencies_ms, percent), 3), "ms")


@contextmanager
def _upf(joined: Pairs, link: str) -> Iterator[_Upf]:
    """Our UPF at the far end of a link, as a process of the lab."""
    address, supervisor = joined.address(link), joined.running.supervisor
    config = {
        "pfcp": {"server": [{"address": address}]},
        "gtpu": {"server": [{"address": address}]},
        "session": [{"subnet": str(POOL), "dnn": DNN}],
        "management": {"socket": f"{{state}}/upf-{link}.sock"},
    }
    argv = ("{python}", "-m", "core_stub.upf", "--config", "{config}")
    name = f"upf-{link}"
    supervisor.start_planned(PlannedProcess(name, "b", argv, yaml.safe_dump({"upf": config})))
    supervisor.wait_ready(name)
    try:
        yield _Upf(supervisor.pid(name), (address, _PORT), joined.local_address(link))
    finally:
        supervisor.stop(name)
