from __future__ import annotations

import pytest

from testbed.bench.figures import Figure
from testbed.bench.link import Measurement, arrival_rate, highest_sustained, percentile, summarise
from testbed.bench.load import BURST, Burst, Sent
from testbed.bench.pairs import LINK, VETH, two_hosts
from testbed.lab.ipbatch import emulated_links


def test_a_figure_is_the_median_of_its_values_and_of_its_baselines() -> None:
    measured = [Measurement("x", value, "us", baseline) for value, baseline in ((9.0, 2.0), (1.0, 1.0), (4.0, 30.0))]
    alone = [Measurement("y", 3.0, "%")]
    assert list(summarise(measured + alone)) == [Figure("x", 4.0, "us", 2.0), Figure("y", 3.0, "%")]


def test_the_search_ends_close_below_the_highest_rate_that_is_sustained() -> None:
    found = highest_sustained(200_000, lambda rate: rate <= 140_000)
    assert 140_000 - 200_000 / 32 <= found <= 140_000


def test_a_single_failure_does_not_mislead_the_search() -> None:
    tried: set[float] = set()

    def sustained(rate: float) -> bool:
        first = rate not in tried
        tried.add(rate)
        return not first and rate <= 140_000

    assert highest_sustained(200_000, sustained) == highest_sustained(200_000, lambda rate: rate <= 140_000)


def test_a_link_that_carries_nothing_sustains_nothing() -> None:
    assert highest_sustained(200_000, lambda rate: False) == 0


def test_the_rate_of_arrivals_leaves_out_the_frame_that_starts_the_clock() -> None:
    assert arrival_rate([0, 1_000_000, 2_000_000], 1250) == pytest.approx(10e6)


def test_percentiles_interpolate() -> None:
    assert percentile([float(value) for value in range(101)], 99) == pytest.approx(99)


def test_what_was_sent_has_a_rate() -> None:
    assert Sent(packets=500, seconds=0.5).per_second == pytest.approx(1000)


@pytest.mark.parametrize(
    ("addresses", "packets", "count"), [(1, BURST, BURST), (200, BURST, 200), (3, 4, 6), (1, 1, 1)]
)
def test_a_burst_reaches_every_address_equally_often(addresses: int, packets: int, count: int) -> None:
    assert Burst([f"10.0.0.{number}" for number in range(addresses)], 64, packets).count == count


def test_of_two_hosts_only_the_veth_pair_needs_no_engine() -> None:
    plan = two_hosts(3)
    assert [link.name for link in plan.links] == [VETH, LINK, "link1", "link2"]
    assert [link.name for link in emulated_links(plan)] == [LINK, "link1", "link2"]
    ports = [port for node in plan.nodes for port in node.interfaces]
    assert len({port.mac for port in ports}) == len({port.addresses for port in ports}) == len(ports) == 8
