"""What the netem engine does that needs no netem: joining by redirect, shaping, and refusing what is not there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from testbed.links.engine import EmulatedLink, LinkEngineError, choose, netem_available
from testbed.links.netem import Direction, NetemEngine, TrafficControl, joining, shaping
from testbed.links.profile import LinkProfile
from testbed.netns import NETNS_DIR
from tests.support.link_rig import OVERHEAD, Traffic, join, namespaces

pytestmark = pytest.mark.netns


class Joined:
    """Two nodes joined as the engine joins them, with shapers and without netem."""

    def __init__(self, a: str, b: str, engine: str) -> None:
        self.a, self.b = a, b
        a_end, b_end = join(a, b, engine)
        self.directions = (Direction(a_end, b_end, "shaper1"), Direction(b_end, a_end, "shaper2"))
        self.control = TrafficControl(engine)
        for direction in self.directions:
            self.control.make_end(direction)
        self.shape(LinkProfile())
        for direction in self.directions:
            self.control.redirect(joining(direction))

    def shape(self, profile: LinkProfile) -> None:
        for direction in self.directions:
            self.control.replace(shaping(direction, profile, self.control.mtu(direction.sink)))

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
    assert joined.control.stats()["shaper1"]["packets"] == 100


def test_a_shaper_carries_its_rate_and_drops_at_the_tail(joined: Joined) -> None:
    joined.shape(LinkProfile(rate_bps=20_000_000, queue_ms=100))
    with joined.traffic() as traffic:
        traffic.blast(500, size=1250)
        arrivals = traffic.arrivals(500, quiet_s=0.5)
    settled = arrivals[len(arrivals) // 5 :]
    seconds = (settled[-1].received_ns - settled[0].received_ns) / 1e9
    assert (len(settled) - 1) * (1250 + OVERHEAD) * 8 / seconds == pytest.approx(20_000_000, rel=0.04)
    assert joined.control.stats()["shaper1"]["drop"] == 500 - len(arrivals) > 100


def test_a_change_of_rate_loses_nothing_that_is_queued(joined: Joined) -> None:
    joined.shape(LinkProfile(rate_bps=1_000_000, queue_ms=5000))
    with joined.traffic() as traffic:
        traffic.blast(100, size=1250)
        joined.shape(LinkProfile())
        assert len(traffic.arrivals(100)) == 100


def test_removed_ends_pass_nothing(joined: Joined) -> None:
    for direction in joined.directions:
        joined.control.remove_end(direction)
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


def test_probing_agrees_with_the_choice_and_leaves_nothing_behind() -> None:
    assert choose("auto") == ("netem" if netem_available() else "wire")
    assert not list(NETNS_DIR.glob("bl-probe-*"))
