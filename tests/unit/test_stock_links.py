"""TCLink's parameters as a link's profile."""

from __future__ import annotations

from testbed.links.profile import LinkProfile, Queue
from topologies.stock_links import tc_profile


def test_every_parameter_has_its_place() -> None:
    assert tc_profile(bw=10, delay="5ms", jitter="1ms", loss=2, max_queue_size=100, use_htb=True) == LinkProfile(
        delay_ms=5.0, jitter_ms=1.0, loss=0.02, rate_bps=10_000_000, queue=Queue(packets=100)
    )


def test_a_rate_alone_leaves_the_queue_as_it_is_by_default() -> None:
    assert tc_profile(bw=0.5) == LinkProfile(rate_bps=500_000)


def test_without_a_rate_nothing_waits_in_a_queue() -> None:
    assert tc_profile(max_queue_size=100).transparent
