"""The gNB's two APIs: for the SMF (what NGAP does in a real core) and, on a Unix socket, for the lab.

Errors are problem details (RFC 9457).
"""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from core_stub.gnb.service import AttachedError, Gnb, PduSession, UnknownError, n3_json
from core_stub.gnb.smf import N3, SmfError
from core_stub.gnb.userplane import GnbUserPlane
from core_stub.http import ProblemDetails, parsed, problems


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Attach(_Body):
    """`POST /attach`."""

    ue: str
    dnn: str
    sst: int = Field(default=1, ge=0, le=255)


class Detach(_Body):
    """`POST /detach`."""

    ue: str


def smf_api(gnb: Gnb) -> web.Application:
    """What the SMF calls: `POST /ngap-pdusession/v1/sessions/<smContextRef>/n3`."""

    async def switch_path(request: web.Request) -> web.Response:
        gnb.switch_path(request.match_info["ref"], await parsed(request, N3))
        return web.Response(status=204)

    app = web.Application(middlewares=[problems(_explain)])
    app.router.add_post("/ngap-pdusession/v1/sessions/{ref}/n3", switch_path)
    return app


def management(gnb: Gnb, user_plane: GnbUserPlane, callback: str) -> web.Application:
    """What the lab calls; `callback` is the base URL of `smf_api`."""

    async def attach(request: web.Request) -> web.Response:
        body = await parsed(request, Attach)
        session = await gnb.attach(body.ue, dnn=body.dnn, sst=body.sst, callback=callback)
        return web.json_response(_brief(session))

    async def detach(request: web.Request) -> web.Response:
        await gnb.detach((await parsed(request, Detach)).ue)
        return web.Response(status=204)

    async def sessions(_request: web.Request) -> web.Response:
        shown = [_full(session, user_plane) for session in gnb.sessions]
        return web.json_response({"sessions": shown, "faults": user_plane.faults})

    app = web.Application(middlewares=[problems(_explain)])
    app.router.add_post("/attach", attach)
    app.router.add_post("/detach", detach)
    app.router.add_get("/sessions", sessions)
    return app


def _explain(error: Exception) -> ProblemDetails | None:
    match error:
        case UnknownError():
            return ProblemDetails(HTTPStatus.NOT_FOUND, str(error), "CONTEXT_NOT_FOUND")
        case AttachedError():
            return ProblemDetails(HTTPStatus.CONFLICT, str(error), "SESSION_EXISTS")
        case SmfError():
            return ProblemDetails(HTTPStatus.BAD_GATEWAY, str(error), "PEER_NOT_RESPONDING")
    return None


def _brief(session: PduSession) -> dict[str, object]:
    return {"ue": session.ue, "ueIpv4Address": str(session.ipv4), "smContextRef": session.sm_context_ref}


def _full(session: PduSession, user_plane: GnbUserPlane) -> dict[str, object]:
    traffic = user_plane.traffic(session.ue)
    return {
        **_brief(session),
        "qfi": session.qfi,
        "uplink": {**n3_json(session.uplink), "packets": traffic.uplink},
        "downlink": {**n3_json(session.downlink), "packets": traffic.downlink},
    }
