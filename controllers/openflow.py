"""The only builder of OpenFlow 1.3 messages, and the only reader of those that a switch complains about.

Part of the fence around os-ken: everything untyped that is made here goes straight to `Datapath.send_msg`.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from os_ken.ofproto import ofproto_v1_3 as ofp
from os_ken.ofproto import ofproto_v1_3_parser as parser

from controllers.flows import AddFlow, FlowChange, Match, RemoveFlows, ReservedPort

_REMOVE = {ofp.OFPFC_DELETE, ofp.OFPFC_DELETE_STRICT}


def flow_mod(datapath: Any, change: FlowChange) -> Any:
    """The OFPFlowMod that makes `change` on `datapath`."""
    match change:
        case AddFlow():
            return _add(datapath, change)
        case RemoveFlows():
            return parser.OFPFlowMod(
                datapath,
                command=ofp.OFPFC_DELETE,
                table_id=change.table,
                match=_match(change.match),
                out_port=ofp.OFPP_ANY,
                out_group=ofp.OFPG_ANY,
            )


def describe(message: Any) -> dict[str, object]:
    """A message that we sent, for people: what was asked of which table, where it is a flow."""
    request: dict[str, object] = {"message": type(message).__name__}
    if isinstance(message, parser.OFPFlowMod):
        request |= {
            "command": "remove" if message.command in _REMOVE else "add",
            "table": message.table_id,
            "priority": message.priority,
            "match": {field: str(value) for field, value in message.match.items()},
            "instructions": [str(instruction) for instruction in message.instructions],
        }
    return request


def error_names(error: Any) -> tuple[str, str]:
    """Type and code of an OFPErrorMsg by their names in the specification (§7.4.4)."""
    code = getattr(error, "code", None)  # an experimenter error has none
    return (
        str(ofp.ofp_error_type_to_str(error.type)),
        "" if code is None else str(ofp.ofp_error_code_to_str(error.type, code)),
    )


def _add(datapath: Any, flow: AddFlow) -> Any:
    # Packets go to the controller whole: OVS keeps no buffer to fetch the rest from.
    actions = [parser.OFPActionOutput(int(port), _max_len(port)) for port in flow.outputs]
    instructions = [parser.OFPInstructionActions(ofp.OFPIT_APPLY_ACTIONS, actions)] if actions else []
    if flow.goto is not None:
        instructions.append(parser.OFPInstructionGotoTable(flow.goto))
    return parser.OFPFlowMod(
        datapath,
        command=ofp.OFPFC_ADD,
        table_id=flow.table,
        priority=flow.priority,
        hard_timeout=flow.hard_timeout_s,
        match=_match(flow.match),
        instructions=instructions,
    )


def _max_len(port: int) -> int:
    return int(ofp.OFPCML_NO_BUFFER) if port == ReservedPort.CONTROLLER else 0


def _match(match: Match) -> Any:
    fields = {field: value for field, value in asdict(match).items() if value is not None}
    return parser.OFPMatch(**{field: _masked(value) for field, value in fields.items()})


def _masked(value: object) -> object:
    if isinstance(value, str) and "/" in value:
        return tuple(value.split("/", 1))
    return value
