"""The management API of the UPF: `GET /sessions`, its sessions and their PDRs with counters."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aiohttp import web

from core_stub.pfcp.ies import CreatePdr, FTeid
from core_stub.upf.control import UpfControl
from core_stub.upf.rules import Counter
from core_stub.upf.session import Session


def management(control: UpfControl, faults: Callable[[], Mapping[str, int]]) -> web.Application:
    """The application; `faults` are packets that the user plane could not carry, by reason."""

    async def sessions(_request: web.Request) -> web.Response:
        shown = [_session(session, control.counters(session)) for session in control.sessions]
        return web.json_response({"sessions": shown, "faults": faults()})

    app = web.Application()
    app.router.add_get("/sessions", sessions)
    return app


def f_teid_json(f_teid: FTeid) -> dict[str, object]:
    """`{"teid": 1, "ipv4": "10.0.0.1"}`."""
    return {"teid": f_teid.teid, "ipv4": str(f_teid.ipv4)}


def _session(session: Session, counters: Mapping[int, Counter]) -> dict[str, object]:
    return {
        "seid": session.up_seid,
        "cp_seid": session.cp_f_seid.seid,
        "dnn": session.dnn,
        "pdrs": [
            _pdr(session, pdr, counters.get(pdr.pdr_id, Counter()))
            for pdr in sorted(session.pdrs.values(), key=lambda pdr: pdr.precedence)
        ],
    }


def _pdr(session: Session, pdr: CreatePdr, counter: Counter) -> dict[str, object]:
    f_teid = session.f_teids.get(pdr.pdr_id)
    ue = pdr.pdi.ue_ip_address
    return {
        "id": pdr.pdr_id,
        "precedence": pdr.precedence,
        "source_interface": pdr.pdi.source_interface.name,
        "f_teid": f_teid_json(f_teid) if f_teid else None,
        "ue_ipv4": str(ue.ipv4) if ue else None,
        "filters": [sdf.flow_description for sdf in pdr.pdi.sdf_filters],
        "far": _far(session, pdr),
        "packets": counter.packets,
        "bytes": counter.octets,
    }


def _far(session: Session, pdr: CreatePdr) -> dict[str, object]:
    far = session.fars[pdr.far_id or 0]
    shown: dict[str, object] = {"id": far.far_id, "action": far.apply_action.name}
    if far.forwarding and far.forwarding.destination_interface is not None:
        shown["to"] = far.forwarding.destination_interface.name
    if far.forwarding and far.forwarding.outer_header_creation:
        creation = far.forwarding.outer_header_creation
        shown["tunnel"] = {"teid": creation.teid, "ipv4": str(creation.ipv4)}
    return shown
