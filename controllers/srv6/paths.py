"""Shortest path first over the link-state database: by metric, under constraints, with all equal-cost paths.

A `RoutingGraph` is what is left of the database for one purpose: the links that its constraints admit, with one cost
each. The IGP's own graph, that of a flex-algo and that of a dynamic path are made alike. It remembers the SPFs that
were asked of it. Among paths of equal cost the first in the alphabet of nodes is chosen, so that the same database
always gives the same answer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from heapq import heappop, heappush
from itertools import pairwise

from controllers.srv6.lsdb import Link, LinkId, Lsdb

Path = tuple[str, ...]
"""The nodes from headend to endpoint."""


class Metric(StrEnum):
    """What is minimised (RFC 9350 §5.1: IGP metric, min unidirectional link delay, TE default metric; and hops)."""

    IGP = "igp"
    TE = "te"
    DELAY = "delay"
    HOPS = "hops"


COST: dict[Metric, Callable[[Link], int]] = {
    Metric.IGP: lambda link: link.igp_metric,
    Metric.TE: lambda link: link.te_metric,
    # At least 1 µs: at no cost, packets could circle.
    Metric.DELAY: lambda link: max(1, link.delay_us),
    Metric.HOPS: lambda _: 1,
}
"""Metric → the cost of a link."""


@dataclass(frozen=True)
class Constraints:
    """Which links may be used (RFC 9350 §6: exclude admin group, include-any, include-all, exclude SRLG)."""

    exclude_any: frozenset[str] = frozenset()
    include_any: frozenset[str] = frozenset()
    include_all: frozenset[str] = frozenset()
    exclude_srlgs: frozenset[str] = frozenset()

    def admits(self, link: Link) -> bool:
        """Whether the four rules of RFC 9350 §13 let `link` in."""
        return (
            self.exclude_any.isdisjoint(link.affinities)
            and self.exclude_srlgs.isdisjoint(link.srlgs)
            and not (self.include_any and self.include_any.isdisjoint(link.affinities))
            and self.include_all <= link.affinities
        )


@dataclass(frozen=True)
class FlexAlgo:
    """A flexible algorithm's definition (RFC 9350 §4): its number from 128 to 255, metric and constraints."""

    number: int
    metric: Metric
    constraints: Constraints = field(default_factory=Constraints)

    def __post_init__(self) -> None:
        if not 128 <= self.number <= 255:
            raise ValueError(f"flex-algo {self.number}: want a number from 128 to 255 (RFC 9350 §4)")


@dataclass(frozen=True)
class Spf:
    """From one node: distance, number of shortest paths and previous hops on them, of every node that is reached."""

    distance: Mapping[str, int]
    count: Mapping[str, int]
    predecessors: Mapping[str, list[str]]


@dataclass(frozen=True, eq=False)
class RoutingGraph:
    """Node → neighbour → cost, at least 1; every node has an entry."""

    costs: Mapping[str, Mapping[str, int]]
    _known: dict[str, Spf] = field(default_factory=dict, init=False, repr=False)

    def spf(self, source: str) -> Spf:
        """The shortest paths from `source`; KeyError if there is no such node."""
        if source not in self._known:
            self._known[source] = _dijkstra(self.costs, source)
        return self._known[source]

    def distance(self, source: str, target: str) -> int | None:
        """The cost of the shortest paths; None if `target` cannot be reached."""
        return self.spf(source).distance.get(target)

    def successors(self, source: str, target: str) -> dict[str, tuple[str, ...]]:
        """The ECMP graph: each node on a shortest path from `source` to `target` → its next hops there, sorted."""
        spf = self.spf(source)
        if target not in spf.distance:
            return {}
        onward: dict[str, list[str]] = {target: []}
        waiting = [target]
        for node in waiting:
            for before in spf.predecessors[node]:
                if before not in onward:
                    onward[before] = []
                    waiting.append(before)
                onward[before].append(node)
        return {node: tuple(sorted(hops)) for node, hops in onward.items()}

    def next_hops(self, node: str, target: str) -> tuple[str, ...]:
        """What `node`'s routing table has for `target`: several for ECMP, none if it is `target` or cannot reach it."""
        return self.successors(node, target).get(node, ())

    def routes(self, source: str) -> dict[str, tuple[str, ...]]:
        """The whole routing table of `source`: each other node that it reaches → its next hops there, sorted."""
        spf = self.spf(source)
        hops: dict[str, frozenset[str]] = {}
        # A node's previous hops come before it, since no link is free.
        for node in sorted(spf.distance, key=lambda node: spf.distance[node]):
            before = spf.predecessors[node]
            hops[node] = frozenset().union(*(hops[hop] if hop != source else {node} for hop in before))
        return {node: tuple(sorted(first)) for node, first in hops.items() if node != source}

    def path(self, source: str, target: str) -> Path | None:
        """The shortest path that comes first in the alphabet; None if `target` cannot be reached."""
        onward = self.successors(source, target)
        if not onward:
            return None
        nodes = [source]
        while nodes[-1] != target:
            nodes.append(onward[nodes[-1]][0])
        return tuple(nodes)

    def without(self, links: Collection[LinkId]) -> RoutingGraph:
        """The graph after `links` are gone."""
        return RoutingGraph(
            {
                node: {peer: cost for peer, cost in peers.items() if (node, peer) not in links}
                for node, peers in self.costs.items()
            }
        )


def routing_graph(
    database: Lsdb, metric: Metric, constraints: Constraints | None = None, avoid: Collection[LinkId] = ()
) -> RoutingGraph:
    """The usable links of `database` that `constraints` admit and `avoid` does not name, by their `metric`."""
    wanted = constraints or Constraints()
    cost = COST[metric]
    costs: dict[str, dict[str, int]] = {node: {} for node in sorted(database.nodes)}
    for link in database.usable:
        if link.id not in avoid and wanted.admits(link):
            costs[link.source][link.target] = cost(link)
    return RoutingGraph(costs)


@dataclass(frozen=True, eq=False)
class Domain:
    """A database and its graphs, each made once."""

    database: Lsdb
    _graphs: dict[tuple[Metric, frozenset[LinkId]], RoutingGraph] = field(default_factory=dict, init=False, repr=False)

    def graph(self, metric: Metric, banned: frozenset[LinkId] = frozenset()) -> RoutingGraph:
        """The usable links but `banned`, by `metric`."""
        key = metric, banned
        if key not in self._graphs:
            self._graphs[key] = routing_graph(self.database, metric, avoid=banned)
        return self._graphs[key]

    @property
    def igp(self) -> RoutingGraph:
        """The graph by which locators are routed."""
        return self.graph(Metric.IGP)

    def delay_us(self, path: Path) -> int:
        """The delay of `path`; KeyError where it has no link."""
        return path_cost(self.graph(Metric.DELAY), path)


def flex_algo_graph(database: Lsdb, algorithm: FlexAlgo) -> RoutingGraph:
    """The graph on which the routes of a flex-algo are computed."""
    return routing_graph(database, algorithm.metric, algorithm.constraints)


def path_cost(graph: RoutingGraph, path: Path) -> int:
    """The sum of costs along `path`; KeyError where it has no link."""
    return sum(graph.costs[a][b] for a, b in pairwise(path))


def bounded_path(graph: RoutingGraph, delays: RoutingGraph, ends: tuple[str, str], bound_us: int) -> Path | None:
    """The path of least cost in `graph` whose delay in `delays` is at most `bound_us`; None if there is none.

    Labels leave the heap by cost, so a later one is of use at a node only if it came there with less delay.
    """
    source, target = ends
    heap: list[tuple[int, int, Path]] = [(0, 0, (source,))]
    least_delay: dict[str, int] = {}
    while heap:
        cost, delay, path = heappop(heap)
        node = path[-1]
        if node == target:
            return path
        if delay >= least_delay.get(node, bound_us + 1):
            continue
        least_delay[node] = delay
        for peer, more in graph.costs[node].items():
            later = delay + delays.costs[node][peer]
            if later <= bound_us:
                heappush(heap, (cost + more, later, (*path, peer)))
    return None


def _dijkstra(costs: Mapping[str, Mapping[str, int]], source: str) -> Spf:
    distance, predecessors = {source: 0}, {source: list[str]()}
    count: dict[str, int] = {}
    heap = [(0, source)]
    while heap:
        far, node = heappop(heap)
        if node in count:
            continue
        # All that come before it are final, since no link is free.
        count[node] = sum(count[before] for before in predecessors[node]) or 1
        for peer, cost in costs[node].items():
            known = distance.get(peer)
            if known is None or far + cost < known:
                distance[peer], predecessors[peer] = far + cost, [node]
                heappush(heap, (far + cost, peer))
            elif far + cost == known:
                predecessors[peer].append(node)
    return Spf(distance, count, predecessors)
