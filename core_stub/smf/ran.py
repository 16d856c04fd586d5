"""The port Ran over HTTP: what NGAP and NAS would carry (TS 38.413, TS 24.501), to the gNB's API.

POST <gnb>/ngap-pdusession/v1/sessions/{ref}/n3        {"teid", "ipv4"}
                                          …/flows     {"flows": [{"qfi", "sdf": […]}]}
                                          …/page      {}
                                          …/release   {"reactivate": true}
                                          …/replace   {"lifetime": seconds}
"""

from __future__ import annotations

from typing import Any

import aiohttp

from core_stub.http import detail_of
from core_stub.pfcp.ies import FTeid
from core_stub.smf.run import RanError, RanRejectedError
from core_stub.smf.session import PduSession, QosFlow

_TIMEOUT = aiohttp.ClientTimeout(total=5.0)


class HttpRan:
    """gNBs by the URL that they gave with the session. For the methods see `core_stub.smf.run.Ran`."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http

    async def switch_n3(self, session: PduSession, f_teid: FTeid) -> None:
        """PDU Session Resource Modify (TS 38.413 §8.2.3)."""
        await self._post(session, "n3", {"teid": f_teid.teid, "ipv4": str(f_teid.ipv4)})

    async def set_flows(self, session: PduSession, flows: tuple[QosFlow, ...]) -> None:
        """The same, with the QoS rules of the UE (TS 24.501 §9.11.4.13)."""
        listed = [{"qfi": flow.qfi, "sdf": list(flow.flow_descriptions)} for flow in flows]
        await self._post(session, "flows", {"flows": listed})

    async def page(self, session: PduSession) -> None:
        """Paging (TS 38.413 §8.5)."""
        await self._post(session, "page", {})

    async def release(self, session: PduSession, *, reactivate: bool) -> None:
        """PDU Session Resource Release (TS 38.413 §8.2.2); cause 39, reactivation requested (TS 24.501 §9.11.4.2)."""
        await self._post(session, "release", {"reactivate": reactivate})

    async def replace(self, session: PduSession, lifetime_s: float) -> None:
        """PDU session modification with the lifetime of the old address (TS 23.502 §4.3.5.2, step 2)."""
        await self._post(session, "replace", {"lifetime": lifetime_s})

    async def _post(self, session: PduSession, what: str, body: dict[str, Any]) -> None:
        context = session.context
        url = f"{context.request.gnb.rstrip('/')}/ngap-pdusession/v1/sessions/{context.ref}/{what}"
        try:
            async with self._http.post(url, json=body, timeout=_TIMEOUT) as response:
                if not response.ok:
                    raise RanRejectedError(f"POST {url}: {response.status} {detail_of(await response.text())[:200]}")
        except TimeoutError as error:
            raise RanError(f"POST {url}: no answer within {_TIMEOUT.total:g} s") from error
        except aiohttp.ClientConnectorError as error:
            raise RanRejectedError(f"POST {url}: {error}") from error
        except aiohttp.ClientError as error:
            raise RanError(f"POST {url}: {error}") from error
