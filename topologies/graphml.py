"""A topology from GraphML, as the Topology Zoo and networkx write it.

Of nodes: `label`, `Longitude` and `Latitude` (or `name`, `lon` and `lat`). Of edges: `distance_km`, or `distance` with
its unit, else the great circle between the nodes; `tier`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import networkx as nx

from testbed.errors import InputError, Problem
from testbed.graph import Graph, Tier
from topologies.importers import Edge, ImportParams, Vertex, WrongValueError, distance_km, imported, tier

NODE = "{http://graphml.graphdrawing.org/xmlns}node"

EARTH_KM = 6371.0
"""Mean radius (IUGG)."""


def read_graphml(path: Path, params: ImportParams) -> Graph:
    """The graph in the file at `path`; of parallel edges, and of the directions of one, the shortest is the link.

    InputError with all problems, ParameterError for roles of nodes that are not there.
    """
    whole, problems = _read(path)
    vertices = _vertices(whole, problems)
    edges = _edges(whole, vertices, params.tier, problems)
    if problems:
        raise InputError(str(path), problems)
    return imported(path, list(vertices.values()), edges, params)


def _read(path: Path) -> tuple[nx.Graph[Any], list[Problem]]:
    """The graph, and the ends of edges that are no nodes: networkx would make them."""
    try:
        whole: nx.Graph[Any] = nx.read_graphml(path)
        declared = {element.get("id") for element in ElementTree.parse(path).iter(NODE)}
    except OSError as error:
        raise InputError(str(path), [Problem("file", error.strerror or str(error), "a readable file")]) from error
    except (ElementTree.ParseError, nx.NetworkXException, LookupError, ValueError, AttributeError, TypeError) as error:
        # networkx lets out what its parsing of attributes raises.
        raise InputError(str(path), [Problem("file", f"{type(error).__name__}: {error}", "GraphML")]) from error
    return whole, [
        Problem(f'edge "{a}" to "{b}"', f'"{end}"', "nodes of the file")
        for a, b in whole.edges()
        for end in (a, b)
        if end not in declared
    ]


def _vertices(whole: nx.Graph[Any], problems: list[Problem]) -> dict[str, Vertex]:
    """Id → node, without a position where what the file says is added to `problems`."""
    vertices: dict[str, Vertex] = {}
    for key, data in whole.nodes(data=True):
        label = _label(key, data, vertices)
        vertices[key] = Vertex(label)
        try:
            vertices[key] = Vertex(label, _position(data))
        except WrongValueError as error:
            problems.append(Problem(f'node "{key}"', error.got, error.want))
    return vertices


def _edges(whole: nx.Graph[Any], vertices: Mapping[str, Vertex], default: Tier, problems: list[Problem]) -> list[Edge]:
    """One edge for each pair of nodes that has any; what is wrong is added to `problems`."""
    edges: dict[frozenset[str], Edge] = {}
    for a, b, data in whole.edges(data=True):
        pair = frozenset((a, b))
        try:
            edge = _edge(vertices[a], vertices[b], data, default)
            edges[pair] = min(edges.get(pair, edge), edge, key=lambda edge: edge.distance_km)
        except WrongValueError as error:
            problems.append(Problem(f'edge "{a}" to "{b}"', error.got, error.want))
    return list(edges.values())


def _label(key: str, data: Mapping[str, Any], others: Mapping[str, Vertex]) -> str:
    """What the file calls the node, with its id if another one is called so too."""
    label = str(data.get("label") or data.get("name") or key)
    return f"{label} {key}" if label in {vertex.label for vertex in others.values()} else label


def _position(data: Mapping[str, Any]) -> tuple[float, float] | None:
    place = (data.get("Longitude", data.get("lon")), data.get("Latitude", data.get("lat")))
    if place == (None, None):
        return None
    try:
        east, north = (float(str(degrees)) for degrees in place)
    except ValueError:
        east = north = math.nan
    if not (-180 <= east <= 180 and -90 <= north <= 90):
        raise WrongValueError(f"{place[0]} east and {place[1]} north", "degrees, of both")
    return east, north


def _edge(a: Vertex, b: Vertex, data: Mapping[str, Any], default: Tier) -> Edge:
    if a == b:
        raise WrongValueError("both ends at one node", "two nodes")
    text = f"{data['distance_km']}km" if "distance_km" in data else data.get("distance")
    length = _great_circle_km(a.position, b.position) if text is None else distance_km(text)
    return Edge(a.label, b.label, length, tier(data.get("tier", default)))


def _great_circle_km(a: tuple[float, float] | None, b: tuple[float, float] | None) -> float:
    """The length of the great circle between two places (the haversine formula); 0 if one of them is not known."""
    if a is None or b is None:
        return 0.0
    east_a, north_a, east_b, north_b = map(math.radians, (*a, *b))
    across = math.cos(north_a) * math.cos(north_b) * math.sin((east_b - east_a) / 2) ** 2
    chord = math.sin((north_b - north_a) / 2) ** 2 + across
    return round(2 * EARTH_KM * math.asin(math.sqrt(min(1.0, chord))), 3)
