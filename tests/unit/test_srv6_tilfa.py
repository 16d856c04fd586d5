"""TI-LFA: random graphs and maps by simulation, the fewest segments by trying all, and cases by hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.srv6.lsdb import Link, Lsdb
from controllers.srv6.paths import Metric, Path, routing_graph
from controllers.srv6.segments import AdjacencySegment, NodeSegment, Segment
from controllers.srv6.tilfa import Protection, Repair, all_repairs, failed_links, repairs
from tests.support.srv6_graphs import database, databases, walks
from tests.support.srv6_repairs import check_link, check_map, stays_on_post_convergence_path


@given(databases(6), st.sampled_from(Protection))
def test_repairs_of_random_graphs(db: Lsdb, protection: Protection) -> None:
    before = routing_graph(db, Metric.IGP)
    for node, peers in before.costs.items():
        for peer in peers:
            check_link(db, before, (node, peer), protection)


@given(databases(5))
def test_no_shorter_list_repairs(db: Lsdb) -> None:
    before = routing_graph(db, Metric.IGP)
    every: list[Segment] = [NodeSegment(node) for node in before.costs]
    every += [AdjacencySegment(node, peer) for node, peers in before.costs.items() for peer in peers]
    for link, of_link in all_repairs(db, before, Protection.LINK).items():
        after = before.without(failed_links(db, link, Protection.LINK))
        for repair in of_link.values():
            shorter = (other for length in range(len(repair.segments)) for other in product(every, repeat=length))
            assert not any(stays_on_post_convergence_path(before, after, repair, other) for other in shorter), repair


@pytest.mark.parametrize("name", ["topozoo/Abilene", "sndlib/nobel-eu"])
def test_every_link_of_a_map(name: str) -> None:
    check_map(name, Protection.LINK)


def test_every_node_of_a_map() -> None:
    check_map("topozoo/Abilene", Protection.NODE)


def ring(*metrics: int) -> Lsdb:
    names = "abcdefgh"[: len(metrics)]
    return database(Link(a, b, igp_metric=metric) for a, b, metric in zip(names, names[1:] + "a", metrics, strict=True))


def repair_of(db: Lsdb, link: str, destination: str, protection: Protection = Protection.LINK) -> Repair:
    return repairs(db, routing_graph(db, Metric.IGP), (link[0], link[1]), protection)[destination]


def test_a_neighbour_that_is_loop_free_needs_no_segment() -> None:
    repair = repair_of(ring(1, 1, 1), "ab", "b")
    assert (repair.via, repair.segments) == ("c", ())


def test_p_and_q_space_meet_in_one_node() -> None:
    # From e, d is reached clear of a-b but b is not; from d, b is.
    assert repair_of(ring(1, 1, 1, 1, 1), "ab", "b").segments == (NodeSegment("d"),)


def test_p_and_q_space_are_neighbours() -> None:
    assert repair_of(ring(1, 1, 5, 1), "ab", "b").segments == (AdjacencySegment("d", "c"),)


def test_p_and_q_space_are_apart() -> None:
    # Toward b, e to d and d to c are dearer than all the way round by a: each has to be forced.
    db = ring(1, 1, 1, 1, 1)
    for step in (("e", "d"), ("d", "c")):
        db = db.with_link(replace(db.links[step], igp_metric=20))
    repair = repair_of(db, "ab", "b")
    assert (repair.via, repair.segments) == ("e", (AdjacencySegment("e", "d"), AdjacencySegment("d", "c")))


def test_a_node_is_gone_round_and_itself_reached_by_another_link() -> None:
    db = ring(1, 1, 1, 1)
    assert repair_of(db, "ab", "b", Protection.NODE).against is Protection.LINK
    beyond = database([*(db.links[pair[0], pair[1]] for pair in ("ab", "bc", "cd", "da")), Link("c", "x")])
    repair = repair_of(beyond, "ab", "c", Protection.NODE)
    assert (repair.via, repair.segments, repair.against) == ("d", (), Protection.NODE)


def test_links_that_share_a_duct_are_gone_together() -> None:
    duct = frozenset({"duct"})
    links = [Link("a", "b", srlgs=duct), Link("a", "c", srlgs=duct), Link("c", "b"), Link("a", "d"), Link("d", "b")]
    db = database([*links, Link("c", "d")])
    assert repair_of(db, "ab", "b").via == "c"
    repair = repair_of(db, "ab", "b", Protection.SRLG)
    assert (repair.via, repair.against) == ("d", Protection.SRLG)


def test_what_a_failure_cuts_off_has_no_repair() -> None:
    db = database([Link("a", "b"), Link("b", "c")])
    assert repairs(db, routing_graph(db, Metric.IGP), ("a", "b"), Protection.LINK) == {}


def test_ways_are_all_equal_cost_ways() -> None:
    before = routing_graph(ring(1, 1, 1, 1), Metric.IGP)
    ways: set[Path] = walks(before, "a", (NodeSegment("c"),))
    assert ways == {("a", "b", "c"), ("a", "d", "c")}
