"""The tables by which netem is told of a distribution."""

from __future__ import annotations

import struct
from statistics import fmean, median, pstdev

import pytest

from testbed.links.jitter import TABLE_MAX, jitter_table
from testbed.links.profile import Distribution, LinkProfile


def drawn(profile: LinkProfile) -> list[float]:
    """Every deviation in milliseconds that netem can draw, as its tabledist() computes it."""
    jitter = jitter_table(profile)
    numbers = struct.unpack(f"={len(jitter.table) // 2}h", jitter.table)
    return [jitter.jitter_ns * number / 8192 / 1e6 for number in numbers]


def test_a_uniform_distribution_has_jitter_for_its_half_width() -> None:
    deviations = drawn(LinkProfile(jitter_ms=3, distribution=Distribution.UNIFORM))
    assert max(deviations) == pytest.approx(3, abs=0.002)
    assert min(deviations) == pytest.approx(-3, abs=0.002)
    for share in (0.1, 0.5, 0.9):
        assert deviations[int(share * len(deviations))] == pytest.approx(6 * share - 3, abs=0.002)


def test_a_normal_distribution_has_jitter_for_its_standard_deviation() -> None:
    deviations = drawn(LinkProfile(jitter_ms=3))
    assert fmean(deviations) == pytest.approx(0, abs=0.003)
    assert pstdev(deviations) == pytest.approx(3, rel=0.01)
    assert sum(abs(value) < 3 for value in deviations) / len(deviations) == pytest.approx(0.683, abs=0.001)


def test_a_pareto_distribution_has_a_long_tail_that_is_not_cut() -> None:
    deviations = drawn(LinkProfile(jitter_ms=2, distribution=Distribution.PARETO))
    # Shape 3, minimum 1: mean 1.5, median 2^(1/3), standard deviation 0.866; a thousandth lies above 10.
    assert fmean(deviations) == pytest.approx(0, abs=0.01)
    assert median(deviations) == pytest.approx((2 ** (1 / 3) - 1.5) / 0.866 * 2, abs=0.005)
    assert deviations[-len(deviations) // 1000] == pytest.approx((10 - 1.5) / 0.866 * 2, rel=0.02)


def test_a_table_of_ones_own_is_taken_as_it_is() -> None:
    profile = LinkProfile(distribution=Distribution.TABLE, jitter_table=(5.0, -1.0, 0.25))
    assert drawn(profile) == pytest.approx([-1.0, 0.25, 5.0], abs=0.001)


def test_a_table_longer_than_the_kernels_is_thinned_evenly() -> None:
    values = tuple(i / 1000 for i in range(100_000))
    deviations = drawn(LinkProfile(distribution=Distribution.TABLE, jitter_table=values))
    assert len(deviations) == TABLE_MAX
    assert fmean(deviations) == pytest.approx(fmean(values), rel=0.001)


@pytest.mark.parametrize("table", [(0.0,), (0.0, 0.0)])
def test_a_table_without_deviations_is_still_one(table: tuple[float, ...]) -> None:
    assert set(drawn(LinkProfile(distribution=Distribution.TABLE, jitter_table=table))) == {0.0}
