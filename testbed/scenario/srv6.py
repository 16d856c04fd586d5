"""The SRv6 underlay in a scenario file: the IGP, tenants, SR Policies (RFC 9256) and what is measured."""

from __future__ import annotations

import re
from ipaddress import IPv6Network
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from testbed.scenario.base import Label, Name, Strict
from testbed.scenario.impairment import Duration, LinkRate
from testbed.units import Ratio

Color = Annotated[int, Field(ge=1, lt=2**32)]
"""What a policy is for (RFC 9256 §2.1)."""

Dscp = Annotated[int, Field(ge=0, le=63)]
"""The six bits by which a packet asks for its treatment (RFC 2474)."""

_SEGMENT = re.compile(r"^[a-z][a-z0-9-]{0,14}(>[a-z][a-z0-9-]{0,14})?$")


_NO_UNICAST = tuple(map(IPv6Network, ("::/8", "fe80::/10", "ff00::/8")))
"""Special addresses, those of one link, and multicast (RFC 4291 §2.4): no router forwards to them."""


def _f3216(block: IPv6Network) -> IPv6Network:
    if block.prefixlen != 32:
        raise ValueError('want a /32 such as "fcbb:bb00::/32" (F3216: 32 bits of block, 16 of node)')
    for other in _NO_UNICAST:
        if block.overlaps(other):
            raise ValueError(f'want a block of unicast addresses outside {other}, such as "fcbb:bb00::/32"')
    return block


def _segment(text: str) -> str:
    if not _SEGMENT.match(text):
        raise ValueError('want a node such as "wuhan", or a link to cross such as "wuhan>xian"')
    return text


Segment = Annotated[str, AfterValidator(_segment)]
"""`wuhan`: to that node; `wuhan>xian`: to the first node, then across its link to the second."""


class Igp(Strict):
    """How long routers take to notice a failure and to tell."""

    detection: Duration = Field(default=0.0, description="From a failure to its repair at both ends.", examples=["5ms"])
    flooding: Duration = Field(
        default=0.0, description="How much later a router converges for each hop.", examples=["10ms"]
    )
    ordered: bool = Field(
        default=True, description="Update in an order without microloops (RFC 6976).", examples=[True]
    )


class LinkAttributes(Strict):
    """What is advertised of a link, the same both ways (RFC 5305, RFC 8570)."""

    te_metric: int | None = Field(
        default=None, ge=1, lt=2**24, description="TE default metric; without it the delay in 10 µs.", examples=[10]
    )
    affinities: list[Label] = Field(default_factory=list, description="Its administrative groups.", examples=[["gold"]])
    srlgs: list[Label] = Field(
        default_factory=list, description="What else fails with it: shared risk link groups.", examples=[["duct-1"]]
    )
    bandwidth: LinkRate | None = Field(
        default=None, description="What policies may reserve; without it the link's rate.", examples=["1Gbit"]
    )


class FlowSteering(Strict):
    """Flows that take the policies of a color by what they are, not by where they go (RFC 9256 §8.6)."""

    dscp: Dscp | None = Field(default=None, description="DSCP.", examples=[46])
    protocol: Literal["tcp", "udp", "icmp"] | None = Field(default=None, description="Protocol.", examples=["udp"])
    source: str | None = Field(
        default=None, alias="from", description="From a service (its answers) or a node.", examples=["mec1"]
    )
    destination: str | None = Field(
        default=None, alias="to", description="To a service or a node.", examples=["portal"]
    )
    port: int | None = Field(default=None, ge=1, le=65535, description="Destination port.", examples=[862])
    color: Color = Field(description="The color of the policies to take.", examples=[200])

    @model_validator(mode="after")
    def _means_something(self) -> FlowSteering:
        if not self.model_fields_set - {"color"}:
            raise ValueError("want something to match, such as dscp: 46; for all flows give the tenant a color")
        if self.port is not None and self.protocol not in ("tcp", "udp"):
            raise ValueError("want protocol: tcp or udp with a port")
        return self


class Tenant(Strict):
    """A VPN over some of the routers' links to others; its addresses mean nothing to other tenants."""

    attach: list[str] = Field(
        default_factory=list,
        description="Links from routers to others. Those that no tenant names are of the tenant `default`.",
        examples=[["agg1-cpe-edge", "pe2-cpe-cloud"]],
    )
    color: Color | None = Field(
        default=None, description="The policies that its traffic takes; without it the IGP's paths.", examples=[100]
    )
    steering: list[FlowSteering] = Field(
        default_factory=list,
        description="Flows that take others; the first that matches decides.",
        examples=[[{"dscp": 46, "color": 200}]],
    )


class MobileInterface(Strict):
    """The tenant of an interface of the 5G system, and the policies that its packets take."""

    tenant: Name = Field(description="The tenant; it need not be one of `tenants`.", examples=["ran"])
    color: Color | None = Field(default=None, description="The color of the policies to take.", examples=[100])


class Mobile(Strict):
    """Interfaces of the 5G system (TS 23.501 §4.2). A link belongs to one tenant, whatever it carries."""

    n3: MobileInterface | None = Field(
        default=None, description="GTP-U between gNB and UPF.", examples=[{"tenant": "ran", "color": 100}]
    )
    n4: MobileInterface | None = Field(
        default=None, description="PFCP between SMF and UPF.", examples=[{"tenant": "ran", "color": 200}]
    )
    n6: MobileInterface | None = Field(
        default=None, description="Between UPFs' LANs: users' packets as they are.", examples=[{"tenant": "internet"}]
    )
    n9: MobileInterface | None = Field(
        default=None, description="GTP-U between UPFs.", examples=[{"tenant": "ran", "color": 100}]
    )

    @property
    def given(self) -> dict[str, MobileInterface]:
        """Those that the file has, by name."""
        every = {"n3": self.n3, "n4": self.n4, "n6": self.n6, "n9": self.n9}
        return {name: interface for name, interface in every.items() if interface is not None}


class PolicyKey(Strict):
    """What a policy is known by (RFC 9256 §2.1)."""

    headend: Name = Field(description="The router at which it begins.", examples=["pe1"])
    color: Color = Field(description="What it is for.", examples=[100])
    endpoint: Name = Field(description="The router at which it ends.", examples=["pe2"])

    @property
    def key(self) -> tuple[str, int, str]:
        """The three of them."""
        return self.headend, self.color, self.endpoint


class DisjointFrom(PolicyKey):
    """What the path shares nothing with: another policy's active path, or that of its own better candidate."""

    diversity: Literal["link", "node", "srlg"] = Field(
        default="link", description="What they do not share.", examples=["node"]
    )


class Constraints(Strict):
    """Which links a path may take (RFC 9350 §6)."""

    include_any: list[Label] = Field(
        default_factory=list, description="Only links with one of these affinities.", examples=[["gold"]]
    )
    include_all: list[Label] = Field(
        default_factory=list, description="Only links with all of these affinities.", examples=[["gold"]]
    )
    exclude: list[Label] = Field(
        default_factory=list, description="No links with any of these affinities.", examples=[["leased"]]
    )
    exclude_srlgs: list[Label] = Field(
        default_factory=list, description="No links with any of these shared risks.", examples=[["duct-1"]]
    )


class Dynamic(Constraints):
    """A path that the controller computes, and again when the network changes (RFC 9256 §5.2)."""

    metric: Literal["igp", "te", "delay", "hops"] = Field(
        default="igp", description="What is minimised.", examples=["delay"]
    )
    bound: Duration | None = Field(default=None, description="The path's delay at most.", examples=["20ms"])
    bandwidth: LinkRate | None = Field(default=None, description="To reserve on every link.", examples=["1Gbit"])
    disjoint_from: DisjointFrom | None = Field(
        default=None,
        description="Apart from another path.",
        examples=[{"headend": "pe1", "color": 100, "endpoint": "pe2", "diversity": "node"}],
    )


class SegmentList(Strict):
    """A path as given, and its share of the traffic (RFC 9256 §2.2, §2.11)."""

    segments: list[Segment] = Field(
        min_length=1,
        description="Nodes to pass, the endpoint last; `a>b` crosses that link of a.",
        examples=[["wuhan", "xian>chengdu", "guiyang"]],
    )
    weight: int = Field(default=1, ge=1, le=255, description="Its share, of all weights.", examples=[1])


class _Path(Strict):
    dynamic: Dynamic | None = Field(
        default=None, description="A path to be computed.", examples=[{"metric": "delay", "bound": "20ms"}]
    )
    explicit: list[SegmentList] | None = Field(
        default=None,
        min_length=1,
        description="Segment lists as given.",
        examples=[[{"segments": ["wuhan", "guiyang"], "weight": 1}]],
    )


class Candidate(_Path):
    """One way to do it."""

    preference: int = Field(
        default=100, ge=0, lt=2**32, description="Of those that are valid the highest wins.", examples=[100]
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Candidate:
        if (self.dynamic is None) == (self.explicit is None):
            raise ValueError("want either `dynamic` or `explicit`")
        return self


class Policy(PolicyKey, _Path):
    """An SR Policy (RFC 9256): one path, or several candidates of which the best valid one carries the traffic."""

    candidate_paths: list[Candidate] | None = Field(
        default=None,
        min_length=1,
        description="Several ways to do it; the second best valid one stands by.",
        examples=[[{"preference": 200, "dynamic": {"metric": "delay"}}, {"dynamic": {"metric": "te"}}]],
    )

    @model_validator(mode="after")
    def _one_shape(self) -> Policy:
        if sum(shape is not None for shape in (self.dynamic, self.explicit, self.candidate_paths)) != 1:
            raise ValueError("want one of `dynamic`, `explicit` and `candidate_paths`")
        preferences = [candidate.preference for candidate in self.candidates]
        if len(set(preferences)) < len(preferences):
            raise ValueError("want candidate paths of different preferences")
        return self

    @property
    def candidates(self) -> list[Candidate]:
        """The candidate paths, whichever way they are written."""
        return self.candidate_paths or [Candidate(dynamic=self.dynamic, explicit=self.explicit)]


class FlexAlgo(Constraints):
    """A flexible algorithm (RFC 9350): shortest paths over the links that it admits, with locators of its own."""

    metric: Literal["igp", "te", "delay"] = Field(default="igp", description="What is minimised.", examples=["delay"])
    colors: list[Color] = Field(
        min_length=1, description="Traffic of these colors takes it where there is no valid policy.", examples=[[300]]
    )


class MeasurePaths(Strict):
    """STAMP (RFC 8762) along links and segment lists; the delays that it finds move dynamic paths, damped."""

    interval: Duration = Field(default=100.0, ge=1, description="Time between packets.", examples=["100ms"])
    window: Duration = Field(default=1000.0, ge=10, description="The least delay of so long counts.", examples=["1s"])
    threshold: Ratio = Field(
        default=0.1, description="A change of less than this share is not advertised.", examples=["10%"]
    )
    least: Duration = Field(default=0.1, description="Nor is one of less than this.", examples=["100us"])
    hold: Duration = Field(default=5000.0, description="Time between two advertisements.", examples=["5s"])
    lost_windows: int = Field(
        default=3, ge=1, description="So many windows without an answer take a segment list down.", examples=[3]
    )


class Srv6(Strict):
    """The underlay: SRv6 on the routers under one controller."""

    block: Annotated[IPv6Network, AfterValidator(_f3216)] = Field(
        default=IPv6Network("fcbb:bb00::/32"), description="The block of all SIDs.", examples=["fcbb:bb00::/32"]
    )
    compressed: bool = Field(default=True, description="Micro-SIDs: several in a segment (RFC 9800).", examples=[True])
    metric: Literal["delay", "te", "hops"] = Field(
        default="delay",
        description="The IGP's metric of a link: its delay in 10 µs, its TE metric, or 1.",
        examples=["delay"],
    )
    igp: Igp = Field(default_factory=Igp, description="Its timing.", examples=[{"detection": "5ms"}])
    fast_reroute: Literal["link", "node", "srlg"] | None = Field(
        default=None, description="What TI-LFA (RFC 9855) takes to have failed; without it nothing.", examples=["link"]
    )
    flex_algos: dict[Annotated[int, Field(ge=128, le=255)], FlexAlgo] = Field(
        default_factory=dict,
        max_length=13,
        description="Flexible algorithms by number.",
        examples=[{128: {"metric": "delay", "exclude": ["leased"], "colors": [300]}}],
    )
    links: dict[str, LinkAttributes] = Field(
        default_factory=dict,
        description="What is advertised of links between routers.",
        examples=[{"pe1-guangzhou": {"te_metric": 10, "affinities": ["gold"]}}],
    )
    tenants: dict[Name, Tenant] = Field(
        default_factory=dict,
        description="VPNs by name.",
        examples=[{"blue": {"attach": ["agg1-cpe-edge", "pe2-cpe-cloud"], "color": 100}}],
    )
    mobile: Mobile = Field(
        default_factory=Mobile,
        description="Interfaces of the 5G system as tenants.",
        examples=[{"n3": {"tenant": "ran", "color": 100}}],
    )
    policies: list[Policy] = Field(
        default_factory=list,
        description="SR Policies that are there from the start.",
        examples=[[{"headend": "pe1", "color": 100, "endpoint": "pe2", "dynamic": {"metric": "delay"}}]],
    )
    measure: MeasurePaths | None = Field(
        default=None,
        description="Measure links and segment lists; without it nothing.",
        examples=[{"interval": "50ms"}],
    )
