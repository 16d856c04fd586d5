"""What every link engine does to real packets, between two namespaces."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest

from testbed import netns
from testbed.links.engine import EmulatedLink, LinkEngineError, netem_available
from testbed.links.profile import LinkProfile, Queue
from tests.support.link_rig import OVERHEAD, Rig, ip_batch, percentile, rig

pytestmark = pytest.mark.netns

LATE_MS = 3.0
"""How late the median packet may be on a machine that is busy with other things."""


@pytest.fixture(params=["wire", "netem"])
def link(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    if request.param == "netem" and not netem_available():
        pytest.skip("netem: this kernel cannot create a netem qdisc")
    with rig(request.param, tmp_path) as running:
        yield running


@pytest.mark.parametrize("delay_ms", [1.0, 20.0])
def test_every_packet_is_delayed_by_the_profile(link: Rig, delay_ms: float) -> None:
    link.add(LinkProfile(delay_ms=delay_ms))
    with link.traffic() as traffic:
        traffic.paced(200, per_second=1000)
        delays = [arrival.delay_ms for arrival in traffic.arrivals(200)]
    assert len(delays) == 200
    assert min(delays) >= delay_ms
    assert median(delays) < delay_ms + LATE_MS


def test_directions_have_their_own_profiles(link: Rig) -> None:
    link.add(LinkProfile(delay_ms=30), LinkProfile(delay_ms=5))
    with link.traffic() as there, link.traffic_back() as back:
        there.paced(50, per_second=1000)
        back.paced(50, per_second=1000)
        assert 30 <= median(arrival.delay_ms for arrival in there.arrivals(50)) < 30 + LATE_MS
        assert 5 <= median(arrival.delay_ms for arrival in back.arrivals(50)) < 5 + LATE_MS


def test_a_transparent_profile_passes_everything(link: Rig) -> None:
    link.add(LinkProfile())
    with link.traffic() as traffic:
        traffic.paced(100, per_second=1000)
        arrivals = traffic.arrivals(100)
    assert [arrival.sequence for arrival in arrivals] == list(range(100))


def test_jitter_spreads_the_delay_around_its_mean(link: Rig) -> None:
    link.add(LinkProfile(delay_ms=20, jitter_ms=4))
    with link.traffic() as traffic:
        # Far enough apart that keeping the order hardly matters.
        traffic.paced(150, per_second=75)
        delays = [arrival.delay_ms for arrival in traffic.arrivals(150)]
    assert 17 < median(delays) < 23 + LATE_MS
    # 10 to 90% of a normal distribution are 2.56 standard deviations: 10.3 ms.
    assert 6 < percentile(delays, 90) - percentile(delays, 10) < 16


def test_jitter_keeps_the_order(link: Rig) -> None:
    link.add(LinkProfile(delay_ms=10, jitter_ms=5))
    with link.traffic() as traffic:
        traffic.paced(1000, per_second=2000)
        arrivals = traffic.arrivals(1000)
    assert [arrival.sequence for arrival in arrivals] == list(range(1000))
    delays = [arrival.delay_ms for arrival in arrivals]
    assert max(delays) - min(delays) > 3


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


@pytest.mark.parametrize("rate_bps", [2_000_000, 50_000_000])
def test_a_limited_link_carries_its_rate(link: Rig, rate_bps: int) -> None:
    link.add(LinkProfile(rate_bps=rate_bps, queue=Queue(ms=3000)))
    count = rate_bps // 20_000
    with link.traffic() as traffic:
        traffic.blast(count, size=1250)
        arrivals = traffic.arrivals(count)
    assert len(arrivals) == count
    settled = arrivals[count // 5 :]
    seconds = (settled[-1].received_ns - settled[0].received_ns) / 1e9
    assert (len(settled) - 1) * (1250 + OVERHEAD) * 8 / seconds == pytest.approx(rate_bps, rel=0.04)


def test_the_queue_of_a_limited_link_is_bounded(link: Rig) -> None:
    link.add(LinkProfile(rate_bps=10_000_000, queue=Queue(ms=20)))
    with link.traffic() as traffic:
        traffic.blast(400, size=1250)
        arrivals = traffic.arrivals(400, quiet_s=0.5)
    assert 10 < percentile([arrival.delay_ms for arrival in arrivals], 90) < 25 + LATE_MS
    counters = link.engine.counters()[0].a_to_b
    assert counters.dropped_queue == 400 - len(arrivals) > 200
    assert counters.dropped_error == 0


def test_a_change_takes_effect_on_the_running_link(link: Rig) -> None:
    link.add(LinkProfile(delay_ms=1))
    with link.traffic() as traffic:
        for profile in (LinkProfile(delay_ms=1), LinkProfile(delay_ms=40), LinkProfile(delay_ms=10)):
            link.change(profile)
            traffic.paced(100, per_second=1000)
            delay = median(arrival.delay_ms for arrival in traffic.arrivals(100))
            assert profile.delay_ms <= delay < profile.delay_ms + LATE_MS
        link.change(LinkProfile(loss=1.0))
        traffic.paced(100, per_second=1000)
        assert traffic.arrivals(1, quiet_s=0.2) == []


def test_a_change_leaves_packets_on_their_way_alone(link: Rig) -> None:
    link.add(LinkProfile(delay_ms=300))
    with link.traffic() as traffic:
        traffic.blast(10)
        link.change(LinkProfile())
        assert min(arrival.delay_ms for arrival in traffic.arrivals(10)) >= 300


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
