"""The SMF's YAML file: keys as in Open5GS's smf.yaml where it has them, unknown keys refused, all problems at once.

Ours are `name`, `dnai`, `role` and `capacity` of a UPF; `sst`, `sd`, `qfi`, `upf`, `ssc_mode`, `ambr`, `charging` and
`flows` of a session; `pfcp.heartbeat`, `pfcp.t1`, `management`, `db`, `ulcl`, `paging`, `ssc` and `recovery`. What
Open5GS has and we have no use for (see `SmfConfig` and `SmfFile`) is taken and ignored, so that its file can be used
as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator

from core_stub.config import FlowDescription, Management, PfcpServer, Port, Section, load_config
from core_stub.smf.pools import AddressPool, AddressRange, gateway_of
from core_stub.smf.rulesets import FLOWS
from core_stub.smf.session import ChargingRule, QosFlow, Rates
from testbed.errors import InputError, Problem
from testbed.units import DurationMs, Rate

Ignored = Any
"""A section of Open5GS that concerns what is not here."""

OneOrMore = BeforeValidator(lambda value: value if isinstance(value, list | tuple) else [value])
"""Open5GS takes a single value for a list of one."""


def _subnet(value: object) -> IPv4Network | IPv6Network:
    try:
        return ip_network(str(value))
    except ValueError as error:
        raise ValueError("want a valid IPv4 network") from error


def _address(value: object) -> IPv4Address | IPv6Address:
    try:
        return ip_address(str(value))
    except ValueError as error:
        raise ValueError("want a valid IPv4 address") from error


# A union would report a problem for each kind of address.
Subnet = Annotated[IPv4Network | IPv6Network, PlainValidator(_subnet)]
Address = Annotated[IPv4Address | IPv6Address, PlainValidator(_address)]

Octets = Annotated[int, Field(ge=1, lt=1 << 63)]
Seconds = Annotated[int, Field(ge=1, lt=1 << 32)]


class UpfClient(Section):
    """A UPF to associate with. Without `role` it is a PSA if it lists a DNN or has no DNAI; no `dnn` means any.

    Sessions go to the UPF with the fewest for its `capacity`, which is relative to that of the others.
    """

    address: IPv4Address
    port: Port = 8805
    name: str = ""
    dnn: Annotated[tuple[str, ...], OneOrMore] = ()
    dnai: str | None = None
    role: Literal["psa", "ulcl"] | None = None
    capacity: int = Field(default=1, ge=1)
    tac: Ignored = None
    e_cell_id: Ignored = None
    nr_cell_id: Ignored = None

    @property
    def label(self) -> str:
        """The name by which APIs and events know this UPF: its address unless it was given one."""
        return self.name or str(self.address)

    def anchors(self, dnn: str) -> bool:
        """True if sessions of `dnn` may have their PSA here."""
        is_psa = self.role == "psa" or (self.role is None and (bool(self.dnn) or self.dnai is None))
        return is_psa and (not self.dnn or dnn in self.dnn)


class PfcpClient(Section):
    """The peers of N4."""

    upf: tuple[UpfClient, ...]


class Pfcp(Section):
    """N4. Heartbeats, each `heartbeat`, tell that a UPF has restarted; a request is sent three times, `t1` apart."""

    server: tuple[PfcpServer]
    client: PfcpClient
    heartbeat: DurationMs = Field(default=5000.0, ge=100)
    t1: DurationMs = Field(default=2500.0, ge=100)


class SbiServer(Section):
    """Where the API for the gNB listens."""

    address: IPv4Address
    port: Port = 7777
    advertise: Ignored = None


class Sbi(Section):
    """The service-based interface."""

    server: tuple[SbiServer]
    client: Ignored = None


class RatePair(Section):
    """Bit rates up and down."""

    uplink: Rate
    downlink: Rate

    def rates(self) -> Rates:
        """In kbit/s, at least 1."""
        return Rates(max(1, self.uplink // 1000), max(1, self.downlink // 1000))


class Charging(Section):
    """A charging rule: octets, seconds. See `core_stub.smf.session.ChargingRule`."""

    rating_group: int = Field(default=1, ge=0, lt=1 << 32)
    volume_threshold: Octets | None = None
    time_threshold: Seconds | None = None
    period: Seconds | None = None
    volume_quota: Octets | None = None
    time_quota: Seconds | None = None
    total_volume: Octets | None = None

    def rule(self) -> ChargingRule:
        """As a value of the core."""
        return ChargingRule(**self.model_dump())


class Flow(Section):
    """A dedicated QoS flow (TS 23.501 §5.7); GBR makes it one with a guaranteed rate."""

    qfi: int = Field(ge=1, le=63)
    five_qi: int = Field(default=9, ge=1, le=255)
    sdf: tuple[FlowDescription, ...] = Field(min_length=1, max_length=15)
    precedence: int = Field(default=255, ge=1, le=65534)
    mbr: RatePair | None = None
    gbr: RatePair | None = None
    charging: Charging | None = None

    def in_slot(self, slot: int) -> QosFlow:
        """As a value of the core, with a place in the session."""
        return QosFlow(
            slot,
            self.qfi,
            self.five_qi,
            self.sdf,
            self.precedence,
            self.mbr.rates() if self.mbr else None,
            self.gbr.rates() if self.gbr else None,
            self.charging.rule() if self.charging else None,
        )


class SessionPool(Section):
    """A DNN of a slice and its UE addresses; the gateway, by default the first address, is never given out.

    Without `dnn` it is for every DNN that has no pool. Several pools of a DNN are used one after another. With `range`
    only such addresses are given out: `10.45.0.9-10.45.0.99`, `10.45.0.9-` or `-10.45.0.99`. With `upf` its addresses
    are routed to those UPFs only. IPv6 subnets are not used: sessions are of type IPv4.
    """

    subnet: Subnet
    gateway: Address | None = None
    dnn: str | None = None
    dev: Ignored = None
    sst: int = Field(default=1, ge=0, le=255)
    sd: int | None = Field(default=None, ge=0, le=0xFFFFFF)
    qfi: int = Field(default=1, ge=1, le=63)
    range: Annotated[tuple[str, ...], OneOrMore] = ()
    upf: Annotated[tuple[str, ...], OneOrMore] = ()
    ssc_mode: int = Field(default=1, ge=1, le=3)
    ambr: RatePair | None = None
    charging: Charging | None = None
    flows: tuple[Flow, ...] = Field(default=(), max_length=FLOWS - 1)

    def pool(self) -> AddressPool:
        """Its addresses, none given out; ValueError for a `range` that is none of the subnet's."""
        assert isinstance(self.subnet, IPv4Network), "sessions are of type IPv4"
        return AddressPool(self.subnet, self.gateway, [_range(text, self.subnet) for text in self.range])


def _range(text: str, subnet: IPv4Network) -> AddressRange:
    first, dash, last = text.partition("-")
    low = IPv4Address(first) if first else subnet.network_address + 1
    high = IPv4Address(last) if last else subnet.broadcast_address - 1
    if not dash or low not in subnet or high not in subnet or low > high:
        raise ValueError(f"want addresses of {subnet}, the lower one first")
    return low, high


class UlClTimes(Section):
    """`guard`: how long the old path stays after a switch, for packets still on their way through the WAN."""

    guard: DurationMs = 200.0


class Paging(Section):
    """`within`: how long a UE that is paged has for its service request, before its packets are thrown away."""

    within: DurationMs = 5000.0


class Ssc(Section):
    """`lifetime`: how long the old session of SSC mode 3 stays beside the new one (TS 23.502 §4.3.5.2)."""

    lifetime: DurationMs = 2000.0


class Recovery(Section):
    """`reselect_after`: how long sessions wait for a UPF that is lost, before another one takes them."""

    reselect_after: DurationMs = 1000.0


class SmfConfig(Section):
    """The section `smf`; `db` is the file in which sessions survive a restart."""

    pfcp: Pfcp
    sbi: Sbi
    session: tuple[SessionPool, ...]
    management: Management | None = None
    db: Path | None = None
    dns: Annotated[tuple[Address, ...], OneOrMore] = ()
    mtu: int | None = Field(default=None, ge=576, le=65535)
    ulcl: UlClTimes = UlClTimes()
    paging: Paging = Paging()
    ssc: Ssc = Ssc()
    recovery: Recovery = Recovery()
    gtpc: Ignored = None
    gtpu: Ignored = None
    metrics: Ignored = None
    info: Ignored = None
    ctf: Ignored = None
    p_cscf: Any = Field(default=None, alias="p-cscf")
    free_diameter: Any = Field(default=None, alias="freeDiameter")
    security_indication: Ignored = None


class SmfFile(Section):
    """The whole file."""

    smf: SmfConfig
    logger: Ignored = None
    default: Ignored = None
    # Not called `global` in the model: that is a keyword.
    global_: Any = Field(default=None, alias="global")
    max: Ignored = None
    pool: Ignored = None
    time: Ignored = None
    parameter: Ignored = None


def load(path: Path, variables: Mapping[str, Any]) -> SmfConfig:
    """The configuration in `path` (a template if it ends in `.j2`); InputError carries all problems."""
    config = load_config(path, SmfFile, variables).smf
    if problems := (*_contradictions(config.pfcp.client.upf), *_pool_contradictions(config)):
        raise InputError(str(path), problems)
    return config


def _contradictions(upfs: tuple[UpfClient, ...]) -> Iterator[Problem]:
    """What is wrong between UPFs that are each right."""
    where = "smf.pfcp.client.upf"
    for (_, earlier), (index, upf) in combinations(enumerate(upfs), 2):
        if upf.label == earlier.label:
            yield Problem(f"{where}[{index}].name", f'"{upf.label}"', "a name that no other UPF has")
        if (upf.address, upf.port) == (earlier.address, earlier.port):
            yield Problem(f"{where}[{index}].address", f'"{upf.address}"', "an address that no other UPF has")


def _pool_contradictions(config: SmfConfig) -> Iterator[Problem]:
    upfs = config.pfcp.client.upf
    if not any(isinstance(pool.subnet, IPv4Network) for pool in config.session):
        yield Problem("smf.session", "no DNN", "at least one, with an IPv4 subnet")
    for (_, before), (index, pool) in combinations(enumerate(config.session), 2):
        if pool.subnet.version == before.subnet.version and pool.subnet.overlaps(before.subnet):
            yield Problem(f"smf.session[{index}].subnet", f'"{pool.subnet}"', f"no overlap with {before.subnet}")
    for index, pool in enumerate(config.session):
        where = f"smf.session[{index}]"
        if not any(upf.anchors(pool.dnn) if pool.dnn else upf.anchors("") or upf.dnn for upf in upfs):
            yield Problem(f"{where}.dnn", f'"{pool.dnn}"', "a DNN that a UPF of smf.pfcp.client.upf anchors")
        for name in set(pool.upf) - {upf.label for upf in upfs}:
            yield Problem(f"{where}.upf", f'"{name}"', "the name of a UPF of smf.pfcp.client.upf")
        if gateway_of(pool.subnet, pool.gateway) not in pool.subnet:
            yield Problem(f"{where}.gateway", f'"{pool.gateway}"', f"an address of {pool.subnet}")
        yield from _range_problems(f"{where}.range", pool)
        if len({pool.qfi, *(flow.qfi for flow in pool.flows)}) <= len(pool.flows):
            yield Problem(f"{where}.flows", "a QFI twice", f"each QFI once, and not the default flow's {pool.qfi}")


def _range_problems(where: str, pool: SessionPool) -> Iterator[Problem]:
    subnet = pool.subnet
    for text in pool.range:
        try:
            if isinstance(subnet, IPv4Network):
                _range(text, subnet)
        except ValueError:
            yield Problem(where, f'"{text}"', f"two addresses of {subnet} with a dash between, or one of them")
