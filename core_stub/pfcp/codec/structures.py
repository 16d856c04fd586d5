"""The IEs that consist of several parts, as tables where they are regular (TS 29.244 §8.2)."""

from __future__ import annotations

import math
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from core_stub.pfcp.codec.leaf import (
    IPV4,
    IPV6,
    OCTETS16,
    RATE,
    TEXT8,
    TEXT16,
    U8,
    U16,
    U24,
    U32,
    U64,
    Leaf,
    Part,
    TooShortError,
    counted,
    fixed,
    flagged,
    from_text,
    listed,
    require,
    to_text,
)
from core_stub.pfcp.ies import (
    AdditionalUsageReports,
    DlFlowLevelMarking,
    DownlinkDataServiceInformation,
    DroppedDlTrafficThreshold,
    FlowDirection,
    FlowInformation,
    FSeid,
    FTeid,
    GateStatus,
    Interface,
    IpAddresses,
    NodeId,
    OuterHeaderCreation,
    PacketRate,
    PacketRateLimit,
    PfdContents,
    RateUnit,
    RedirectAddressType,
    RedirectInformation,
    RemoteGtpuPeer,
    RuleType,
    SdfFilter,
    TeidRange,
    UeIpAddress,
    UserId,
    UserPlaneIpResource,
    Volume,
    VolumeMeasurement,
)
from core_stub.pfcp.ies import OuterHeaderCreationDescription as _Creation

# -- names ------------------------------------------------------------------------------------------------------------

_LONGEST_LABEL = 63


def encode_labels(name: str) -> bytes:
    """A name as labels (RFC 1035 §3.1 without the root), as APN/DNN and FQDNs are sent."""
    labels = [label.encode("ascii") for label in name.split(".")]
    require(all(0 < len(label) <= _LONGEST_LABEL for label in labels), "labels of 1 to 63 octets")
    return b"".join(bytes([len(label)]) + label for label in labels)


def decode_labels(octets: bytes) -> str:
    """The name that the labels make."""
    labels, at = [], 0
    while at < len(octets):
        end = at + 1 + octets[at]
        require(at + 1 < end <= len(octets) and octets[at] <= _LONGEST_LABEL, "labels")
        labels.append(octets[at + 1 : end].decode("ascii"))
        at = end
    require(labels, "labels")
    return ".".join(labels)


def _decode_network_instance(octets: bytes) -> str:
    """§8.2.4: labels as in a DNN (Open5GS), or the plain name."""
    try:
        return decode_labels(octets)
    except ValueError:
        require(octets, "a name")
        return octets.decode("ascii")


LABELS = Leaf(encode_labels, decode_labels)
NETWORK_INSTANCE = Leaf(encode_labels, _decode_network_instance)


def _encode_node_id(node: NodeId) -> bytes:
    match node.value:
        case IPv4Address():
            return b"\0" + node.value.packed
        case IPv6Address():
            return b"\1" + node.value.packed
        case fqdn:
            return b"\2" + encode_labels(fqdn)


def _decode_node_id(octets: bytes) -> NodeId:
    kind = U8.read(octets, 0)[0] & 0x0F
    match kind:
        case 0:
            return NodeId(IPV4.read(octets, 1)[0])
        case 1:
            return NodeId(IPV6.read(octets, 1)[0])
        case 2:
            return NodeId(decode_labels(octets[1:]))
        case _:
            raise ValueError(f"node ID type {kind}; want 0, 1 or 2")


NODE_ID = Leaf(_encode_node_id, _decode_node_id)

# -- addresses and endpoints ------------------------------------------------------------------------------------------


def _has_address(value: FSeid | IpAddresses) -> None:
    require(value.ipv4 or value.ipv6, "an address")


F_SEID = flagged(
    FSeid, Part("seid", 0, U64), Part("ipv4", 0x02, IPV4), Part("ipv6", 0x01, IPV6), check=_has_address
)  # fmt: skip
IP_ADDRESSES = flagged(IpAddresses, Part("ipv4", 0x02, IPV4), Part("ipv6", 0x01, IPV6), check=_has_address)
UE_IP_ADDRESS = flagged(
    UeIpAddress,
    Part("ipv4", 0x02, IPV4),
    Part("ipv6", 0x01, IPV6),
    Part("ipv6_delegation_bits", 0x08, U8),
    Part("ipv6_prefix_length", 0x40, U8),
    switches={"is_destination": 0x04, "choose_ipv4": 0x10, "choose_ipv6": 0x20},
)

_V4, _V6, _CH, _CHID = 0x01, 0x02, 0x04, 0x08


def _encode_f_teid(f_teid: FTeid) -> bytes:
    if not f_teid.choose:
        require(f_teid.ipv4 or f_teid.ipv6, "an address, or CHOOSE")
        set_flags = (_V4 if f_teid.ipv4 else 0) | (_V6 if f_teid.ipv6 else 0)
        addresses = b"".join(address.packed for address in (f_teid.ipv4, f_teid.ipv6) if address)
        return bytes([set_flags]) + U32.write(f_teid.teid) + addresses
    require(f_teid.choose_ipv4 or f_teid.choose_ipv6, "choose_ipv4, choose_ipv6 or both")
    set_flags = _CH | (_V4 if f_teid.choose_ipv4 else 0) | (_V6 if f_teid.choose_ipv6 else 0)
    if f_teid.choose_id is None:
        return bytes([set_flags])
    return bytes([set_flags | _CHID, f_teid.choose_id])


def _decode_f_teid(octets: bytes) -> FTeid:
    set_flags, at = U8.read(octets, 0)
    require(set_flags & (_V4 | _V6), "the V4 flag, the V6 flag or both")
    if set_flags & _CH:
        choose_id = U8.read(octets, at)[0] if set_flags & _CHID else None
        return FTeid(0, None, None, True, choose_id, bool(set_flags & _V4), bool(set_flags & _V6))
    teid, at = U32.read(octets, at)
    ipv4, at = IPV4.read(octets, at) if set_flags & _V4 else (None, at)
    ipv6 = IPV6.read(octets, at)[0] if set_flags & _V6 else None
    return FTeid(teid, ipv4, ipv6)


F_TEID = Leaf(_encode_f_teid, _decode_f_teid)

_CREATION_PARTS = (
    Part("teid", _Creation.GTPU_UDP_IPV4 | _Creation.GTPU_UDP_IPV6, U32),
    Part("ipv4", _Creation.GTPU_UDP_IPV4 | _Creation.UDP_IPV4 | _Creation.IPV4, IPV4),
    Part("ipv6", _Creation.GTPU_UDP_IPV6 | _Creation.UDP_IPV6 | _Creation.IPV6, IPV6),
    Part("port", _Creation.UDP_IPV4 | _Creation.UDP_IPV6, U16),
)
"""Which flags of the description call for which part."""
_KNOWN_CREATIONS = sum(_Creation)


def _encode_creation(creation: OuterHeaderCreation) -> bytes:
    written = [U16.write(creation.description)]
    for part in _CREATION_PARTS:
        item = getattr(creation, part.name)
        require((item is not None) == bool(creation.description & part.flag), f"{part.name} as the description says")
        if item is not None:
            written.append(part.kind.write(item))
    return b"".join(written)


def _decode_creation(octets: bytes) -> OuterHeaderCreation:
    described, at = U16.read(octets, 0)
    description = _Creation(described & _KNOWN_CREATIONS)
    require(description, "a description that is known")
    values: dict[str, Any] = {}
    for part in _CREATION_PARTS:
        if described & part.flag:
            values[part.name], at = part.kind.read(octets, at)
    return OuterHeaderCreation(description, **values)


OUTER_HEADER_CREATION = Leaf(_encode_creation, _decode_creation)

# -- filters ----------------------------------------------------------------------------------------------------------


def _matches_something(sdf: SdfFilter) -> None:
    require(sdf != SdfFilter(), "a flow description, an SDF filter ID or another thing to match")


_FLOW_DESCRIPTION = counted(2, lambda value: value.encode("ascii"), lambda octets: octets.decode("ascii"))
SDF_FILTER = flagged(
    SdfFilter,
    Part("flow_description", 0x01, _FLOW_DESCRIPTION),
    Part("traffic_class", 0x02, U16),
    Part("spi", 0x04, U32),
    Part("flow_label", 0x08, U24),
    Part("bidirectional_id", 0x10, U32),
    head=2,
    check=_matches_something,
)
PFD_CONTENTS = flagged(
    PfdContents,
    Part("flow_description", 0x01, _FLOW_DESCRIPTION),
    Part("url", 0x02, TEXT16),
    Part("domain_name", 0x04, TEXT16),
    Part("custom", 0x08, OCTETS16),
    Part("domain_name_protocol", 0x10, TEXT16),
    Part("additional_flow_descriptions", 0x20, listed(_FLOW_DESCRIPTION)),
    Part("additional_urls", 0x40, listed(TEXT16)),
    head=2,
)


def _encode_flow(flow: FlowInformation) -> bytes:
    return bytes([flow.direction]) + _FLOW_DESCRIPTION.write(flow.flow_description)


def _decode_flow(octets: bytes) -> FlowInformation:
    direction, at = U8.read(octets, 0)
    return FlowInformation(FlowDirection(direction & 0x07), _FLOW_DESCRIPTION.read(octets, at)[0])


FLOW_INFORMATION = Leaf(_encode_flow, _decode_flow)

# -- usage ------------------------------------------------------------------------------------------------------------

VOLUME = flagged(Volume, Part("total", 0x01, U64), Part("uplink", 0x02, U64), Part("downlink", 0x04, U64))
VOLUME_MEASUREMENT = flagged(
    VolumeMeasurement,
    Part("total", 0x01, U64),
    Part("uplink", 0x02, U64),
    Part("downlink", 0x04, U64),
    Part("total_packets", 0x08, U64),
    Part("uplink_packets", 0x10, U64),
    Part("downlink_packets", 0x20, U64),
)
DROPPED_DL_TRAFFIC_THRESHOLD = flagged(
    DroppedDlTrafficThreshold, Part("packets", 0x01, U64), Part("octets", 0x02, U64)
)  # fmt: skip

_AURI = 0x8000


def _encode_additional(additional: AdditionalUsageReports) -> bytes:
    require(0 <= additional.reports < _AURI, "a number of 15 bits")
    return U16.write(additional.reports | (_AURI if additional.is_undetermined else 0))


def _decode_additional(octets: bytes) -> AdditionalUsageReports:
    value = U16.read(octets, 0)[0]
    return AdditionalUsageReports(bool(value & _AURI), value & ~_AURI)


ADDITIONAL_USAGE_REPORTS = Leaf(_encode_additional, _decode_additional)

# -- QoS --------------------------------------------------------------------------------------------------------------


def _decode_gates(octets: bytes) -> tuple[GateStatus, GateStatus]:
    gates = U8.read(octets, 0)[0]
    return GateStatus(gates >> 2 & 0x03), GateStatus(gates & 0x03)


def _decode_rates(octets: bytes) -> tuple[int, int]:
    uplink, at = RATE.read(octets, 0)
    return uplink, RATE.read(octets, at)[0]


GATE_STATUS = Leaf(lambda gates: bytes([gates[0] << 2 | gates[1]]), _decode_gates)
BIT_RATES = Leaf(lambda rates: RATE.write(rates[0]) + RATE.write(rates[1]), _decode_rates)

_PACKET_RATE_LIMIT = fixed(
    3,
    lambda limit: bytes([limit.unit]) + U16.write(limit.packets),
    lambda octets: PacketRateLimit(int.from_bytes(octets[1:]), RateUnit(octets[0] & 0x07)),
)
PACKET_RATE = flagged(
    PacketRate, Part("uplink", 0x01, _PACKET_RATE_LIMIT), Part("downlink", 0x02, _PACKET_RATE_LIMIT)
)  # fmt: skip
DL_FLOW_LEVEL_MARKING = flagged(
    DlFlowLevelMarking, Part("traffic_class", 0x01, U16), Part("service_class", 0x02, U16)
)  # fmt: skip


def _six_bits(value: int) -> bytes:
    require(0 <= value < 64, "a number of 6 bits")
    return bytes([value])


_SIX_BITS = fixed(1, _six_bits, lambda octets: octets[0] & 0x3F)
DOWNLINK_DATA_SERVICE_INFORMATION = flagged(
    DownlinkDataServiceInformation,
    Part("paging_policy_indication", 0x01, _SIX_BITS),
    Part("qfi", 0x02, _SIX_BITS),
)

# -- timers -----------------------------------------------------------------------------------------------------------

_UNITS = (2, 60, 600, 3600, 36000)
"""Seconds of the timer units 0 to 4 (§8.2.29)."""
_INFINITE, _LARGEST_COUNT = 7, 31


def _encode_timer(seconds: float) -> bytes:
    """In the smallest unit that holds it, rounded up."""
    require(seconds >= 0, "no time before now")
    if math.isinf(seconds):
        return bytes([_INFINITE << 5])
    for unit, length in enumerate(_UNITS):
        count = math.ceil(seconds / length)
        if count <= _LARGEST_COUNT:
            return bytes([unit << 5 | count])
    raise ValueError(f"want at most {_UNITS[-1] * _LARGEST_COUNT} s, or infinity")


def _decode_timer(octets: bytes) -> float:
    value: int = U8.read(octets, 0)[0]
    unit, count = value >> 5, value & _LARGEST_COUNT
    if unit == _INFINITE:
        return math.inf
    # Other units are read as minutes (§8.2.29).
    return count * (_UNITS[unit] if unit < len(_UNITS) else 60)


TIMER = Leaf(_encode_timer, _decode_timer)

_DELAY_UNIT_MS = 50


def _encode_delay(milliseconds: int) -> bytes:
    require(milliseconds % _DELAY_UNIT_MS == 0, "a multiple of 50 ms")
    return U8.write(milliseconds // _DELAY_UNIT_MS)


NOTIFICATION_DELAY = Leaf(_encode_delay, lambda octets: U8.read(octets, 0)[0] * _DELAY_UNIT_MS)

# -- who and where ----------------------------------------------------------------------------------------------------

_NO_SD = 0xFFFFFF
"""TS 23.003 §28.4.2: no slice differentiator."""


def _encode_snssai(snssai: tuple[int, int | None]) -> bytes:
    sst, sd = snssai
    return U8.write(sst) + U24.write(_NO_SD if sd is None else sd)


def _decode_snssai(octets: bytes) -> tuple[int, int | None]:
    sst, at = U8.read(octets, 0)
    sd, _ = U24.read(octets, at)
    return sst, None if sd == _NO_SD else sd


S_NSSAI = Leaf(_encode_snssai, _decode_snssai)


def _encode_digits(digits: str) -> bytes:
    """TBCD (TS 29.002): two digits an octet, the first in its low half; F fills up."""
    padded = digits + "f" * (len(digits) % 2)
    return bytes.fromhex("".join(padded[at + 1] + padded[at] for at in range(0, len(padded), 2)))


def _decode_digits(octets: bytes) -> str:
    pairs = octets.hex()
    return "".join(pairs[at + 1] + pairs[at] for at in range(0, len(pairs), 2)).rstrip("f")


_DIGITS = counted(1, _encode_digits, _decode_digits)
USER_ID = flagged(
    UserId,
    Part("imsi", 0x01, _DIGITS),
    Part("imei", 0x02, _DIGITS),
    Part("msisdn", 0x04, _DIGITS),
    Part("nai", 0x08, TEXT8),
)

_INTERFACE = counted(2, lambda value: bytes([value]), lambda octets: Interface(U8.read(octets, 0)[0] & 0x0F))
REMOTE_GTP_U_PEER = flagged(
    RemoteGtpuPeer,
    Part("ipv4", 0x02, IPV4),
    Part("ipv6", 0x01, IPV6),
    Part("destination_interface", 0x04, _INTERFACE),
    Part("network_instance", 0x08, counted(2, encode_labels, _decode_network_instance)),
)


def _encode_redirect(redirect: RedirectInformation) -> bytes:
    has_other = redirect.address_type is RedirectAddressType.IPV4_AND_IPV6
    require(has_other == (redirect.other_server_address is not None), "a second address only for IPv4 and IPv6")
    addresses = (redirect.server_address, redirect.other_server_address)
    return bytes([redirect.address_type]) + b"".join(TEXT16.write(address) for address in addresses if address)


def _decode_redirect(octets: bytes) -> RedirectInformation:
    kind, at = U8.read(octets, 0)
    address_type = RedirectAddressType(kind & 0x0F)
    server, at = TEXT16.read(octets, at)
    if address_type is not RedirectAddressType.IPV4_AND_IPV6:
        return RedirectInformation(address_type, server)
    return RedirectInformation(address_type, server, TEXT16.read(octets, at)[0])


REDIRECT_INFORMATION = Leaf(_encode_redirect, _decode_redirect)

_RULE_ID_KINDS = {RuleType.PDR: U16, RuleType.FAR: U32, RuleType.QER: U32, RuleType.URR: U32, RuleType.BAR: U8}


def _decode_failed_rule(octets: bytes) -> tuple[int, int]:
    kind = RuleType(U8.read(octets, 0)[0] & 0x0F)
    return int(kind), _RULE_ID_KINDS[kind].read(octets, 1)[0]


FAILED_RULE_ID = Leaf(
    lambda rule: bytes([rule[0]]) + _RULE_ID_KINDS[RuleType(rule[0])].write(rule[1]), _decode_failed_rule
)
FORWARDING_POLICY = counted(1, to_text, from_text)

# -- Rel-15 -----------------------------------------------------------------------------------------------------------

_ASSONI, _ASSOSI, _TEIDRI_SHIFT, _TEIDRI_MASK = 0x20, 0x40, 2, 0x07


def _encode_ip_resource(resource: UserPlaneIpResource) -> bytes:
    """§8.2.82 of Rel-15: the network instance is all that is left before the source interface."""
    set_flags = (0x01 if resource.ipv4 else 0) | (0x02 if resource.ipv6 else 0)
    written = []
    if resource.teid_range is not None:
        set_flags |= resource.teid_range.bits << _TEIDRI_SHIFT
        written.append(U8.write(resource.teid_range.prefix))
    written += [address.packed for address in (resource.ipv4, resource.ipv6) if address]
    if resource.network_instance is not None:
        set_flags |= _ASSONI
        written.append(encode_labels(resource.network_instance))
    if resource.source_interface is not None:
        set_flags |= _ASSOSI
        written.append(bytes([resource.source_interface]))
    return bytes([set_flags]) + b"".join(written)


def _decode_ip_resource(octets: bytes) -> UserPlaneIpResource:
    set_flags, at = U8.read(octets, 0)
    bits = set_flags >> _TEIDRI_SHIFT & _TEIDRI_MASK
    prefix, at = U8.read(octets, at) if bits else (0, at)
    ipv4, at = IPV4.read(octets, at) if set_flags & 0x01 else (None, at)
    ipv6, at = IPV6.read(octets, at) if set_flags & 0x02 else (None, at)
    end = len(octets) - (1 if set_flags & _ASSOSI else 0)
    if end < at:
        raise TooShortError(f"want {at + 1} octets")
    return UserPlaneIpResource(
        ipv4,
        ipv6,
        TeidRange(bits, prefix) if bits else None,
        _decode_network_instance(octets[at:end]) if set_flags & _ASSONI else None,
        Interface(octets[end] & 0x0F) if set_flags & _ASSOSI else None,
    )


USER_PLANE_IP_RESOURCE = Leaf(_encode_ip_resource, _decode_ip_resource)
