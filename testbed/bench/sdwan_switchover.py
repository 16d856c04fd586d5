"""How long a flow is without a way when a transport goes dark, what a move back loses, and what probes cost."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.bench.sdwan_lab import access, overlay_plan, running
from testbed.errors import RunInvalidError
from testbed.plan.processes import CONTROLLER, TUNNEL_PROBE
from testbed.run.management import exchange
from testbed.run.running import Testbed
from traffic.samples import StampSample, read_stamp
from traffic.statistics import percentile, stamp_statistics

RATE = 1000
_DARK_S, _SETTLE_S = 1.0, 1.0
_MARGIN_S = 0.05
_READY_WITHIN_S = 30.0


@dataclass(frozen=True)
class Blackouts:
    """The longest time without a reply at each cut, sorted; and how many packets all moves back lost together."""

    gaps_ms: tuple[float, ...]
    lost_by_moves: int

    @property
    def p95_ms(self) -> float:
        """Of the gaps."""
        return percentile(self.gaps_ms, 95)


def blackouts(probing: Mapping[str, Any], cuts: int) -> Blackouts:
    """Cut the transport that a flow of 1,000 packets/s is on so many times, and let it come back."""
    planned = overlay_plan(transports=2, probing=probing, probed_at=RATE)
    hold_s = probing.get("good", 6) * float(probing.get("window", "500ms").removesuffix("ms")) / 1000
    with running(planned) as lab:
        for probe in planned.probes:
            lab.lab.supervisor.start_planned(probe)
            lab.lab.supervisor.wait_ready(probe.name, _READY_WITHIN_S)
        time.sleep(_SETTLE_S)
        times = [_cut(lab, hold_s) for _ in range(cuts)]
        lab.lab.supervisor.stop("probe-flow")
        samples = read_stamp(lab.record.directory / "samples/flow.jsonl")
    return Blackouts(
        tuple(sorted(_gap_ms(samples, cut) for cut, _, _ in times)),
        sum(_lost(samples, up + _MARGIN_S, end) for _, up, end in times),
    )


def _cut(lab: Testbed, hold_s: float) -> tuple[float, float, float]:
    """When the link went, when it came back, and when the flow was on it again for a while."""
    cut = time.time()
    lab.links.set_up(access(0, 0), up=False, by="bench")
    time.sleep(_DARK_S)
    # So that the next blackout does not keep it out for longer.
    status, text = exchange(lab.socket(CONTROLLER), "PUT", "/v1/overlay/mode", {"mode": "overlay"})
    if status >= 300:
        raise RunInvalidError(f"{CONTROLLER}: {text}", process=CONTROLLER)
    up = time.time()
    lab.links.set_up(access(0, 0), up=True, by="bench")
    time.sleep(hold_s + _SETTLE_S)
    lab.alive()
    return cut, up, time.time() - _MARGIN_S


def _gap_ms(samples: list[StampSample], cut: float) -> float:
    gap = stamp_statistics(samples, cut, cut + _DARK_S - _MARGIN_S)["longest_gap_ms"]
    if gap is None:
        raise RunInvalidError("no probe was answered around a cut")
    return gap


def _lost(samples: list[StampSample], start: float, end: float) -> int:
    return sum(start <= sample.t < end and sample.delays is None for sample in samples)


def probe_cpu_percent(tunnels: int = 20, seconds: float = 10.0) -> float:
    """Of one processor, for probes of the default interval along so many tunnels, there and back counted apart."""
    planned = overlay_plan(transports=tunnels // 2, delay="")
    with running(planned) as lab:
        probe = lab.lab.supervisor.pid(TUNNEL_PROBE)
        (stamper,) = Path(f"/proc/{probe}/task/{probe}/children").read_text().split()
        time.sleep(_SETTLE_S)
        before, began = _cpu_s(probe) + _cpu_s(int(stamper)), time.monotonic()
        time.sleep(seconds)
        used = _cpu_s(probe) + _cpu_s(int(stamper)) - before
        return 100 * used / (time.monotonic() - began)


def _cpu_s(pid: int) -> float:
    """Of all threads, to the nanosecond: ticks of 10 ms would miss what is shorter."""
    return sum(int(each.read_text().split()[0]) for each in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9
