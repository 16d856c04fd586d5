"""Nsmf_PDUSession (TS 29.502 in little) for the gNB.

POST /nsmf-pdusession/v1/sm-contexts                 a session request                    → 201, the SM context
POST /nsmf-pdusession/v1/sm-contexts/{ref}/modify    {"n3": the gNB's F-TEID, "gnb": its URL if it is another}
                                                     {"upCnxState": "DEACTIVATED"}        → 200
POST /nsmf-pdusession/v1/sm-contexts/{ref}/release                                        → 204
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from aiohttp import web

from core_stub.http import parsed, problems
from core_stub.pfcp.ies import FTeid
from core_stub.smf.api.bodies import CreateSmContext, ModifySmContext
from core_stub.smf.api.problems import explain
from core_stub.smf.config import SmfConfig
from core_stub.smf.service import Smf
from core_stub.smf.session import PduSession, SessionRequest

SM_CONTEXTS = "/nsmf-pdusession/v1/sm-contexts"


def sbi(smf: Smf) -> web.Application:
    """The API for the gNB."""
    told = _protocol_configuration(smf.core.config)

    async def create(request: web.Request) -> web.Response:
        session = await smf.create(_request(await parsed(request, CreateSmContext)))
        context = session.context
        body = {"smContextRef": context.ref, "ueIpv4Address": str(context.ue_ipv4)} | _tunnels(session) | told
        location = {"Location": f"{SM_CONTEXTS}/{context.ref}"}
        return web.json_response(body, status=HTTPStatus.CREATED, headers=location)

    async def modify(request: web.Request) -> web.Response:
        body, ref = await parsed(request, ModifySmContext), request.match_info["ref"]
        if body.n3 is None:
            await smf.deactivate(ref)
            return web.json_response({"upCnxState": "DEACTIVATED"})
        session = await smf.activate(ref, FTeid(body.n3.teid, body.n3.ipv4), body.gnb)
        return web.json_response({"upCnxState": "ACTIVATED"} | _tunnels(session))

    async def release(request: web.Request) -> web.Response:
        await smf.release(request.match_info["ref"])
        return web.Response(status=HTTPStatus.NO_CONTENT)

    app = web.Application(middlewares=[problems(explain)])
    app.router.add_post(SM_CONTEXTS, create)
    app.router.add_post(SM_CONTEXTS + "/{ref}/modify", modify)
    app.router.add_post(SM_CONTEXTS + "/{ref}/release", release)
    return app


def _request(body: CreateSmContext) -> SessionRequest:
    snssai = (body.snssai.sst, int(body.snssai.sd, 16) if body.snssai.sd else None)
    return SessionRequest(
        body.supi,
        body.pdu_session_id,
        body.dnn,
        snssai,
        body.gnb,
        body.ssc_mode,
        body.dnai,
        body.old_pdu_session_id,
    )


def _tunnels(session: PduSession) -> dict[str, Any]:
    """What the gNB needs to send uplink."""
    flows = [{"qfi": flow.qfi, "sdf": list(flow.flow_descriptions)} for flow in session.flows]
    n3 = {"teid": session.n3.teid, "ipv4": str(session.n3.ipv4)}
    return {"qfi": session.context.qfi, "n3": n3} | ({"flows": flows} if flows else {})


def _protocol_configuration(config: SmfConfig) -> dict[str, Any]:
    """What a UE is told with its address (TS 24.008 §10.5.6.3)."""
    dns = {"dns": [str(address) for address in config.dns]} if config.dns else {}
    return dns | ({"mtu": config.mtu} if config.mtu else {})
