"""The management API of the UPF; errors are problem details (RFC 9457).

GET /sessions           all sessions: PDRs with counters, FARs with what they buffer, QERs, URRs with usage
GET /sessions/{seid}    one of them, by its UP SEID
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus

from aiohttp import web

from core_stub.http import ProblemDetails, problems
from core_stub.pfcp.ies import CreateFar, CreatePdr, CreateQer, FTeid
from core_stub.upf.control import SessionView, UpfControl
from core_stub.upf.rules import UNREAD, Counter, Reading
from core_stub.upf.session import Session
from core_stub.upf.usage import Usage


class NoSessionError(Exception):
    """There is no session with this SEID."""


def management(control: UpfControl, faults: Callable[[], Mapping[str, int]]) -> web.Application:
    """The application; `faults` are packets that the user plane could not carry, by reason."""

    async def sessions(_request: web.Request) -> web.Response:
        return web.json_response({"sessions": [_session(view) for view in control.views()], "faults": faults()})

    async def session(request: web.Request) -> web.Response:
        view = control.view(int(request.match_info["seid"]))
        if view is None:
            raise NoSessionError(f"no session with UP SEID {request.match_info['seid']}")
        return web.json_response(_session(view))

    app = web.Application(middlewares=[problems(_explain)])
    app.router.add_get("/sessions", sessions)
    app.router.add_get(r"/sessions/{seid:\d+}", session)
    return app


def _explain(error: Exception) -> ProblemDetails | None:
    if isinstance(error, NoSessionError):
        return ProblemDetails(HTTPStatus.NOT_FOUND, str(error), "CONTEXT_NOT_FOUND")
    return None


def f_teid_json(f_teid: FTeid) -> dict[str, object]:
    """`{"teid": 1, "ipv4": "10.0.0.1"}`."""
    return {"teid": f_teid.teid, "ipv4": str(f_teid.ipv4)}


def _session(view: SessionView) -> dict[str, object]:
    session = view.entry.session
    return {
        "seid": session.up_seid,
        "cp_seid": session.cp_f_seid.seid,
        "cp": view.entry.peer[0],
        "dnn": session.dnn,
        "pdrs": [
            _pdr(session, pdr, view.counters.get(pdr.pdr_id, Counter()))
            for pdr in sorted(session.pdrs, key=lambda pdr: pdr.precedence)
        ],
        "fars": [_far(far) | _buffered(far, view.buffered) for far in session.fars],
        "qers": [_qer(qer) for qer in session.qers],
        "urrs": [_urr(usage, view.readings.get(usage.urr.urr_id, UNREAD)) for usage in view.entry.accounts.usages],
        "bars": [
            {"id": bar.bar_id, "delay_ms": bar.notification_delay_ms, "packets": bar.suggested_packets}
            for bar in session.bars
        ],
    }


def _pdr(session: Session, pdr: CreatePdr, counter: Counter) -> dict[str, object]:
    f_teid = session.f_teids.get(pdr.pdr_id)
    ue = pdr.pdi.ue_ip_address
    far = next((far for far in session.fars if far.far_id == pdr.far_id), None)
    return {
        "id": pdr.pdr_id,
        "precedence": pdr.precedence,
        "source_interface": pdr.pdi.source_interface.name,
        "network_instance": pdr.pdi.network_instance,
        "f_teid": f_teid_json(f_teid) if f_teid else None,
        "ue_ipv4": str(ue.ipv4) if ue else None,
        "filters": [sdf.flow_description for sdf in pdr.pdi.sdf_filters],
        "application": pdr.pdi.application_id,
        "predefined_rules": list(pdr.activate_predefined_rules),
        "qers": list(pdr.qer_ids),
        "urrs": list(pdr.urr_ids),
        "far": _far(far) if far else None,
        "packets": counter.packets,
        "bytes": counter.octets,
    }


def _far(far: CreateFar) -> dict[str, object]:
    shown: dict[str, object] = {"id": far.far_id, "action": far.apply_action.name}
    if far.forwarding and far.forwarding.destination_interface is not None:
        shown["to"] = far.forwarding.destination_interface.name
    if far.forwarding and far.forwarding.outer_header_creation:
        creation = far.forwarding.outer_header_creation
        shown["tunnel"] = {"teid": creation.teid, "ipv4": str(creation.ipv4)}
    return shown


def _buffered(far: CreateFar, buffered: Mapping[int, Counter]) -> dict[str, object]:
    held = buffered.get(far.far_id)
    return {} if held is None else {"buffered": {"packets": held.packets, "bytes": held.octets}}


def _qer(qer: CreateQer) -> dict[str, object]:
    return {
        "id": qer.qer_id,
        "qfi": qer.qfi,
        "gate": {"uplink": qer.gate_uplink.name, "downlink": qer.gate_downlink.name},
        "mbr_kbps": {"uplink": qer.mbr_uplink_kbps, "downlink": qer.mbr_downlink_kbps},
        "gbr_kbps": {"uplink": qer.gbr_uplink_kbps, "downlink": qer.gbr_downlink_kbps},
    }


def _urr(usage: Usage, reading: Reading) -> dict[str, object]:
    return {
        "id": usage.urr.urr_id,
        "triggers": usage.urr.triggers.name,
        "reports": usage.sequence,
        "quota_spent": usage.is_spent,
        "uplink": {"packets": reading.uplink_packets, "bytes": reading.uplink},
        "downlink": {"packets": reading.downlink_packets, "bytes": reading.downlink},
        "unreported_bytes": reading.total - usage.base.total,
    }
