"""The SMF's API as the gNB calls it: the part of Nsmf_PDUSession (TS 29.502) that a session needs."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Annotated, Any, TypeVar

import aiohttp
from pydantic import BaseModel, Field, ValidationError

from core_stub.config import FlowDescription
from core_stub.http import detail_of

Teid = Annotated[int, Field(ge=1, lt=1 << 32)]
Qfi = Annotated[int, Field(ge=0, le=63)]


class N3(BaseModel):
    """An F-TEID on N3."""

    teid: Teid
    ipv4: IPv4Address


class QosRule(BaseModel):
    """Packets that the UE marks with `qfi`: what the flow descriptions, written as the downlink sees them, match."""

    qfi: Qfi
    sdf: tuple[FlowDescription, ...]


class SmContext(BaseModel):
    """Where uplink goes, and marked how."""

    qfi: Qfi
    n3: N3
    flows: tuple[QosRule, ...] = ()


class SmContextCreated(SmContext):
    """What the SMF decided."""

    sm_context_ref: str = Field(alias="smContextRef", min_length=1)
    ue_ipv4: IPv4Address = Field(alias="ueIpv4Address")


class Wish(BaseModel):
    """What a UE asks for with a session; None is left to the SMF."""

    dnn: str
    sst: int = Field(default=1, ge=0, le=255)
    sd: str | None = Field(default=None, pattern="^[0-9A-Fa-f]{6}$")
    ssc_mode: int | None = Field(default=None, alias="sscMode", ge=1, le=3)
    dnai: str | None = None


class SmfError(Exception):
    """The SMF cannot be reached, refuses, or answers what we do not understand."""


Answer = TypeVar("Answer", bound=BaseModel)


class SmfClient:
    """Calls to the SMF at `base_url`; every method raises SmfError."""

    def __init__(self, http: aiohttp.ClientSession, base_url: str) -> None:
        self._http = http
        self._contexts = f"{base_url}/nsmf-pdusession/v1/sm-contexts"

    async def create(
        self, *, supi: str, wish: Wish, gnb: str, pdu_session_id: int = 1, replaces: int | None = None
    ) -> SmContextCreated:
        """Ask for a PDU session, `replaces` another of the UE (SSC mode 3); the SMF reaches us at the URL `gnb`."""
        snssai = {"sst": wish.sst} | ({"sd": wish.sd} if wish.sd else {})
        body = {"supi": supi, "dnn": wish.dnn, "snssai": snssai, "pduSessionId": pdu_session_id, "gnb": gnb}
        more = {"sscMode": wish.ssc_mode, "dnai": wish.dnai, "oldPduSessionId": replaces}
        body |= {key: value for key, value in more.items() if value is not None}
        return _parsed(self._contexts, await self._post(self._contexts, body, 201), SmContextCreated)

    async def activate(self, sm_context_ref: str, n3: N3, gnb: str | None = None) -> SmContext:
        """Tell where downlink goes; after a handover with the URL of the gNB that it is now."""
        url = f"{self._contexts}/{sm_context_ref}/modify"
        body = {"n3": n3.model_dump(mode="json")} | ({"gnb": gnb} if gnb else {})
        return _parsed(url, await self._post(url, body, 200), SmContext)

    async def deactivate(self, sm_context_ref: str) -> None:
        """Tell that the UE is idle."""
        await self._post(f"{self._contexts}/{sm_context_ref}/modify", {"upCnxState": "DEACTIVATED"}, 200)

    async def release(self, sm_context_ref: str) -> None:
        """End the PDU session."""
        await self._post(f"{self._contexts}/{sm_context_ref}/release", {}, 204)

    async def _post(self, url: str, body: dict[str, Any], want: int) -> str:
        return await post(self._http, url, body, want)


async def post(http: aiohttp.ClientSession, url: str, body: dict[str, Any], want: int) -> str:
    """The answer to a request to another network function; SmfError if it is not the status that is wanted."""
    try:
        async with http.post(url, json=body) as response:
            text = await response.text()
    except (aiohttp.ClientError, TimeoutError) as error:
        raise SmfError(f"{url}: {error or type(error).__name__}") from error
    if response.status != want:
        raise SmfError(f"{url}: got status {response.status}, want {want}: {detail_of(text)}")
    return text


def _parsed(url: str, text: str, model: type[Answer]) -> Answer:
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        raise SmfError(f"{url}: {error}") from error
