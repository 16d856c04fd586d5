"""The SMF's YAML file: keys as in Open5GS's smf.yaml where it has them, unknown keys refused, all problems at once.

Ours are `name`, `dnai` and `role` of a UPF, `sst`, `sd` and `qfi` of a session, `management` and `ulcl`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from core_stub.config import Management, PfcpServer, Port, Section, load_config
from core_stub.smf.pools import gateway_of
from testbed.errors import InputError, Problem
from testbed.units import DurationMs


class UpfClient(Section):
    """A UPF to associate with. Without `role` it is a PSA if it lists a DNN or has no DNAI; no `dnn` means any."""

    address: IPv4Address
    port: Port = 8805
    name: str = ""
    dnn: tuple[str, ...] = ()
    dnai: str | None = None
    role: Literal["psa", "ulcl"] | None = None

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
    """N4."""

    server: tuple[PfcpServer]
    client: PfcpClient


class SbiServer(Section):
    """Where the API for the gNB listens."""

    address: IPv4Address
    port: Port = 7777


class Sbi(Section):
    """The service-based interface."""

    server: tuple[SbiServer]


class SessionPool(Section):
    """A DNN of a slice and its UE addresses; the gateway, by default the first address, is never given out."""

    subnet: IPv4Network
    gateway: IPv4Address | None = None
    dnn: str
    sst: int = Field(default=1, ge=0, le=255)
    sd: int | None = Field(default=None, ge=0, le=0xFFFFFF)
    qfi: int = Field(default=1, ge=1, le=63)


class UlClTimes(Section):
    """`guard`: how long the old path stays after a switch, for packets still on their way through the WAN."""

    guard: DurationMs = 200.0


class SmfConfig(Section):
    """The section `smf`."""

    pfcp: Pfcp
    sbi: Sbi
    session: tuple[SessionPool, ...]
    management: Management
    ulcl: UlClTimes = UlClTimes()


class SmfFile(Section):
    """The whole file."""

    smf: SmfConfig


def load(path: Path, variables: Mapping[str, Any]) -> SmfConfig:
    """The configuration in `path` (a template if it ends in `.j2`); InputError carries all problems."""
    config = load_config(path, SmfFile, variables).smf
    if problems := tuple(_contradictions(config)):
        raise InputError(str(path), problems)
    return config


def _contradictions(config: SmfConfig) -> Iterator[Problem]:
    """What is wrong between values that are each right."""
    upfs = "smf.pfcp.client.upf"
    if not config.session:
        yield Problem("smf.session", "no DNN", "at least one")
    for (_, earlier), (index, upf) in combinations(enumerate(config.pfcp.client.upf), 2):
        if upf.label == earlier.label:
            yield Problem(f"{upfs}[{index}].name", f'"{upf.label}"', "a name that no other UPF has")
        if (upf.address, upf.port) == (earlier.address, earlier.port):
            yield Problem(f"{upfs}[{index}].address", f'"{upf.address}"', "an address that no other UPF has")
    for (_, before), (index, pool) in combinations(enumerate(config.session), 2):
        if pool.dnn == before.dnn:
            yield Problem(f"smf.session[{index}].dnn", f'"{pool.dnn}"', "each DNN once")
        if pool.subnet.overlaps(before.subnet):
            yield Problem(f"smf.session[{index}].subnet", f'"{pool.subnet}"', f"no overlap with {before.subnet}")
    for index, pool in enumerate(config.session):
        if not any(upf.anchors(pool.dnn) for upf in config.pfcp.client.upf):
            yield Problem(f"smf.session[{index}].dnn", f'"{pool.dnn}"', f"a DNN that a UPF of {upfs} anchors")
        if gateway_of(pool.subnet, pool.gateway) not in pool.subnet:
            yield Problem(f"smf.session[{index}].gateway", f'"{pool.gateway}"', f"an address of {pool.subnet}")
