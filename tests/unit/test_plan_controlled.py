"""What `bearerlab plan` says of the controller's part."""

from __future__ import annotations

from testbed.plan.controlled import controlled
from testbed.run import load_plan
from tests.support.scenario import LOCAL_BREAKOUT, SCENARIOS


def test_an_underlay_and_an_overlay_are_told_in_lines() -> None:
    told = dict(controlled(load_plan(SCENARIOS / "breakout-failover.yml")[1]))
    assert told["underlay"][0] == "SRv6 fcbb:bb00::/32, micro-SIDs, TI-LFA against links, MTU 9000, inside 8744"
    wanted = (
        "mode overlay",
        "edge cpe-access (datapath 1): private 10.1.0.127 at shanghai, internet 10.1.0.133 at internet",
        "tenant bearer: VNI 10",
        "class near: DSCP 46, delay ≤ 10 ms, loss ≤ 1 %; preferred of private, internet",
        "tunnel cpe-access>cpe-cloud:private: port 1003",
    )
    assert {*wanted} < {*told["overlay"]}


def test_policies_and_colored_tenants_are_told() -> None:
    told = dict(controlled(load_plan(SCENARIOS / "srv6-te.yml")[1]))
    assert [line for line in told["underlay"] if line.startswith("policy shanghai→guiyang color")]
    assert [line for line in told["underlay"] if line.startswith("tenant")]


def test_a_lab_without_either_has_nothing_to_tell() -> None:
    assert list(controlled(load_plan(LOCAL_BREAKOUT)[1])) == []
