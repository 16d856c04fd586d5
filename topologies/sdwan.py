"""Sites with a CPE each, on a carrier's backbone and on other transports.

    edge – cpe-edge – shanghai – … – guiyang – cpe-cloud – cloud
                    – internet ––––––––––––––
                    – lte –––––––––––––––––––

A site is a host behind its CPE. Every transport but the backbone is one router; what its links are like is for the
scenario to say (`preset: internet-transport`).
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field, model_validator

from testbed.graph import Graph, Link, Node, Role, Tier
from testbed.scenario.base import Name
from topologies.carrier import CarrierParams, carrier


class SdwanParams(CarrierParams):
    """Parameters of the topology `sdwan`."""

    transports: list[Name] = Field(
        default_factory=lambda: ["internet"],
        description="Transports besides the backbone.",
        examples=[["internet", "lte"]],
    )

    @model_validator(mode="after")
    def _apart(self) -> SdwanParams:
        names = [*self.transports, *self.sites, *map(cpe_of, self.sites)]
        if len({*names}) < len(names):
            raise ValueError("want transports with names of their own")
        return self


def cpe_of(site: str) -> str:
    """The name of a site's CPE."""
    return f"cpe-{site}"


def sdwan(params: SdwanParams) -> Graph:
    """The topology's graph; ParameterError for a map or a city that does not exist."""
    bare = carrier(CarrierParams(map=params.map, sites={cpe_of(site): city for site, city in params.sites.items()}))
    return Graph("sdwan", tuple(_nodes(params, bare)), (*bare.links, *_links(params)))


def _nodes(params: SdwanParams, bare: Graph) -> Iterator[Node]:
    yield from bare.with_role(Role.ROUTER)
    yield from (Node(name, Role.ROUTER, name) for name in params.transports)
    for site in params.sites:
        yield Node(cpe_of(site), Role.CPE, site)
        yield Node(site, Role.HOST, site)


def _links(params: SdwanParams) -> Iterator[Link]:
    for site in params.sites:
        yield from (Link(transport, cpe_of(site), Tier.ACCESS) for transport in params.transports)
        yield Link(cpe_of(site), site, Tier.DATACENTRE)
