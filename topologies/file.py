"""A topology from a file: nodes and links as YAML, or a Jinja2 template of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from testbed.errors import InputError, Problem
from testbed.graph import Graph, Link, Node, Role, Tier
from testbed.scenario.base import Name
from testbed.scenario.template import read_data
from testbed.units import DistanceKm
from testbed.validation import problem


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileNode(_Strict):
    """A node of a topology file."""

    name: Name = Field(description="The node's name.", examples=["csr1"])
    role: Role = Field(description="What it does.", examples=["router"])
    site: str = Field(default="", description="Where it stands.", examples=["metro"])
    position: tuple[float, float] = Field(
        default=(0.0, 0.0), description="Degrees east and north, for the map.", examples=[[121.5, 31.2]]
    )
    label: str = Field(default="", description="What the map calls it.", examples=["Shanghai"])


class FileLink(_Strict):
    """A link of a topology file."""

    a: Name = Field(description="One end.", examples=["csr1"])
    b: Name = Field(description="The other end.", examples=["agg1"])
    tier: Tier = Field(description="Its part of the bearer.", examples=["backhaul"])
    distance: DistanceKm = Field(default=0.0, description="Length of fibre.", examples=["30km"])


class TopologyFile(_Strict):
    """A topology as a file."""

    name: str = Field(description="The topology's name.", examples=["two-sites"])
    nodes: list[FileNode] = Field(description="The nodes.", examples=[[{"name": "csr1", "role": "router"}]])
    links: list[FileLink] = Field(description="The links.", examples=[[{"a": "csr1", "b": "agg1", "tier": "backhaul"}]])


def read_topology(path: Path, variables: dict[str, Any]) -> Graph:
    """The graph in the file at `path`; `variables` are for a template. InputError with all problems."""
    data = read_data(path, variables)
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
    names = [node.name for node in parsed.nodes]
    for index, name in enumerate(names):
        if name in names[:index]:
            yield Problem(f"nodes[{index}].name", f'"{name}" a second time', "names used once")
    pairs = [frozenset((link.a, link.b)) for link in parsed.links]
    for index, link in enumerate(parsed.links):
        for key, end in (("a", link.a), ("b", link.b)):
            if end not in names:
                yield Problem(f"links[{index}].{key}", f'"{end}"', f"a node: {', '.join(names)}")
        if link.a == link.b:
            yield Problem(f"links[{index}]", f'both ends at "{link.a}"', "two nodes")
        elif pairs[index] in pairs[:index]:
            yield Problem(f"links[{index}]", f'a second link "{link.a}-{link.b}"', "one link between two nodes")
