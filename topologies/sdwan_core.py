"""A 5G core whose sites have nothing but an SD-WAN between them: N3, N4, N6 and N9 all cross the CPEs.

    ue1, ue2 – gnb1 – cpe-access – shanghai – … – guiyang – cpe-cloud – upf-cloud
                                 – internet ––––––––––––––            – smf
                      cpe-edge   – shanghai                           – lan-cloud (app1, app2, upf-cloud)
                               ├ upf-edge
                               └ lan-edge (mec1, upf-edge)

The transports are those of the topology `sdwan`, whose three sites these are.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from testbed.graph import Graph, Link, Node, Role, Tier
from testbed.scenario.base import Name, Strict
from topologies.sdwan import SdwanParams, cpe_of, sdwan

ACCESS, EDGE, CLOUD = "access", "edge", "cloud"

_MEMBERS = {EDGE: ("mec1",), CLOUD: ("app1", "app2")}


class SdwanCoreParams(Strict):
    """Parameters of the topology `sdwan-core`."""

    ues: int = Field(default=2, ge=1, le=64, description="User equipments at gnb1.", examples=[2])
    map: str = Field(default="topozoo/Chinanet", description="A map of topohub.", examples=["topozoo/Chinanet"])
    metro_city: str = Field(default="Shanghai", description="The city of gnb1 and of the edge.", examples=["Shanghai"])
    cloud_city: str = Field(default="Guiyang", description="The city of the cloud.", examples=["Guiyang"])
    transports: list[Name] = Field(
        default_factory=lambda: ["internet"], description="Transports besides the backbone.", examples=[["internet"]]
    )


def sdwan_core(params: SdwanCoreParams) -> Graph:
    """The topology's graph; ParameterError for a map or a city that does not exist."""
    sites = {ACCESS: params.metro_city, EDGE: params.metro_city, CLOUD: params.cloud_city}
    bearer = sdwan(SdwanParams(map=params.map, sites=sites, transports=params.transports))
    kept = tuple(node for node in bearer.nodes if node.name not in sites)
    ways = tuple(link for link in bearer.links if link.b not in sites)
    return Graph(
        "sdwan-core", (*_access_nodes(params), *kept, *_site_nodes()), (*_access_links(params), *ways, *_site_links())
    )


def _access_nodes(params: SdwanCoreParams) -> Iterator[Node]:
    for number in range(1, params.ues + 1):
        yield Node(f"ue{number}", Role.UE, ACCESS)
    yield Node("gnb1", Role.GNB, ACCESS)


def _access_links(params: SdwanCoreParams) -> Iterator[Link]:
    for number in range(1, params.ues + 1):
        yield Link(f"ue{number}", "gnb1", Tier.RADIO)
    yield Link("gnb1", cpe_of(ACCESS), Tier.ACCESS)


def _site_nodes() -> Iterator[Node]:
    for site, members in _MEMBERS.items():
        yield Node(f"upf-{site}", Role.UPF, site)
        yield Node(f"lan-{site}", Role.LAN, site)
        yield from (Node(member, Role.HOST, site) for member in members)
    yield Node("smf", Role.SMF, CLOUD)


def _site_links() -> Iterator[Link]:
    for site, members in _MEMBERS.items():
        cpe, lan = cpe_of(site), f"lan-{site}"
        yield Link(cpe, f"upf-{site}", Tier.DATACENTRE)
        yield Link(cpe, lan, Tier.DATACENTRE)
        yield from (Link(lan, member, Tier.DATACENTRE) for member in (f"upf-{site}", *members))
    yield Link(cpe_of(CLOUD), "smf", Tier.DATACENTRE)
