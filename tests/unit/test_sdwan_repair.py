"""Whatever a switch has, it is put right by what differs alone, and without a gap."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from controllers.flows import (
    AddFlow,
    AddGroup,
    AddMeter,
    Bucket,
    Group,
    GroupKind,
    Match,
    Meter,
    Output,
    RemoveFlow,
    SwitchState,
    ToGroup,
)
from controllers.sdwan.controller import DemandMoved
from controllers.sdwan.pipeline import program
from controllers.sdwan.reconcile import reconcile
from controllers.sdwan.steering import Placement
from tests.support.overlay_switch import OverlaySwitch
from tests.support.overlays import BULK, DEFAULT, VOICE, OverlayLab, make_overlay

BOTH = ("mpls", "internet")
LIMITED = replace(BULK, limit_bps=10_000_000)
OVERLAY = make_overlay({"a": BOTH, "b": BOTH, "c": BOTH}, classes=(VOICE, LIMITED, DEFAULT))
WANTED = OverlayLab(OVERLAY).switches["a"].state

FOREIGN_GROUP = Group(9_999, GroupKind.ALL, (Bucket((Output(5),)),))
FOREIGN_METER = Meter(9_999, 1, 1)
FOREIGN_FLOWS = (
    AddFlow(0, Match(in_port=77), (ToGroup(9_999),), priority=99),
    AddFlow(1, Match(in_port=77), (Output(6),), meter=9_999, priority=1),
)


def as_sets(state: SwitchState) -> tuple[frozenset[Meter], frozenset[Group], frozenset[AddFlow]]:
    return frozenset(state.meters), frozenset(state.groups), frozenset(state.flows)


def test_a_move_that_a_switch_missed_is_one_message_when_it_is_back() -> None:
    lab = OverlayLab(OVERLAY)
    lab.answer()
    switch, other = lab.switches["a"], OverlaySwitch()
    lab.switches["a"] = other  # nobody hears
    other.groups = dict(switch.groups)
    lab.run(lab.controller.liveness("a>b:mpls", up=False, now=1))
    moved = {each.demand for each in lab.controller.decisions if isinstance(each, DemandMoved)}
    lab.switches["a"] = switch
    before = switch.changes
    lab.connect("a")
    assert switch.changes - before == len(moved) == 2
    assert lab.send("a", "b").tunnels == ("a>b:internet",)


@st.composite
def damaged(draw: st.DrawFn) -> SwitchState:
    """`WANTED` without some, with some changed, with things that are nobody's."""
    kept = {number for number in range(200) if draw(st.booleans())}
    groups = [each for number, each in enumerate(WANTED.groups) if number in kept or draw(st.booleans())]
    meters = [each for number, each in enumerate(WANTED.meters) if number in kept]
    numbers, rates = {each.number for each in groups}, {each.number for each in meters}
    flows = [
        each if number % 3 or each.goto is None else replace(each, cookie=0)
        for number, each in enumerate(WANTED.flows)
        if number in kept
        and (each.meter is None or each.meter in rates)
        and all(action.group in numbers for action in each.actions if isinstance(action, ToGroup))
    ]
    if draw(st.booleans()):
        groups[:1] = [replace(each, buckets=()) for each in groups[:1]]
        return SwitchState((*meters, FOREIGN_METER), (*groups, FOREIGN_GROUP), (*flows, *FOREIGN_FLOWS))
    return SwitchState(tuple(meters), tuple(groups), tuple(flows))


@given(damaged())
def test_whatever_a_switch_has_it_takes_every_change_and_is_right_after_them(found: SwitchState) -> None:
    switch = OverlaySwitch(*map(AddMeter, found.meters), *map(AddGroup, found.groups), *found.flows)
    before, wanted = as_sets(switch.state), as_sets(WANTED)
    changes = reconcile(switch.state, WANTED)
    for change in changes:
        switch.apply(change)
    assert as_sets(switch.state) == wanted
    assert reconcile(switch.state, WANTED) == ()
    differing = sum(len({_key(each) for each in had ^ want}) for had, want in zip(before, wanted, strict=True))
    assert len(changes) == differing + bool(differing)


def _key(each: object) -> object:
    if isinstance(each, AddFlow):
        return each.table, each.match, each.priority
    assert isinstance(each, Meter | Group)
    return each.number


def test_no_packet_finds_a_gap_while_a_switch_is_put_right() -> None:
    lab = OverlayLab(OVERLAY)
    switch = lab.switches["a"]
    for foreign in (AddMeter(FOREIGN_METER), AddGroup(FOREIGN_GROUP), *FOREIGN_FLOWS):
        switch.apply(foreign)
    other = {demand.name: Placement(((f"{demand.source}>{demand.target}:internet", 1),)) for demand in OVERLAY.demands}
    # As an earlier version might have left it: right, by flows that are all others.
    for flow in list(switch.flows.values()):
        switch.apply(RemoveFlow(flow.table, flow.match, flow.priority))
        switch.apply(replace(flow, priority=flow.priority + 1000))
    for change in reconcile(switch.state, program(OVERLAY, "a", other)):
        switch.apply(change)
        for target in ("b", "c"):
            for port in (5004, 80, 9):
                assert lab.send("a", target, destination_port=port).lan is not None
    assert lab.send("a", "b").tunnels == ("a>b:internet",)
