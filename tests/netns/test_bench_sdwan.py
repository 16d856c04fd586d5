from __future__ import annotations

import json

import pytest

from controllers.ovs import datapath_type
from testbed.bench.sdwan import bench_sdwan

pytestmark = [pytest.mark.netns, pytest.mark.bench]


def test_sdwan_measures_blackouts_moves_flows_plans_and_probes(capsys: pytest.CaptureFixture[str]) -> None:
    result = bench_sdwan(cuts=1, flow_mods=200, states=5, turns=1).as_json()
    figures = {figure["name"]: figure["value"] for figure in result["figures"]}
    assert result["bench"] == "sdwan"
    assert 0 < figures["blackout_fast_p95_ms"] < figures["blackout_p95_ms"]
    assert figures["flowmods_per_s"] > 0
    assert 0 < figures["probe_cpu_percent@20"] < 100
    assert {"lost_by_moves", "replan1000_s", "heuristic_gap_percent"} < set(figures)
    (carried,) = (figure for figure in result["figures"] if figure["name"] == f"cpe_{datapath_type()}_bps")
    assert carried["baseline"] > 0
    assert 0 < carried["ratio"] < 2
    # Of a single turn the two are the same.
    assert figures[f"cpe_ratio_bridge_{datapath_type()}"] == pytest.approx(carried["ratio"], abs=1e-4)
    with capsys.disabled():
        print("\n" + json.dumps(result["figures"]))
