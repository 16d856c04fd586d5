"""A planned flow as counters of the kernel, one for each interface, and their sum."""

from __future__ import annotations

from testbed.plan.model import PlannedFlow
from testbed.run import load_plan
from testbed.run.observe import counted, total
from tests.support.scenario import LOCAL_BREAKOUT
from traffic.flowcount import Count, FlowCount, ruleset

FLOW = PlannedFlow("portal", "ue1", "203.0.113.10", "pe1", ("chengdu", "guangzhou"))


def test_each_interface_has_counters_of_its_own() -> None:
    other = PlannedFlow("archive", "ue2", "203.0.113.20", "pe1", ("guangzhou",))
    flows = list(counted([FLOW, other], {"ue1": "10.45.0.2", "ue2": "10.45.0.3"}))
    assert [(flow.name, flow.interface, str(flow.ue), str(flow.service)) for flow in flows] == [
        ("portal.chengdu", "chengdu", "10.45.0.2", "203.0.113.10"),
        ("portal.guangzhou", "guangzhou", "10.45.0.2", "203.0.113.10"),
        ("archive.guangzhou", "guangzhou", "10.45.0.3", "203.0.113.20"),
    ]
    assert ruleset(flows).count("counter portal.chengdu_up {") == 1


def test_a_flow_is_the_sum_over_its_interfaces_and_both_ways() -> None:
    counts = {
        "portal.chengdu": FlowCount(Count(1, 100), Count(2, 200)),
        "portal.guangzhou": FlowCount(Count(3, 300), Count(4, 400)),
        "archive.guangzhou": FlowCount(Count(5, 500), Count(6, 600)),
    }
    assert total(FLOW, counts) == Count(10, 1000)


def test_the_shipped_scenario_counts_on_every_backbone_link_of_pe1() -> None:
    planned = load_plan(LOCAL_BREAKOUT)[1]
    (flow,) = planned.flows
    backbone = {link.end("pe1").ifname for link in planned.links if link.tier == "backbone" and "pe1" in link.name}
    assert set(flow.ifnames) == backbone
