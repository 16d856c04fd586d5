"""The SMF's API as the gNB calls it: the part of Nsmf_PDUSession (TS 29.502) that a session needs."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Annotated, Any

import aiohttp
from pydantic import BaseModel, Field, ValidationError

from core_stub.http import detail_of

Teid = Annotated[int, Field(ge=1, lt=1 << 32)]


class N3(BaseModel):
    """An F-TEID on N3."""

    teid: Teid
    ipv4: IPv4Address


class SmContextCreated(BaseModel):
    """What the SMF decided; `n3` is where uplink goes."""

    sm_context_ref: str = Field(alias="smContextRef", min_length=1)
    ue_ipv4: IPv4Address = Field(alias="ueIpv4Address")
    qfi: int = Field(ge=0, le=63)
    n3: N3


class SmfError(Exception):
    """The SMF cannot be reached, refuses, or answers what we do not understand."""


class SmfClient:
    """Calls to the SMF at `base_url`; every method raises SmfError."""

    def __init__(self, http: aiohttp.ClientSession, base_url: str) -> None:
        self._http = http
        self._contexts = f"{base_url}/nsmf-pdusession/v1/sm-contexts"

    async def create(self, *, supi: str, dnn: str, sst: int, gnb: str) -> SmContextCreated:
        """Ask for a PDU session; `gnb` is the base URL at which the SMF reaches us."""
        body = {"supi": supi, "dnn": dnn, "snssai": {"sst": sst}, "pduSessionId": 1, "gnb": gnb}
        text = await self._post(self._contexts, body, 201)
        try:
            return SmContextCreated.model_validate_json(text)
        except ValidationError as error:
            raise SmfError(f"{self._contexts}: {error}") from error

    async def modify(self, sm_context_ref: str, n3: N3) -> None:
        """Tell where downlink goes, which activates it."""
        await self._post(f"{self._contexts}/{sm_context_ref}/modify", {"n3": n3.model_dump(mode="json")}, 200)

    async def release(self, sm_context_ref: str) -> None:
        """End the PDU session."""
        await self._post(f"{self._contexts}/{sm_context_ref}/release", {}, 204)

    async def _post(self, url: str, body: dict[str, Any], want: int) -> str:
        try:
            async with self._http.post(url, json=body) as response:
                text = await response.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise SmfError(f"{url}: {error or type(error).__name__}") from error
        if response.status != want:
            raise SmfError(f"{url}: got status {response.status}, want {want}: {detail_of(text)}")
        return text
