"""Backbones from real maps: topohub's Topology Zoo, SNDlib and CAIDA. The only module that imports topohub."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, count, pairwise
from typing import Any

import networkx as nx
import topohub


class UnknownMapError(ValueError):
    """There is no such map, or no such city on it; the message says what is wanted."""


@dataclass(frozen=True)
class City:
    """A node of a map and what the map calls it; `position` in degrees east and north."""

    name: str
    position: tuple[float, float]


@dataclass(frozen=True)
class Demand:
    """Traffic from one city to another, in the unit of its source: SNDlib's networks do not all have the same one."""

    source: str
    target: str
    volume: float


def read_map(name: str) -> nx.Graph[str]:
    """The map called `name`, such as `topozoo/Chinanet`: nodes by city with `city`, edges with `km`.

    A city without a name goes by its id; of cities with the same name the second is `London 2`, and so on.
    """
    data = _data(name)
    cities = {node["id"]: City(node.get("name") or str(node["id"]), tuple(node["pos"][:2])) for node in data["nodes"]}
    keys = _keys(data)
    result: nx.Graph[str] = nx.Graph()
    result.add_nodes_from((keys[number], {"city": city}) for number, city in cities.items())
    for edge in data["edges"]:
        result.add_edge(keys[edge["source"]], keys[edge["target"]], km=float(edge["dist"]))
    return result


def read_demands(name: str) -> tuple[Demand, ...]:
    """The demands of the map called `name`, between cities as `read_map` calls them; none but with SNDlib's maps.

    A network of undirected demands has each pair once.
    """
    data = _data(name)
    keys = _keys(data)
    return tuple(
        Demand(keys[source], keys[target], float(volume))
        for source, targets in data["graph"]["demands"].items()
        for target, volume in targets.items()
    )


def _data(name: str) -> dict[str, Any]:
    try:
        data: dict[str, Any] = topohub.get(name)
    except (KeyError, FileNotFoundError, OSError, ValueError) as error:
        raise UnknownMapError('a map of topohub, such as "topozoo/Chinanet"') from error
    return data


def _keys(data: dict[str, Any]) -> dict[int | str, str]:
    """A node's id → what its city is called here."""
    names = {node["id"]: node.get("name") or str(node["id"]) for node in data["nodes"]}
    return dict(zip(names, _unique(names.values(), " "), strict=True))


def disjoint_paths(whole: nx.Graph[str], source: str, target: str) -> tuple[tuple[str, ...], ...]:
    """Node-disjoint paths between two cities, as many as there are, of least length together; the shortest first.

    A minimum-cost flow over the map with every city split into an entrance and an exit of capacity one.
    """
    split: nx.DiGraph[tuple[str, str]] = nx.DiGraph()
    for city in whole:
        wide = len(whole) if city in (source, target) else 1
        split.add_edge((city, "in"), (city, "out"), capacity=wide, weight=0)
    for a, b, data in whole.edges(data=True):
        for here, there in ((a, b), (b, a)):
            split.add_edge((here, "out"), (there, "in"), capacity=1, weight=round(data["km"] * 100))
    flow = nx.max_flow_min_cost(split, (source, "in"), (target, "out"))
    used: nx.DiGraph[str] = nx.DiGraph()
    for (city, side), onward in flow.items():
        if side == "out":
            used.add_edges_from((city, there) for (there, _), units in onward.items() if units)
    paths = [tuple(path) for path in nx.node_disjoint_paths(used, source, target)]
    return tuple(sorted(paths, key=lambda path: length_km(whole, path)))


def length_km(whole: nx.Graph[str], path: tuple[str, ...]) -> float:
    """The length of a path of cities."""
    return float(sum(whole.edges[a, b]["km"] for a, b in pairwise(path)))


def node_names(cities: Collection[str], taken: Iterable[str]) -> dict[str, str]:
    """City → its node's name: lower case, letters, digits and hyphens, a number where others or `taken` have it."""
    return dict(zip(cities, _unique(map(_node_name, cities), "", taken), strict=True))


def _node_name(city: str) -> str:
    """At most 12 characters, which leaves room for a number."""
    ascii_only = unicodedata.normalize("NFKD", city).encode("ascii", "ignore").decode()
    name = re.sub(r"[^a-z0-9]+", "-", ascii_only.lower()).strip("-")[:12].rstrip("-")
    return name if name[:1].isalpha() else f"p{name}"[:12]


def _unique(names: Iterable[str], separator: str, taken: Iterable[str] = ()) -> Iterator[str]:
    """Every name as it is the first time, and with a number from then on."""
    used = set(taken)
    for name in names:
        numbered = (f"{name}{separator}{number}" for number in count(2))
        free = next(candidate for candidate in chain([name], numbered) if candidate not in used)
        used.add(free)
        yield free
