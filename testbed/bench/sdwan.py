"""The overlay: what a blackout and a move cost a flow, how fast flows, plans and packets are, what probes take."""

from __future__ import annotations

from testbed.bench.figures import Bench, Figure, watched_host
from testbed.bench.sdwan_flows import flow_mods_per_s
from testbed.bench.sdwan_lab import DEFAULT_PROBES, FAST_PROBES
from testbed.bench.sdwan_planning import heuristic_gap_percent, replan1000_s
from testbed.bench.sdwan_switchover import blackouts, probe_cpu_percent
from testbed.bench.sdwan_throughput import cpe_throughput


def bench_sdwan(cuts: int = 20, flow_mods: int = 5000, states: int = 200, turns: int = 5) -> Bench:
    """Measure all of it; needs root."""
    with watched_host() as watch:
        usual, fast = (blackouts(probing, cuts) for probing in (DEFAULT_PROBES, FAST_PROBES))
        cpu = probe_cpu_percent()
        flows = flow_mods_per_s(flow_mods)
        carried = cpe_throughput(turns)
        replanned, gap = replan1000_s(), heuristic_gap_percent(states)
    return Bench(
        "sdwan",
        watch.host,
        (
            Figure("blackout_p95_ms", usual.p95_ms, "ms"),
            Figure("blackout_fast_p95_ms", fast.p95_ms, "ms", usual.p95_ms),
            Figure("lost_by_moves", usual.lost_by_moves + fast.lost_by_moves, "packets"),
            Figure("flowmods_per_s", flows, "1/s"),
            Figure("replan1000_s", replanned, "s"),
            Figure("heuristic_gap_percent", gap, "%"),
            Figure("probe_cpu_percent@20", cpu, "%"),
            Figure(f"cpe_{carried.datapath}_bps", carried.cpes_bps, "bit/s", carried.bridges_bps),
            Figure(f"cpe_ratio_bridge_{carried.datapath}", carried.ratio, "ratio"),
        ),
    )
