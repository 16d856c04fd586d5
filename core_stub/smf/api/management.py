"""Management of the SMF by the lab.

POST   /ulcl        {"supi", "upf" or "dnai", "sdf": […], "localPsas": [{"upf" or "dnai", "sdf": […]}]}
PUT    /ulcl/{supi} {"upf" or "dnai", …}: relocation; without flows those of now stay
DELETE /ulcl/{supi}
POST   /flows       {"supi", "qfi", "fiveQi", "sdf": […], "precedence", "mbr", "gbr", "charging"}
DELETE /flows/{supi}/{qfi}
POST   /psa         {"supi", "upf"}: another PSA, in SSC mode 2 or 3
GET    /sessions    GET /associations
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from aiohttp import web

from core_stub.http import parsed, problems
from core_stub.pfcp.ies import FTeid
from core_stub.smf.api.bodies import AddFlow, InsertUlCl, ReplacePsa, UlClTarget
from core_stub.smf.api.problems import explain
from core_stub.smf.core import RefusedError
from core_stub.smf.n4 import PfcpN4
from core_stub.smf.run import Step
from core_stub.smf.service import Branches, Smf
from core_stub.smf.session import QosFlow, UlCl
from core_stub.smf.table import Entry


def management(smf: Smf, n4: PfcpN4) -> web.Application:
    """The API for the lab."""

    async def insert(request: web.Request) -> web.Response:
        body = await parsed(request, InsertUlCl)
        ref = smf.ref_of(body.supi, body.pdu_session_id)
        upf, branches = _upfs(smf, ref, body)
        return _steps(body.supi, upf, await smf.insert_ulcl(ref, upf, body.sdf, branches))

    async def relocate(request: web.Request) -> web.Response:
        body, supi = await parsed(request, UlClTarget), request.match_info["supi"]
        ref = smf.ref_of(supi)
        upf, branches = _upfs(smf, ref, body)
        return _steps(supi, upf, await smf.relocate_ulcl(ref, upf, body.sdf, branches))

    async def remove(request: web.Request) -> web.Response:
        supi = request.match_info["supi"]
        upf, steps = await smf.remove_ulcl(smf.ref_of(supi))
        return _steps(supi, upf, steps)

    async def add_flow(request: web.Request) -> web.Response:
        body = await parsed(request, AddFlow)
        flow = await smf.add_flow(smf.ref_of(body.supi, body.pdu_session_id), body)
        return web.json_response({"supi": body.supi, "qfi": flow.qfi}, status=HTTPStatus.CREATED)

    async def remove_flow(request: web.Request) -> web.Response:
        await smf.remove_flow(smf.ref_of(request.match_info["supi"]), int(request.match_info["qfi"]))
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def replace_psa(request: web.Request) -> web.Response:
        body = await parsed(request, ReplacePsa)
        target = await smf.replace_psa(smf.ref_of(body.supi, body.pdu_session_id), body.upf)
        return web.json_response({"supi": body.supi, "upf": target}, status=HTTPStatus.ACCEPTED)

    async def sessions(_: web.Request) -> web.Response:
        return web.json_response([_describe(entry) for entry in smf.core.table])

    async def associations(_: web.Request) -> web.Response:
        return web.json_response([_association(smf, n4, name) for name in n4.associations])

    app = web.Application(middlewares=[problems(explain)])
    app.router.add_post("/ulcl", insert)
    app.router.add_put("/ulcl/{supi}", relocate)
    app.router.add_delete("/ulcl/{supi}", remove)
    app.router.add_post("/flows", add_flow)
    app.router.add_delete(r"/flows/{supi}/{qfi:\d+}", remove_flow)
    app.router.add_post("/psa", replace_psa)
    app.router.add_get("/sessions", sessions)
    app.router.add_get("/associations", associations)
    return app


def _upfs(smf: Smf, ref: str, target: UlClTarget) -> tuple[str, Branches]:
    """The UPFs of a UL CL and of its local PSAs by name."""
    branches = tuple((_upf(smf, ref, psa.upf, psa.dnai), psa.sdf) for psa in target.local_psas)
    return _upf(smf, ref, target.upf, target.dnai), branches


def _upf(smf: Smf, ref: str, upf: str | None, dnai: str | None) -> str:
    if upf is not None:
        return upf
    if dnai is None:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "MANDATORY_IE_MISSING", "want upf or dnai")
    return smf.edge_at(dnai, but=ref)


def _steps(supi: str, upf: str, steps: Iterable[Step]) -> web.Response:
    return web.json_response({"supi": supi, "upf": upf, "steps": [{"step": s.step, "t": s.t} for s in steps]})


def _association(smf: Smf, n4: PfcpN4, name: str) -> dict[str, Any]:
    address, is_up = n4.associations[name]
    return {
        "name": name,
        "peer": f"{address[0]}:{address[1]}",
        "state": "up" if is_up else "down",
        "sessions": smf.core.table.per_upf[name],
        "load": smf.core.loads.metric(name),
    }


def _describe(entry: Entry) -> dict[str, Any]:
    session = entry.session
    context = session.context
    return {
        "smContextRef": context.ref,
        "supi": context.request.supi,
        "pduSessionId": context.request.pdu_session_id,
        "dnn": context.request.dnn,
        "sscMode": context.ssc_mode,
        "ueIpv4Address": str(context.ue_ipv4),
        "state": session.state.value,
        "psa": {"upf": session.psa.upf, "uplink": _tunnel(session.uplink.f_teid)},
        "gnb": _tunnel(session.gnb_f_teid) if session.gnb_f_teid else None,
        "ulcl": _describe_ulcl(session.ulcl) if session.ulcl else None,
        "flows": [_describe_flow(flow) for flow in session.flows],
        "usage": [asdict(account) for account in entry.accounts.values()],
        "gone": sorted(entry.gone),
    }


def _describe_ulcl(ulcl: UlCl) -> dict[str, Any]:
    return {
        "upf": ulcl.n4.upf,
        "n3": _tunnel(ulcl.n3),
        "n9": _tunnel(ulcl.n9),
        "sdf": list(ulcl.flow_descriptions),
        "localPsas": [
            {"upf": psa.n4.upf, "uplink": _tunnel(psa.uplink.f_teid), "sdf": list(psa.flow_descriptions)}
            for psa in ulcl.local_psas
        ],
    }


def _describe_flow(flow: QosFlow) -> dict[str, Any]:
    """Rates in kbit/s."""
    return {
        "qfi": flow.qfi,
        "fiveQi": flow.five_qi,
        "sdf": list(flow.flow_descriptions),
        "precedence": flow.precedence,
        "mbr": asdict(flow.mbr) if flow.mbr else None,
        "gbr": asdict(flow.gbr) if flow.gbr else None,
        "ratingGroup": flow.charging.rating_group if flow.charging else None,
    }


def _tunnel(f_teid: FTeid) -> dict[str, Any]:
    return {"teid": f_teid.teid, "ipv4": str(f_teid.ipv4)}
