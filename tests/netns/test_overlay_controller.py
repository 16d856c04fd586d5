"""The overlay's controller comes and goes, and others meddle with its switches; traffic goes on meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from controllers import ovs
from testbed import netns
from testbed.plan.addressing import MANAGEMENT4
from testbed.plan.processes import OPENFLOW_PORT
from tests.support.command import events
from tests.support.openflow_switch import OpenFlowSwitch
from tests.support.overlay_lab import HOSTS, OverlayLab, Stream, overlay_lab
from tests.support.polling import eventually

pytestmark = [pytest.mark.netns, pytest.mark.ovs]

VOICE = "plc:cpe-a>cpe-b"
STRANGER = 0xBAD
Flows = dict[str, float]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OverlayLab]:
    """One whose controller stays."""
    with overlay_lab(tmp_path_factory.mktemp("overlay"), ovs.datapath_type()) as running:
        yield running


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[OverlayLab]:
    """One whose controller may be another one afterwards."""
    with overlay_lab(tmp_path, ovs.datapath_type()) as running:
        yield running


@contextmanager
def nothing_lost(lab: OverlayLab) -> Iterator[Stream]:
    """1,000 packets a second meanwhile, none of which is lost or repeated."""
    with Stream(lab.traffic("red-a", "red-b"), per_second=1000) as sending:
        sending.await_sent(500)
        yield sending
        sending.await_sent(500)
    assert (sending.lost, sending.repeated) == (0, 0)


def all_flows(lab: OverlayLab) -> dict[str, Flows]:
    return {edge: lab.flows(edge) for edge in HOSTS}


def untouched(before: Flows, after: Flows) -> bool:
    """The same flows, each of which is as much older as any: none was written again."""
    if before.keys() != after.keys():
        return False
    older = [after[flow] - before[flow] for flow in before]
    return min(older) > 0 and max(older) - min(older) < 0.5 * max(older)


def programmed(lab: OverlayLab) -> list[dict[str, Any]]:
    return events(lab.directory, "edge_programmed")


def restart(lab: OverlayLab, **changes: str) -> list[dict[str, Any]]:
    """Start the controller; what it did at each edge when that had come back."""
    before = len(programmed(lab))
    lab.start_controller(**changes)
    return eventually(lambda: programmed(lab)[before:], lambda found: {each["edge"] for each in found} == {*HOSTS})


def test_a_controller_that_was_killed_is_not_missed_and_its_successor_changes_nothing(lab: OverlayLab) -> None:
    with nothing_lost(lab) as stream:
        before = all_flows(lab)
        lab.kill_controller()
        stream.await_sent(1000)
        assert [each["changes"] for each in restart(lab)] == [0, 0, 0]
        stream.await_sent(500)
        after = all_flows(lab)
        assert all(untouched(before[edge], after[edge]) for edge in HOSTS)


def test_a_transport_that_is_dark_is_not_taken_by_the_next_controller(lab: OverlayLab) -> None:
    lab.cut("private-cpe-a")
    lab.await_transport(VOICE, "internet")
    with nothing_lost(lab) as stream:
        lab.kill_controller()
        stream.await_sent(500)
        restart(lab)
        stream.await_sent(3000)
    lab.reset("private-cpe-a")
    lab.await_transport(VOICE, "private")


def test_what_a_controller_has_moved_the_next_one_leaves_there_while_the_reason_lasts(lab: OverlayLab) -> None:
    with nothing_lost(lab) as stream:
        lab.change("private-cpe-a", delay_ms=30.0)
        lab.await_transport(VOICE, "internet")
        before = lab.moves(VOICE)
        lab.kill_controller()
        stream.await_sent(500)
        assert [each["changes"] for each in restart(lab)] == [0, 0, 0]
        stream.await_sent(3000)
        assert lab.moves(VOICE) == before
        lab.reset("private-cpe-a")
        lab.await_transport(VOICE, "private")


@pytest.mark.parametrize("what", ["table=1", "table=3", "cookie=0x5d/-1"])
def test_flows_that_are_deleted_behind_its_back_are_put_back(kept: OverlayLab, what: str) -> None:
    before = all_flows(kept)
    kept.ofctl("cpe-a", "del-flows", what)
    eventually(lambda: kept.flows("cpe-a").keys(), lambda found: found == before["cpe-a"].keys())
    after = all_flows(kept)
    assert not untouched(before["cpe-a"], after["cpe-a"])
    assert untouched(before["cpe-b"], after["cpe-b"])


def test_a_flow_that_is_deleted_is_put_back_and_the_others_are_not_touched(kept: OverlayLab) -> None:
    with nothing_lost(kept):
        before = kept.flows("cpe-c")
        kept.ofctl("cpe-c", "del-flows", "--strict", _strictly(next(flow for flow in before if "table=3" in flow)))
        after = eventually(lambda: kept.flows("cpe-c"), lambda found: found.keys() == before.keys())
        younger = [flow for flow in before if after[flow] < before[flow]]
        assert len(younger) == 1
        assert "table=3" in younger[0]


def test_groups_that_are_deleted_are_put_back(kept: OverlayLab) -> None:
    def groups() -> set[str]:
        return {*kept.ofctl("cpe-a", "dump-groups").splitlines()[1:]}

    before, flows = groups(), kept.flows("cpe-a")
    kept.ofctl("cpe-a", "del-groups")
    eventually(groups, lambda found: found == before)
    eventually(lambda: kept.flows("cpe-a").keys(), lambda found: found == flows.keys())


def test_a_flow_of_somebody_else_is_removed_when_the_controller_comes(lab: OverlayLab) -> None:
    with nothing_lost(lab):
        before = lab.flows("cpe-b")
        lab.ofctl("cpe-b", "add-flow", "table=0,priority=1,in_port=77,actions=drop")
        lab.kill_controller()
        restart(lab)
        eventually(lambda: lab.flows("cpe-b").keys(), lambda found: found == before.keys())
        assert untouched(before, lab.flows("cpe-b"))


def test_a_switch_that_the_overlay_does_not_have_gets_nothing_and_changes_nothing(kept: OverlayLab) -> None:
    with nothing_lost(kept) as stream:
        before = all_flows(kept)
        with netns.entered(kept.running.lab.names.base):
            stranger = OpenFlowSwitch((str(MANAGEMENT4[1]), OPENFLOW_PORT), STRANGER)
        with stranger:
            (told,) = eventually(lambda: events(kept.directory, "unknown_switch"))
            assert told["dpid"] == STRANGER
            assert all(f"({edge})" in told["want"] for edge in HOSTS)
            stream.await_sent(500)
        after = all_flows(kept)
        assert all(untouched(before[edge], after[edge]) for edge in HOSTS)
        assert {edge["name"] for edge in kept.view()["edges"] if edge["connected"]} == {*HOSTS}


def test_what_a_switch_refuses_is_told_with_the_flow(lab: OverlayLab) -> None:
    """A LAN at a port that no switch can have."""
    before = len(events(lab.directory, "flow_error"))
    overlay, impossible = lab.overlay_text(), 0xFFFF_FF01
    wrong = overlay.replace('"port": 1,', f'"port": {impossible},', 1)
    assert wrong != overlay
    lab.kill_controller()
    restart(lab, overlay=wrong)
    (error, *_) = eventually(lambda: events(lab.directory, "flow_error")[before:])
    assert error["dpid"] == 1
    assert error["type"].startswith("OFPET_BAD_ACTION")
    assert error["request"]["table"] == 3
    assert str(impossible) in str(error["request"]["instructions"])
    lab.kill_controller()
    restart(lab)
    with Stream(lab.traffic("red-a", "red-b"), per_second=100) as stream:
        stream.await_sent(50)
    assert stream.lost == 0


def _strictly(flow: str) -> str:
    """A flow as `dump-flows` shows it, as `del-flows --strict` wants it."""
    words = [word for word in flow.partition(" actions=")[0].replace(" ", ",").split(",") if word]
    return ",".join(word for word in words if word != "send_flow_rem" and not word.startswith("cookie="))
