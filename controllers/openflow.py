"""The only builder of OpenFlow 1.3 messages, and the only reader of those in which a switch speaks of its tables.

Part of the fence around os-ken: everything untyped that is made here goes straight to `Datapath.send_msg`.
"""

from __future__ import annotations

from dataclasses import fields, replace
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from os_ken.ofproto import ofproto_v1_3 as ofp
from os_ken.ofproto import ofproto_v1_3_parser as parser
from os_ken.ofproto.ofproto_protocol import ProtocolDesc

from controllers.flows import (
    Action,
    AddFlow,
    AddGroup,
    AddMeter,
    Barrier,
    Bucket,
    Change,
    Count,
    Counters,
    DecTtl,
    Group,
    GroupKind,
    Masked,
    Match,
    Meter,
    ModifyGroup,
    ModifyMeter,
    Move,
    Output,
    RemoveFlow,
    RemoveFlows,
    RemoveGroup,
    RemoveMeter,
    ReservedPort,
    SetField,
    SwitchState,
    ToGroup,
    Unknown,
)

_REMOVE = {ofp.OFPFC_DELETE, ofp.OFPFC_DELETE_STRICT}
_COMMANDS = {0: "add", 1: "modify", 2: "remove"}
_KINDS = {GroupKind.ALL: ofp.OFPGT_ALL, GroupKind.SELECT: ofp.OFPGT_SELECT, GroupKind.INDIRECT: ofp.OFPGT_INDIRECT}
_KIND_OF = {number: kind for kind, number in _KINDS.items()}
_KNOWN = {each.name for each in fields(Match)} - {"others"}

_ADDRESSES = {"arp_tpa", "ipv4_src", "ipv4_dst", "ipv6_src", "ipv6_dst"}

_METER_FLAGS = ofp.OFPMF_KBPS | ofp.OFPMF_BURST


def message(datapath: Any, change: Change) -> Any:  # noqa: PLR0911
    """The OpenFlow message that makes `change` on `datapath`."""
    match change:
        case AddFlow():
            return _add(datapath, change)
        case RemoveFlows():
            return _remove(datapath, ofp.OFPFC_DELETE, change.table, change.match)
        case RemoveFlow():
            return _remove(datapath, ofp.OFPFC_DELETE_STRICT, change.table, change.match, priority=change.priority)
        case AddGroup():
            return _group_mod(datapath, ofp.OFPGC_ADD, change.group)
        case ModifyGroup():
            return _group_mod(datapath, ofp.OFPGC_MODIFY, change.group)
        case RemoveGroup():
            return parser.OFPGroupMod(datapath, ofp.OFPGC_DELETE, ofp.OFPGT_ALL, change.number, [])
        case AddMeter():
            return _meter_mod(datapath, ofp.OFPMC_ADD, change.meter)
        case ModifyMeter():
            return _meter_mod(datapath, ofp.OFPMC_MODIFY, change.meter)
        case RemoveMeter():
            return parser.OFPMeterMod(datapath, ofp.OFPMC_DELETE, _METER_FLAGS, change.number, [])
        case Barrier():
            return parser.OFPBarrierRequest(datapath)


def octets(change: Change, number: int) -> bytes:
    """The message that makes `change`, as it goes over the wire, with the transaction id `number`."""
    made = message(ProtocolDesc(version=ofp.OFP_VERSION), change)
    made.set_xid(number)
    made.serialize()
    return bytes(made.buf)


def state_requests(datapath: Any) -> tuple[Any, Any, Any]:
    """What asks a switch for all of its meters, groups and flows; each answer may come in several parts."""
    return (
        parser.OFPMeterConfigStatsRequest(datapath),
        parser.OFPGroupDescStatsRequest(datapath),
        parser.OFPFlowStatsRequest(datapath),
    )


def with_part(state: SwitchState, reply: Any) -> SwitchState:
    """`state` with what one part of an answer to `state_requests` says."""
    match reply:
        case parser.OFPMeterConfigStatsReply():
            return replace(state, meters=(*state.meters, *map(read_meter, reply.body)))
        case parser.OFPGroupDescStatsReply():
            return replace(state, groups=(*state.groups, *map(read_group, reply.body)))
        case parser.OFPFlowStatsReply():
            return replace(state, flows=(*state.flows, *map(read_flow, reply.body)))
    return state


def counter_requests(datapath: Any) -> tuple[Any, Any]:
    """What asks a switch for what its ports and its groups have counted; each answer may come in several parts."""
    return (
        parser.OFPPortStatsRequest(datapath, 0, ofp.OFPP_ANY),
        parser.OFPGroupStatsRequest(datapath, 0, ofp.OFPG_ALL),
    )


def read_counters(reply: Any) -> Counters:
    """What one part of an answer to `counter_requests` says."""
    if isinstance(reply, parser.OFPPortStatsReply):
        return Counters(ports={each.port_no: Count(each.rx_packets, each.rx_bytes) for each in reply.body})
    groups = {
        each.group_id: tuple(Count(bucket.packet_count, bucket.byte_count) for bucket in each.bucket_stats)
        for each in reply.body
    }
    return Counters(groups=groups)


def more_follows(reply: Any) -> bool:
    """Whether `reply` is not the last part of an answer (§7.3.5)."""
    return bool(reply.flags & ofp.OFPMPF_REPLY_MORE)


def removed_by_somebody(removal: Any) -> bool:
    """Whether a flow was removed, or what it uses, and did not just time out (§7.4.2)."""
    return removal.reason not in {ofp.OFPRR_IDLE_TIMEOUT, ofp.OFPRR_HARD_TIMEOUT}


def describe(message: Any) -> dict[str, object]:
    """A message that we sent, for people: what was asked of which flow, group or meter."""
    request: dict[str, object] = {"message": type(message).__name__}
    match message:
        case parser.OFPFlowMod():
            request |= {
                "command": "remove" if message.command in _REMOVE else "add",
                "table": message.table_id,
                "priority": message.priority,
                "match": {field: str(value) for field, value in message.match.items()},
                "instructions": [str(instruction) for instruction in message.instructions],
            }
        case parser.OFPGroupMod():
            buckets = [str(bucket) for bucket in message.buckets]
            request |= {"command": _COMMANDS[message.command], "group": message.group_id, "buckets": buckets}
        case parser.OFPMeterMod():
            bands = [str(band) for band in message.bands]
            request |= {"command": _COMMANDS[message.command], "meter": message.meter_id, "bands": bands}
    return request


def error_names(error: Any) -> tuple[str, str]:
    """Type and code of an OFPErrorMsg by their names in the specification (§7.4.4)."""
    code = getattr(error, "code", None)  # an experimenter error has none
    return (
        str(ofp.ofp_error_type_to_str(error.type)),
        "" if code is None else str(ofp.ofp_error_code_to_str(error.type, code)),
    )


def read_flow(stats: Any) -> AddFlow:
    """A flow as a switch reports it in an OFPFlowStats."""
    actions: tuple[Action, ...] = ()
    found: dict[str, Any] = {}
    for step in stats.instructions:
        match step:
            case parser.OFPInstructionGotoTable():
                found["goto"] = step.table_id
            case parser.OFPInstructionWriteMetadata():
                found["metadata"] = Masked(step.metadata, step.metadata_mask)
            case parser.OFPInstructionMeter():
                found["meter"] = step.meter_id
            case parser.OFPInstructionActions(type=ofp.OFPIT_APPLY_ACTIONS):
                actions += tuple(_read_action(action) for action in step.actions)
            case _:
                actions += (Unknown(str(step)),)
    return AddFlow(
        stats.table_id,
        _read_match(stats.match),
        actions,
        priority=stats.priority,
        hard_timeout_s=stats.hard_timeout,
        idle_timeout_s=stats.idle_timeout,
        cookie=stats.cookie,
        watched=bool(stats.flags & ofp.OFPFF_SEND_FLOW_REM),
        **found,
    )


def read_group(stats: Any) -> Group:
    """A group as a switch reports it in an OFPGroupDescStats; a fast failover group is taken for one of kind ALL."""
    buckets = tuple(
        Bucket(tuple(_read_action(action) for action in each.actions), each.weight) for each in stats.buckets
    )
    kind = _KIND_OF.get(stats.type, GroupKind.ALL)
    # Open vSwitch reports a weight of 1 where none was given; it means something in a SELECT group only.
    if kind is not GroupKind.SELECT:
        buckets = tuple(Bucket(bucket.actions) for bucket in buckets)
    return Group(stats.group_id, kind, buckets)


def read_meter(stats: Any) -> Meter:
    """A meter as a switch reports it in an OFPMeterConfigStats; rate 0 for one that is not a single band that drops."""
    match stats.bands:
        case [parser.OFPMeterBandDrop() as band]:
            return Meter(stats.meter_id, band.rate, band.burst_size)
    return Meter(stats.meter_id, 0, 0)


def _add(datapath: Any, flow: AddFlow) -> Any:
    instructions = [] if flow.meter is None else [parser.OFPInstructionMeter(flow.meter)]
    if flow.actions:
        actions = [_action(action) for action in flow.actions]
        instructions.append(parser.OFPInstructionActions(ofp.OFPIT_APPLY_ACTIONS, actions))
    if flow.metadata is not None:
        instructions.append(parser.OFPInstructionWriteMetadata(flow.metadata.value, flow.metadata.mask))
    if flow.goto is not None:
        instructions.append(parser.OFPInstructionGotoTable(flow.goto))
    return parser.OFPFlowMod(
        datapath,
        cookie=flow.cookie,
        command=ofp.OFPFC_ADD,
        table_id=flow.table,
        priority=flow.priority,
        idle_timeout=flow.idle_timeout_s,
        hard_timeout=flow.hard_timeout_s,
        flags=ofp.OFPFF_SEND_FLOW_REM if flow.watched else 0,
        match=_match(flow.match),
        instructions=instructions,
    )


def _remove(datapath: Any, command: int, table: int, match: Match, priority: int = 0) -> Any:
    return parser.OFPFlowMod(
        datapath,
        command=command,
        table_id=table,
        priority=priority,
        match=_match(match),
        out_port=ofp.OFPP_ANY,
        out_group=ofp.OFPG_ANY,
    )


def _group_mod(datapath: Any, command: int, group: Group) -> Any:
    buckets = [
        parser.OFPBucket(each.weight, actions=[_action(action) for action in each.actions]) for each in group.buckets
    ]
    return parser.OFPGroupMod(datapath, command, _KINDS[group.kind], group.number, buckets)


def _meter_mod(datapath: Any, command: int, meter: Meter) -> Any:
    band = parser.OFPMeterBandDrop(meter.rate_kbps, meter.burst_kbit)
    return parser.OFPMeterMod(datapath, command, _METER_FLAGS, meter.number, [band])


def _action(action: Action) -> Any:
    match action:
        case Output(port):
            # Packets go to the controller whole: OVS keeps no buffer to fetch the rest from.
            whole = port == ReservedPort.CONTROLLER
            return parser.OFPActionOutput(int(port), int(ofp.OFPCML_NO_BUFFER) if whole else 0)
        case ToGroup(group):
            return parser.OFPActionGroup(group)
        case SetField(field, value):
            return parser.OFPActionSetField(**{field: value})
        case Move(source, target, bits):
            return parser.NXActionRegMove(src_field=source, dst_field=target, n_bits=bits)
        case DecTtl():
            return parser.OFPActionDecNwTtl()
        case Unknown(text):
            raise ValueError(f"{text}: cannot be built; it is only ever read from a switch")


def _read_action(action: Any) -> Action:
    match action:
        case parser.OFPActionOutput():
            return Output(action.port)
        case parser.OFPActionGroup():
            return ToGroup(action.group_id)
        case parser.OFPActionSetField():
            return SetField(action.key, action.value)
        case parser.NXActionRegMove(src_ofs=0, dst_ofs=0):
            # Open vSwitch answers with the older names of the same fields.
            source, target = (name.removesuffix("_nxm") for name in (action.src_field, action.dst_field))
            return Move(source, target, action.n_bits)
        case parser.OFPActionDecNwTtl():
            return DecTtl()
    return Unknown(str(action))


def _match(match: Match) -> Any:
    wanted = {each.name: getattr(match, each.name) for each in fields(Match) if each.name != "others"}
    wanted |= dict(match.others)
    return parser.OFPMatch(**{name: _oxm(value) for name, value in wanted.items() if value is not None})


def _oxm(value: object) -> object:
    match value:
        case Masked():
            return value.value, value.mask
        case IPv4Network() | IPv6Network():
            whole = value.prefixlen == value.max_prefixlen
            return str(value.network_address) if whole else (str(value.network_address), str(value.netmask))
        case str() if "/" in value:
            return tuple(value.split("/", 1))
    return value


def _read_match(match: Any) -> Match:
    known: dict[str, Any] = {}
    others = []
    for name, value in match.items():
        found = _read_oxm(name, value) if name in _KNOWN else None
        if found is None:
            others.append((name, value))
        else:
            known[name] = found
    return Match(**known, others=tuple(others))


def _read_oxm(name: str, value: Any) -> Any:
    """None for an address with a mask that is no prefix's."""
    if name in _ADDRESSES:
        return _read_prefix(*value) if isinstance(value, tuple) else ip_network(value)
    if isinstance(value, tuple):
        return "/".join(value) if isinstance(value[0], str) else Masked(*value)
    return value


def _read_prefix(address: str, mask: str) -> IPv4Network | IPv6Network | None:
    length = int(ip_address(mask)).bit_count()
    found = ip_network((address, length), strict=False)
    return found if str(found.netmask) == str(ip_address(mask)) else None
