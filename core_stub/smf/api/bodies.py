"""Bodies of requests: keys in camelCase, unknown keys refused."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from core_stub.config import FlowDescription
from core_stub.smf.config import Flow


class Body(BaseModel):
    """See the head of this module."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel)


class Snssai(Body):
    """A slice, as in TS 29.571 §5.4.4.2."""

    sst: int = Field(ge=0, le=255)
    sd: str | None = Field(default=None, pattern="^[0-9A-Fa-f]{6}$")


class CreateSmContext(Body):
    """TS 29.502 §6.1.6.2.2; `gnb` is the URL of the gNB's API."""

    supi: str = Field(min_length=1)
    dnn: str
    snssai: Snssai
    pdu_session_id: int = Field(ge=1, le=15)
    gnb: str = Field(pattern="^https?://")
    ssc_mode: int | None = Field(default=None, ge=1, le=3)
    dnai: str | None = None
    old_pdu_session_id: int | None = Field(default=None, ge=1, le=15)


class Tunnel(Body):
    """An F-TEID."""

    teid: int = Field(ge=1, le=0xFFFF_FFFF)
    ipv4: IPv4Address


class ModifySmContext(Body):
    """TS 29.502 §6.1.6.2.4: the gNB's F-TEID, with its URL if it is another gNB, or the end of the user plane."""

    n3: Tunnel | None = None
    gnb: str | None = Field(default=None, pattern="^https?://")
    up_cnx_state: Literal["DEACTIVATED"] | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.n3 is None) == (self.up_cnx_state is None):
            raise ValueError("want n3 or upCnxState")
        return self


class OfSession(Body):
    """One session: that of the UE, or of its several the one with this ID."""

    supi: str
    pdu_session_id: int | None = Field(default=None, ge=1, le=15)


class LocalPsa(Body):
    """A local PSA behind the UL CL, by name or DNAI."""

    upf: str | None = None
    dnai: str | None = None
    sdf: tuple[FlowDescription, ...] = Field(min_length=1)


class UlClTarget(Body):
    """A UL CL by name or DNAI, the flows that leave there, and its local PSAs."""

    upf: str | None = None
    dnai: str | None = None
    sdf: tuple[FlowDescription, ...] = ()
    local_psas: tuple[LocalPsa, ...] = ()


class InsertUlCl(UlClTarget, OfSession):
    """`POST /ulcl`."""

    @model_validator(mode="after")
    def _some_flows(self) -> Self:
        if not self.sdf and not self.local_psas:
            raise ValueError("want sdf or localPsas")
        return self


class AddFlow(OfSession, Flow):
    """`POST /flows`: a flow of the configuration for one session."""


class ReplacePsa(OfSession):
    """`POST /psa`."""

    upf: str | None = None
