"""The bearer from a 5G user over a metro ring and a backbone to the cloud, with an edge DC hung off the metro.

    ue1, ue2 – gnb1 – csr1 – agg1 – m1 (ring m1 m2 m3 m4) m3 – pe1 – backbone – pe2
                              ├ upf-edge                                        ├ upf-cloud
                              └ cpe-edge – lan-edge (mec1, upf-edge)            └ cpe-cloud – lan-cloud (smf, app1, …)

`pe1` and `pe2` stand in two cities of a real map; between them are the node-disjoint shortest paths or the whole map.
Usable with Mininet's own command too: `mn --custom topologies/metro.py --topo metro`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Literal

if __name__ == "builtins":
    # `mn --custom` executes this file nameless, in the system's Python, which does not know our virtual environment.
    _root = Path(sys._getframe().f_code.co_filename).resolve().parents[1]
    sys.path += [str(_root), *map(str, _root.glob(".venv/lib/python3.*/site-packages"))]
    # `cleanup` takes the place of mn's own, which would end processes of others by name.
    from topologies.nodes import cleanup  # noqa: F401
    from topologies.stock import named_topo

    topos = {"metro": partial(named_topo, "metro")}

import networkx as nx
from pydantic import Field

from testbed.graph import Graph, Link, Node, Role, Tier
from testbed.plan.addressing import RESERVED_NAMES
from testbed.scenario.base import Strict
from topologies.backbone import City, UnknownMapError, disjoint_paths, node_names, read_map

RING = ("m1", "m2", "m3", "m4")
ACCESS_KM, BACKHAUL_KM, METRO_KM = 2.0, 30.0, 20.0


class MetroParams(Strict):
    """Parameters of the topology `metro`."""

    ues: int = Field(default=2, ge=1, le=64, description="User equipments at gnb1.", examples=[2])
    backbone_map: str = Field(
        default="topozoo/Chinanet", description="A map of topohub.", examples=["topozoo/Chinanet", "topozoo/Geant2012"]
    )
    metro_city: str = Field(default="Shanghai", description="The city of pe1.", examples=["Shanghai"])
    cloud_city: str = Field(default="Guiyang", description="The city of pe2.", examples=["Guiyang"])
    backbone_scope: Literal["paths", "map"] = Field(
        default="paths", description="Node-disjoint shortest paths, or the whole map.", examples=["paths"]
    )


class ParameterError(ValueError):
    """A parameter is of the right type but means nothing: `name`, and what is wanted."""

    def __init__(self, name: str, want: str) -> None:
        self.name, self.want = name, want
        super().__init__(f"{name}: want {want}")


@cache
def metro(params: MetroParams) -> Graph:
    """The topology's graph; ParameterError for a map or a city that does not exist."""
    whole = _checked_map(params)
    kept = _backbone(params, whole)
    nodes = (*_access_nodes(params), *_dc_nodes(), *_backbone_nodes(params, whole, kept))
    links = (*_access_links(params), *_dc_links(), *_backbone_links(params, whole, kept))
    return Graph("metro", nodes, links)


def _checked_map(params: MetroParams) -> nx.Graph[str]:
    try:
        whole = read_map(params.backbone_map)
    except UnknownMapError as error:
        raise ParameterError("backbone_map", str(error)) from error
    for name, city in (("metro_city", params.metro_city), ("cloud_city", params.cloud_city)):
        if city not in whole:
            raise ParameterError(name, f"a city of {params.backbone_map}: {', '.join(sorted(whole))}")
    if params.metro_city == params.cloud_city or not nx.has_path(whole, params.metro_city, params.cloud_city):
        raise ParameterError("cloud_city", f"another city that {params.metro_city} can reach")
    return whole


def _access_nodes(params: MetroParams) -> Iterator[Node]:
    for number in range(1, params.ues + 1):
        yield Node(f"ue{number}", Role.UE, "access")
    yield Node("gnb1", Role.GNB, "access")
    yield Node("csr1", Role.ROUTER, "access")
    yield Node("agg1", Role.ROUTER, "metro")
    for name in RING:
        yield Node(name, Role.ROUTER, "metro")


def _access_links(params: MetroParams) -> Iterator[Link]:
    for number in range(1, params.ues + 1):
        yield Link(f"ue{number}", "gnb1", Tier.RADIO)
    yield Link("gnb1", "csr1", Tier.ACCESS, ACCESS_KM)
    yield Link("csr1", "agg1", Tier.BACKHAUL, BACKHAUL_KM)
    yield Link("agg1", "m1", Tier.METRO, METRO_KM)
    for a, b in pairwise((*RING, RING[0])):
        yield Link(a, b, Tier.METRO, METRO_KM)
    yield Link("m3", "pe1", Tier.METRO, METRO_KM)


def _dc_nodes() -> Iterator[Node]:
    for site, hosts in (("edge", ("mec1",)), ("cloud", ("app1", "app2"))):
        yield Node(f"upf-{site}", Role.UPF, site)
        yield Node(f"cpe-{site}", Role.CPE, site)
        yield Node(f"lan-{site}", Role.LAN, site)
        for host in hosts:
            yield Node(host, Role.HOST, site)
    yield Node("smf", Role.SMF, "cloud")


def _dc_links() -> Iterator[Link]:
    for site, router, members in (("edge", "agg1", ("mec1",)), ("cloud", "pe2", ("app1", "app2", "smf"))):
        yield Link(router, f"upf-{site}", Tier.DATACENTRE)
        yield Link(router, f"cpe-{site}", Tier.DATACENTRE)
        yield Link(f"cpe-{site}", f"lan-{site}", Tier.DATACENTRE)
        for member in (f"upf-{site}", *members):
            yield Link(f"lan-{site}", member, Tier.DATACENTRE)


def _names(params: MetroParams, whole: nx.Graph[str]) -> dict[str, str]:
    """City → node, the same in every scope."""
    edges = {params.metro_city: "pe1", params.cloud_city: "pe2"}
    others = (node.name for node in (*_access_nodes(params), *_dc_nodes()))
    return node_names(whole, {*edges.values(), *others, *RESERVED_NAMES}) | edges


def _backbone(params: MetroParams, whole: nx.Graph[str]) -> nx.Graph[str]:
    """The part of the map that the scope asks for."""
    if params.backbone_scope == "map":
        return whole
    paths = disjoint_paths(whole, params.metro_city, params.cloud_city)
    return whole.edge_subgraph([edge for path in paths for edge in pairwise(path)])


def _backbone_nodes(params: MetroParams, whole: nx.Graph[str], kept: nx.Graph[str]) -> Iterator[Node]:
    names = _names(params, whole)
    for name in whole:
        if name in kept:
            city: City = whole.nodes[name]["city"]
            yield Node(names[name], Role.ROUTER, "backbone", city.position, city.name)


def _backbone_links(params: MetroParams, whole: nx.Graph[str], kept: nx.Graph[str]) -> Iterator[Link]:
    names = _names(params, whole)
    for a, b, data in whole.edges(data=True):
        if kept.has_edge(a, b):
            yield Link(names[a], names[b], Tier.BACKBONE, data["km"])
