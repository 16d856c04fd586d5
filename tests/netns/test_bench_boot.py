from __future__ import annotations

import json

import pytest

from testbed.bench.boot import bench_boot

pytestmark = [pytest.mark.netns, pytest.mark.bench]


def test_boot_measures_both_sides_and_names_the_figures(capsys: pytest.CaptureFixture[str]) -> None:
    result = bench_boot((4, 6), repetitions=1).as_json()
    figures = {figure["name"]: figure for figure in result["figures"]}
    assert result["bench"] == "boot"
    assert set(result["host"]) == {"cpus", "kernel", "python", "steal"}
    assert {"nodes4_start_s", "nodes4_stop_s", "nodes6_start_s", "nodes6_stop_s"} < set(figures)
    for name in ("start", "stop"):
        largest = figures[f"nodes6_{name}_s"]
        assert largest["value"] > 0
        assert largest["baseline"] > 0
        assert figures[f"stock_{name}_ratio"]["value"] == largest["ratio"]
    with capsys.disabled():
        print("\n" + json.dumps(result["figures"][-2:]))
