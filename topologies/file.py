"""A topology from a file: nodes and links as YAML, or a Jinja2 template of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import networkx as nx
from pydantic import AfterValidator, Field, FiniteFloat, ValidationError

from testbed.errors import InputError, Problem
from testbed.graph import LAYER2, Graph, Link, Node, Role, Tier
from testbed.plan.addressing import RESERVED_NAMES
from testbed.scenario.base import Name, Strict
from testbed.scenario.template import read_data
from testbed.units import DistanceKm
from testbed.validation import problem

MAX_LINKS, MAX_LANS, MAX_PORTS = 30_000, 250, 250
"""So many links, LANs (and CPEs), and nodes on one LAN the plan has addresses for."""


def _of_a_topology(role: Role) -> Role:
    if role is Role.EDGE:
        raise ValueError("want cpe, which a scenario with `sdwan` makes an edge")
    if role is Role.GATEWAY:
        raise ValueError("want router, or `encryption` and `nat` of a transport, which make gateways")
    return role


class FileNode(Strict):
    """A node of a topology file."""

    name: Name = Field(description="The node's name.", examples=["csr1"])
    role: Annotated[Role, AfterValidator(_of_a_topology)] = Field(description="What it does.", examples=["router"])
    site: str = Field(default="", description="Where it stands.", examples=["metro"])
    position: tuple[FiniteFloat, FiniteFloat] = Field(
        default=(0.0, 0.0), description="Degrees east and north, for the map.", examples=[[121.5, 31.2]]
    )
    label: str = Field(default="", description="What the map calls it.", examples=["Shanghai"])


class FileLink(Strict):
    """A link of a topology file."""

    a: Name = Field(description="One end.", examples=["csr1"])
    b: Name = Field(description="The other end.", examples=["agg1"])
    tier: Tier = Field(description="Its part of the bearer.", examples=["backhaul"])
    distance: DistanceKm = Field(default=0.0, description="Length of fibre.", examples=["30km"])


class TopologyFile(Strict):
    """A topology as a file."""

    name: str = Field(description="The topology's name.", examples=["two-sites"])
    nodes: list[FileNode] = Field(
        max_length=MAX_LINKS, description="The nodes.", examples=[[{"name": "csr1", "role": "router"}]]
    )
    links: list[FileLink] = Field(
        max_length=MAX_LINKS, description="The links.", examples=[[{"a": "csr1", "b": "agg1", "tier": "backhaul"}]]
    )


def read_topology(path: Path, variables: dict[str, Any]) -> Graph:
    """The graph in the file at `path`; `variables` are for a template. InputError with all problems."""
    return checked(path, read_data(path, variables, hint="give it in topology.params"))


def checked(path: Path, data: object) -> Graph:
    """The graph that `data`, read from `path`, is in the shape of `TopologyFile`; InputError with all problems."""
    try:
        parsed = TopologyFile.model_validate(data)
    except ValidationError as error:
        raise InputError(str(path), map(problem, error.errors(include_url=False))) from error
    if problems := list(_problems(parsed)):
        raise InputError(str(path), problems)
    nodes = tuple(Node(node.name, node.role, node.site, node.position, node.label) for node in parsed.nodes)
    links = tuple(Link(link.a, link.b, link.tier, link.distance) for link in parsed.links)
    return Graph(parsed.name, nodes, links)


def _problems(parsed: TopologyFile) -> Iterator[Problem]:
    yield from _node_problems(parsed)
    yield from _link_problems(parsed)
    yield from _lan_problems(parsed)


def _node_problems(parsed: TopologyFile) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, node in enumerate(parsed.nodes):
        if node.name in seen:
            yield Problem(f"nodes[{index}].name", f'"{node.name}" a second time', "names used once")
        if node.name in RESERVED_NAMES:
            want = f"none of {', '.join(sorted(RESERVED_NAMES))}"
            yield Problem(f"nodes[{index}].name", f'"{node.name}"', want, "these names are taken in a lab")
        seen.add(node.name)


def _link_problems(parsed: TopologyFile) -> Iterator[Problem]:
    names = {node.name: None for node in parsed.nodes}
    pairs: set[frozenset[str]] = set()
    texts: set[str] = set()
    for index, link in enumerate(parsed.links):
        pair, text = frozenset((link.a, link.b)), f"{link.a}-{link.b}"
        for key, end in (("a", link.a), ("b", link.b)):
            if end not in names:
                yield Problem(f"links[{index}].{key}", f'"{end}"', f"a node: {', '.join(names)}")
        if link.a == link.b:
            yield Problem(f"links[{index}]", f'both ends at "{link.a}"', "two nodes")
        elif pair in pairs:
            yield Problem(f"links[{index}]", f'a second link "{text}"', "one link between two nodes")
        elif text in texts:
            yield Problem(f"links[{index}]", f'the name "{text}" of another link', "other names of nodes")
        pairs.add(pair)
        texts.add(text)


def _lan_problems(parsed: TopologyFile) -> Iterator[Problem]:
    """What bridges cannot do: there are addresses for so many only, and frames go round a loop for ever."""
    bridges = [node.name for node in parsed.nodes if node.role in LAYER2]
    if len(bridges) > MAX_LANS:
        yield Problem("nodes", f"{len(bridges)} LANs and CPEs", f"at most {MAX_LANS}")
    joined: nx.Graph[str] = nx.Graph()
    joined.add_nodes_from(bridges)
    joined.add_edges_from((link.a, link.b) for link in parsed.links if link.a in joined and link.b in joined)
    for domain in nx.connected_components(joined):
        shown = ", ".join(sorted(domain))
        if joined.subgraph(domain).number_of_edges() >= len(domain):
            yield Problem("links", f"a loop of the LANs and CPEs {shown}", "a tree", "frames would circle in it")
        ports = sum((link.a in domain) != (link.b in domain) for link in parsed.links)
        if ports > MAX_PORTS:
            yield Problem("links", f"{ports} nodes on the LAN of {shown}", f"at most {MAX_PORTS}")
