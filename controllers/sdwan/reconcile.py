"""What a switch has against what it is to have: the changes that make it so, and leave alone what is right.

Groups and meters come before flows that use them, and go after those that did. Nothing is removed before what takes
its place is there, so that no packet finds a gap.
"""

from __future__ import annotations

from collections.abc import Iterator

from controllers.flows import (
    AddFlow,
    AddGroup,
    AddMeter,
    Barrier,
    Change,
    Match,
    ModifyGroup,
    ModifyMeter,
    RemoveFlow,
    RemoveGroup,
    RemoveMeter,
    SwitchState,
)

FlowKey = tuple[int, Match, int]


def reconcile(found: SwitchState, wanted: SwitchState) -> tuple[Change, ...]:
    """The changes, and a barrier at their end; none if there is nothing to do."""
    changes = (*_additions(found, wanted), *_removals(found, wanted))
    return (*changes, Barrier()) if changes else ()


def _additions(found: SwitchState, wanted: SwitchState) -> Iterator[Change]:
    meters = {meter.number: meter for meter in found.meters}
    for meter in wanted.meters:
        if meter.number not in meters:
            yield AddMeter(meter)
        elif meters[meter.number] != meter:
            yield ModifyMeter(meter)
    groups = {group.number: group for group in found.groups}
    for group in wanted.groups:
        if group.number not in groups:
            yield AddGroup(group)
        elif groups[group.number] != group:
            yield ModifyGroup(group)
    flows = {_key(flow): flow for flow in found.flows}
    yield from (flow for flow in wanted.flows if flows.get(_key(flow)) != flow)


def _removals(found: SwitchState, wanted: SwitchState) -> Iterator[Change]:
    flows = {_key(flow) for flow in wanted.flows}
    for flow in found.flows:
        if _key(flow) not in flows:
            yield RemoveFlow(flow.table, flow.match, flow.priority)
    groups = {group.number for group in wanted.groups}
    yield from (RemoveGroup(group.number) for group in found.groups if group.number not in groups)
    meters = {meter.number for meter in wanted.meters}
    yield from (RemoveMeter(meter.number) for meter in found.meters if meter.number not in meters)


def _key(flow: AddFlow) -> FlowKey:
    return flow.table, flow.match, flow.priority
