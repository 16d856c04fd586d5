"""The gNB's YAML file."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Annotated

from pydantic import Field, field_validator

from core_stub.config import Gtpu, Management, Port, Section


class Api(Section):
    """Where the SMF reaches this gNB."""

    address: IPv4Address
    port: Port = 7778


class Smf(Section):
    """Where this gNB reaches the SMF."""

    address: IPv4Address
    port: Port = 7777


class Ue(Section):
    """A UE, the interface of the gNB that is its radio, and the MAC address of the UE's end."""

    name: Annotated[str, Field(min_length=1)]
    interface: Annotated[str, Field(min_length=1, max_length=15)]
    mac: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$")]


class GnbConfig(Section):
    """The section `gnb`."""

    name: str
    gtpu: Gtpu
    api: Api
    smf: Smf
    ues: tuple[Ue, ...]
    management: Management

    @field_validator("ues")
    @classmethod
    def _each_once(cls, ues: tuple[Ue, ...]) -> tuple[Ue, ...]:
        for field in ("name", "interface"):
            values = [getattr(ue, field) for ue in ues]
            if len(set(values)) < len(values):
                raise ValueError(f"want each {field} once")
        return ues


class GnbFile(Section):
    """The whole file."""

    gnb: GnbConfig
