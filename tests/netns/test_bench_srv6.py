from __future__ import annotations

import json

import pytest

from testbed.bench.srv6 import bench_srv6

pytestmark = [pytest.mark.netns, pytest.mark.bench]


def test_srv6_measures_packets_policies_cuts_and_memory(capsys: pytest.CaptureFixture[str]) -> None:
    result = bench_srv6(routers=20, cuts=1).as_json()
    figures = {figure["name"]: figure for figure in result["figures"]}
    assert result["bench"] == "srv6"
    assert figures["forward_ratio_plain_ipv6"]["value"] == pytest.approx(figures["forward_pps"]["ratio"], abs=0.001)
    assert figures["policies38"]["value"] == 38 * 37
    assert {"policies38_compute_s", "policies38_install_s", "tilfa_loss_ms", "tilfa_gap_ms", "routers20_gb"} < set(
        figures
    )
    assert figures["tilfa_loss_ms"]["baseline"] > 0, "without repairs a cut is noticed"
    with capsys.disabled():
        print("\n" + json.dumps(result["figures"]))
