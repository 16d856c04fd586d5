"""The port Ran over HTTP: what NGAP's PDU Session Resource Modify would carry (TS 38.413 §8.2.3), to the gNB's API."""

from __future__ import annotations

import aiohttp

from core_stub.http import detail_of
from core_stub.pfcp.ies import FTeid
from core_stub.smf.run import RanError, RanRejectedError
from core_stub.smf.session import PduSession

_TIMEOUT = aiohttp.ClientTimeout(total=5.0)


class HttpRan:
    """gNBs by the URL that they gave with the session."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http

    async def switch_n3(self, session: PduSession, f_teid: FTeid) -> None:
        """See `core_stub.smf.run.Ran`."""
        context = session.context
        url = f"{context.request.gnb.rstrip('/')}/ngap-pdusession/v1/sessions/{context.ref}/n3"
        body = {"teid": f_teid.teid, "ipv4": str(f_teid.ipv4)}
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
