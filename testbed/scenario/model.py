"""The shape of a scenario file. Unknown keys are errors; every field has a description and an example."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    model_validator,
)

from testbed.graph import Tier
from testbed.scenario import expectation
from testbed.units import DistanceKm, DurationMs, Rate, Ratio

Name = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,14}$"),
]
"""A node's name: it is an interface's name too, so at most 15 characters."""

Label = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
"""The name of a probe, a counter or a window."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _known_expression(text: str) -> str:
    expectation.parse(text)
    return text


def _flow_capable(address: IPv4Address) -> IPv4Address:
    if address.is_multicast or address.is_loopback or address.is_unspecified or address.is_reserved:
        raise ValueError('want a unicast address such as "203.0.113.10"')
    return address


class Topology(_Strict):
    """Which topology, and its parameters: one of the `topologies` package by name, or one in a file."""

    name: str | None = Field(default=None, description="A topology of the `topologies` package.", examples=["metro"])
    file: str | None = Field(
        default=None,
        description="A topology file beside the scenario; `.j2` is a template, with `params` as its variables.",
        examples=["two-sites.yml.j2"],
    )
    params: dict[str, Any] = Field(
        default_factory=dict,
        description="Parameters of that topology; `bearerlab graph` shows what they make.",
        examples=[{"ues": 2, "backbone_scope": "paths"}],
    )

    @model_validator(mode="after")
    def _one_source(self) -> Topology:
        if (self.name is None) == (self.file is None):
            raise ValueError("want either `name` or `file`")
        return self


class Impairment(_Strict):
    """What a link does to packets, both ways; what is left out keeps the tier's preset."""

    delay: DurationMs | None = Field(default=None, description="One-way delay.", examples=["1ms"])
    jitter: DurationMs | None = Field(
        default=None, description="Standard deviation of the delay; packets keep their order.", examples=["0.1ms"]
    )
    loss: Ratio | None = Field(default=None, description="Share of packets lost at random.", examples=["0.1%"])
    rate: Rate | None = Field(default=None, description="Rate limit.", examples=["300Mbit"])
    queue: DurationMs | None = Field(
        default=None, description="Longest wait for a limited link before a packet is dropped.", examples=["50ms"]
    )
    mtu: int | None = Field(default=None, ge=576, le=9000, description="MTU in octets.", examples=[1500])


class LinkOverride(Impairment):
    """An impairment of one link, named."""

    link: str = Field(description="The link's name, `a-b`.", examples=["gnb1-csr1"])
    distance: DistanceKm | None = Field(
        default=None, description="Length of fibre; adds 5 µs a kilometre to the delay.", examples=["80km"]
    )


class Links(_Strict):
    """The link engine and what differs from the tiers' presets."""

    engine: Literal["auto", "netem", "wire"] = Field(
        default="auto", description="Link engine; `auto` takes netem where the kernel has it.", examples=["auto"]
    )
    tiers: dict[Tier, Impairment] = Field(
        default_factory=dict, description="Presets to change, by tier.", examples=[{"radio": {"delay": "2ms"}}]
    )
    override: list[LinkOverride] = Field(
        default_factory=list, description="Single links to change.", examples=[[{"link": "m1-m2", "delay": "1ms"}]]
    )


class Dnn(_Strict):
    """A data network: its address pool and the UPFs that serve it."""

    pool: IPv4Network = Field(description="UE addresses are taken from here.", examples=["10.45.0.0/16"])
    sst: int = Field(default=1, ge=0, le=255, description="Slice/service type of the S-NSSAI.", examples=[1])
    qfi: int = Field(default=1, ge=1, le=63, description="QoS flow of the default rule.", examples=[1])
    psa: Name = Field(description="The UPF that anchors sessions (PSA).", examples=["upf-cloud"])


class Session(_Strict):
    """A PDU session that is established before the timeline starts."""

    ue: Name = Field(description="The user equipment.", examples=["ue1"])
    dnn: str = Field(description="A DNN of `core.dnns`.", examples=["internet"])


class Core(_Strict):
    """The 5G core."""

    dnns: dict[str, Dnn] = Field(
        default_factory=dict,
        description="Data networks by name.",
        examples=[{"internet": {"pool": "10.45.0.0/16", "psa": "upf-cloud"}}],
    )
    ue_mtu: int = Field(default=1500, ge=576, le=9000, description="MTU of the PDU sessions.", examples=[1500])
    guard: DurationMs = Field(
        default=200.0,
        description="How long an old path is kept for packets in flight when traffic moves to a new one.",
        examples=["200ms"],
    )
    sessions: list[Session] = Field(
        default_factory=list, description="PDU sessions to establish.", examples=[[{"ue": "ue1", "dnn": "internet"}]]
    )


class Service(_Strict):
    """HTTP on port 80 and a STAMP reflector on UDP 862, at one address; on several hosts the address is anycast."""

    address: Annotated[IPv4Address, AfterValidator(_flow_capable)] = Field(
        description="The service's address.", examples=["203.0.113.10"]
    )
    hosts: list[Name] = Field(min_length=1, description="The hosts that serve it.", examples=[["app1", "mec1"]])


class _Probe(_Strict):
    source: Name = Field(alias="from", description="The node that sends.", examples=["ue1"])
    to: str = Field(description="A service.", examples=["portal"])


class StampProbe(_Probe):
    """RFC 8762 probes at a constant rate: RTT, one-way delay both ways, loss."""

    kind: Literal["stamp"] = Field(description="The kind of probe.", examples=["stamp"])
    rate: int = Field(default=100, ge=1, le=10000, description="Packets a second.", examples=[100])


class HttpProbe(_Probe):
    """HTTP requests, each on a new connection: time to connect, to first byte and to completion."""

    kind: Literal["http"] = Field(description="The kind of probe.", examples=["http"])
    interval: DurationMs = Field(default=500.0, gt=0, description="Time between requests.", examples=["500ms"])
    bytes: int = Field(default=10_000, ge=0, le=10**8, description="Size of the body asked for.", examples=[10000])


Probe = Annotated[StampProbe | HttpProbe, Field(discriminator="kind")]


class FlowCounter(_Strict):
    """Counts one user's packets to and from one service on links of a router, inside GTP-U and outside."""

    ue: Name = Field(description="The user.", examples=["ue1"])
    service: str = Field(description="The service.", examples=["portal"])
    at: Name = Field(description="The router that counts.", examples=["pe1"])
    links: list[str] = Field(
        min_length=1, description="The links of that router on which it counts.", examples=[["pe1-guangzhou"]]
    )


class Capture(_Strict):
    """A packet capture for the whole run, as pcapng."""

    at: Name = Field(description="The node.", examples=["gnb1"])
    link: str = Field(description="One of its links.", examples=["gnb1-csr1"])
    point: str = Field(description="What the point is called in path proofs.", examples=["N3"])
    peer: Name | None = Field(
        default=None,
        description="Only packets to and from this node's address, e.g. to tell N3 from N9 on one interface.",
        examples=["gnb1"],
    )


class Measure(_Strict):
    """Let the probes run for a while and call the result by a name."""

    measure: Label = Field(description="The name of the window.", examples=["before"])
    duration: DurationMs = Field(alias="for", gt=0, description="How long.", examples=["8s"])


class _Change(_Strict):
    window: Label = Field(alias="as", description="The name of the window around the change.", examples=["insertion"])
    settle: DurationMs = Field(
        default=2000.0, description="How long the window goes on after the change.", examples=["2s"]
    )


class UlclTarget(_Strict):
    """Whose session, through which UPF, and which services break out there."""

    ue: Name = Field(description="The user whose session it is.", examples=["ue1"])
    upf: Name = Field(description="The edge UPF: UL CL and local PSA.", examples=["upf-edge"])
    services: list[str] = Field(min_length=1, description="Services to break out locally.", examples=[["portal"]])


class InsertUlcl(_Change):
    """Insert an edge UPF as UL CL with a local PSA (TS 23.502 §4.3.5.4)."""

    insert_ulcl: UlclTarget = Field(
        description="What to insert.", examples=[{"ue": "ue1", "upf": "upf-edge", "services": ["portal"]}]
    )


class UlclSession(_Strict):
    """Whose session."""

    ue: Name = Field(description="The user whose session it is.", examples=["ue1"])


class RemoveUlcl(_Change):
    """Remove the UL CL again (TS 23.502 §4.3.5.5)."""

    remove_ulcl: UlclSession = Field(description="What to remove.", examples=[{"ue": "ue1"}])


STEPS: dict[str, type[BaseModel]] = {"measure": Measure, "insert_ulcl": InsertUlcl, "remove_ulcl": RemoveUlcl}


def _step_kind(step: Any) -> str | None:
    keys = step.keys() if isinstance(step, dict) else getattr(type(step), "model_fields", ())
    return next((kind for kind in STEPS if kind in keys), None)


Step = Annotated[
    Annotated[Measure, Tag("measure")]
    | Annotated[InsertUlcl, Tag("insert_ulcl")]
    | Annotated[RemoveUlcl, Tag("remove_ulcl")],
    Discriminator(
        _step_kind,
        custom_error_type="step",
        custom_error_message=f"want a step with one of the keys {', '.join(STEPS)}",
    ),
]


class Scenario(_Strict):
    """An experiment as one file."""

    name: Label = Field(description="The experiment's name.", examples=["local-breakout"])
    description: str = Field(default="", description="What it shows.", examples=["Traffic moves to the MEC and back."])
    seed: int = Field(default=1, ge=0, description="Seeds everything random; `--seed` overrides it.", examples=[1])
    topology: Topology = Field(description="The network.", examples=[{"name": "metro"}])
    links: Links = Field(default_factory=Links, description="How links behave.", examples=[{"engine": "auto"}])
    core: Core = Field(
        default_factory=Core, description="Data networks, sessions and timers.", examples=[{"ue_mtu": 1500}]
    )
    services: dict[Name, Service] = Field(
        default_factory=dict,
        description="Services by name.",
        examples=[{"portal": {"address": "203.0.113.10", "hosts": ["app1", "mec1"]}}],
    )
    probes: dict[Label, Probe] = Field(
        default_factory=dict,
        description="Probes by name; they run from the first step of the timeline to the last.",
        examples=[{"ue1-portal": {"kind": "stamp", "from": "ue1", "to": "portal", "rate": 100}}],
    )
    flows: dict[Label, FlowCounter] = Field(
        default_factory=dict,
        description="Flow counters by name.",
        examples=[{"portal-backbone": {"ue": "ue1", "service": "portal", "at": "pe1", "links": ["pe1-guangzhou"]}}],
    )
    captures: list[Capture] = Field(
        default_factory=list,
        description="Packet captures.",
        examples=[[{"at": "gnb1", "link": "gnb1-csr1", "point": "N3"}]],
    )
    timeline: list[Step] = Field(
        default_factory=list,
        description="The steps, one after the other.",
        examples=[[{"measure": "before", "for": "8s"}]],
    )
    expect: list[Annotated[str, AfterValidator(_known_expression)]] = Field(
        default_factory=list,
        description="What has to hold.",
        examples=[["before.ue1-portal.rtt_ms.p50 > 20 ms"]],
    )

    def windows(self) -> tuple[str, ...]:
        """The names of the timeline's windows, in order."""
        return tuple(step.measure if isinstance(step, Measure) else step.window for step in self.timeline)

    def measurement_kinds(self) -> dict[str, str]:
        """Name of each probe and flow counter → its kind, a key of `expectation.METRICS`."""
        return {name: probe.kind for name, probe in self.probes.items()} | dict.fromkeys(self.flows, "flow")
