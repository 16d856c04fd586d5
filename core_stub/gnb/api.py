"""The gNB's two APIs: for the SMF (what NGAP does in a real core) and, on a Unix socket, for the lab."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core_stub.gnb.service import AttachedError, Gnb, PduSession, UnknownError, n3_json
from core_stub.gnb.smf import N3, SmfError
from core_stub.gnb.userplane import GnbUserPlane

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


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
        gnb.switch_path(request.match_info["ref"], await _parsed(request, N3))
        return web.Response(status=204)

    app = web.Application(middlewares=[_errors])
    app.router.add_post("/ngap-pdusession/v1/sessions/{ref}/n3", switch_path)
    return app


def management(gnb: Gnb, user_plane: GnbUserPlane, callback: str) -> web.Application:
    """What the lab calls; `callback` is the base URL of `smf_api`."""

    async def attach(request: web.Request) -> web.Response:
        body = await _parsed(request, Attach)
        session = await gnb.attach(body.ue, dnn=body.dnn, sst=body.sst, callback=callback)
        return web.json_response(_brief(session))

    async def detach(request: web.Request) -> web.Response:
        await gnb.detach((await _parsed(request, Detach)).ue)
        return web.Response(status=204)

    async def sessions(_request: web.Request) -> web.Response:
        shown = [_full(session, user_plane) for session in gnb.sessions]
        return web.json_response({"sessions": shown, "faults": user_plane.faults})

    app = web.Application(middlewares=[_errors])
    app.router.add_post("/attach", attach)
    app.router.add_post("/detach", detach)
    app.router.add_get("/sessions", sessions)
    return app


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Each error as its status with one sentence."""
    try:
        return await handler(request)
    except ValidationError as error:
        details = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}" for e in error.errors())
        return web.json_response({"error": details}, status=400)
    except UnknownError as error:
        return web.json_response({"error": str(error)}, status=404)
    except AttachedError as error:
        return web.json_response({"error": str(error)}, status=409)
    except SmfError as error:
        return web.json_response({"error": str(error)}, status=502)


Model = TypeVar("Model", bound=BaseModel)


async def _parsed(request: web.Request, model: type[Model]) -> Model:
    return model.model_validate_json(await request.read())


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
