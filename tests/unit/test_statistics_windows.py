"""What a time window of samples says."""

from __future__ import annotations

import pytest

from traffic.samples import Delays, HttpSample, StampSample
from traffic.statistics import distribution, http_statistics, percentile, stamp_statistics


def back(seq: int, t: float, up_ms: float = 5.0, down_ms: float = 6.0) -> StampSample:
    return StampSample(seq, t, Delays(up_ms, down_ms, up_ms + down_ms, dwell_ms=0.0))


def lost(seq: int, t: float) -> StampSample:
    return StampSample(seq, t, None)


@pytest.mark.parametrize(
    ("values", "percent", "wanted"),
    [
        ([7], 50, 7),
        ([7], 99, 7),
        ([1, 2], 50, 1),
        ([1, 2, 3], 50, 2),
        (range(1, 101), 95, 95),
        (range(1, 101), 99, 99),
        (range(1, 102), 99, 100),
        (range(1, 101), 100, 100),
    ],
)
def test_percentile_is_the_nearest_rank(values: list[int], percent: int, wanted: int) -> None:
    assert percentile(values, percent) == wanted


def test_distribution_of_unsorted_values() -> None:
    assert distribution([3, 1, 2]) == {"min": 1, "p50": 2, "p95": 3, "p99": 3, "max": 3, "mean": 2}


def test_distribution_of_nothing_is_none() -> None:
    assert set(distribution([]).values()) == {None}


def test_window_holds_its_start_and_not_its_end() -> None:
    samples = [back(0, 9.9), back(1, 10.0), lost(2, 10.5), back(3, 11.0)]
    statistics = stamp_statistics(samples, 10.0, 11.0)
    assert (statistics["sent"], statistics["lost"], statistics["loss"]) == (2, 1, 0.5)


def test_delays_by_direction() -> None:
    statistics = stamp_statistics([back(0, 1.0, 5, 8), back(1, 1.1, 7, 9)], 0, 2)
    assert statistics["rtt_ms"]["min"] == 13
    assert statistics["rtt_ms"]["max"] == 16
    assert statistics["owd_ms"]["up"]["mean"] == 6
    assert statistics["owd_ms"]["down"]["p50"] == 8


def test_longest_gap_is_between_arrivals_not_between_sendings() -> None:
    samples = [back(0, 1.00), back(1, 1.01, up_ms=105), lost(2, 1.02), back(3, 1.13)]
    # arrivals at 1.011, 1.121 and 1.141
    assert stamp_statistics(samples, 0, 2)["longest_gap_ms"] == pytest.approx(110)


def test_a_sender_that_was_held_up_makes_no_gap() -> None:
    samples = [back(0, 1.00, 5, 5), back(1, 1.50, 5, 5), back(2, 1.51, 5, 5)]
    assert stamp_statistics(samples, 0, 2)["longest_gap_ms"] == pytest.approx(10)


def test_lost_probes_make_a_gap_from_when_the_first_of_them_was_sent() -> None:
    samples = [back(0, 1.00, 2, 2), lost(1, 1.01), lost(2, 1.02), back(3, 1.10, 2, 2)]
    assert stamp_statistics(samples, 0, 2)["longest_gap_ms"] == pytest.approx(94)


@pytest.mark.parametrize(("start", "end"), [(1.0, 1.03), (1.03, 1.06), (1.06, 2.0)])
def test_a_gap_counts_in_every_window_that_it_touches(start: float, end: float) -> None:
    samples = [
        back(0, 1.00, 2, 2),
        lost(1, 1.01),
        lost(2, 1.02),
        lost(3, 1.04),
        back(4, 1.10, 2, 2),
        back(5, 1.11, 2, 2),
    ]
    assert stamp_statistics(samples, start, end)["longest_gap_ms"] == pytest.approx(94)


def test_what_never_comes_back_is_a_gap_until_the_last_sending() -> None:
    samples = [back(0, 1.00, 2, 2), back(1, 1.01, 2, 2), lost(2, 1.02), lost(3, 1.52)]
    assert stamp_statistics(samples, 1.5, 2)["longest_gap_ms"] == pytest.approx(500)


@pytest.mark.parametrize("samples", [[], [lost(0, 1.0)], [back(0, 1.0), lost(1, 1.5)]])
def test_no_gap_without_two_replies(samples: list[StampSample]) -> None:
    assert stamp_statistics(samples, 0, 2)["longest_gap_ms"] is None


def test_empty_window() -> None:
    statistics = stamp_statistics([back(0, 5.0)], 0, 2)
    assert (statistics["sent"], statistics["lost"], statistics["loss"]) == (0, 0, None)
    assert statistics["rtt_ms"]["p50"] is None


def test_reply_overtaken_by_a_later_probe_is_reordered() -> None:
    samples = [back(0, 1.00), back(1, 1.01, up_ms=16), back(2, 1.02), back(3, 1.03)]
    assert stamp_statistics(samples, 0, 2)["reordered"] == 1
    assert stamp_statistics(samples[:1] + samples[2:], 0, 2)["reordered"] == 0


def test_http_window_counts_errors_apart_and_servers_by_name() -> None:
    samples = [
        HttpSample(0, 1.0, 10, 20, 30, 1000, "app1"),
        HttpSample(1, 1.5, 12, 24, 36, 1000, "mec1"),
        HttpSample(2, 1.7, 99, error="timed out"),
        HttpSample(3, 2.0, 1, 1, 1, 1000, "app1"),
    ]
    statistics = http_statistics(samples, 1.0, 2.0)
    assert (statistics["requests"], statistics["errors"]) == (3, 1)
    assert statistics["served_by"] == {"app1": 1, "mec1": 1}
    assert statistics["connect_ms"]["max"] == 12
    assert statistics["ttfb_ms"]["p50"] == 20
    assert statistics["total_ms"]["mean"] == 33
