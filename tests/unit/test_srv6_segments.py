"""The fewest segments, against trying all lists; what they do, against a packet that follows them."""

from __future__ import annotations

from ipaddress import IPv6Network
from itertools import pairwise, product

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from controllers.srv6.lsdb import Link, Lsdb
from controllers.srv6.paths import Metric, routing_graph
from controllers.srv6.segments import (
    AdjacencySegment,
    MtuBudget,
    NodeSegment,
    Segment,
    encapsulation_bytes,
    pin,
    rank,
    resolve,
    toward_service,
)
from controllers.srv6.sids import Behavior, allocate
from tests.support.srv6_graphs import database, databases, real_map, simple_paths, square, walks


@settings(deadline=None)
@given(databases(5), st.data())
def test_no_shorter_list_pins_the_path(db: Lsdb, data: st.DataObject) -> None:
    igp = routing_graph(db, Metric.IGP)
    paths = list(simple_paths(igp, min(db.nodes), max(db.nodes)))
    assume(paths)
    path = data.draw(st.sampled_from(paths))
    segments = pin(igp, path)
    assert walks(igp, path[0], segments) == {path}
    every: list[Segment] = [NodeSegment(node) for node in path]
    every += [AdjacencySegment(*step) for step in pairwise(path)]
    for length in range(len(segments) + 1):
        for other in product(every, repeat=length):
            if walks(igp, path[0], other) == {path}:
                assert rank(other) >= rank(segments)


def test_delay_paths_of_a_real_map_are_pinned_over_its_igp() -> None:
    db = real_map("topozoo/Abilene")
    igp, delay = routing_graph(db, Metric.IGP), routing_graph(db, Metric.HOPS)
    for source, target in product(db.nodes, repeat=2):
        path = delay.path(source, target)
        assert path is not None
        assert walks(igp, source, pin(igp, path)) == {path}


def test_an_adjacency_where_there_are_two_ways() -> None:
    igp = routing_graph(square(), Metric.IGP)
    assert pin(igp, ("a", "b")) == (NodeSegment("b"),)
    assert pin(igp, ("a", "b", "c")) == (AdjacencySegment("b", "c"),)
    assert pin(igp, ("a",)) == pin(igp, ()) == ()


def test_an_adjacency_crosses_a_link_that_no_shortest_path_takes() -> None:
    igp = routing_graph(database([Link("a", "b", igp_metric=30), Link("a", "c"), Link("c", "b")]), Metric.IGP)
    assert pin(igp, ("a", "b")) == (AdjacencySegment("a", "b"),)


def test_sids_of_segments_and_the_service_at_their_end() -> None:
    db = square()
    table = allocate(IPv6Network("fcbb:bb00::/32"), "abcd", sorted(db.links)).allocate(
        [("c", Behavior.END_DT4, "shop")]
    )
    service = table.find("c", Behavior.END_DT4, "shop")
    sids = resolve([AdjacencySegment("a", "d"), NodeSegment("c")], table)
    assert [str(sid) for sid in sids] == ["fcbb:bb00:1:e001:: End.X d", "fcbb:bb00:3:: End"]
    assert toward_service(sids, service) == (sids[0], service)
    assert toward_service(sids[:1], service) == (sids[0], service)
    assert toward_service((), service) == (service,)


@pytest.mark.parametrize(("segments", "size"), [(1, 40), (2, 64), (3, 80)])
def test_sizes_of_encapsulation(segments: int, size: int) -> None:
    assert encapsulation_bytes(segments) == size


def test_budget() -> None:
    budget = MtuBudget(link_mtu=1580, inner_mtu=1500)
    assert budget.problem(3, 3) == ""
    assert budget.problem(4, 4) == "4 segments add 96 bytes to packets of 1500: 1596, over the MTU 1580"
    packed = "121 SIDs, in 21 segments, add 368 bytes to packets of 8744: 9112, over the MTU 9000"
    assert MtuBudget(9000, 8744).problem(21, 121) == packed
    assert MtuBudget(9000, 1500).problem(128, 128) == "128 segments are too many: an SRH holds 127"
