"""When switches are asked what they have, and that one is never asked twice at once."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from controllers.flows import AddFlow, Barrier, Change, SwitchState
from controllers.osken import Datapath
from controllers.overlay import OverlayShell
from controllers.sdwan.controller import Controller
from controllers.sdwan.pipeline import program
from tests.support.overlays import make_overlay

OVERLAY = make_overlay({"a": ("mpls",), "b": ("mpls",)})
A = OVERLAY.edge["a"].dpid


class Switch(Datapath):
    """Counts how often it is asked, and keeps what it is sent."""

    def __init__(self, dpid: int) -> None:
        self.dpid = dpid
        self._connection = object()
        self.asked = 0
        self.changes: list[Change] = []

    def ask_tables(self) -> None:
        self.asked += 1

    def send(self, changes: Iterable[Change]) -> None:
        self.changes += changes


@pytest.fixture
def core() -> Controller:
    return Controller(OVERLAY)


@pytest.fixture
def shell(core: Controller) -> OverlayShell:
    return OverlayShell(core, None)


@pytest.fixture
def switch(shell: OverlayShell, core: Controller) -> Switch:
    """One that has what it should have."""
    connected = Switch(A)
    shell.connected(connected)
    assert connected.asked == 1
    shell.told(connected, program(OVERLAY, "a", core.placements))
    assert connected.changes == []
    return connected


def test_a_flow_that_somebody_took_away_is_put_back(shell: OverlayShell, switch: Switch, core: Controller) -> None:
    shell.doubted(switch)
    assert switch.asked == 2
    right = program(OVERLAY, "a", core.placements)
    shell.told(switch, SwitchState(right.meters, right.groups, right.flows[1:]))
    assert switch.changes == [right.flows[0], Barrier()]
    assert isinstance(right.flows[0], AddFlow)
    assert switch.asked == 2


def test_what_is_taken_away_while_the_switch_answers_makes_one_question_more(
    shell: OverlayShell, switch: Switch, core: Controller
) -> None:
    for _ in range(5):
        shell.doubted(switch)
    assert switch.asked == 2
    shell.told(switch, program(OVERLAY, "a", core.placements))
    assert switch.asked == 3
    shell.told(switch, program(OVERLAY, "a", core.placements))
    assert switch.asked == 3


def test_a_switch_that_has_gone_or_is_no_edge_is_not_asked(shell: OverlayShell, switch: Switch) -> None:
    stranger = Switch(99)
    shell.connected(stranger)
    shell.doubted(stranger)
    shell.disconnected(switch)
    shell.doubted(switch)
    assert (switch.asked, stranger.asked) == (1, 0)
