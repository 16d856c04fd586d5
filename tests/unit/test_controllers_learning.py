"""The learning switch's core against a fake flow table."""

from __future__ import annotations

import pytest

from controllers import openflow
from controllers.flows import FlowChange, ReservedPort
from controllers.learning import AGE_S, SOURCES, LearningSwitch
from tests.support.flowtable import SWITCH, FlowTable, Frame

A, B, EVERYONE = "02:00:00:00:00:0a", "02:00:00:00:00:0b", "ff:ff:ff:ff:ff:ff"
FLOOD = [ReservedPort.FLOOD]
DPID = 7


class OneSwitch:
    """A switch whose packet-ins reach the core at once."""

    def __init__(self) -> None:
        self.core = LearningSwitch()
        self.table = FlowTable()
        self.packet_ins = 0
        self.connect(now=0)

    def connect(self, now: float) -> None:
        self.apply(self.core.switch_up(DPID), now)

    def restart_controller(self, now: float) -> None:
        self.core = LearningSwitch()
        self.connect(now)

    def apply(self, changes: tuple[FlowChange, ...], now: float) -> None:
        for change in changes:
            self.table.apply(openflow.message(SWITCH, change), now)

    def send(self, port: int, src: str, dst: str, now: float, *, controller: bool = True) -> list[int]:
        """The ports that the frame leaves by; what goes to the controller is counted and acted on."""
        outputs = self.table.outputs(Frame(port, src, dst), now)
        if ReservedPort.CONTROLLER in outputs:
            outputs.remove(ReservedPort.CONTROLLER)
            self.packet_ins += 1
            if controller:
                self.apply(self.core.packet_in(DPID, port, src, now), now)
        return outputs


@pytest.fixture
def switch() -> OneSwitch:
    return OneSwitch()


def test_unknown_destination_is_flooded_and_known_one_forwarded(switch: OneSwitch) -> None:
    assert switch.send(1, A, EVERYONE, now=0) == FLOOD
    assert switch.send(2, B, A, now=0) == [1]
    assert switch.send(1, A, B, now=0) == [2]


def test_what_is_for_one_link_stays_on_it(switch: OneSwitch) -> None:
    assert switch.send(1, A, "01:80:c2:00:00:0e", now=0) == []
    assert switch.send(1, A, "01:80:c2:00:00:10", now=0) == FLOOD


def test_only_the_first_packet_of_a_host_visits_the_controller(switch: OneSwitch) -> None:
    for now in range(AGE_S):
        switch.send(1, A, B, now)
        switch.send(2, B, A, now)
    assert switch.packet_ins == 2


def test_forwarding_does_not_need_the_controller(switch: OneSwitch) -> None:
    switch.send(1, A, B, now=0)
    assert switch.send(2, B, A, now=1, controller=False) == [1]
    assert switch.send(1, A, B, now=1, controller=False) == FLOOD


def test_a_host_that_moved_is_found_again_by_its_first_packet(switch: OneSwitch) -> None:
    switch.send(1, A, B, now=0)
    switch.send(3, A, B, now=0.1)
    assert switch.core.port_of(DPID, A) == 3
    assert switch.send(2, B, A, now=0.2) == [3]


def test_a_host_may_move_back(switch: OneSwitch) -> None:
    for port, now in ((1, 0.0), (3, 0.1), (1, 0.2)):
        switch.send(port, A, B, now)
    assert switch.send(2, B, A, now=0.3) == [1]


def test_a_host_may_move_back_under_a_controller_that_did_not_see_it_there_before(switch: OneSwitch) -> None:
    switch.send(1, A, B, now=0)
    switch.restart_controller(now=1)
    for port, now in ((3, 2.0), (1, 3.0)):
        switch.send(port, A, B, now)
    assert switch.send(2, B, A, now=4) == [1]


def test_a_silent_host_is_forgotten(switch: OneSwitch) -> None:
    switch.send(1, A, B, now=0)
    later = AGE_S + 60
    assert switch.send(2, B, A, now=later) == FLOOD
    assert switch.core.port_of(DPID, A) is None


def test_a_host_that_goes_on_speaking_is_never_flooded_to(switch: OneSwitch) -> None:
    switch.send(1, A, B, now=0)
    for now in range(7, 4 * AGE_S, 7):
        assert switch.send(2, B, A, now) == [1]
        switch.send(1, A, B, now)


def test_copies_that_come_before_the_flow_is_in_place_change_nothing(switch: OneSwitch) -> None:
    assert switch.core.packet_in(DPID, 1, A, now=0)
    assert switch.core.packet_in(DPID, 1, A, now=0.5) == ()


def test_a_flow_that_was_lost_is_installed_again(switch: OneSwitch) -> None:
    switch.core.packet_in(DPID, 1, A, now=0)
    assert switch.core.packet_in(DPID, 1, A, now=5)


def test_a_group_address_as_source_is_dropped_without_a_word(switch: OneSwitch) -> None:
    assert switch.send(1, "01:00:5e:00:00:01", B, now=0) == []
    assert switch.packet_ins == 0


def test_a_reconnected_switch_is_learned_anew_and_keeps_forwarding(switch: OneSwitch) -> None:
    switch.send(1, A, B, now=0)
    switch.core.packet_in(8, 1, A, now=0)
    switch.connect(now=1)
    assert switch.core.port_of(DPID, A) is None
    assert switch.core.port_of(8, A) == 1
    assert switch.send(2, B, A, now=1) == [1]


def test_a_host_that_moves_often_leaves_one_source_flow(switch: OneSwitch) -> None:
    for port in (1, 2, 3, 1, 2):
        switch.send(port, A, B, now=float(port))
    learned = [entry for entry in switch.table.entries(SOURCES, now=4) if "in_port" in entry.match]
    assert [entry.match["in_port"] for entry in learned] == [2]
