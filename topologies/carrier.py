"""A carrier's backbone: a router in every city of a real map, and behind some of them sites, each with a host.

    edge1 – shanghai – … – guiyang – cloud1

A site is a host of that name on a datacentre link of its own; several may be in one city.
"""

from __future__ import annotations

from functools import cache

from pydantic import Field

from testbed.graph import Graph, Link, Node, Role, Tier
from testbed.plan.addressing import RESERVED_NAMES
from testbed.scenario.base import Name, Strict
from topologies.backbone import City, UnknownMapError, node_names, read_map
from topologies.metro import ParameterError


class CarrierParams(Strict):
    """Parameters of the topology `carrier`."""

    map: str = Field(
        default="topozoo/Chinanet", description="A map of topohub.", examples=["topozoo/Chinanet", "sndlib/germany50"]
    )
    sites: dict[Name, str] = Field(
        default_factory=lambda: {"edge": "Shanghai", "cloud": "Guiyang"},
        min_length=1,
        description="Site → its city.",
        examples=[{"edge": "Shanghai", "cloud": "Guiyang"}],
    )

    def __hash__(self) -> int:
        """By value, so that the same parameters are drawn once."""
        return hash((self.map, tuple(self.sites.items())))


@cache
def carrier(params: CarrierParams) -> Graph:
    """The topology's graph; ParameterError for a map or a city that does not exist."""
    try:
        cities = read_map(params.map)
    except UnknownMapError as error:
        raise ParameterError("map", str(error)) from error
    unknown = sorted(set(params.sites.values()) - set(cities))
    if unknown:
        known = ", ".join(sorted(cities))
        raise ParameterError("sites", f"cities of {params.map}, which {', '.join(unknown)} are not: {known}")
    names = node_names(cities, {*params.sites, *RESERVED_NAMES})
    drawn: dict[str, City] = {name: cities.nodes[city]["city"] for city, name in names.items()}
    routers = (Node(name, Role.ROUTER, "backbone", city.position, city.name) for name, city in drawn.items())
    hosts = (Node(site, Role.HOST, site) for site in params.sites)
    fibres = (Link(names[a], names[b], Tier.BACKBONE, data["km"]) for a, b, data in cities.edges(data=True))
    access = (Link(names[city], site, Tier.DATACENTRE) for site, city in params.sites.items())
    return Graph("carrier", (*routers, *hosts), (*fibres, *access))
