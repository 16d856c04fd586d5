"""Sightings of one packet → its way."""

from __future__ import annotations

from ipaddress import ip_address

from traffic.srheader import Headers, IpHeader
from traffic.trail import Sighting, follow

HEADERS = Headers((IpHeader(ip_address("10.1.0.2"), ip_address("10.2.0.2"), 17),), b"")


def seen(at: int, node: str, ifname: str, *, out: bool) -> Sighting:
    return Sighting(at, node, ifname, out, HEADERS)


WAY = [
    seen(0, "h1", "r1", out=True),
    seen(0, "r1", "h1", out=False),
    seen(5, "r1", "h2", out=True),
    seen(9, "h2", "r1", out=False),
]


def test_the_way_in_the_order_of_time() -> None:
    trail = follow(reversed(WAY), {"h2"})
    assert [(hop.node, hop.at) for hop in trail.hops] == [("h1", 0), ("r1", 0), ("h2", 9)]
    assert [hop.departure.ifname if hop.departure else None for hop in trail.hops] == ["r1", "h2", None]
    assert trail.end == "arrived at h2"


def test_where_it_was_lost() -> None:
    assert follow([], {"h2"}).end == "lost before it was on a wire"
    assert follow(WAY[:2], {"h2"}).end == "lost in r1"
    assert follow(WAY[:3], {"h2"}).end == "lost beyond r1 (interface h2)"
    assert not follow(WAY, {"h3"}).arrived


def test_a_node_that_is_passed_twice_is_two_hops() -> None:
    back = [seen(12, "h2", "r1", out=True), seen(13, "r1", "h2", out=False)]
    assert [hop.node for hop in follow([*WAY, *back], set()).hops] == ["h1", "r1", "h2", "r1"]
