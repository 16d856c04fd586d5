from __future__ import annotations

import json
import math

import pytest

from testbed.bench.link import COUNTS, Effort, bench_link
from testbed.links.engine import choose
from testbed.links.wire import BINARY

pytestmark = [pytest.mark.netns, pytest.mark.bench, pytest.mark.slow]

PROMISED = {
    *(f"owd_error_p50_us@{delay}" for delay in ("1ms", "5ms", "20ms")),
    "owd_error_p99_over_veth_us@1ms",
    "tcp_ratio@1ms",
    "pps_noloss_ratio",
    "idle_cpu_percent@200",
    *(f"rate_error_percent@{rate}" for rate in ("1M", "10M", "100M", "1G")),
}


def test_link_measures_every_figure(capsys: pytest.CaptureFixture[str]) -> None:
    assert choose("auto") == "netem" or BINARY.exists(), f"{BINARY} is not built; run `make native`"
    result = bench_link(Effort(repetitions=1, scale=0.1)).as_json()
    figures = {figure["name"]: figure for figure in result["figures"]}
    assert set(figures) >= PROMISED
    assert len(figures) == len(result["figures"])
    for count in COUNTS:
        assert {f"idle_cpu_percent@{count}", f"busy_cpu_us_per_packet@{count}"} < set(figures)
    for size in (64, 1400):
        assert figures[f"pps_ceiling@{size}B"]["value"] > 0
    for flows in (1, 4):
        for delay_ms in (0, 1, 10, 50):
            assert figures[f"tcp_gbps_{flows}flow@{delay_ms}ms"]["baseline"] > 0
    assert all(math.isfinite(figure["value"]) for figure in figures.values())
    with capsys.disabled():
        print("\n" + json.dumps([figure for name, figure in figures.items() if name in PROMISED]))
