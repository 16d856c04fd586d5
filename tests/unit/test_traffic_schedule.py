"""Whose turn it is to be probed."""

from __future__ import annotations

from traffic.sessions import MOST_PROBES, Schedule

MS = 10**6


def test_each_has_its_turn_once_an_interval() -> None:
    schedule = Schedule[str]()
    schedule.set("abcd", 100 * MS)
    assert [list(schedule.due(now * MS)) for now in (1000, 1000, 1024, 1025, 1075, 1100)] == [
        ["a"],
        [],
        [],
        ["b"],
        ["c", "d"],
        ["a"],
    ]


def test_after_a_pause_nothing_is_made_up_for() -> None:
    schedule = Schedule[str]()
    schedule.set("abcd", 100 * MS)
    assert [list(schedule.due(now * MS)) for now in (1000, 60_000, 60_025)] == [["a"], ["b"], ["c"]]


def test_there_are_never_more_probes_than_allowed() -> None:
    schedule = Schedule[int]()
    schedule.set(range(1000), 10 * MS)
    list(schedule.due(0))
    assert sum(1 for now in range(1, 1001) for _ in schedule.due(now * MS)) == MOST_PROBES


def test_with_nothing_to_measure_nothing_is_due() -> None:
    schedule = Schedule[str]()
    assert list(schedule.due(10**9)) == []
    schedule.set("", MS)
    assert list(schedule.due(2 * 10**9)) == []
