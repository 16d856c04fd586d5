"""The SMF's HTTP APIs: Nsmf_PDUSession (TS 29.502 in little) for the gNB, management for the lab. Handlers are shims.

    POST /nsmf-pdusession/v1/sm-contexts                 a session request      → 201, the SM context
    POST /nsmf-pdusession/v1/sm-contexts/{ref}/modify    {"n3": the gNB's F-TEID} → 200
    POST /nsmf-pdusession/v1/sm-contexts/{ref}/release                          → 204

    POST /ulcl {"supi", "upf", "sdf": […]}     DELETE /ulcl/{supi}     GET /sessions     GET /associations

Errors are problem details (RFC 9457) with the `cause` of TS 29.500 or TS 29.502.
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from ipaddress import IPv4Address
from typing import Annotated, Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from core_stub.errors import PfcpTimeoutError
from core_stub.http import ProblemDetails, parsed, problems
from core_stub.pfcp.ies import FTeid
from core_stub.smf.n4 import PfcpN4
from core_stub.smf.run import NotAssociatedError, ProcedureError, RanError, Step
from core_stub.smf.service import RefusedError, Smf
from core_stub.smf.session import PduSession, SessionRequest

SM_CONTEXTS = "/nsmf-pdusession/v1/sm-contexts"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=to_camel)


class _Snssai(_Body):
    sst: int = Field(ge=0, le=255)
    sd: str | None = Field(default=None, pattern="^[0-9A-Fa-f]{6}$")


class _CreateSmContext(_Body):
    supi: str = Field(min_length=1)
    dnn: str
    snssai: _Snssai
    pdu_session_id: int = Field(ge=1, le=15)
    gnb: str = Field(pattern="^https?://")


class _Tunnel(_Body):
    teid: int = Field(ge=1, le=0xFFFF_FFFF)
    ipv4: IPv4Address


class _ModifySmContext(_Body):
    n3: _Tunnel


class _InsertUlCl(_Body):
    supi: str
    upf: str
    # TS 29.212 §5.4.2: `permit out`, towards the UE.
    sdf: tuple[Annotated[str, Field(pattern=r"^permit out \S+ from \S.* to \S.*$")], ...] = Field(min_length=1)


def sbi(smf: Smf) -> web.Application:
    """The API for the gNB."""

    async def create(request: web.Request) -> web.Response:
        body = await parsed(request, _CreateSmContext)
        snssai = (body.snssai.sst, int(body.snssai.sd, 16) if body.snssai.sd else None)
        session = await smf.create(SessionRequest(body.supi, body.pdu_session_id, body.dnn, snssai, body.gnb))
        context = session.context
        return web.json_response(
            {
                "smContextRef": context.ref,
                "ueIpv4Address": str(context.ue_ipv4),
                "qfi": context.qfi,
                "n3": _tunnel(session.n3),
            },
            status=HTTPStatus.CREATED,
            headers={"Location": f"{SM_CONTEXTS}/{context.ref}"},
        )

    async def modify(request: web.Request) -> web.Response:
        body = await parsed(request, _ModifySmContext)
        await smf.activate(request.match_info["ref"], FTeid(body.n3.teid, body.n3.ipv4))
        return web.json_response({})

    async def release(request: web.Request) -> web.Response:
        await smf.release(request.match_info["ref"])
        return web.Response(status=HTTPStatus.NO_CONTENT)

    app = web.Application(middlewares=[problems(_explain)])
    app.router.add_post(SM_CONTEXTS, create)
    app.router.add_post(SM_CONTEXTS + "/{ref}/modify", modify)
    app.router.add_post(SM_CONTEXTS + "/{ref}/release", release)
    return app


def management(smf: Smf, n4: PfcpN4) -> web.Application:
    """The API for the lab."""

    async def insert(request: web.Request) -> web.Response:
        body = await parsed(request, _InsertUlCl)
        return _steps(body.supi, body.upf, await smf.insert_ulcl(body.supi, body.upf, body.sdf))

    async def remove(request: web.Request) -> web.Response:
        supi = request.match_info["supi"]
        upf, steps = await smf.remove_ulcl(supi)
        return _steps(supi, upf, steps)

    async def sessions(_: web.Request) -> web.Response:
        return web.json_response([_describe(session) for session in smf.sessions])

    async def associations(_: web.Request) -> web.Response:
        return web.json_response(
            [
                {"name": name, "peer": f"{address[0]}:{address[1]}", "state": "up" if is_up else "down"}
                for name, (address, is_up) in n4.associations.items()
            ]
        )

    app = web.Application(middlewares=[problems(_explain)])
    app.router.add_post("/ulcl", insert)
    app.router.add_delete("/ulcl/{supi}", remove)
    app.router.add_get("/sessions", sessions)
    app.router.add_get("/associations", associations)
    return app


def _explain(error: Exception) -> ProblemDetails | None:
    match error:
        case RefusedError():
            return ProblemDetails(error.status, str(error), error.cause)
        case ProcedureError():
            status, cause = _blame(error.failure)
            return ProblemDetails(status, str(error), cause, {"step": error.step})
    return None


def _blame(failure: Exception) -> tuple[HTTPStatus, str]:
    match failure:
        case PfcpTimeoutError():
            return HTTPStatus.GATEWAY_TIMEOUT, "UPF_NOT_RESPONDING"
        case NotAssociatedError():
            return HTTPStatus.SERVICE_UNAVAILABLE, "UPF_NOT_RESPONDING"
        case RanError():
            return HTTPStatus.GATEWAY_TIMEOUT, "PEER_NOT_RESPONDING"
        case _:
            return HTTPStatus.INTERNAL_SERVER_ERROR, "UNSPECIFIED_NF_FAILURE"


def _steps(supi: str, upf: str, steps: Iterable[Step]) -> web.Response:
    return web.json_response({"supi": supi, "upf": upf, "steps": [{"step": s.step, "t": s.t} for s in steps]})


def _tunnel(f_teid: FTeid) -> dict[str, Any]:
    return {"teid": f_teid.teid, "ipv4": str(f_teid.ipv4)}


def _describe(session: PduSession) -> dict[str, Any]:
    context, ulcl = session.context, session.ulcl
    return {
        "smContextRef": context.ref,
        "supi": context.request.supi,
        "pduSessionId": context.request.pdu_session_id,
        "dnn": context.request.dnn,
        "ueIpv4Address": str(context.ue_ipv4),
        "state": session.state.value,
        "psa": {"upf": session.psa.upf, "uplink": _tunnel(session.uplink.f_teid)},
        "gnb": _tunnel(session.gnb_f_teid) if session.gnb_f_teid else None,
        "ulcl": {
            "upf": ulcl.n4.upf,
            "n3": _tunnel(ulcl.n3),
            "n9": _tunnel(ulcl.n9),
            "sdf": list(ulcl.flow_descriptions),
        }
        if ulcl
        else None,
    }
