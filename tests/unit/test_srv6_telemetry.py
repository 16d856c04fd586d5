"""Damping of measured delays, and the liveness of segment lists."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.srv6.network import Measurement
from controllers.srv6.policy import PolicyId
from controllers.srv6.segments import NodeSegment
from controllers.srv6.selection import ListId
from controllers.srv6.telemetry import Finding, LinkDelay, LinkWindow, ListDown, ListUp, ListWindow, Telemetry, Window

RULES = Measurement(threshold=0.1, least_us=100, hold_ms=5000, lost_windows=3)
LINK = ("a", "b")
LIST: ListId = (PolicyId("a", 1, "c"), (NodeSegment("b"), NodeSegment("c")))
OTHER: ListId = (PolicyId("a", 2, "c"), LIST[1])
ADVERTISED = 2000
"""Of this the threshold is 200 µs."""

HOLD = int(RULES.hold_ms / 1000)


def telemetry(advertised: int = ADVERTISED) -> Telemetry:
    return Telemetry(RULES, {LINK: advertised})


def delay(us: float | None) -> LinkWindow:
    return LinkWindow(LINK, Window(10, 0 if us is None else 10, us, us))


def answered(received: int, sent: int = 10, list_: ListId = LIST) -> ListWindow:
    return ListWindow(list_, Window(sent, received))


def findings(told: Telemetry, delays: Iterable[float | None]) -> list[tuple[int, Finding]]:
    """Second → what followed from that second's window."""
    found = ((now, told.measured(delay(us), now)) for now, us in enumerate(delays))
    return [(now, finding) for now, finding in found if finding is not None]


@pytest.mark.parametrize(
    ("advertised", "measured", "wanted"),
    [
        (2000, 2199.4, None),
        (2000, 2200.0, 2200),
        (2000, 1801.0, None),
        (2000, 1800.0, 1800),
        (500, 599.0, None),  # more than a tenth, but not 100 µs
        (500, 600.0, 600),
        (0, 99.0, None),
        (0, 100.0, 100),
    ],
)
def test_a_delay_is_advertised_if_it_differs_by_both_thresholds(
    advertised: int, measured: float, wanted: int | None
) -> None:
    found = telemetry(advertised).measured(delay(measured), 0.0)
    assert found == (None if wanted is None else LinkDelay(LINK, wanted))


def test_a_change_within_the_hold_time_is_advertised_by_the_first_window_after_it() -> None:
    delays = [5000.0, 9000.0, 9000.0, 9000.0, 9000.0, 9100.0, 9100.0]
    assert findings(telemetry(), delays) == [(0, LinkDelay(LINK, 5000)), (HOLD, LinkDelay(LINK, 9100))]


def test_a_peak_within_the_hold_time_is_never_advertised() -> None:
    assert findings(telemetry(), [5000.0, 9000.0, 9000.0, *[5000.0] * 10]) == [(0, LinkDelay(LINK, 5000))]


def test_a_window_without_an_answer_says_nothing_of_the_delay() -> None:
    assert telemetry().measured(delay(None), 0.0) is None


def test_links_do_not_wait_for_each_other() -> None:
    told = Telemetry(RULES, {LINK: 0, ("b", "a"): 0})
    assert told.measured(delay(500), 0.0) == LinkDelay(LINK, 500)
    assert told.measured(LinkWindow(("b", "a"), Window(1, 1, 700, 700)), 0.0) == LinkDelay(("b", "a"), 700)


def test_an_unknown_link_is_an_error() -> None:
    with pytest.raises(KeyError):
        telemetry().measured(LinkWindow(("a", "z"), Window(1, 1, 1, 1)), 0.0)


some_delays = st.lists(st.none() | st.floats(0, 1e6), max_size=60)


@given(some_delays)
def test_advertised_delays_are_apart_in_time_and_by_the_thresholds(delays: list[float | None]) -> None:
    found = findings(telemetry(), delays)
    assert all(later - earlier >= HOLD for (earlier, _), (later, _) in pairwise(found))
    values = [ADVERTISED, *(finding.delay_us for _, finding in found if isinstance(finding, LinkDelay))]
    assert all(abs(new - old) >= max(0.1 * old, 100) for old, new in pairwise(values))


@given(st.lists(st.floats(ADVERTISED - 199, ADVERTISED + 199), max_size=60))
def test_no_wobble_within_the_threshold_is_ever_advertised(delays: list[float]) -> None:
    assert findings(telemetry(), delays) == []


@given(some_delays, st.floats(0, 1e6))
def test_a_delay_that_stays_is_advertised_after_all(delays: list[float | None], last: float) -> None:
    found = findings(telemetry(), [*delays, *[last] * (HOLD + 1)])
    advertised = found[-1][1].delay_us if found and isinstance(found[-1][1], LinkDelay) else ADVERTISED
    assert abs(round(last) - advertised) < max(0.1 * advertised, 100)


def test_a_list_goes_down_after_windows_without_any_answer_and_comes_up_after_as_many_good_ones() -> None:
    told = telemetry()
    found = [told.measured(answered(received), 0.0) for received in (10, 0, 0, 0, 0, 1, 1, 1, 1)]
    assert found == [None, None, None, ListDown(LIST), None, None, None, ListUp(LIST), None]
    assert told.unanswered == frozenset()


def test_a_window_in_which_nothing_was_sent_does_not_count() -> None:
    told = telemetry()
    windows = [(0, 10), (0, 10), (0, 0), (0, 10)]
    assert [told.measured(answered(*window), 0.0) for window in windows] == [None, None, None, ListDown(LIST)]


def test_lists_are_down_by_themselves_and_forgotten_when_they_are_no_longer_measured() -> None:
    told = telemetry()
    for _ in range(3):
        told.measured(answered(0), 0.0)
        told.measured(answered(1, list_=OTHER), 0.0)
    assert told.unanswered == {LIST}
    told.retain([OTHER])
    assert told.unanswered == frozenset()
    assert told.measured(answered(0), 0.0) is None


@given(st.lists(st.booleans(), max_size=80))
def test_a_list_changes_only_after_as_many_windows_in_a_row(good: list[bool]) -> None:
    told = telemetry()
    for at, window in enumerate(good):
        found = told.measured(answered(int(window)), 0.0)
        if found is not None:
            assert found == (ListUp(LIST) if window else ListDown(LIST))
            assert good[at - 2 : at + 1] == [window] * 3
            assert (LIST in told.unanswered) is not window


@given(st.lists(st.integers(1, 2), max_size=40))
def test_a_list_that_comes_and_goes_stays_up(runs: list[int]) -> None:
    """Losses of one or two windows, again and again."""
    told = telemetry()
    for number, length in enumerate(runs):
        for _ in range(length):
            assert told.measured(answered(number % 2), 0.0) is None
