"""The UPF's YAML file: keys as in Open5GS's upf.yaml, those that mean nothing here are passed over.

    upf:
      pfcp:
        server: [{address: 192.0.2.1}]             # N4 listens here and nowhere else; the Node ID too
        client: {smf: [{address: 192.0.2.9}]}      # we associate with these, and take associations from them
        accept: [192.0.2.9] | any                  # who else may associate; without it and without smf, any
      gtpu: {server: [{address: 192.0.2.1}], echo: 60s}
      session:
        - {subnet: 10.45.0.0/16, gateway: 10.45.0.1, dnn: internet, dev: n6}
      mtu: 1400
      management: {socket: /run/upf.sock}          # without it there is no management API
      applications: [{id: video, flows: ["permit out ip from 203.0.113.0/24 to assigned"]}]
      predefined_rules:
        - {name: no-video, precedence: 10, flows: ["permit out ip from 203.0.113.0/24 to assigned"], gate: closed}
        - {name: slow, precedence: 20, mbr: {uplink: 1Mbit, downlink: 5Mbit}}

A `dnn` is a Network Instance of N4; a session without one serves all of them. Rules that name another are rejected. A
`dev` (`ogstun` by default, as in Open5GS) that is there is used; else it is made, and goes with us.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from itertools import combinations
from typing import Annotated, Any, Literal, TypeGuard

from pydantic import BeforeValidator, Field, field_validator

from core_stub.config import Gtpu, Management, PfcpServer, Port, Section
from core_stub.sdf import FlowFilter, parse_flow_description
from core_stub.upf.networks import DataNetwork
from core_stub.upf.paths import LEAST_INTERVAL_S
from core_stub.upf.predefined import PredefinedRule
from core_stub.upf.userplane.n6 import N6Network
from testbed.units import DurationMs, Rate

InterfaceName = Annotated[str, Field(min_length=1, max_length=15, pattern=r"^[^\s/:]+$")]
"""What Linux takes as the name of an interface."""


def _network(value: object) -> object:
    """Of either IP version, so that pydantic does not tell of both what is wrong."""
    try:
        return ip_network(value) if isinstance(value, str) else value
    except ValueError as error:
        raise ValueError(f"want an IP network, since {error}") from error


def _address(value: object) -> object:
    try:
        return ip_address(value) if isinstance(value, str) else value
    except ValueError as error:
        raise ValueError("want an IP address") from error


def _accepted(value: object) -> object:
    """`any`, or addresses."""
    if value is None or value == "any":
        return value
    if not isinstance(value, list | tuple) or not all(_is_ipv4(_address(each)) for each in value):
        raise ValueError('want "any" or a list of IPv4 addresses')
    return tuple(map(_address, value))


Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]
Address = Annotated[IPv4Address | IPv6Address, BeforeValidator(_address)]


class PfcpPeer(Section):
    """A CP function."""

    address: IPv4Address
    port: Port = 8805


class PfcpClient(Section):
    """CP functions that we associate with."""

    smf: tuple[PfcpPeer, ...] = ()


class Pfcp(Section):
    """N4."""

    server: tuple[PfcpServer]
    client: PfcpClient | None = None
    accept: Annotated[Literal["any"] | tuple[IPv4Address, ...] | None, BeforeValidator(_accepted)] = None

    @property
    def peers(self) -> tuple[PfcpPeer, ...]:
        """The CP functions to associate with."""
        return self.client.smf if self.client else ()

    @property
    def allowed(self) -> frozenset[str] | None:
        """The addresses that may associate; None for all."""
        if self.accept == "any" or (self.accept is None and not self.peers):
            return None
        accepted = self.accept if isinstance(self.accept, tuple) else ()
        return frozenset(map(str, (*accepted, *(peer.address for peer in self.peers))))


class UpfGtpu(Gtpu):
    """N3 and N9."""

    echo: DurationMs = LEAST_INTERVAL_S * 1000
    """How often the peers of GTP-U paths are asked if they are there; 0s for never."""


class SessionPool(Section):
    """UE addresses that are routed to N6's device; those of IPv6 are passed over."""

    subnet: Network
    gateway: Address | None = None
    dnn: str | None = None
    dev: InterfaceName = "ogstun"
    """Open5GS's default, which its set-up scripts make."""


def _flow_filters(flows: tuple[str, ...]) -> tuple[FlowFilter, ...]:
    return tuple(map(parse_flow_description, flows))


class Application(Section):
    """An application by its flows, each a flow description of TS 29.212 §5.4.2."""

    id: str
    flows: Annotated[tuple[str, ...], Field(min_length=1)]

    @field_validator("flows")
    @classmethod
    def _parse(cls, flows: tuple[str, ...]) -> tuple[str, ...]:
        _flow_filters(flows)
        return flows


class Mbr(Section):
    """Maximum bit rates."""

    uplink: Rate | None = None
    downlink: Rate | None = None


class Predefined(Section):
    """A rule that N4 names only."""

    name: str
    precedence: Annotated[int, Field(ge=0, le=0xFFFF_FFFF)]
    flows: tuple[str, ...] = ()
    gate: Literal["open", "closed"] = "open"
    mbr: Mbr = Mbr()

    @field_validator("flows")
    @classmethod
    def _parse(cls, flows: tuple[str, ...]) -> tuple[str, ...]:
        _flow_filters(flows)
        return flows

    def rule(self) -> PredefinedRule:
        """As sessions are resolved with it."""
        # On N4 and in the rules 0 is no limit.
        rates = (self.mbr.uplink, self.mbr.downlink)
        uplink, downlink = (None if bps is None else max(1, bps // 1000) for bps in rates)
        filters = _flow_filters(self.flows)
        return PredefinedRule(self.name, self.precedence, filters, self.gate == "open", uplink, downlink)


class UpfConfig(Section):
    """The section `upf`."""

    pfcp: Pfcp
    gtpu: UpfGtpu
    session: tuple[SessionPool, ...]
    mtu: Annotated[int, Field(ge=576, le=65535)] = 1500
    """Of N6's devices: the MTU that UEs are told. Longer packets for them are answered with ICMP, or fragmented."""
    management: Management | None = None
    applications: tuple[Application, ...] = ()
    predefined_rules: tuple[Predefined, ...] = ()
    metrics: Any = None
    """Of Open5GS, and not read."""

    @field_validator("session")
    @classmethod
    def _some_ipv4_without_overlap(cls, pools: tuple[SessionPool, ...]) -> tuple[SessionPool, ...]:
        subnets = [pool.subnet for pool in pools if isinstance(pool.subnet, IPv4Network)]
        if not subnets:
            raise ValueError("want at least one IPv4 subnet")
        for one, other in combinations(subnets, 2):
            if one.overlaps(other):
                raise ValueError(f"want subnets that do not overlap, as {one} and {other} do")
        return pools

    @property
    def data_networks(self) -> tuple[DataNetwork, ...]:
        """The pools that can be served."""
        return tuple(
            DataNetwork(pool.subnet, pool.dev, pool.dnn, pool.gateway if _is_ipv4(pool.gateway) else None)
            for pool in self.session
            if isinstance(pool.subnet, IPv4Network)
        )

    @property
    def n6_networks(self) -> tuple[N6Network, ...]:
        """The devices of N6, with all of their pools."""
        networks = self.data_networks
        return tuple(
            N6Network(
                device,
                tuple(network.subnet for network in networks if network.device == device),
                tuple(network.gateway for network in networks if network.device == device and network.gateway),
            )
            for device in dict.fromkeys(network.device for network in networks)
        )

    @property
    def application_filters(self) -> Mapping[str, tuple[FlowFilter, ...]]:
        """Application ID → filters."""
        return {application.id: _flow_filters(application.flows) for application in self.applications}


def _is_ipv4(address: object) -> TypeGuard[IPv4Address]:
    return isinstance(address, IPv4Address)


class UpfFile(Section):
    """The whole file; the other sections are Open5GS's, and not read."""

    upf: UpfConfig
    logger: Any = None
    default: Any = None
    max: Any = None
    parameter: Any = None
    time: Any = None
    open5gs_global: Any = Field(default=None, alias="global")
