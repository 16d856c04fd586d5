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


def carrier(params: CarrierParams) -> Graph:
    """The topology's graph; ParameterError for a map or a city that does not exist."""
    return _drawn(params.map, tuple(params.sites.items()))


@cache
def _drawn(map_name: str, places: tuple[tuple[str, str], ...]) -> Graph:
    try:
        cities = read_map(map_name)
    except UnknownMapError as error:
        raise ParameterError("map", str(error)) from error
    sites = dict(places)
    unknown = sorted(set(sites.values()) - set(cities))
    if unknown:
        known = ", ".join(sorted(cities))
        raise ParameterError("sites", f"cities of {map_name}, which {', '.join(unknown)} are not: {known}")
    names = node_names(cities, {*sites, *RESERVED_NAMES})
    drawn: dict[str, City] = {name: cities.nodes[city]["city"] for city, name in names.items()}
    routers = (Node(name, Role.ROUTER, "backbone", city.position, city.name) for name, city in drawn.items())
    hosts = (Node(site, Role.HOST, site) for site in sites)
    fibres = (Link(names[a], names[b], Tier.BACKBONE, data["km"]) for a, b, data in cities.edges(data=True))
    access = (Link(names[city], site, Tier.DATACENTRE) for site, city in sites.items())
    return Graph("carrier", (*routers, *hosts), (*fibres, *access))
