"""What the netem engine does that needs no netem: joining by redirect, shaping, and refusing what is not there."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import pytest
from mininet.net import Mininet

from testbed import netns
from testbed.errors import HostError
from testbed.links.engine import EmulatedLink, LinkEngineError, choose
from testbed.links.netem import Direction, NetemEngine, joining, make_stages, queueing, remove_stages, shaping
from testbed.links.profile import GilbertElliott, LinkProfile, Queue, QueueDiscipline
from testbed.links.traffic_control import TrafficControl
from testbed.netns import NETNS_DIR
from tests.support.link_rig import OVERHEAD, Rig, Traffic, join, namespaces, netem_available, rig
from tests.support.polling import eventually
from topologies.stock_links import BearerLink

pytestmark = pytest.mark.netns


class Joined:
    """Two nodes joined as the engine joins them, with shapers and without netem."""

    def __init__(self, a: str, b: str, engine: str) -> None:
        self.a, self.b = a, b
        a_end, b_end = join(a, b, engine)
        self.directions = (Direction(a_end, b_end, 1), Direction(b_end, a_end, 2))
        self.control = TrafficControl(engine)
        for direction in self.directions:
            make_stages(self.control, direction)
        self.shape(LinkProfile())
        for direction in self.directions:
            self.control.redirect(joining(direction))

    def shape(self, profile: LinkProfile) -> None:
        for direction in self.directions:
            mtu = self.control.mtu(direction.sink)
            self.control.replace(shaping(direction, profile, mtu))
            self.control.replace(queueing(direction, profile, mtu))

    def traffic(self) -> Traffic:
        return Traffic(self.a, self.b, "10.9.0.2")


@pytest.fixture
def joined() -> Iterator[Joined]:
    with ExitStack() as stack:
        joined = Joined(*stack.enter_context(namespaces("a", "b", "engine")))
        stack.callback(joined.control.close)
        yield joined


def test_joined_ends_pass_everything_both_ways(joined: Joined) -> None:
    with joined.traffic() as there, Traffic(joined.b, joined.a, "10.9.0.1") as back:
        there.blast(100)
        back.blast(100)
        assert [arrival.sequence for arrival in there.arrivals(100)] == list(range(100))
        assert [arrival.sequence for arrival in back.arrivals(100)] == list(range(100))
    assert joined.control.stats()["shaper1"].packets == 100


def test_a_shaper_carries_its_rate_and_drops_at_the_tail(joined: Joined) -> None:
    joined.shape(LinkProfile(rate_bps=2_000_000, queue=Queue(ms=400)))
    with joined.traffic() as traffic:
        traffic.blast(300, size=1250)
        arrivals = traffic.arrivals(300, quiet_s=0.5)
    settled = arrivals[len(arrivals) // 5 :]
    seconds = (settled[-1].received_ns - settled[0].received_ns) / 1e9
    assert (len(settled) - 1) * (1250 + OVERHEAD) * 8 / seconds == pytest.approx(2_000_000, rel=0.04)
    assert joined.control.stats()["shaper1"].dropped == 300 - len(arrivals) > 100


def test_a_change_of_rate_loses_nothing_that_is_queued(joined: Joined) -> None:
    joined.shape(LinkProfile(rate_bps=1_000_000, queue=Queue(ms=5000)))
    with joined.traffic() as traffic:
        traffic.blast(100, size=1250)
        joined.shape(LinkProfile())
        assert len(traffic.arrivals(100)) == 100


def test_removed_ends_pass_nothing(joined: Joined) -> None:
    for direction in joined.directions:
        remove_stages(joined.control, direction)
    with joined.traffic() as traffic:
        traffic.blast(10)
        assert traffic.arrivals(1, quiet_s=0.2) == []
    assert "shaper1" not in joined.control.stats()


def test_what_cannot_be_added_is_named_and_leaves_nothing_behind() -> None:
    with namespaces("engine") as (middle,):
        engine = NetemEngine(middle)
        with pytest.raises(LinkEngineError, match=r"^link l: .*no interface nowhere"):
            engine.add([EmulatedLink("l", "nowhere", "neither", LinkProfile(), LinkProfile())])
        assert engine.counters() == ()
        engine.close()
        control = TrafficControl(middle)
        assert "shaper1" not in control.stats()
        control.close()


def test_a_rate_beyond_the_attributes_is_refused() -> None:
    with namespaces("a", "b", "engine") as (a, b, middle):
        engine = NetemEngine(middle)
        with pytest.raises(LinkEngineError, match=r"^link l: got 100000000000 bit/s; want at most"):
            engine.add([EmulatedLink("l", *join(a, b, middle), LinkProfile(rate_bps=10**11), LinkProfile())])
        engine.close()


def test_a_qdisc_that_the_kernel_lacks_is_named(joined: Joined) -> None:
    codel = Queue(packets=10, discipline=QueueDiscipline.CODEL)
    try:
        joined.shape(LinkProfile(rate_bps=10**6, queue=codel))
    except HostError as error:
        assert error.capability == "codel"
        assert "cannot create a codel qdisc; modprobe sch_codel" in str(error)
        return
    assert joined.control.stats()["shaper1"].marked == 0


@pytest.mark.parametrize("queue", [Queue(packets=30), Queue(bytes=30 * (1250 + OVERHEAD))])
def test_a_queue_holds_what_it_is_given(joined: Joined, queue: Queue) -> None:
    joined.shape(LinkProfile(rate_bps=100_000, queue=queue))
    with joined.traffic() as traffic:
        traffic.blast(100, size=1250)
        # On top comes what the bucket let through at once, and one for each 100 ms that the sender took.
        assert len(traffic.arrivals(100)) in range(30, 36)


def test_a_queue_changes_its_unit_and_back(joined: Joined) -> None:
    for queue in (Queue(packets=5), Queue(ms=100), Queue(packets=7), Queue(bytes=9000)):
        joined.shape(LinkProfile(rate_bps=10_000_000, queue=queue))
        with joined.traffic() as traffic:
            traffic.blast(5)
            assert len(traffic.arrivals(5)) == 5


@pytest.fixture
def link(tmp_path: Path) -> Iterator[Rig]:
    if not netem_available():
        pytest.skip("sch_netem: this kernel does not have the module")
    with rig("netem", tmp_path) as running:
        yield running


def test_reordering_is_there_when_asked_for_and_goes_again(link: Rig) -> None:
    def in_order() -> bool:
        with link.traffic() as traffic:
            traffic.paced(200, per_second=1000)
            sequences = [arrival.sequence for arrival in traffic.arrivals(200)]
        assert len(sequences) == 200
        return sequences == sorted(sequences)

    link.add(LinkProfile(delay_ms=50, jitter_ms=20, reorder=True))
    assert not in_order()
    link.change(LinkProfile(delay_ms=50, jitter_ms=20))
    assert in_order()


def test_losses_come_in_bursts(link: Rig) -> None:
    link.add(LinkProfile(loss_bursts=GilbertElliott(p=0.02, r=0.25)))
    with link.traffic() as traffic:
        traffic.blast(10_000)
        arrivals = traffic.arrivals(10_000)
    lost = 10_000 - len(arrivals)
    bursts = sum(after.sequence != before.sequence + 1 for before, after in pairwise(arrivals))
    # Mean loss is p / (p + r) = 7.4% with a standard deviation of 0.7%; bursts are 4 packets on average, here of 185.
    assert 400 < lost < 1100
    assert 3 < lost / bursts < 5.2
    link.change(LinkProfile())
    with link.traffic() as traffic:
        traffic.blast(100)
        assert len(traffic.arrivals(100)) == 100


def test_packets_come_twice(link: Rig) -> None:
    link.add(LinkProfile(duplicate=0.2))
    with link.traffic() as traffic:
        traffic.blast(2000)
        arrivals = traffic.arrivals(3000)
    assert {arrival.sequence for arrival in arrivals} == set(range(2000))
    # The standard deviation is 18 packets.
    assert 2310 < len(arrivals) < 2490


def test_corrupted_packets_fail_their_checksum_until_that_is_over(link: Rig) -> None:
    link.add(LinkProfile(corrupt=1.0))
    with link.traffic() as traffic:
        traffic.blast(300, size=1000)
        # Netem flips bits of the Ethernet header too, where no checksum tells: 0.6% hit the source's address.
        assert len(traffic.arrivals(300)) < 15
    link.change(LinkProfile())
    with link.traffic() as traffic:
        traffic.blast(100, size=1000)
        assert len(traffic.arrivals(100)) == 100


def test_lost_packets_use_up_no_rate(link: Rig) -> None:
    link.add(LinkProfile(loss=0.5, rate_bps=1_000_000, queue=Queue(packets=60)))
    with link.traffic() as traffic:
        traffic.blast(100, size=1250)
        traffic.arrivals(100)
    counters = link.engine.counters()[0].a_to_b
    assert 25 < counters.dropped_loss < 75
    assert counters.packets == 100 - counters.dropped_loss - counters.dropped_queue
    # With the loss behind the rate the queue would have overflowed.
    assert counters.dropped_queue < 20


@pytest.mark.parametrize("discipline", [QueueDiscipline.CODEL, QueueDiscipline.CODEL_ECN])
def test_codel_keeps_a_standing_queue_short(link: Rig, discipline: QueueDiscipline) -> None:
    link.add(LinkProfile(rate_bps=2_000_000, queue=Queue(packets=1000, discipline=discipline)))
    with link.traffic() as traffic:
        traffic.sender.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 2)  # ECT(0)
        traffic.blast(600, size=1250)
        arrivals = traffic.arrivals(600)
    counters = link.engine.counters()[0].a_to_b
    if discipline is QueueDiscipline.CODEL:
        assert counters.dropped_queue == 600 - len(arrivals) > 5
        assert counters.marked_ecn == 0
    else:
        assert len(arrivals) == 600
        assert counters.marked_ecn > 5


def test_a_cut_link_takes_the_carrier_and_what_is_on_its_way(link: Rig) -> None:
    def carrier() -> str:
        with netns.entered(link.a):
            return subprocess.run(("ip", "link", "show", "link0"), capture_output=True, text=True, check=True).stdout

    link.add(LinkProfile(delay_ms=2000))
    with link.traffic() as traffic:
        traffic.blast(10)
        link.engine.set_up("l", up=False)
        eventually(carrier, lambda shown: "NO-CARRIER" in shown)
        assert traffic.arrivals(1, quiet_s=3) == []
        link.change(LinkProfile(delay_ms=1))
        link.engine.set_up("l", up=True)
        eventually(carrier, lambda shown: "LOWER_UP" in shown)
        traffic.blast(10)
        assert len(traffic.arrivals(10)) == 10


def test_a_loss_trace_is_refused_and_the_link_goes_on(link: Rig) -> None:
    link.add(LinkProfile(delay_ms=1))
    with pytest.raises(LinkEngineError, match=r"^link l: netem cannot follow a loss trace.*wire"):
        link.change(LinkProfile(loss_trace=(True,)))
    with link.traffic() as traffic:
        traffic.blast(10)
        assert len(traffic.arrivals(10)) == 10


def test_nodes_of_mininet_send_the_packets_that_netem_counts() -> None:
    if not netem_available():
        pytest.skip("sch_netem: this kernel does not have the module")
    # Mininet would raise limits of the whole machine first.
    Mininet.inited = True
    net = Mininet(controller=None)
    h1, h2 = (net.addHost(name) for name in ("h1", "h2"))
    try:
        net.addLink(h1, h2, cls=BearerLink, delay="5ms", bw=10, max_queue_size=50)
        for node in (h1, h2):
            offloads = node.cmd(f"ethtool -k {node}-eth0")
            assert "tx-tcp-segmentation: off" in offloads, offloads
            assert "generic-segmentation-offload: off" in offloads
    finally:
        net.stop()


def test_probing_agrees_with_the_choice_and_leaves_nothing_behind() -> None:
    assert choose("auto") == ("netem" if netem_available() else "wire")
    assert not list(NETNS_DIR.glob("bl-probe-*"))
