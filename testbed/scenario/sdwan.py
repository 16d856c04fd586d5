"""The SD-WAN overlay in a scenario file (MEF 70): transports, tunnels, applications and their SLA classes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from testbed.scenario.base import Domain, Label, Name, Strict
from testbed.scenario.impairment import Duration, LinkRate
from testbed.scenario.srv6 import Color, Dscp
from testbed.units import Ratio

Mode = Literal["static", "overlay", "underlay", "joint"]


class Transport(Strict):
    """An underlay service (MEF 70 §8): the links by which CPEs are attached to it."""

    links: list[str] = Field(
        min_length=1,
        description="Links from routers to CPEs.",
        examples=[["shanghai-cpe-edge", "guiyang-cpe-cloud"]],
    )
    price: float = Field(default=0.0, ge=0, description="Of a Mbit/s carried, in any currency.", examples=[10])
    colors: dict[Color, Dscp] = Field(
        default_factory=dict,
        description="SR Policies to ride: a tunnel for each color, whose outer packets have this DSCP.",
        examples=[{100: 46, 200: 10}],
    )

    encryption: Literal["wireguard"] | None = Field(
        default=None,
        description="What keeps others from reading it: WireGuard between its CPEs.",
        examples=["wireguard"],
    )
    nat: list[Name] = Field(
        default_factory=list,
        description="CPEs that a NAT hides: nobody can speak to them first.",
        examples=[["cpe-edge"]],
    )

    @model_validator(mode="after")
    def _apart(self) -> Transport:
        if self.nat and not self.encryption:
            raise ValueError("want encryption: wireguard with nat: VXLAN finds nobody behind a NAT, WireGuard does")
        if self.encryption and self.colors:
            raise ValueError("want no colors with encryption: the underlay sees one DSCP, whatever is inside")
        if len(set(self.colors.values())) < len(self.colors):
            raise ValueError("want another DSCP for each color: the underlay tells them apart by it")
        return self


class OverlayTenant(Strict):
    """A customer's network of its own; its addresses mean nothing to others."""

    vni: int = Field(ge=1, lt=2**24 - 1, description="Keeps its packets apart (RFC 7348 §4).", examples=[100])
    attach: list[str] = Field(
        min_length=1,
        description="Links from CPEs to its hosts and LANs. Those that no tenant names are of the tenant `default`.",
        examples=[["cpe-edge-lan-edge"]],
    )


class Sla(Strict):
    """What a tunnel has to be like; what is left out does not matter."""

    delay: Duration | None = Field(default=None, gt=0, description="One-way delay at most.", examples=["30ms"])
    jitter: Duration | None = Field(default=None, gt=0, description="Jitter at most.", examples=["5ms"])
    loss: Ratio | None = Field(default=None, description="Loss at most.", examples=["1%"])
    bandwidth: LinkRate | None = Field(
        default=None, description="What others have to leave free for it at least.", examples=["20Mbit"]
    )


class SlaClass(Strict):
    """What applications of one kind need of the tunnels that carry them, and which may."""

    dscp: Dscp = Field(default=0, description="Marks its packets, and the probes that measure for it.", examples=[46])
    sla: Sla = Field(default_factory=Sla, description="Its bounds.", examples=[{"delay": "30ms", "loss": "1%"}])
    transports: list[Name] = Field(
        min_length=1,
        description="Those that may carry it, preferred first.",
        examples=[["private", "internet"]],
    )
    forwarding: Literal["preferred", "cheapest", "balance", "duplicate"] = Field(
        default="preferred",
        description="Of the tunnels that meet the SLA: the first, the cheapest, all by weight, or each packet over two "
        "transports; a mode that plans has neither of the latter.",
        examples=["cheapest"],
    )
    weights: list[Annotated[int, Field(ge=1, le=100)]] = Field(
        default_factory=list, description="Shares of `transports`, to balance.", examples=[[3, 1]]
    )
    priority: int = Field(
        default=1, ge=1, le=10, description="Whose SLA holds where not all can: the higher.", examples=[3]
    )
    limit: LinkRate | None = Field(
        default=None, description="The most that a CPE sends of it to another.", examples=["20Mbit"]
    )

    @model_validator(mode="after")
    def _weighted(self) -> SlaClass:
        if self.limit is not None and self.sla.bandwidth is not None and self.limit < self.sla.bandwidth:
            raise ValueError("want a limit that is not below the bandwidth of its sla")
        if self.weights and self.forwarding != "balance":
            raise ValueError("want forwarding: balance with weights")
        if self.weights and len(self.weights) != len(self.transports):
            raise ValueError(f"want a weight for each of the {len(self.transports)} transports")
        if self.forwarding == "duplicate" and len(self.transports) < 2:
            raise ValueError("want two transports or more with forwarding: duplicate")
        if len(set(self.transports)) < len(self.transports):
            raise ValueError("want each transport once")
        return self


class Application(Strict):
    """Flows by what they are, both ways: to a service and back."""

    sla_class: Name = Field(alias="class", description="A class of `classes`.", examples=["critical"])
    source: str | None = Field(
        default=None, alias="from", description="Who asks: a node, or a service.", examples=["edge"]
    )
    to: str | None = Field(default=None, description="A service or a node.", examples=["portal"])
    domain: Domain | None = Field(
        default=None,
        description="What its servers are called, or all below it: addresses by DNS, connections by TLS and HTTP.",
        examples=["*.video.example"],
    )
    protocol: Literal["tcp", "udp", "icmp"] | None = Field(default=None, description="Protocol.", examples=["udp"])
    port: int | None = Field(default=None, ge=1, le=65535, description="The server's port.", examples=[80])
    client_port: int | None = Field(default=None, ge=1, le=65535, description="The other end's port.", examples=[5004])
    dscp: Dscp | None = Field(default=None, description="DSCP that its packets come with.", examples=[46])
    tenant: Name | None = Field(default=None, description="Of this tenant only.", examples=["blue"])

    @model_validator(mode="after")
    def _means_something(self) -> Application:
        if not self.model_fields_set - {"sla_class", "tenant"}:
            raise ValueError("want something to recognise it by, such as to: portal")
        if self.to is not None and self.domain is not None:
            raise ValueError("want to or domain: both say who the server is")
        if self.domain is not None and (self.source, self.client_port) != (None, None):
            raise ValueError("want a domain without from and client_port: what is recognised by it is the server")
        if (self.port, self.client_port) != (None, None) and self.protocol not in ("tcp", "udp"):
            raise ValueError("want protocol: tcp or udp with a port")
        return self


class Demand(Strict):
    """How much of an application is expected from one CPE to another."""

    application: Label = Field(description="An application of `applications`.", examples=["video"])
    source: Name = Field(alias="from", description="The CPE where it comes in.", examples=["cpe-edge"])
    target: Name = Field(alias="to", description="The CPE where it goes out.", examples=["cpe-cloud"])
    rate: LinkRate = Field(description="What to reckon with.", examples=["20Mbit"])


class Probing(Strict):
    """STAMP (RFC 8762) through every tunnel in every class, and how much it takes to believe what it says."""

    interval: Duration = Field(default=100.0, ge=5, description="Time between probes.", examples=["100ms"])
    timeout: Duration = Field(
        default=100.0, ge=5, description="So long after it was sent an answer is missing.", examples=["100ms"]
    )
    lost: int = Field(default=3, ge=1, description="Missing answers in a row that are a blackout.", examples=[3])
    window: Duration = Field(default=500.0, ge=50, description="Quality is judged over so long.", examples=["500ms"])
    bad: int = Field(default=2, ge=1, description="Windows in a row that break an SLA.", examples=[2])
    good: int = Field(default=6, ge=1, description="Windows in a row after which it is met again.", examples=[6])
    margin: Ratio = Field(
        default=0.1, description="How far within its bound a value has to be to be good again.", examples=["10%"]
    )

    @model_validator(mode="after")
    def _measured(self) -> Probing:
        if self.window < self.interval:
            raise ValueError(f"want a window of at least the interval, {self.interval:g}ms: each has to have a probe")
        return self


class Sdwan(Strict):
    """The overlay: CPEs as edges of an SD-WAN under one controller."""

    mode: Mode = Field(
        default="overlay",
        description="What may move when an SLA is broken: nothing, flows between tunnels, SR Policies, or both.",
        examples=["joint"],
    )
    transports: dict[Name, Transport] = Field(
        min_length=1,
        description="Underlay services by name.",
        examples=[{"internet": {"links": ["internet-cpe-edge", "internet-cpe-cloud"], "price": 1}}],
    )
    hubs: list[Name] = Field(
        default_factory=list,
        description="With hubs, tunnels join every CPE to these only; without, every two CPEs.",
        examples=[["cpe-cloud"]],
    )
    pairs: list[tuple[Name, Name]] = Field(
        default_factory=list,
        description="Tunnels between these CPEs only, besides those of hubs.",
        examples=[[["cpe-a", "cpe-b"]]],
    )
    tenants: dict[Name, OverlayTenant] = Field(
        default_factory=dict,
        description="Customers by name.",
        examples=[{"blue": {"vni": 100, "attach": ["cpe-edge-blue"]}}],
    )
    classes: dict[Name, SlaClass] = Field(
        default_factory=dict,
        description="SLA classes by name. What no application is takes the class `default`: the transports in order.",
        examples=[{"critical": {"dscp": 46, "sla": {"delay": "30ms"}, "transports": ["private", "internet"]}}],
    )
    applications: dict[Label, Application] = Field(
        default_factory=dict,
        description="Applications by name; the first that matches counts.",
        examples=[{"portal": {"class": "critical", "to": "portal"}}],
    )
    demands: list[Demand] = Field(
        default_factory=list,
        description="What is expected of applications; what is not given is small.",
        examples=[[{"application": "portal", "from": "cpe-edge", "to": "cpe-cloud", "rate": "20Mbit"}]],
    )
    probing: Probing = Field(
        default_factory=Probing, description="How tunnels are measured.", examples=[{"interval": "20ms"}]
    )

    @property
    def attachments(self) -> frozenset[str]:
        """The links of all transports."""
        return frozenset(name for transport in self.transports.values() for name in transport.links)
