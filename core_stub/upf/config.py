"""The UPF's YAML file: keys as in Open5GS's upf.yaml; `mtu` and `management` are ours."""

from __future__ import annotations

from ipaddress import IPv4Network
from itertools import combinations
from typing import Annotated

from pydantic import Field, field_validator

from core_stub.config import Gtpu, Management, PfcpServer, Section

InterfaceName = Annotated[str, Field(min_length=1, max_length=15, pattern=r"^[^\s/:]+$")]
"""What Linux takes as the name of an interface."""


class Pfcp(Section):
    """N4."""

    server: tuple[PfcpServer]


class SessionPool(Section):
    """UE addresses that are routed to N6's device."""

    subnet: IPv4Network
    dnn: str
    dev: InterfaceName = "n6"


class UpfConfig(Section):
    """The section `upf`."""

    pfcp: Pfcp
    gtpu: Gtpu
    session: tuple[SessionPool, ...]
    mtu: Annotated[int, Field(ge=576, le=65535)] = 1500
    """Of N6's device: the MTU that UEs are told. Longer packets for them are answered with ICMP, or fragmented."""
    management: Management

    @field_validator("session")
    @classmethod
    def _some_on_one_device_without_overlap(cls, pools: tuple[SessionPool, ...]) -> tuple[SessionPool, ...]:
        if not pools:
            raise ValueError("want at least one subnet")
        if len({pool.dev for pool in pools}) > 1:
            raise ValueError("want the same dev for every subnet")
        for one, other in combinations(pools, 2):
            if one.subnet.overlaps(other.subnet):
                raise ValueError(f"want subnets that do not overlap, as {one.subnet} and {other.subnet} do")
        return pools


class UpfFile(Section):
    """The whole file."""

    upf: UpfConfig
