"""Paths against brute force over random graphs, and against networkx."""

from __future__ import annotations

from itertools import pairwise

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.srv6.lsdb import Link, Lsdb
from controllers.srv6.paths import (
    COST,
    Constraints,
    FlexAlgo,
    Metric,
    bounded_path,
    flex_algo_graph,
    path_cost,
    routing_graph,
)
from tests.support.srv6_graphs import COLOURS, database, databases, real_map, simple_paths, square

COLOUR_SETS = st.frozensets(st.sampled_from(COLOURS), max_size=1)
CONSTRAINTS = st.builds(Constraints, COLOUR_SETS, COLOUR_SETS, COLOUR_SETS, COLOUR_SETS)


@given(databases(), st.sampled_from(Metric), CONSTRAINTS)
def test_shortest_paths_are_those_that_trying_all_finds(db: Lsdb, metric: Metric, constraints: Constraints) -> None:
    graph = routing_graph(db, metric, constraints)
    source, target = min(db.nodes), max(db.nodes)
    tried = sorted((path_cost(graph, path), path) for path in simple_paths(graph, source, target))
    shortest = [path for cost, path in tried if cost == tried[0][0]]
    assert graph.distance(source, target) == (tried[0][0] if tried else None)
    assert graph.path(source, target) == (shortest[0] if tried else None)
    assert graph.spf(source).count.get(target, 0) == len(shortest)
    steps = {step for path in shortest for step in pairwise(path)}
    onward = graph.successors(source, target)
    assert {(node, hop) for node, hops in onward.items() for hop in hops} == steps


@given(databases(), CONSTRAINTS)
def test_constraints_hold_on_every_link(db: Lsdb, constraints: Constraints) -> None:
    graph = flex_algo_graph(db, FlexAlgo(128, Metric.TE, constraints))
    for link in db.usable:
        kept = link.target in graph.costs[link.source]
        excluded = link.affinities & constraints.exclude_any or link.srlgs & constraints.exclude_srlgs
        missing = constraints.include_all - link.affinities
        none_of = constraints.include_any and not constraints.include_any & link.affinities
        assert kept == (not excluded and not missing and not none_of)


@given(databases(), st.integers(1, 12))
def test_least_cost_within_a_delay_is_what_trying_all_finds(db: Lsdb, bound: int) -> None:
    costs, delays = routing_graph(db, Metric.TE), routing_graph(db, Metric.DELAY)
    source, target = min(db.nodes), max(db.nodes)
    tried = [path for path in simple_paths(costs, source, target) if path_cost(delays, path) <= bound]
    best = min(((path_cost(costs, path), path_cost(delays, path), path) for path in tried), default=None)
    assert bounded_path(costs, delays, (source, target), bound) == (best[2] if best else None)


@pytest.mark.parametrize("metric", Metric)
def test_a_real_map_as_networkx_has_it(metric: Metric) -> None:
    db = real_map("topozoo/Chinanet")
    reference: nx.DiGraph[str] = nx.DiGraph()
    reference.add_weighted_edges_from((link.source, link.target, COST[metric](link)) for link in db.usable)
    graph = routing_graph(db, metric)
    for source, distances in nx.all_pairs_dijkstra_path_length(reference):
        assert graph.spf(source).distance == distances
    for target in sorted(db.nodes):
        expected = [tuple(path) for path in nx.all_shortest_paths(reference, "Shanghai", target, weight="weight")]
        assert graph.spf("Shanghai").count[target] == len(expected)
        assert graph.path("Shanghai", target) == min(expected)


def test_next_hops_and_ties() -> None:
    graph = routing_graph(square(), Metric.IGP)
    assert graph.next_hops("a", "c") == ("b", "d")
    assert graph.path("a", "c") == ("a", "b", "c")
    assert graph.next_hops("a", "a") == ()
    assert graph.without({("a", "b")}).path("a", "c") == ("a", "d", "c")


def test_a_link_without_delay_is_not_free() -> None:
    assert routing_graph(square(), Metric.DELAY).distance("a", "c") == 2


def test_what_cannot_be_reached() -> None:
    graph = routing_graph(database([Link("a", "b"), Link("c", "d")]), Metric.IGP)
    assert graph.path("a", "d") is None
    assert graph.next_hops("a", "d") == ()
    assert graph.distance("a", "d") is None


def test_numbers_of_flex_algos() -> None:
    with pytest.raises(ValueError, match="128 to 255"):
        FlexAlgo(127, Metric.TE)
