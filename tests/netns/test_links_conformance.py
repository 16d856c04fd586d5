"""What every link engine does to real packets, between two namespaces."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from itertools import pairwise
from math import sqrt
from pathlib import Path
from statistics import NormalDist, linear_regression, mean, median

import pytest

from testbed import netns
from testbed.links.engine import DirectionCounters, EmulatedLink, LinkEngineError
from testbed.links.profile import Distribution, GilbertElliott, LinkProfile, Queue, QueueDiscipline
from tests.support.link_frames import HEADER, Frames, binomial_bounds, bursts, differing_bits
from tests.support.link_rig import OVERHEAD, Rig, Traffic, ip_batch, netem_available, percentile, rig

pytestmark = pytest.mark.netns

OFFERED = 240
"""Packets of 1250 bytes to a link of 2 Mbit/s, 5 ms each."""


@pytest.fixture(params=["wire", "netem"])
def link(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    if request.param == "netem" and not netem_available():
        pytest.skip("netem: this kernel cannot create a netem qdisc")
    with rig(request.param, tmp_path) as running:
        yield running


def delays(traffic: Traffic, count: int) -> list[float]:
    """Of that many packets, all of which come through."""
    traffic.paced(count, per_second=1000)
    found = [arrival.delay_ms for arrival in traffic.arrivals(count)]
    assert len(found) == count
    return found


def test_every_packet_is_delayed_by_the_profile(link: Rig) -> None:
    link.add(LinkProfile())
    quickest = {}
    with link.traffic() as traffic:
        for delay_ms in (0.0, 1.0, 20.0, 80.0):
            link.change(LinkProfile(delay_ms=delay_ms))
            found = delays(traffic, 200)
            assert min(found) >= delay_ms
            quickest[delay_ms] = min(found)
    # A busy machine makes packets late, but hardly all of 200, and not by more where the delay is longer.
    assert median(found) < 1.2 * quickest[80.0]
    assert quickest[80.0] - quickest[20.0] == pytest.approx(60, rel=0.05)
    assert quickest[20.0] - quickest[1.0] == pytest.approx(19, rel=0.05)


def test_directions_have_their_own_profiles(link: Rig) -> None:
    link.add(LinkProfile(delay_ms=30), LinkProfile(delay_ms=5))
    with link.traffic() as there, link.traffic_back() as back:
        assert min(delays(there, 50)) >= 30 > min(delays(back, 50)) >= 5


def test_a_transparent_profile_passes_everything(link: Rig) -> None:
    link.add(LinkProfile())
    with link.traffic() as traffic:
        traffic.paced(100, per_second=1000)
        arrivals = traffic.arrivals(100)
    assert [arrival.sequence for arrival in arrivals] == list(range(100))


def pareto_share(deviations: float) -> float:
    """The share of a Pareto distribution of shape 3, of mean zero and standard deviation one, below a value."""
    value = 1.5 + deviations * sqrt(0.75)
    return 1 - value**-3 if value > 1 else 0.0


@pytest.mark.parametrize(
    ("distribution", "share_below"),
    [
        (Distribution.UNIFORM, lambda deviation: min(1.0, max(0.0, (deviation + 1) / 2))),
        (Distribution.NORMAL, NormalDist().cdf),
        (Distribution.PARETO, pareto_share),
    ],
)
def test_jitter_has_its_distribution(
    link: Rig, distribution: Distribution, share_below: Callable[[float], float]
) -> None:
    link.add(LinkProfile(delay_ms=500, jitter_ms=100, distribution=distribution, reorder=True))
    count = 4000
    with link.traffic() as traffic:
        traffic.paced(count, per_second=4000)
        found = sorted(arrival.delay_ms for arrival in traffic.arrivals(count, quiet_s=3))
    assert len(found) == count
    shares = [share_below((delay - 500) / 100) for delay in found]
    distance = max(max(abs(share - i / count), abs(share - (i + 1) / count)) for i, share in enumerate(shares))
    # Kolmogorov and Smirnov at one in a thousand, and room for packets a millisecond late (Pareto's: half of one).
    assert distance < 1.95 / sqrt(count) + 0.012


def test_jitter_from_a_table_draws_its_entries(link: Rig) -> None:
    table = (-40.0, 0.0, 0.0, 80.0)
    link.add(LinkProfile(delay_ms=100, distribution=Distribution.TABLE, jitter_table=table, reorder=True))
    count = 2000
    with link.traffic() as traffic:
        traffic.paced(count, per_second=4000)
        found = [arrival.delay_ms for arrival in traffic.arrivals(count)]
    for entry in set(table):
        low, high = binomial_bounds(count, table.count(entry) / len(table))
        assert low < sum(abs(delay - 100 - entry) < 20 for delay in found) < high


def test_jitter_keeps_the_order(link: Rig) -> None:
    link.add(LinkProfile(delay_ms=10, jitter_ms=5))
    with link.traffic() as traffic:
        traffic.paced(1000, per_second=2000)
        arrivals = traffic.arrivals(1000)
    assert [arrival.sequence for arrival in arrivals] == list(range(1000))
    spread = [arrival.delay_ms for arrival in arrivals]
    assert max(spread) - min(spread) > 3


def test_reordering_happens_where_the_profile_allows_it(link: Rig) -> None:
    link.add(LinkProfile(delay_ms=10, jitter_ms=5, reorder=True))
    with link.traffic() as traffic:
        traffic.paced(1000, per_second=2000)
        order = [arrival.sequence for arrival in traffic.arrivals(1000)]
    assert sorted(order) == list(range(1000))
    assert sum(after < before for before, after in pairwise(order)) > 200


def losses(link: Rig, profile: LinkProfile, count: int) -> list[bool]:
    """For each packet in turn whether it was lost."""
    link.add(profile)
    with link.traffic() as traffic:
        traffic.paced(count, per_second=40_000)
        came = {arrival.sequence for arrival in traffic.arrivals(count, quiet_s=0.3)}
    return [sequence not in came for sequence in range(count)]


def test_losses_come_in_bursts_of_the_chain(link: Rig) -> None:
    count, p, r = 20_000, 0.02, 0.25
    lost = losses(link, LinkProfile(loss_bursts=GilbertElliott(p, r)), count)
    runs = bursts(lost)
    # Bursts begin with a renewal of the chain; their lengths are geometric, with mean 1/r.
    expected = count * p * r / (p + r)
    assert abs(len(runs) - expected) < 5 * sqrt(expected)
    assert abs(mean(runs) - 1 / r) < 5 * sqrt(1 - r) / r / sqrt(len(runs))


def test_both_states_of_the_chain_lose_their_share(link: Rig) -> None:
    count, chain = 20_000, GilbertElliott(p=0.2, r=0.2, loss_bad=0.5, loss_good=0.1)
    lost = losses(link, LinkProfile(loss_bursts=chain), count)
    # Neighbours are alike, which widens the binomial's bounds by half.
    assert abs(sum(lost) - count * 0.3) < 7.5 * sqrt(count * 0.3 * 0.7)
    again = mean(after for before, after in pairwise(lost) if before)
    # After a loss the chain was bad with 5/6, and has stayed so with 0.8: 0.7 · 0.5 + 0.3 · 0.1.
    assert again == pytest.approx(0.38, abs=0.04)


def test_a_loss_trace_is_followed_to_the_letter(link: Rig) -> None:
    if link.engine.name == "netem":
        pytest.skip("netem cannot follow a loss trace")
    trace = (False, True, True, False, False, False, True)
    assert losses(link, LinkProfile(loss_trace=trace), 700) == list(trace) * 100


def test_duplicates_are_as_many_as_the_profile_says_and_follow_their_packet(link: Rig) -> None:
    link.add(LinkProfile(duplicate=0.1))
    with link.traffic() as traffic:
        traffic.paced(5000, per_second=20_000)
        order = [arrival.sequence for arrival in traffic.arrivals(10_000, quiet_s=0.3)]
    low, high = binomial_bounds(5000, 0.1)
    assert low < len(order) - 5000 < high
    assert sorted(set(order)) == list(range(5000))
    assert order == sorted(order)


def test_a_corrupted_packet_differs_in_one_bit(link: Rig) -> None:
    link.add(LinkProfile(corrupt=0.2))
    frame = HEADER + bytes(range(100))
    with Frames(link.a) as source, Frames(link.b) as sink:
        source.send(frame, count=3000)
        changed = [differing_bits(frame, received) for received in sink.received()]
    assert len(changed) == 3000
    assert set(changed) == {0, 1}
    low, high = binomial_bounds(3000, 0.2)
    assert low < sum(changed) < high


def test_no_checksum_hides_a_corruption(link: Rig) -> None:
    link.add(LinkProfile(corrupt=1.0))
    with link.traffic() as traffic:
        traffic.blast(500)
        came = len(traffic.arrivals(500, quiet_s=0.3))
    # Netem flips bits of the Ethernet header too, of which 6 of 106 bytes may be wrong without harm: the source's.
    assert came <= (60 if link.engine.name == "netem" else 0)


def test_loss_takes_the_share_of_the_profile_and_no_other_packet(link: Rig) -> None:
    link.add(LinkProfile(loss=0.05))
    with link.traffic() as traffic:
        traffic.paced(20_000, per_second=40_000)
        arrivals = traffic.arrivals(20_000, quiet_s=0.5)
    lost = 20_000 - len(arrivals)
    # The standard deviation is 31 packets: five of them on either side.
    assert 1000 - 155 < lost < 1000 + 155
    counters = link.engine.counters()[0].a_to_b
    assert (counters.packets, counters.dropped_loss) == (len(arrivals), lost)
    gaps = [after.sequence - before.sequence - 1 for before, after in pairwise(arrivals)]
    assert max(gaps) < 10


@pytest.mark.parametrize("rate_bps", [1_000_000, 10_000_000, 100_000_000])
def test_a_limited_link_carries_its_rate(link: Rig, rate_bps: int) -> None:
    link.add(LinkProfile(rate_bps=rate_bps, queue=Queue(ms=3000)))
    size = 1250
    count = max(40, rate_bps // 25_000)
    rates = []
    with link.traffic() as traffic:
        for _ in range(3):
            traffic.blast(count, size=size)
            arrivals = traffic.arrivals(count)
            assert len(arrivals) == count
            # The slope of a line through all of them, which a single late packet does not move.
            settled = [arrival.received_ns / 1e9 for arrival in arrivals[count // 5 :]]
            rates.append((size + OVERHEAD) * 8 / linear_regression(range(len(settled)), settled).slope)
    assert median(rates) == pytest.approx(rate_bps, rel=0.01)


@pytest.mark.parametrize(
    "queue", [Queue(ms=100), Queue(bytes=25_000), Queue(packets=20)], ids=["ms", "bytes", "packets"]
)
def test_the_queue_of_a_limited_link_is_bounded(link: Rig, queue: Queue) -> None:
    link.add(LinkProfile(rate_bps=2_000_000, queue=queue))
    with link.traffic() as traffic:
        traffic.blast(200, size=1250)
        arrivals = traffic.arrivals(200, quiet_s=0.5)
    # 20 frames or 103 ms, and the one that is being sent.
    assert percentile([arrival.delay_ms for arrival in arrivals], 90) == pytest.approx(100, rel=0.25)
    counters = link.engine.counters()[0].a_to_b
    assert counters.dropped_queue == 200 - len(arrivals) > 100
    assert counters.dropped_error == 0


def overloaded(link: Rig, discipline: QueueDiscipline) -> DirectionCounters:
    """What an ECN-capable sender meets that offers twice the rate for 0.6 s, with a queue that has room for it all."""
    link.add(LinkProfile(rate_bps=2_000_000, queue=Queue(ms=2000, discipline=discipline)))
    with link.traffic() as traffic:
        traffic.sender.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 2)
        traffic.paced(OFFERED, per_second=400, size=1208)
        traffic.arrivals(OFFERED, quiet_s=0.4)
    return link.engine.counters()[0].a_to_b


def test_a_queue_without_codel_only_grows(link: Rig) -> None:
    counters = overloaded(link, QueueDiscipline.TAIL_DROP)
    assert (counters.packets, counters.dropped_queue) == (OFFERED, 0)


def test_codel_drops_from_a_queue_that_does_not_drain(link: Rig) -> None:
    counters = overloaded(link, QueueDiscipline.CODEL)
    # It waits for an interval of 100 ms, and then drops every 100 ms / √n: 30 in the 1.2 s that this takes.
    assert 15 < counters.dropped_queue < 60


def test_codel_marks_where_the_sender_understands(link: Rig) -> None:
    counters = overloaded(link, QueueDiscipline.CODEL_ECN)
    assert (counters.packets, counters.dropped_queue) == (OFFERED, 0)
    if link.engine.name == "wire":
        assert 15 < counters.marked_ecn < 60


def test_a_cut_link_passes_nothing_until_it_is_mended(link: Rig) -> None:
    link.add(LinkProfile(delay_ms=1))
    with link.traffic() as traffic:
        link.engine.set_up("l", up=False)
        link.change(LinkProfile(delay_ms=2))
        traffic.blast(10)
        assert traffic.arrivals(1, quiet_s=0.2) == []
        link.engine.set_up("l", up=True)
        traffic.send()
        assert [arrival.sequence for arrival in traffic.arrivals(1)] == [10]


def test_a_change_takes_effect_on_the_running_link(link: Rig) -> None:
    link.add(LinkProfile(delay_ms=1))
    with link.traffic() as traffic:
        for delay_ms in (10, 80, 40):
            link.change(LinkProfile(delay_ms=delay_ms))
            assert delay_ms <= min(delays(traffic, 50)) < 2 * delay_ms
        link.change(LinkProfile(loss=1.0))
        traffic.paced(100, per_second=1000)
        assert traffic.arrivals(1, quiet_s=0.2) == []


def test_a_change_leaves_packets_on_their_way_alone(link: Rig) -> None:
    link.add(LinkProfile(delay_ms=300))
    with link.traffic() as traffic:
        traffic.blast(10)
        link.change(LinkProfile())
        assert min(arrival.delay_ms for arrival in traffic.arrivals(10)) >= 300


def test_packets_that_wait_for_the_line_are_served_at_the_new_rate(link: Rig) -> None:
    link.add(LinkProfile(rate_bps=10_000, queue=Queue(packets=100)))
    with link.traffic() as traffic:
        traffic.blast(30, size=1250)
        link.change(LinkProfile(rate_bps=10_000_000, queue=Queue(packets=100)))
        arrivals = traffic.arrivals(30, quiet_s=5)
    assert [arrival.sequence for arrival in arrivals] == list(range(30))
    # At the old rate each would take a second, as the one that was being sent may.
    assert arrivals[-1].delay_ms < 10_000


def test_counters_tell_what_each_direction_carried(link: Rig) -> None:
    link.add(LinkProfile(delay_ms=1), LinkProfile(delay_ms=1))
    with link.traffic() as there, link.traffic_back() as back:
        there.blast(30, size=100)
        back.blast(20, size=200)
        there.arrivals(30)
        back.arrivals(20)
    counted = link.engine.counters()
    assert [counters.name for counters in counted] == ["l"]
    assert (counted[0].a_to_b.packets, counted[0].a_to_b.bytes) == (30, 30 * (100 + OVERHEAD))
    assert (counted[0].b_to_a.packets, counted[0].b_to_a.bytes) == (20, 20 * (200 + OVERHEAD))


def test_jumbo_frames_pass(link: Rig) -> None:
    for namespace, ifname in (
        (link.a, "link0"),
        (link.b, "link0"),
        (link.engine_namespace, link.inner[0]),
        (link.engine_namespace, link.inner[1]),
    ):
        ip_batch(f"link set {ifname} mtu 9000", namespace=namespace)
    link.add(LinkProfile(delay_ms=1, rate_bps=100_000_000))
    with link.traffic() as traffic:
        traffic.blast(20, size=9000 - 28)
        assert len(traffic.arrivals(20)) == 20


def test_the_inner_ends_say_nothing_of_their_own(link: Rig) -> None:
    link.add(LinkProfile(delay_ms=1))
    with netns.entered(link.engine_namespace):
        for ifname in link.inner:
            assert Path(f"/proc/sys/net/ipv6/conf/{ifname}/disable_ipv6").read_text().strip() == "1"


def test_errors_name_the_link(link: Rig) -> None:
    profile = LinkProfile()
    with pytest.raises(LinkEngineError, match=r"^link missing: .*nowhere"):
        link.engine.add([EmulatedLink("missing", "nowhere", link.inner[1], profile, profile)])
    with pytest.raises(LinkEngineError, match=r"^link unknown: there is no link of this name"):
        link.engine.change("unknown", profile, profile)
    link.add(profile)
    with pytest.raises(LinkEngineError, match=r"^link l: a link of this name exists"):
        link.add(profile)


def test_counters_outlive_an_interface(link: Rig) -> None:
    link.add(LinkProfile())
    ip_batch(f"link del {link.inner[0]}", namespace=link.engine_namespace)
    assert [counters.name for counters in link.engine.counters()] == ["l"]


def test_a_closed_engine_carries_nothing(link: Rig) -> None:
    link.add(LinkProfile())
    with link.traffic() as traffic:
        traffic.send()
        assert len(traffic.arrivals(1)) == 1
        link.engine.close()
        traffic.blast(10)
        assert traffic.arrivals(1, quiet_s=0.2) == []
