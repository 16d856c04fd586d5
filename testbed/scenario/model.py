"""The shape of a scenario file. Unknown keys are errors; every field has a description and an example."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, IPvAnyAddress, model_validator

from testbed.scenario import expectation
from testbed.scenario.base import HostName, Label, Name, Strict
from testbed.scenario.impairment import Links
from testbed.scenario.sdwan import Sdwan
from testbed.scenario.srv6 import Dscp, Srv6
from testbed.scenario.steps import Measure, Step
from testbed.units import DurationMs, Ratio


def _known_expression(text: str) -> str:
    expectation.parse(text)
    return text


_NOT_UNICAST = tuple(map(IPv4Network, ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3")))
"""This network, loopback, link-local (a UE's gateway is there), multicast and reserved (RFC 6890)."""

_NOT_UNICAST6 = tuple(map(IPv6Network, ("::/8", "fe80::/10", "ff00::/8")))
"""Unspecified, loopback and IPv4-mapped; link-local; multicast (RFC 4291 §2.4)."""


def _unicast(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    blocks: tuple[IPv4Network | IPv6Network, ...] = (*_NOT_UNICAST, *_NOT_UNICAST6)
    if any(address in block for block in blocks):
        raise ValueError('want a unicast address such as "203.0.113.10" or "2001:db8::10"')
    return address


def _unicast_pool(pool: IPv4Network) -> IPv4Network:
    if any(pool.overlaps(block) for block in _NOT_UNICAST):
        raise ValueError('want a prefix of unicast addresses such as "10.45.0.0/16"')
    return pool


class Topology(Strict):
    """Which topology, and its parameters: one of the `topologies` package by name, or one in a file."""

    name: str | None = Field(default=None, description="A topology of the `topologies` package.", examples=["metro"])
    file: str | None = Field(
        default=None,
        description="A topology file beside the scenario: YAML, GraphML (`.graphml`) or an edge list (`.edges`); "
        "`.j2` is a template, with `params` as its variables.",
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


class Dnn(Strict):
    """A data network: its address pool and the UPFs that serve it."""

    pool: Annotated[IPv4Network, AfterValidator(_unicast_pool)] = Field(
        description="UE addresses are taken from here.", examples=["10.45.0.0/16"]
    )
    sst: int = Field(default=1, ge=0, le=255, description="Slice/service type of the S-NSSAI.", examples=[1])
    qfi: int = Field(default=1, ge=1, le=63, description="QoS flow of the default rule.", examples=[1])
    psa: Name = Field(description="The UPF that anchors sessions (PSA).", examples=["upf-cloud"])


class Session(Strict):
    """A PDU session that is established before the timeline starts."""

    ue: Name = Field(description="The user equipment.", examples=["ue1"])
    dnn: str = Field(description="A DNN of `core.dnns`.", examples=["internet"])


class Core(Strict):
    """The 5G core."""

    dnns: dict[str, Dnn] = Field(
        default_factory=dict,
        description="Data networks by name.",
        examples=[{"internet": {"pool": "10.45.0.0/16", "psa": "upf-cloud"}}],
    )
    ue_mtu: int = Field(default=1500, ge=576, le=9000, description="MTU of the PDU sessions.", examples=[1500])
    guard: DurationMs = Field(
        default=200.0,
        le=30_000,
        description="How long an old path is kept for packets in flight when traffic moves to a new one.",
        examples=["200ms"],
    )
    sessions: list[Session] = Field(
        default_factory=list, description="PDU sessions to establish.", examples=[[{"ue": "ue1", "dnn": "internet"}]]
    )


class OwnController(Strict):
    """A controller of the user's own for the CPEs: a Ryu or os-ken application, in a process of its own."""

    app: str = Field(description="The application's file, beside the scenario.", examples=["apps/ryu_switch.py"])
    options: list[str] = Field(
        default_factory=list,
        description="Options of Ryu or of the application, as on ryu-manager's command line.",
        examples=[["--observe-links"]],
    )


class Service(Strict):
    """HTTP on port 80 and a STAMP reflector on UDP 862, at one address; on several hosts the address is anycast."""

    address: Annotated[IPvAnyAddress, AfterValidator(_unicast)] = Field(
        description="The service's address.", examples=["203.0.113.10", "2001:db8::10"]
    )
    hosts: list[Name] = Field(min_length=1, description="The hosts that serve it.", examples=[["app1", "mec1"]])
    names: list[HostName] = Field(
        default_factory=list,
        description="What it is called in DNS; HTTP probes ask for the first name.",
        examples=[["portal.example"]],
    )
    dns: bool = Field(
        default=False, description="A name server, too: it answers on UDP 53 for all names.", examples=[True]
    )


class _Probe(Strict):
    source: Name = Field(alias="from", description="The node that sends.", examples=["ue1"])
    to: str = Field(description="A service.", examples=["portal"])
    dscp: Dscp = Field(default=0, description="DSCP of its packets (RFC 2474).", examples=[46])


class StampProbe(_Probe):
    """RFC 8762 probes at a constant rate: RTT, one-way delay both ways, loss."""

    kind: Literal["stamp"] = Field(description="The kind of probe.", examples=["stamp"])
    rate: int = Field(default=100, ge=1, le=10000, description="Packets a second.", examples=[100])


class HttpProbe(_Probe):
    """HTTP requests, each on a new connection: time to connect, to first byte and to completion."""

    kind: Literal["http"] = Field(description="The kind of probe.", examples=["http"])
    interval: DurationMs = Field(default=500.0, ge=10, description="Time between requests.", examples=["500ms"])
    bytes: int = Field(default=10_000, ge=0, le=10**8, description="Size of the body asked for.", examples=[10000])


Probe = Annotated[StampProbe | HttpProbe, Field(discriminator="kind")]


class FlowCounter(Strict):
    """Counts one user's packets to and from one service on links of a router, inside GTP-U and outside."""

    ue: Name = Field(description="The user.", examples=["ue1"])
    service: str = Field(description="The service.", examples=["portal"])
    at: Name = Field(description="The router that counts.", examples=["pe1"])
    links: list[str] = Field(
        min_length=1, description="The links of that router on which it counts.", examples=[["pe1-guangzhou"]]
    )


class Capture(Strict):
    """A packet capture for the whole run, as pcapng."""

    at: Name = Field(description="The node.", examples=["gnb1"])
    link: str = Field(description="One of its links.", examples=["gnb1-csr1"])
    point: str = Field(description="What the point is called in path proofs.", examples=["N3"])
    peer: Name | None = Field(
        default=None,
        description="Only packets to and from this node's address, e.g. to tell N3 from N9 on one interface.",
        examples=["gnb1"],
    )


class Validity(Strict):
    """How much the host may fall behind before a run cannot be believed; then it ends with exit code 4."""

    lateness_p99: DurationMs = Field(
        default=5.0,
        gt=0,
        description="How late a link may send, 99th percentile, on links with a thousand packets or more.",
        examples=["5ms"],
    )
    steal: Ratio = Field(
        default=0.3, description="Share of processor time that the hypervisor may take.", examples=["30%"]
    )
    run_delay: DurationMs = Field(
        default=20.0,
        gt=0,
        description="Mean wait for a processor that a process of the lab may have.",
        examples=["20ms"],
    )


class Scenario(Strict):
    """An experiment as one file."""

    name: Label = Field(description="The experiment's name.", examples=["local-breakout"])
    description: str = Field(default="", description="What it shows.", examples=["Traffic moves to the MEC and back."])
    seed: int = Field(
        default=1, ge=0, lt=2**63, description="Seeds everything random; `--seed` overrides it.", examples=[1]
    )
    topology: Topology = Field(description="The network.", examples=[{"name": "metro"}])
    links: Links = Field(default_factory=Links, description="How links behave.", examples=[{"engine": "auto"}])
    core: Core = Field(
        default_factory=Core, description="Data networks, sessions and timers.", examples=[{"ue_mtu": 1500}]
    )
    srv6: Srv6 | None = Field(
        default=None,
        description="SRv6 on the routers; without it they have static routes.",
        examples=[{"fast_reroute": "link"}],
    )
    sdwan: Sdwan | None = Field(
        default=None,
        description="An SD-WAN overlay between CPEs; without it they are bridges.",
        examples=[{"transports": {"internet": {"links": ["internet-cpe-edge", "internet-cpe-cloud"]}}}],
    )
    controller: OwnController | None = Field(
        default=None,
        description="An SDN controller of one's own for the CPEs; without it they learn addresses.",
        examples=[{"app": "apps/ryu_switch.py"}],
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
    validity: Validity = Field(
        default_factory=Validity, description="When a run is invalid.", examples=[{"lateness_p99": "2ms"}]
    )
    expect: list[Annotated[str, AfterValidator(_known_expression)]] = Field(
        default_factory=list,
        description="What has to hold.",
        examples=[["before.ue1-portal.rtt_ms.p50 > 20 ms"]],
    )

    @property
    def name_server(self) -> Service | None:
        """The service that answers for names."""
        return next((service for service in self.services.values() if service.dns), None)

    def windows(self) -> tuple[str, ...]:
        """The names of the timeline's windows, in order."""
        return tuple(step.measure if isinstance(step, Measure) else step.window for step in self.timeline)

    def measurement_kinds(self) -> dict[str, str]:
        """Name of each probe, flow counter and application → its kind, a key of `expectation.METRICS`."""
        kinds: dict[str, str] = dict.fromkeys(self.sdwan.applications if self.sdwan else (), "application")
        return kinds | {name: probe.kind for name, probe in self.probes.items()} | dict.fromkeys(self.flows, "flow")
