from __future__ import annotations

import json
import math

import pytest

from testbed.bench.pfcp import Effort, bench_pfcp

pytestmark = [pytest.mark.netns, pytest.mark.bench, pytest.mark.slow]

PROMISED = {"lifecycles_per_s", "latency_p99_ms@300", "bytes_per_session", "codec_speedup_over_pycrate"}
SHORT = Effort(seconds=0.3, holding_s=0.0, sessions=(40, 400), lossy_cycles=50)


def test_pfcp_measures_every_figure(capsys: pytest.CaptureFixture[str]) -> None:
    result = bench_pfcp(SHORT).as_json()
    figures = {figure["name"]: figure for figure in result["figures"]}
    assert len(figures) == len(result["figures"])
    assert set(figures) >= PROMISED
    for count in SHORT.sessions:
        assert {f"lifecycles_per_s@{count}", f"latency_p99_ms@300,{count}", f"upf_memory_mb@{count}"} < set(figures)
    assert figures["lifecycles_per_s"]["value"] > 0 and figures["lifecycles_per_s"]["baseline"] > 0
    # Each of the three requests of a life cycle is sent three times before it is given up.
    assert figures["lifecycles_failed_loss5"]["value"] <= SHORT.lossy_cycles / 10
    assert all(math.isfinite(figure["value"]) for figure in figures.values())
    with capsys.disabled():
        print("\n" + json.dumps([figure for name, figure in figures.items() if name in PROMISED]))
