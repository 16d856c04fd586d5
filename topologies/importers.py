"""Topologies of others: what their files say as vertices and edges, and how that becomes a graph of ours.

Nodes are routers unless `roles` says otherwise. Their names are made valid as those of real maps are; what the file
calls them is the label.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from testbed.graph import Graph, Role, Tier
from testbed.plan.addressing import RESERVED_NAMES
from testbed.scenario.base import Name, Strict
from testbed.units import parse_distance_km
from topologies.backbone import node_names
from topologies.file import checked
from topologies.metro import ParameterError


class ImportParams(Strict):
    """Parameters of an imported topology."""

    tier: Tier = Field(default=Tier.BACKBONE, description="The tier of links without one.", examples=["backbone"])
    roles: dict[Name, Role] = Field(
        default_factory=dict, description="What nodes other than routers do.", examples=[{"app1": "host"}]
    )


@dataclass(frozen=True)
class Vertex:
    """A node as a file has it; `position` in degrees east and north."""

    label: str
    position: tuple[float, float] | None = None


@dataclass(frozen=True)
class Edge:
    """A link as a file has it, by labels of nodes."""

    a: str
    b: str
    distance_km: float
    tier: Tier


class WrongValueError(ValueError):
    """A line or an element does not say what it should: what it says, and what is wanted."""

    def __init__(self, got: str, want: str) -> None:
        self.got, self.want = got, want
        super().__init__(f"got {got}; want {want}")


def distance_km(text: object) -> float:
    """Kilometres from text with a unit; WrongValueError."""
    try:
        return parse_distance_km(text)
    except ValueError as error:
        raise WrongValueError(f'"{text}"', str(error).removeprefix("want ")) from error


def tier(text: object) -> Tier:
    """The tier of that name; WrongValueError."""
    if text not in {*Tier}:
        raise WrongValueError(f'"{text}"', f"a tier: {', '.join(Tier)}")
    return Tier(str(text))


def imported(path: Path, vertices: Sequence[Vertex], edges: Sequence[Edge], params: ImportParams) -> Graph:
    """The graph of what `path` has. InputError for what no lab can be; ParameterError for roles of unknown nodes."""
    names = node_names([vertex.label for vertex in vertices], RESERVED_NAMES)
    if unknown := sorted(params.roles.keys() - {*names.values()}):
        raise ParameterError("roles", f"names of nodes, which {', '.join(unknown)} are not: {_some(names)}")
    nodes = [
        {
            "name": names[vertex.label],
            "role": params.roles.get(names[vertex.label], Role.ROUTER),
            "position": vertex.position or (0.0, 0.0),
            "label": vertex.label,
        }
        for vertex in vertices
    ]
    links = [
        {"a": names[edge.a], "b": names[edge.b], "tier": edge.tier, "distance": f"{edge.distance_km}km"}
        for edge in edges
    ]
    return checked(path, {"name": path.stem, "nodes": nodes, "links": links})


def _some(names: Mapping[str, str]) -> str:
    shown = [*names.values()][:10]
    return ", ".join(shown) + (", …" if len(names) > len(shown) else "")
