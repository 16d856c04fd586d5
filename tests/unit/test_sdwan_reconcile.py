"""What a switch has against what it is to have."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controllers.flows import AddFlow, AddGroup, Barrier, Group, GroupKind, Match, Meter, ModifyGroup, SwitchState
from controllers.sdwan.controller import Controller
from controllers.sdwan.network import Overlay
from controllers.sdwan.pipeline import program
from controllers.sdwan.reconcile import reconcile
from tests.support.overlay_switch import OverlaySwitch
from tests.support.overlays import BULK, DEFAULT, VOICE, OverlayLab, make_overlay

BOTH = ("mpls", "internet")
LIMITED = make_overlay({"a": BOTH, "b": BOTH}, classes=(VOICE, replace(BULK, limit_bps=10**7), DEFAULT))
FOREIGN = AddFlow(0, Match(in_port=7), priority=9)


def wanted(overlay: Overlay = LIMITED) -> SwitchState:
    return program(overlay, "a", Controller(overlay).placements)


@pytest.fixture
def switch() -> OverlaySwitch:
    """One that has all that it is to have."""
    switch = OverlaySwitch(*reconcile(SwitchState(), wanted()))
    switch.changes = 0
    return switch


def test_an_empty_switch_gets_everything_in_an_order_that_it_takes(switch: OverlaySwitch) -> None:
    assert {*switch.state.flows} == {*wanted().flows}
    assert switch.state.groups == wanted().groups
    assert switch.state.meters == wanted().meters


def test_what_is_right_is_not_touched(switch: OverlaySwitch) -> None:
    assert reconcile(switch.state, wanted()) == ()


def test_a_flow_that_is_missing_is_put_back_alone(switch: OverlaySwitch) -> None:
    key = next(iter(switch.flows))
    gone = switch.flows.pop(key)
    assert reconcile(switch.state, wanted()) == (gone, Barrier())


def test_a_flow_with_other_actions_is_replaced(switch: OverlaySwitch) -> None:
    key, flow = next((key, flow) for key, flow in switch.flows.items() if flow.actions)
    switch.flows[key] = replace(flow, actions=())
    assert reconcile(switch.state, wanted()) == (flow, Barrier())


def test_what_nobody_wants_is_removed_after_what_is_missing_was_added(switch: OverlaySwitch) -> None:
    switch.apply(FOREIGN)
    switch.apply(AddGroup(Group(999, GroupKind.ALL)))
    gone = switch.flows.pop(next(iter(switch.flows)))
    changes = reconcile(switch.state, wanted())
    assert changes[0] == gone
    assert [type(change).__name__ for change in changes[1:]] == ["RemoveFlow", "RemoveGroup", "Barrier"]
    for change in changes:
        switch.apply(change)
    assert reconcile(switch.state, wanted()) == ()


def test_a_group_that_leads_elsewhere_is_changed_at_once(switch: OverlaySwitch) -> None:
    number, group = next(iter(switch.groups.items()))
    switch.groups[number] = replace(group, buckets=())
    assert reconcile(switch.state, wanted()) == (ModifyGroup(group), Barrier())


def test_a_meter_with_another_rate_is_changed_and_its_flows_stay(switch: OverlaySwitch) -> None:
    number, meter = next(iter(switch.meters.items()))
    switch.meters[number] = Meter(number, 1, 1)
    flows = dict(switch.flows)
    for change in reconcile(switch.state, wanted()):
        switch.apply(change)
    assert (switch.meters[number], switch.flows) == (meter, flows)


def test_a_controller_that_starts_again_touches_nothing() -> None:
    lab = OverlayLab(LIMITED)
    before = {edge: switch.changes for edge, switch in lab.switches.items()}
    lab.controller = Controller(LIMITED)
    for edge in lab.switches:
        lab.connect(edge)
    assert {edge: switch.changes for edge, switch in lab.switches.items()} == before


def test_an_edge_that_joins_leaves_the_others_alone() -> None:
    three = make_overlay({"a": BOTH, "b": BOTH, "c": BOTH})
    lab = OverlayLab(three)
    before = {edge: switch.changes for edge, switch in lab.switches.items()}
    lab.switches["c"] = OverlaySwitch()
    lab.connect("c")
    after = {edge: switch.changes for edge, switch in lab.switches.items()}
    assert (after["a"], after["b"]) == (before["a"], before["b"])
    assert lab.send("a", "c").lan is not None
