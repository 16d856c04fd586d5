"""The values of the IEs that hold no other IEs; the only module that imports pycrate.

IEs with flags and optional parts are encoded and dissected by pycrate's class of the IE. Those that are one number
are just that. Both directions are cached: IEs repeat a lot (rule IDs, interfaces, the node ID), pycrate takes 80 µs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Literal

from pycrate_core.utils import PycrateErr
from pycrate_mobile import TS29244_PFCP as PYCRATE

from core_stub.errors import LocalProtocolError, RemoteProtocolError
from core_stub.pfcp.ies import (
    ApplyAction,
    Cause,
    FSeid,
    FTeid,
    GateStatus,
    IeType,
    Interface,
    InterfaceType,
    MeasurementMethod,
    NodeId,
    OuterHeaderCreation,
    OuterHeaderCreationDescription,
    OuterHeaderRemoval,
    PdnType,
    ReportingTriggers,
    ReportType,
    SdfFilter,
    UeIpAddress,
    UpFeatures,
    VolumeMeasurement,
)

_CACHED_IES = 8192
_CACHED_OCTETS = 256
"""Longer IEs do not come back, and would let a peer fill the memory."""

Parts = dict[str, Any]
"""The parts of an IE by pycrate's names."""


@dataclass(frozen=True)
class Leaf:
    """How one IE becomes octets and back; `encode` and `decode` raise ValueError at what cannot be."""

    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]


@lru_cache(_CACHED_IES)
def encode(ie: IeType, value: Any) -> bytes:
    """The octets of the IE; raises `LocalProtocolError` if the value does not fit into it."""
    try:
        return LEAVES[ie].encode(value)
    except (PycrateErr, ValueError, TypeError, OverflowError) as error:
        raise LocalProtocolError(f"{ie.name}: got {value!r}: {error}") from error


def decode(ie: IeType, octets: bytes) -> Any:
    """The value of the IE; raises `RemoteProtocolError`."""
    return _decode_cached(ie, octets) if len(octets) <= _CACHED_OCTETS else _decode(ie, octets)


def _decode(ie: IeType, octets: bytes) -> Any:
    try:
        return LEAVES[ie].decode(octets)
    except PycrateErr as error:
        detail = f"{ie.name}: {octets.hex()} is cut short: {error}"
        raise RemoteProtocolError(Cause.INVALID_LENGTH, detail, ie) from error
    except ValueError as error:
        detail = f"{ie.name}: got {octets.hex()}: {error}"
        raise RemoteProtocolError(Cause.MANDATORY_IE_INCORRECT, detail, ie) from error


_decode_cached = lru_cache(_CACHED_IES)(_decode)


# -- one number -------------------------------------------------------------------------------------------------------


def _number(size: int, kind: Callable[[int], Any] = int, *, order: Literal["big", "little"] = "big") -> Leaf:
    """A number of `size` octets; octets that a later release appends are ignored (§7.6.6)."""

    def decode_number(octets: bytes) -> Any:
        if len(octets) < size:
            raise PycrateErr(f"want {size} octets")
        return kind(int.from_bytes(octets[:size], order))

    return Leaf(lambda value: int(value).to_bytes(size, order), decode_number)


def _flags(size: int, kind: Callable[[int], Any] = int) -> Leaf:
    """Flags, octet 5 in the low byte: at least `size` octets are sent, as few as one is understood."""

    def encode_flags(value: Any) -> bytes:
        return int(value).to_bytes(max(size, (int(value).bit_length() + 7) // 8), "little")

    def decode_flags(octets: bytes) -> Any:
        if not octets:
            raise PycrateErr("want an octet")
        return kind(int.from_bytes(octets[:8], "little"))

    return Leaf(encode_flags, decode_flags)


def _low_bits(bits: int, kind: Callable[[int], Any]) -> Callable[[int], Any]:
    """§8.1.2: spare bits are ignored by the receiver."""
    return lambda value: kind(value & ((1 << bits) - 1))


def _cause(value: int) -> Cause:
    """§8.2.1: a cause that we do not know means acceptance below 64 and rejection from there on."""
    try:
        return Cause(value)
    except ValueError:
        return Cause.REQUEST_ACCEPTED if value < 64 else Cause.REQUEST_REJECTED


_SEND_END_MARKER = 0x02
"""SNDEM, §8.2.50."""


# -- structures, by pycrate -------------------------------------------------------------------------------------------


def _structure(element: Any, to_parts: Callable[[Any], Any], from_parts: Callable[[Any], Any]) -> Leaf:
    # Parts that the flags switch off are not shown as zeros, which pycrate leaves to each class.
    element = type(element.__name__, (element,), {"ENV_SEL_TRANS": False})

    def encode_structure(value: Any) -> bytes:
        octets: bytes = element(val=to_parts(value)).to_bytes()
        return octets

    def decode_structure(octets: bytes) -> Any:
        dissected = element()
        dissected.from_bytes(octets)
        return from_parts(dissected.get_val_d())

    return Leaf(encode_structure, decode_structure)


def _to_addresses(ipv4: IPv4Address | None, ipv6: IPv6Address | None) -> Parts:
    parts: Parts = {"V4": int(ipv4 is not None), "V6": int(ipv6 is not None)}
    if ipv4 is not None:
        parts["IPv4Addr"] = ipv4.packed
    if ipv6 is not None:
        parts["IPv6Addr"] = ipv6.packed
    return parts


def _from_addresses(parts: Parts) -> tuple[IPv4Address | None, IPv6Address | None]:
    ipv4, ipv6 = parts.get("IPv4Addr"), parts.get("IPv6Addr")
    return (
        None if ipv4 is None else IPv4Address(ipv4),
        None if ipv6 is None else IPv6Address(ipv6),
    )


def _require(condition: object, want: str) -> None:
    if not condition:
        raise ValueError(f"want {want}")


def _to_node_id(node: NodeId) -> Parts:
    match node.value:
        case IPv4Address():
            return {"Type": 0, "Val": node.value.packed}
        case IPv6Address():
            return {"Type": 1, "Val": node.value.packed}
        case fqdn:
            _require(fqdn, "an address or a name")
            return {"Type": 2, "Val": fqdn}


def _from_node_id(parts: Parts) -> NodeId:
    match parts["Type"]:
        case 0:
            return NodeId(IPv4Address(parts["Val"]))
        case 1:
            return NodeId(IPv6Address(parts["Val"]))
        case 2:
            _require(not parts["ext"], "labels")
            return NodeId(_join_labels(parts["Val"]))
        case unknown:
            raise ValueError(f"node ID type {unknown}; want 0, 1 or 2")


def _join_labels(labels: list[list[Any]]) -> str:
    _require(labels, "labels")
    return ".".join(label[1].decode("ascii") for label in labels)


def _to_f_seid(f_seid: FSeid) -> Parts:
    _require(f_seid.ipv4 or f_seid.ipv6, "an address")
    return {"SEID": f_seid.seid, **_to_addresses(f_seid.ipv4, f_seid.ipv6)}


def _from_f_seid(parts: Parts) -> FSeid:
    _require(parts["V4"] or parts["V6"], "an address")
    return FSeid(parts["SEID"], *_from_addresses(parts))


def _to_f_teid(f_teid: FTeid) -> Parts:
    if not f_teid.choose:
        _require(f_teid.ipv4 or f_teid.ipv6, "an address, or CHOOSE")
        return {"TEID": f_teid.teid, **_to_addresses(f_teid.ipv4, f_teid.ipv6)}
    _require(f_teid.choose_ipv4 or f_teid.choose_ipv6, "choose_ipv4, choose_ipv6 or both")
    parts = {"CH": 1, "V4": int(f_teid.choose_ipv4), "V6": int(f_teid.choose_ipv6)}
    return parts if f_teid.choose_id is None else {**parts, "CHID": 1, "CHOOSE_ID": f_teid.choose_id}


def _from_f_teid(parts: Parts) -> FTeid:
    _require(parts["V4"] or parts["V6"], "the V4 flag, the V6 flag or both")
    if not parts["CH"]:
        return FTeid(parts["TEID"], *_from_addresses(parts))
    return FTeid(
        choose=True,
        choose_id=parts.get("CHOOSE_ID"),
        choose_ipv4=bool(parts["V4"]),
        choose_ipv6=bool(parts["V6"]),
    )


def _to_ue_ip(ue_ip: UeIpAddress) -> Parts:
    return {"SD": int(ue_ip.is_destination), **_to_addresses(ue_ip.ipv4, ue_ip.ipv6)}


def _from_ue_ip(parts: Parts) -> UeIpAddress:
    return UeIpAddress(*_from_addresses(parts), is_destination=bool(parts["SD"]))


def _to_sdf_filter(sdf: SdfFilter) -> Parts:
    _require(sdf != SdfFilter(), "a flow description or an SDF filter ID")
    parts: Parts = {"FD": int(sdf.flow_description is not None), "BID": int(sdf.bidirectional_id is not None)}
    if sdf.flow_description is not None:
        parts["FlowDesc"] = {"Val": sdf.flow_description.encode("ascii")}
    if sdf.bidirectional_id is not None:
        parts["SDFFilterID"] = sdf.bidirectional_id
    return parts


def _from_sdf_filter(parts: Parts) -> SdfFilter:
    if parts["TTC"] or parts["SPI"] or parts["FL"]:
        # Without them the filter would match more than was asked for.
        detail = "SDF filters by traffic class, SPI or flow label"
        raise RemoteProtocolError(Cause.SERVICE_NOT_SUPPORTED, detail, IeType.SDF_FILTER)
    _require(parts["FD"] or parts["BID"], "a flow description or an SDF filter ID")
    flow = parts["FlowDesc"]["Val"].decode("ascii") if parts["FD"] else None
    return SdfFilter(flow, parts.get("SDFFilterID"))


_Creation = OuterHeaderCreationDescription
_CREATION_FLAGS = {
    _Creation.GTPU_UDP_IPV4: "GTPU_UDP_IPv4",
    _Creation.GTPU_UDP_IPV6: "GTPU_UDP_IPv6",
    _Creation.UDP_IPV4: "UDP_IPv4",
    _Creation.UDP_IPV6: "UDP_IPv6",
    _Creation.IPV4: "IPv4",
    _Creation.IPV6: "IPv6",
}
_CREATION_PARTS = {
    "TEID": _Creation.GTPU_UDP_IPV4 | _Creation.GTPU_UDP_IPV6,
    "IPv4Addr": _Creation.GTPU_UDP_IPV4 | _Creation.UDP_IPV4 | _Creation.IPV4,
    "IPv6Addr": _Creation.GTPU_UDP_IPV6 | _Creation.UDP_IPV6 | _Creation.IPV6,
    "Port": _Creation.UDP_IPV4 | _Creation.UDP_IPV6,
}
"""Which flags of the description call for which part."""


def _to_creation(creation: OuterHeaderCreation) -> Parts:
    parts: Parts = {name: 1 for flag, name in _CREATION_FLAGS.items() if flag in creation.description}
    given = {
        "TEID": creation.teid,
        "IPv4Addr": creation.ipv4 and creation.ipv4.packed,
        "IPv6Addr": creation.ipv6 and creation.ipv6.packed,
        "Port": creation.port,
    }
    for name, flags in _CREATION_PARTS.items():
        _require((given[name] is not None) == bool(creation.description & flags), f"{name} as the description says")
    return {**parts, **{name: value for name, value in given.items() if value is not None}}


def _from_creation(parts: Parts) -> OuterHeaderCreation:
    description = _Creation(0)
    for flag, name in _CREATION_FLAGS.items():
        if parts[name]:
            description |= flag
    _require(description, "a description that is known")
    return OuterHeaderCreation(description, parts.get("TEID"), *_from_addresses(parts), parts.get("Port"))


_VOLUME_PARTS = {
    "total": ("TOVOL", "TotalVolume"),
    "uplink": ("ULVOL", "UplinkVolume"),
    "downlink": ("DLVOL", "DownlinkVolume"),
    "total_packets": ("TONOP", "TotalNumPackets"),
    "uplink_packets": ("ULNOP", "UplinkNumPackets"),
    "downlink_packets": ("DLNOP", "DownlinkNumPackets"),
}
"""Flag and part by attribute."""


def _to_volume(volume: VolumeMeasurement) -> Parts:
    parts: Parts = {}
    for name, (flag, part) in _VOLUME_PARTS.items():
        if (value := getattr(volume, name)) is not None:
            parts |= {flag: 1, part: value}
    return parts


def _from_volume(parts: Parts) -> VolumeMeasurement:
    return VolumeMeasurement(**{name: parts.get(part) for name, (_, part) in _VOLUME_PARTS.items()})


def _from_threshold(parts: Parts) -> int:
    _require(parts["TOVOL"], "a threshold for the total volume")
    total: int = parts["Total"]
    return total


_NO_SD = 0xFFFFFF
"""TS 23.003 §28.4.2: no slice differentiator."""


def _to_snssai(snssai: tuple[int, int | None]) -> Parts:
    sst, sd = snssai
    return {"SST": sst, "SD": _NO_SD if sd is None else sd}


def _from_snssai(parts: Parts) -> tuple[int, int | None]:
    return parts["SST"], None if parts["SD"] == _NO_SD else parts["SD"]


def _encode_labels(name: str) -> bytes:
    _require(name and all(name.split(".")), "a name")
    octets: bytes = PYCRATE.APNDNN(val=name).to_bytes()
    return octets


def _decode_labels(octets: bytes) -> str:
    labels = PYCRATE.APNDNN()
    labels.from_bytes(octets)
    # pycrate stops at the first label that does not fit, without a word.
    _require(labels.to_bytes() == octets, "labels")
    return _join_labels(labels.get_val())


def _decode_network_instance(octets: bytes) -> str:
    """§8.2.4: labels as in a DNN (Open5GS), or the plain name."""
    try:
        return _decode_labels(octets)
    except ValueError:
        return octets.decode("ascii")


def _rates(element: Any) -> Leaf:
    return _structure(
        element,
        lambda rates: {"UL": int(rates[0]), "DL": int(rates[1])},
        lambda parts: (parts["UL"], parts["DL"]),
    )


LEAVES: dict[IeType, Leaf] = {
    IeType.CAUSE: _number(1, _cause),
    IeType.SOURCE_INTERFACE: _number(1, _low_bits(4, Interface)),
    IeType.F_TEID: _structure(PYCRATE.FTEID, _to_f_teid, _from_f_teid),
    IeType.NETWORK_INSTANCE: Leaf(_encode_labels, _decode_network_instance),
    IeType.SDF_FILTER: _structure(PYCRATE.SDFFilter, _to_sdf_filter, _from_sdf_filter),
    IeType.GATE_STATUS: _structure(
        PYCRATE.GateStatus,
        lambda gates: {"ULGate": int(gates[0]), "DLGate": int(gates[1])},
        lambda parts: (GateStatus(parts["ULGate"]), GateStatus(parts["DLGate"])),
    ),
    IeType.MBR: _rates(PYCRATE.MBR),
    IeType.GBR: _rates(PYCRATE.GBR),
    IeType.PRECEDENCE: _number(4),
    IeType.VOLUME_THRESHOLD: _structure(
        PYCRATE.VolumeThreshold, lambda total: {"TOVOL": 1, "Total": total}, _from_threshold
    ),
    IeType.REPORTING_TRIGGERS: _flags(3, ReportingTriggers),
    IeType.REPORT_TYPE: _flags(1, ReportType),
    IeType.OFFENDING_IE: _number(2),
    IeType.DESTINATION_INTERFACE: _number(1, _low_bits(4, Interface)),
    IeType.UP_FUNCTION_FEATURES: _flags(2, UpFeatures),
    IeType.APPLY_ACTION: _flags(2, ApplyAction),
    IeType.PFCPSMREQ_FLAGS: Leaf(
        lambda _: bytes([_SEND_END_MARKER]), lambda octets: bool(octets and octets[0] & _SEND_END_MARKER)
    ),
    IeType.PDR_ID: _number(2),
    IeType.F_SEID: _structure(PYCRATE.FSEID, _to_f_seid, _from_f_seid),
    IeType.NODE_ID: _structure(PYCRATE.NodeID, _to_node_id, _from_node_id),
    IeType.MEASUREMENT_METHOD: _flags(1, MeasurementMethod),
    IeType.USAGE_REPORT_TRIGGER: _flags(3),
    IeType.VOLUME_MEASUREMENT: _structure(PYCRATE.VolumeMeasurement, _to_volume, _from_volume),
    IeType.URR_ID: _number(4),
    IeType.OUTER_HEADER_CREATION: _structure(PYCRATE.OuterHeaderCreation, _to_creation, _from_creation),
    IeType.BAR_ID: _number(1),
    IeType.CP_FUNCTION_FEATURES: _flags(1),
    IeType.UE_IP_ADDRESS: _structure(PYCRATE.UEIPAddress, _to_ue_ip, _from_ue_ip),
    IeType.OUTER_HEADER_REMOVAL: _number(1, OuterHeaderRemoval),
    IeType.RECOVERY_TIME_STAMP: _number(4),
    IeType.UR_SEQN: _number(4),
    IeType.FAR_ID: _number(4),
    IeType.QER_ID: _number(4),
    IeType.PDN_TYPE: _number(1, _low_bits(3, PdnType)),
    IeType.FAILED_RULE_ID: _structure(
        PYCRATE.FailedRuleID,
        lambda rule: {"RuleIDType": rule[0], "RuleIDVal": rule[1]},
        lambda parts: (parts["RuleIDType"], parts["RuleIDVal"]),
    ),
    IeType.QFI: _number(1, _low_bits(6, int)),
    IeType.APN_DNN: Leaf(_encode_labels, _decode_labels),
    IeType.INTERFACE_TYPE: _number(1, _low_bits(6, InterfaceType)),
    IeType.S_NSSAI: _structure(PYCRATE.SNSSAI, _to_snssai, _from_snssai),
}
