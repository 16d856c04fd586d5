"""Graphs for the SRv6 core: drawn by hypothesis, and real maps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hypothesis import strategies as st

from controllers.srv6.lsdb import Link, Lsdb, lsdb
from controllers.srv6.paths import Path, RoutingGraph
from controllers.srv6.segments import AdjacencySegment, Segment
from testbed.units import fibre_delay_ms
from topologies.backbone import read_map

COLOURS = ("gold", "red")

TEN_MAPS = (
    "topozoo/Abilene",
    "topozoo/Bics",
    "topozoo/Chinanet",
    "topozoo/Geant2012",
    "topozoo/Garr201201",
    "topozoo/Janetbackbone",
    "sndlib/germany50",
    "sndlib/india35",
    "sndlib/nobel-eu",
    "sndlib/cost266",
)


def square() -> Lsdb:
    """a–b–c–d–a, all metrics alike: two equal ways to the opposite corner."""
    return database([Link("a", "b"), Link("b", "c"), Link("c", "d"), Link("a", "d")])


def database(links: Iterable[Link]) -> Lsdb:
    """The database of `links`, each both ways, and the nodes that they join."""
    both = [way for link in links for way in link.both_ways()]
    return lsdb(sorted({link.source for link in both}), both)


@st.composite
def databases(draw: st.DrawFn, most_nodes: int = 7) -> Lsdb:
    """Small graphs with few different metrics, so that equal-cost paths are common; not always connected."""
    nodes = "abcdefgh"[: draw(st.integers(2, most_nodes))]
    pairs = [(a, b) for index, a in enumerate(nodes) for b in nodes[index + 1 :]]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, min_size=1))
    ways = [pair for a, b in chosen for pair in ((a, b), (b, a))]
    metric = st.integers(1, 3)
    some = st.frozensets(st.sampled_from(COLOURS))
    links = [Link(*way, draw(metric), draw(metric), draw(metric), draw(metric), draw(some), draw(some)) for way in ways]
    return lsdb(nodes, links)


def real_map(name: str) -> Lsdb:
    """A map of topohub: IGP metric by hundreds of km, delay by length; 10 Gbit/s.

    Links lie in ducts by twos: those of a city to the next two in the alphabet.
    """
    cities = read_map(name)
    ducts = {
        frozenset((city, peer)): f"{city} {index // 2}"
        for city in cities
        for index, peer in enumerate(sorted(peer for peer in cities[city] if peer > city))
    }
    links = (
        Link(
            a,
            b,
            igp_metric=max(1, round(data["km"] / 100)),
            te_metric=10,
            delay_us=round(fibre_delay_ms(data["km"]) * 1000),
            bandwidth_bps=10**10,
            srlgs=frozenset({ducts[frozenset((a, b))]}),
        )
        for a, b, data in cities.edges(data=True)
    )
    return lsdb(sorted(cities), [way for link in links for way in link.both_ways()])


def simple_paths(graph: RoutingGraph, source: str, target: str, before: Path = ()) -> Iterator[Path]:
    """Every path without a loop, by trying."""
    if source == target:
        yield (*before, source)
        return
    for peer in graph.costs[source]:
        if peer not in before:
            yield from simple_paths(graph, peer, target, (*before, source))


def walks(igp: RoutingGraph, node: str, segments: tuple[Segment, ...]) -> set[Path]:
    """Every way that a packet at `node` can take by `segments`, hop by hop, ECMP and all."""
    if not segments:
        return {(node,)}
    segment = segments[0]
    if node != segment.node:
        return {(node, *rest) for hop in igp.next_hops(node, segment.node) for rest in walks(igp, hop, segments)}
    if isinstance(segment, AdjacencySegment):
        return {(node, *rest) for rest in walks(igp, segment.peer, segments[1:])}
    return walks(igp, node, segments[1:])
