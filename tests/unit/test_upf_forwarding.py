"""The way of packets through the rules, with lists for outputs and a clock that stands."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from core_stub.gtpu import PduType, Tunnel
from core_stub.upf.rules import (
    AT_ONCE,
    UNREAD,
    BudgetSpent,
    Buffer,
    Counter,
    Decapsulate,
    Drop,
    Encapsulate,
    FirstBuffered,
    Mark,
    Match,
    Meter,
    Rate,
    Reading,
    Rule,
    Rules,
    UserPlaneEvent,
)
from core_stub.upf.userplane.buffering import Act, BufferQueue
from core_stub.upf.userplane.forwarding import Forwarding

SEID, TEID = 7, 0xABC
UE = IPv4Address("10.45.0.2")
TUNNEL = Tunnel(IPv4Address("198.51.100.1"), 5, 1, PduType.DOWNLINK)
UPLINK = Rule(2, 10, Match(TEID), Decapsulate("n6"), is_uplink=True)
DOWNLINK = Rule(1, 10, Match(ue_address=UE), Encapsulate(TUNNEL))
BUFFERING = replace(DOWNLINK, action=Buffer(1, packets=4, octets=100, notify=True))


class Plane:
    """A `Forwarding` with what it did."""

    def __init__(self) -> None:
        self.now = 100.0
        self.out: list[tuple[object, bytes]] = []
        self.events: list[UserPlaneEvent] = []
        self.forwarding = Forwarding(self, self.events.append, lambda: self.now)

    def to_n6(self, device: str) -> Act:
        return lambda packet, _: self.out.append((device, packet))

    def to_tunnel(self, tunnel: Tunnel) -> Act:
        return lambda packet, _: self.out.append((tunnel, packet))

    def apply(self, *rules: Rule, meters: tuple[Meter, ...] = (), **more: object) -> dict[int, Reading]:
        return dict(self.forwarding.apply(Rules(SEID, rules, meters, **more)))  # type: ignore[arg-type]

    def up(self, *packets: bytes) -> None:
        for packet in packets:
            assert self.forwarding.forward(TEID, packet, 1) is not None

    def down(self, *packets: bytes) -> None:
        for packet in packets:
            assert self.forwarding.forward(UE.packed, packet, None) is not None

    def sent(self) -> list[bytes]:
        return [packet for _, packet in self.out]

    def reading(self, urr_id: int = 1) -> Reading:
        return self.forwarding.readings(SEID)[urr_id]


@pytest.fixture
def plane() -> Plane:
    return Plane()


def test_rules_lead_to_their_outputs_and_are_counted(plane: Plane) -> None:
    plane.apply(UPLINK, DOWNLINK)
    assert plane.forwarding.counters(SEID) == {1: Counter(), 2: Counter()}, "an idle session has counters too"
    plane.up(b"abc")
    plane.down(b"de", b"f")
    assert plane.out == [("n6", b"abc"), (TUNNEL, b"de"), (TUNNEL, b"f")]
    assert plane.forwarding.counters(SEID) == {1: Counter(2, 3), 2: Counter(1, 3)}


def test_a_session_that_goes_leaves_no_way_in(plane: Plane) -> None:
    plane.apply(UPLINK, DOWNLINK)
    plane.apply(UPLINK)
    assert plane.forwarding.forward(UE.packed, b"x", None) is None
    plane.apply()
    assert plane.forwarding.forward(TEID, b"x", 1) is None
    assert plane.forwarding.counters(SEID) == {}


def test_counts_outlive_a_change_of_rules_and_go_with_their_pdr(plane: Plane) -> None:
    plane.apply(UPLINK, DOWNLINK)
    plane.up(b"abc")
    plane.apply(replace(UPLINK, action=Drop()), DOWNLINK)
    plane.up(b"d")
    assert plane.forwarding.counters(SEID)[2] == Counter(2, 4)
    plane.apply(DOWNLINK)
    plane.apply(UPLINK, DOWNLINK)
    assert plane.forwarding.counters(SEID)[2] == Counter()


# -- buffers ----------------------------------------------------------------------------------------------------------


def test_queues_can_be_looked_at_while_packets_make_another(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    other = replace(UPLINK, action=Buffer(2, packets=4, octets=100, notify=False))
    plane.apply(UPLINK, BUFFERING)
    plane.down(b"abc")
    plane.apply(other, BUFFERING)
    holds = BufferQueue.holds

    def interrupted(queue: BufferQueue) -> Counter:
        plane.up(b"de")
        return holds(queue)

    monkeypatch.setattr(BufferQueue, "holds", interrupted)
    assert plane.forwarding.buffered(SEID) == {1: Counter(1, 3)}
    monkeypatch.undo()
    assert plane.forwarding.buffered(SEID) == {1: Counter(1, 3), 2: Counter(1, 2)}


def test_what_was_buffered_goes_first_in_its_order(plane: Plane) -> None:
    plane.apply(BUFFERING)
    plane.down(b"1", b"2", b"3")
    assert plane.out == []
    assert plane.forwarding.buffered(SEID) == {1: Counter(3, 3)}
    plane.apply(DOWNLINK)
    plane.down(b"4")
    assert plane.out == [(TUNNEL, b"%d" % number) for number in (1, 2, 3, 4)]
    assert plane.forwarding.buffered(SEID) == {}


def test_a_thread_that_still_follows_the_old_rules_adds_behind_the_queue(plane: Plane) -> None:
    plane.apply(BUFFERING)
    plane.down(b"1")
    old = plane.forwarding._sessions[SEID].ways
    assert old
    plane.apply(DOWNLINK)
    old[UE.packed][0].act(b"2", None)
    assert plane.sent() == [b"1", b"2"]


def test_the_first_packet_of_a_queue_is_told_once(plane: Plane) -> None:
    plane.apply(BUFFERING)
    plane.down(b"1", b"2")
    plane.apply(BUFFERING)
    plane.down(b"3")
    assert plane.events == [FirstBuffered(SEID, 1)]
    plane.apply(BUFFERING, acted_on=frozenset({1}))
    plane.down(b"4", b"5")
    assert plane.events == [FirstBuffered(SEID, 1)] * 2
    plane.apply(DOWNLINK)
    plane.apply(BUFFERING)
    plane.down(b"6")
    assert plane.events == [FirstBuffered(SEID, 1)] * 3


def test_nobody_is_told_without_notify(plane: Plane) -> None:
    plane.apply(replace(BUFFERING, action=Buffer(1, 4, 100, notify=False)))
    plane.down(b"1")
    assert plane.events == []


def test_a_queue_is_bounded_in_packets_and_octets(plane: Plane) -> None:
    plane.apply(BUFFERING)
    plane.down(b"1", b"2", bytes(99), b"3", b"4", b"5")
    plane.apply(replace(BUFFERING, action=Buffer(1, 5, 100, notify=True)))
    plane.down(b"6", b"7")
    plane.apply(DOWNLINK)
    assert plane.sent() == [b"1", b"2", b"3", b"4", b"6"]


def test_what_is_buffered_can_be_dropped(plane: Plane) -> None:
    plane.apply(BUFFERING)
    plane.down(b"1")
    plane.apply(BUFFERING, drop_buffered=True)
    plane.down(b"2")
    assert plane.events == [FirstBuffered(SEID, 1)] * 2
    plane.apply(DOWNLINK, drop_buffered=True)
    plane.down(b"3")
    assert plane.sent() == [b"3"]


@pytest.mark.parametrize("rules", [(replace(DOWNLINK, action=Drop()),), (UPLINK,), ()])
def test_what_has_no_way_on_is_dropped(plane: Plane, rules: tuple[Rule, ...]) -> None:
    plane.apply(BUFFERING)
    plane.down(b"1")
    plane.apply(*rules)
    assert plane.out == []


def test_pdrs_of_one_far_share_its_queue(plane: Plane) -> None:
    other = replace(BUFFERING, pdr_id=3, match=Match(TEID))
    plane.apply(BUFFERING, other)
    plane.down(b"1")
    plane.up(b"2")
    plane.down(b"3")
    plane.apply(DOWNLINK, replace(other, action=Decapsulate("n6")))
    assert plane.out == [(TUNNEL, b"1"), ("n6", b"2"), (TUNNEL, b"3")]
    assert plane.events == [FirstBuffered(SEID, 1)]


# -- rates ------------------------------------------------------------------------------------------------------------

RATE = Rate(1, is_uplink=True, kbps=8, burst=2000)


def test_a_bucket_lets_the_burst_pass_and_then_the_rate(plane: Plane) -> None:
    plane.apply(replace(UPLINK, rates=(RATE,)))
    plane.up(*[bytes(500)] * 10)
    assert len(plane.out) == 4
    plane.now += 1.0
    plane.up(*[bytes(500)] * 10)
    assert len(plane.out) == 6, "8 kbit/s are 1000 octets a second"
    plane.now += 100.0
    plane.up(*[bytes(500)] * 10)
    assert len(plane.out) == 10, "a pause saves no more than the burst"
    assert plane.forwarding.counters(SEID)[2].packets == 30


def test_rules_of_one_qer_share_its_bucket_and_other_rules_do_not_refill_it(plane: Plane) -> None:
    plane.apply(replace(UPLINK, rates=(RATE,)))
    plane.up(*[bytes(500)] * 3)
    again = replace(UPLINK, pdr_id=3, match=Match(TEID + 1), rates=(RATE,))
    plane.apply(replace(UPLINK, rates=(RATE,)), again)
    plane.forwarding.forward(TEID + 1, bytes(500), 1)
    plane.up(bytes(500))
    assert len(plane.out) == 4
    faster = (replace(RATE, kbps=80),)
    plane.apply(replace(UPLINK, rates=faster), replace(again, rates=faster))
    plane.up(bytes(500))
    assert len(plane.out) == 5, "a new rate begins with a burst"


def test_what_was_policed_is_not_metered(plane: Plane) -> None:
    plane.apply(replace(UPLINK, rates=(RATE,), urr_ids=(1,)), meters=(Meter(1),))
    plane.up(*[bytes(500)] * 10)
    assert plane.reading()[:2] == (2000, 0)


# -- meters -----------------------------------------------------------------------------------------------------------

METERED = (replace(UPLINK, urr_ids=(1,)), replace(DOWNLINK, urr_ids=(1,)))


def test_a_meter_counts_both_directions_and_when(plane: Plane) -> None:
    plane.apply(*METERED, meters=(Meter(1),))
    assert plane.reading() == UNREAD
    plane.up(b"abc")
    plane.now += 5
    plane.down(b"de", b"fg")
    assert plane.reading() == Reading(3, 4, 1, 2, 100.0, 105.0)
    plane.apply(*METERED, meters=(Meter(1, since=105.0),))
    assert plane.reading() == Reading(3, 4, 1, 2, None, None)
    plane.now += 1
    plane.up(b"h")
    assert plane.reading() == Reading(4, 4, 2, 2, 106.0, 106.0)


@pytest.mark.parametrize("mark", [Mark(total=5), Mark(uplink=3), Mark(downlink=2), Mark(packets=2), Mark(9, 3, 9)])
def test_a_mark_is_told_once(plane: Plane, mark: Mark) -> None:
    plane.apply(*METERED, meters=(Meter(1, tell=mark),))
    plane.up(b"a")
    assert plane.events == []
    plane.up(b"bc")
    plane.down(b"de", b"fg")
    assert plane.events == [BudgetSpent(SEID, 1)]


def test_a_mark_that_has_been_passed_is_told_when_it_is_set(plane: Plane) -> None:
    plane.apply(*METERED, meters=(Meter(1),))
    plane.up(b"abc")
    plane.apply(*METERED, meters=(Meter(1, tell=Mark(total=3)),))
    assert plane.events == [BudgetSpent(SEID, 1)]


def test_an_exhausted_quota_stops_both_directions(plane: Plane) -> None:
    plane.apply(*METERED, meters=(Meter(1, tell=Mark(total=5), stop=Mark(total=5)),))
    plane.up(b"abc")
    plane.down(b"def", b"g")
    plane.up(b"h")
    assert plane.sent() == [b"abc", b"def"]
    assert plane.events == [BudgetSpent(SEID, 1)]
    assert plane.reading()[:2] == (3, 3)
    plane.apply(*METERED, meters=(Meter(1, stop=Mark(total=7)),))
    plane.up(b"i", b"j")
    assert plane.sent() == [b"abc", b"def", b"i"]


def test_an_exhausted_quota_may_lead_elsewhere(plane: Plane) -> None:
    plane.apply(replace(METERED[0], exhausted=Decapsulate("portal")), meters=(Meter(1, stop=AT_ONCE),))
    plane.up(b"a")
    assert plane.out == [("portal", b"a")]
    assert plane.reading() == UNREAD


def test_what_a_gate_or_a_buffer_holds_back_is_not_metered(plane: Plane) -> None:
    closed = replace(METERED[0], action=Drop())
    plane.apply(closed, replace(BUFFERING, urr_ids=(1,)), meters=(Meter(1),))
    plane.up(b"abc")
    plane.down(b"de")
    assert plane.reading() == UNREAD
    plane.apply(closed, METERED[1], meters=(Meter(1),))
    assert plane.reading() == Reading(0, 2, 0, 1, 100.0, 100.0)


def test_the_last_reading_of_a_meter_that_goes_is_returned(plane: Plane) -> None:
    assert plane.apply(*METERED, meters=(Meter(1), Meter(2))) == {}
    assert plane.apply(*METERED, meters=(Meter(1),)) == {2: UNREAD}
    plane.up(b"abc")
    assert plane.apply(*METERED, meters=(Meter(1),)) == {}
    assert plane.apply() == {1: Reading(3, 0, 1, 0, 100.0, 100.0)}
