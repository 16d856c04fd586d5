"""Backbones from real maps: topohub's Topology Zoo, SNDlib and CAIDA. The only module that imports topohub."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import networkx as nx
import topohub


class UnknownMapError(ValueError):
    """There is no such map, or no such city on it; the message says what is wanted."""


@dataclass(frozen=True)
class City:
    """A node of a map; `position` in degrees east and north."""

    name: str
    position: tuple[float, float]


def read_map(name: str) -> nx.Graph[str]:
    """The map called `name`, such as `topozoo/Chinanet`: nodes by city with `city`, edges with `km`."""
    try:
        data: dict[str, Any] = topohub.get(name)
    except (KeyError, FileNotFoundError, OSError, ValueError) as error:
        raise UnknownMapError('a map of topohub, such as "topozoo/Chinanet"') from error
    names = {node["id"]: node.get("name") or str(node["id"]) for node in data["nodes"]}
    result: nx.Graph[str] = nx.Graph()
    for node in data["nodes"]:
        city = City(names[node["id"]], (node["pos"][0], node["pos"][1]))
        result.add_node(city.name, city=city)
    for edge in data["edges"]:
        result.add_edge(names[edge["source"]], names[edge["target"]], km=float(edge["dist"]))
    return result


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


def node_name(city: str) -> str:
    """A city's name as a node's: lower case, letters and digits, at most 12 characters."""
    return re.sub(r"[^a-z0-9]+", "-", city.lower()).strip("-")[:12]
