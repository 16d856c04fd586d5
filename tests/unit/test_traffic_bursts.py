"""Whose turn it is to be probed, in bursts."""

from __future__ import annotations

from collections import Counter

import pytest

from traffic.sessions import MOST_PROBES, Bursts

MS = 10**6


@pytest.mark.parametrize("count", [1, 20, 39, 60, 130, 250])
@pytest.mark.parametrize("interval_ms", [100, 20, 5])
def test_each_has_its_turn_once_an_interval(count: int, interval_ms: int) -> None:
    bursts = Bursts(range(count), interval_ms * MS)
    turns: Counter[int] = Counter()
    clock, end = 0, 10 * max(interval_ms * MS, count * 10**9 // MOST_PROBES)
    while clock < end * 0.999:
        turns.update(bursts.next())
        clock += bursts.spacing
    assert turns == dict.fromkeys(range(count), 10)


def test_up_to_twenty_go_together_and_more_in_more_bursts() -> None:
    assert [len(Bursts(range(count), 100 * MS).next()) for count in (1, 20, 39, 40, 200)] == [1, 20, 39, 20, 20]


def test_bursts_are_some_milliseconds_apart() -> None:
    assert [Bursts(range(40), interval_ms * MS).spacing / MS for interval_ms in (100, 8)] == [50, 8]


def test_there_are_never_more_probes_than_allowed() -> None:
    bursts = Bursts(range(1000), 10 * MS)
    sent = clock = 0
    while clock < 10**9:
        sent += len(bursts.next())
        clock += bursts.spacing
    assert sent == pytest.approx(MOST_PROBES, rel=0.05)


def test_with_nothing_to_measure_nothing_is_due() -> None:
    assert not Bursts((), MS).next()


def test_what_would_be_the_same_need_not_begin_again() -> None:
    bursts = Bursts((1, 2), MS)
    assert bursts.are((1, 2), MS)
    assert not bursts.are((1, 2, 3), MS)
    assert not bursts.are((1, 2), 2 * MS)
