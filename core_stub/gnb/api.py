"""The gNB's three APIs: for the SMF (what NGAP and NAS do in a real core), for other gNBs (Xn), and for the lab.

    POST /ngap-pdusession/v1/sessions/{smContextRef}/n3 | flows | page | release | replace     from the SMF
    POST /xn/v1/handover                                 a session that another gNB hands over  → 200
    POST /attach {"ue", "dnn", …}   /detach {"ue"}   /deactivate {"ue"}   /handover {"ue", "target": URL}
    GET  /sessions                                       on a Unix socket

Errors are problem details (RFC 9457).
"""

from __future__ import annotations

from http import HTTPStatus
from ipaddress import IPv4Address

import aiohttp
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from core_stub.gnb.service import AttachedError, Gnb, PduSession, UnknownError, n3_json
from core_stub.gnb.smf import N3, QosRule, SmfError, Wish, post
from core_stub.gnb.userplane import GnbUserPlane
from core_stub.http import ProblemDetails, parsed, problems


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Attach(Wish):
    """`POST /attach`."""

    model_config = ConfigDict(extra="forbid")

    ue: str


class OfUe(_Body):
    """`POST /detach` and `POST /deactivate`."""

    ue: str


class Handover(_Body):
    """`POST /handover`; `target` is the URL of the other gNB's API."""

    ue: str
    target: str = Field(pattern="^https?://")


class Flows(_Body):
    """QoS rules of a session."""

    flows: tuple[QosRule, ...]


class Release(_Body):
    """Whether the UE is to ask anew."""

    reactivate: bool


class Replace(_Body):
    """How long the old session stays, in seconds."""

    lifetime: float = Field(ge=0)


class Handed(_Body):
    """A session on its way to another gNB: `Handover Request` of Xn (TS 38.423 §8.2.1)."""

    ue: str
    ipv4: IPv4Address
    ref: str
    qfi: int
    uplink: N3
    flows: tuple[QosRule, ...]
    wish: Wish
    pdu_session_id: int

    def session(self) -> PduSession:
        """As it is before the target has a tunnel for it."""
        return PduSession(
            self.ue, self.ipv4, self.ref, self.qfi, self.uplink, None, self.wish, self.pdu_session_id, self.flows
        )


def smf_api(gnb: Gnb) -> web.Application:
    """What the SMF and other gNBs call."""

    async def switch_path(request: web.Request) -> web.Response:
        gnb.switch_path(request.match_info["ref"], await parsed(request, N3))
        return web.Response(status=204)

    async def set_flows(request: web.Request) -> web.Response:
        gnb.set_flows(request.match_info["ref"], (await parsed(request, Flows)).flows)
        return web.Response(status=204)

    async def page(request: web.Request) -> web.Response:
        gnb.page(request.match_info["ref"])
        return web.Response(status=204)

    async def release(request: web.Request) -> web.Response:
        gnb.release(request.match_info["ref"], reactivate=(await parsed(request, Release)).reactivate)
        return web.Response(status=204)

    async def replace(request: web.Request) -> web.Response:
        gnb.replace(request.match_info["ref"], (await parsed(request, Replace)).lifetime)
        return web.Response(status=204)

    async def take_over(request: web.Request) -> web.Response:
        session = await gnb.take_over((await parsed(request, Handed)).session())
        return web.json_response(_brief(session))

    app = web.Application(middlewares=[problems(_explain)])
    session = "/ngap-pdusession/v1/sessions/{ref}"
    app.router.add_post(f"{session}/n3", switch_path)
    app.router.add_post(f"{session}/flows", set_flows)
    app.router.add_post(f"{session}/page", page)
    app.router.add_post(f"{session}/release", release)
    app.router.add_post(f"{session}/replace", replace)
    app.router.add_post("/xn/v1/handover", take_over)
    return app


def management(gnb: Gnb, user_plane: GnbUserPlane, http: aiohttp.ClientSession) -> web.Application:
    """What the lab calls; `http` reaches other gNBs."""

    async def attach(request: web.Request) -> web.Response:
        body = await parsed(request, Attach)
        return web.json_response(_brief(await gnb.attach(body.ue, Wish(**body.model_dump(by_alias=True)))))

    async def detach(request: web.Request) -> web.Response:
        await gnb.detach((await parsed(request, OfUe)).ue)
        return web.Response(status=204)

    async def deactivate(request: web.Request) -> web.Response:
        await gnb.deactivate((await parsed(request, OfUe)).ue)
        return web.Response(status=204)

    async def hand_over(request: web.Request) -> web.Response:
        body = await parsed(request, Handover)
        url = f"{body.target.rstrip('/')}/xn/v1/handover"

        async def to_target(session: PduSession) -> None:
            await post(http, url, _handed(session).model_dump(mode="json", by_alias=True), 200)

        await gnb.hand_over(body.ue, to_target)
        return web.Response(status=204)

    async def sessions(_request: web.Request) -> web.Response:
        shown = [_full(session, user_plane) for session in gnb.sessions]
        return web.json_response({"sessions": shown, "faults": user_plane.faults})

    app = web.Application(middlewares=[problems(_explain)])
    app.router.add_post("/attach", attach)
    app.router.add_post("/detach", detach)
    app.router.add_post("/deactivate", deactivate)
    app.router.add_post("/handover", hand_over)
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
    downlink = n3_json(session.downlink)
    return {
        **_brief(session),
        "qfi": session.qfi,
        "flows": [rule.model_dump(mode="json") for rule in session.flows],
        "uplink": {**(n3_json(session.uplink) or {}), "packets": traffic.uplink},
        "downlink": {**downlink, "packets": traffic.downlink} if downlink else None,
    }


def _handed(session: PduSession) -> Handed:
    return Handed(
        ue=session.ue,
        ipv4=session.ipv4,
        ref=session.sm_context_ref,
        qfi=session.qfi,
        uplink=session.uplink,
        flows=session.flows,
        wish=session.wish,
        pdu_session_id=session.pdu_session_id,
    )
