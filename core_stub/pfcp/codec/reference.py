"""PFCP by pycrate: the oracle that the codec's tests compare with, and the baseline of its benchmark.

It takes milliseconds a message, is not safe in threads, and is not used to speak to anybody. The tables here say what
pycrate calls the parts of an IE; nothing of them is known to the codec, so that the two can disagree.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import IntFlag
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from pycrate_core.utils import PycrateErr
from pycrate_mobile import TS29244_PFCP as PYCRATE

from core_stub.pfcp.ies import (
    AdditionalUsageReports,
    DlFlowLevelMarking,
    DownlinkDataServiceInformation,
    DroppedDlTrafficThreshold,
    FlowInformation,
    FSeid,
    FTeid,
    IeType,
    IpAddresses,
    NodeId,
    OuterHeaderCreation,
    OuterHeaderCreationDescription,
    PacketRate,
    PfdContents,
    RedirectInformation,
    RemoteGtpuPeer,
    SdfFilter,
    UeIpAddress,
    UserId,
    Volume,
    VolumeMeasurement,
)

Parts = dict[str, Any]
"""The parts of an IE by pycrate's names."""

MISTAKEN = {
    IeType.USER_PLANE_IP_RESOURCE_INFORMATION: "is of Rel-15, which pycrate does not have",
    IeType.IP_VERSION: "has nine bits",
    IeType.DL_BUFFERING_SUGGESTED_PACKET_COUNT: "loses its length",
}
"""IEs that pycrate 0.8.1 does not have or has wrong."""


# -- whole messages ---------------------------------------------------------------------------------------------------


def parse(datagram: bytes) -> Any:
    """pycrate's object of a message; ValueError if it finds something wrong with it."""
    try:
        message, error = PYCRATE.parse_PFCP(datagram)
    except PycrateErr as failure:
        raise ValueError(f"pycrate cannot read {datagram.hex()}: {failure}") from failure
    if error:
        raise ValueError(f"pycrate finds error {error} in {datagram.hex()}")
    return message


def build(message: Any) -> bytes:
    """The octets of a pycrate object made anew from the values of another, as who has to send a message makes it."""
    octets: bytes = type(message)(val=message.get_val()).to_bytes()
    return octets


def mandatory_in_group(ie: IeType) -> set[int]:
    """The IEs that a group must have, to pycrate."""
    return set(PYCRATE.PFCPIELUT[int(ie)].MAND)


def mandatory_in_message(message_type: int) -> set[int]:
    """The IEs that a message must have, to pycrate."""
    return set(PYCRATE.PFCPDispatcher[message_type]()[1].MAND)


# -- IEs --------------------------------------------------------------------------------------------------------------


def encode(ie: IeType, parts: Any) -> bytes:
    """The octets that pycrate makes of the parts of an IE."""
    octets: bytes = _element(ie)(val=parts).to_bytes()
    return octets


def dissect(ie: IeType, octets: bytes) -> Any:
    """The parts that pycrate finds; ValueError if there is something wrong."""
    element = _element(ie)()
    try:
        element.from_bytes(octets)
    except PycrateErr as error:
        raise ValueError(f"pycrate cannot read {octets.hex()}: {error}") from error
    return element.get_val_d()


def flags(ie: IeType, octets: bytes, kind: type[IntFlag]) -> dict[str, bool]:
    """Which flags of `kind` pycrate finds set, by our name, of those that it knows."""
    found = dissect(ie, octets)
    named: Parts = {}
    for name, value in found.items():
        named.update(value if isinstance(value, dict) else {name: value})
    named = {name.replace("-", "_"): value for name, value in named.items()}
    return {flag.name: bool(named[flag.name]) for flag in kind if flag.name in named}


def _element(ie: IeType) -> Any:
    kind = PYCRATE.PFCPIELUT[int(ie)]
    if not issubclass(kind, PYCRATE.Envelope):
        return kind
    # Parts that the flags switch off are not shown as zeros, which pycrate leaves to each class.
    return type(kind.__name__, (kind,), {"ENV_SEL_TRANS": False})


def to_parts(ie: IeType, value: Any) -> Any:
    """What pycrate calls the value of an IE that is no flags: its parts, or the value itself if it has none."""
    if ie in _PARTS:
        return _PARTS[ie](value)
    kind = PYCRATE.PFCPIELUT[int(ie)]
    if issubclass(kind, PYCRATE.Envelope):
        (name,) = (part._name for part in kind()._content if part._name not in ("spare", "ext"))
        return {name: int(value)}
    return value.encode() if isinstance(value, str) else int(value)


def _addresses(value: Any) -> Parts:
    parts: Parts = {"V4": int(value.ipv4 is not None), "V6": int(value.ipv6 is not None)}
    if value.ipv4 is not None:
        parts["IPv4Addr"] = value.ipv4.packed
    if value.ipv6 is not None:
        parts["IPv6Addr"] = value.ipv6.packed
    return parts


def _given(value: Any, names: dict[str, tuple[str, str]], of: Callable[[Any], Any] = lambda part: part) -> Parts:
    """Flag and part of each attribute that is there."""
    parts: Parts = {}
    for attribute, (flag, part) in names.items():
        item = getattr(value, attribute)
        if item is not None and item != ():
            parts |= {flag: 1, part: of(item)}
    return parts


def _counted(value: str) -> Parts:
    return {"Val": value.encode()}


def _labels(name: str) -> bytes:
    octets: bytes = PYCRATE.APNDNN(val=name).to_bytes()
    return octets


def _node_id(node: NodeId) -> Parts:
    match node.value:
        case IPv4Address() | IPv6Address():
            return {"Type": int(node.value.version == 6), "Val": node.value.packed}
        case fqdn:
            return {"Type": 2, "Val": [[len(label), label.encode()] for label in fqdn.split(".")]}


def _f_seid(f_seid: FSeid) -> Parts:
    return {"SEID": f_seid.seid, **_addresses(f_seid)}


def _f_teid(f_teid: FTeid) -> Parts:
    if not f_teid.choose:
        return {"TEID": f_teid.teid, **_addresses(f_teid)}
    parts = {"CH": 1, "V4": int(f_teid.choose_ipv4), "V6": int(f_teid.choose_ipv6)}
    return parts if f_teid.choose_id is None else {**parts, "CHID": 1, "CHOOSE_ID": f_teid.choose_id}


def _ue_ip(ue_ip: UeIpAddress) -> Parts:
    switches = {"SD": ue_ip.is_destination, "CHV4": ue_ip.choose_ipv4, "CHV6": ue_ip.choose_ipv6}
    names = {"ipv6_delegation_bits": ("IPv6D", "IPv6PrefDeleg"), "ipv6_prefix_length": ("IP6PL", "IPv6PrefLen")}
    return {name: int(is_on) for name, is_on in switches.items()} | _addresses(ue_ip) | _given(ue_ip, names)


def _sdf_filter(sdf: SdfFilter) -> Parts:
    numbers = (("TTC", "ToSTrafficClass", sdf.traffic_class, 2), ("SPI", "SecurityParameterIndex", sdf.spi, 4),
               ("FL", "FlowLabel", sdf.flow_label, 3))  # fmt: skip
    parts = _given(sdf, {"flow_description": ("FD", "FlowDesc")}, _counted)
    for flag, part, number, size in numbers:
        if number is not None:
            parts |= {flag: 1, part: number.to_bytes(size)}
    return parts | _given(sdf, {"bidirectional_id": ("BID", "SDFFilterID")})


_Creation = OuterHeaderCreationDescription
_CREATION_FLAGS = {
    _Creation.GTPU_UDP_IPV4: "GTPU_UDP_IPv4",
    _Creation.GTPU_UDP_IPV6: "GTPU_UDP_IPv6",
    _Creation.UDP_IPV4: "UDP_IPv4",
    _Creation.UDP_IPV6: "UDP_IPv6",
    _Creation.IPV4: "IPv4",
    _Creation.IPV6: "IPv6",
    _Creation.N19: "N19",
    _Creation.N6: "N6",
}


def _creation(creation: OuterHeaderCreation) -> Parts:
    given = {
        "TEID": creation.teid,
        "IPv4Addr": creation.ipv4 and creation.ipv4.packed,
        "IPv6Addr": creation.ipv6 and creation.ipv6.packed,
        "Port": creation.port,
    }
    parts: Parts = {name: int(flag in creation.description) for flag, name in _CREATION_FLAGS.items()}
    return parts | {name: value for name, value in given.items() if value is not None}


_VOLUME = {"total": ("TOVOL", "Total"), "uplink": ("ULVOL", "Uplink"), "downlink": ("DLVOL", "Downlink")}
_MEASURED = {
    "total": ("TOVOL", "TotalVolume"),
    "uplink": ("ULVOL", "UplinkVolume"),
    "downlink": ("DLVOL", "DownlinkVolume"),
    "total_packets": ("TONOP", "TotalNumPackets"),
    "uplink_packets": ("ULNOP", "UplinkNumPackets"),
    "downlink_packets": ("DLNOP", "DownlinkNumPackets"),
}


def _volume(volume: Volume) -> Parts:
    return _given(volume, _VOLUME)


def _measured(volume: VolumeMeasurement) -> Parts:
    return _given(volume, _MEASURED)


def _dropped(threshold: DroppedDlTrafficThreshold) -> Parts:
    return _given(threshold, {"packets": ("DLPA", "DLPackets"), "octets": ("DLBY", "NumBytesDLData")})


def _packet_rate(rate: PacketRate) -> Parts:
    names = {"uplink": ("ULPR", "Uplink"), "downlink": ("DLPR", "Downlink")}
    return _given(rate, names, lambda limit: {"TimeUnit": int(limit.unit), "PacketRate": limit.packets})


def _marking(marking: DlFlowLevelMarking) -> Parts:
    names = {"traffic_class": ("TTC", "ToSTrafficClass"), "service_class": ("SCI", "ServiceClassInd")}
    return _given(marking, names, lambda value: value.to_bytes(2))


def _service(information: DownlinkDataServiceInformation) -> Parts:
    names = {"paging_policy_indication": ("PPI", "PagingPolicyInd"), "qfi": ("QFII", "QFI")}
    return _given(information, names, lambda value: {"Val": value})


def _pfd(pfd: PfdContents) -> Parts:
    texts = {
        "flow_description": ("FD", "FlowDesc"),
        "url": ("U", "URL"),
        "domain_name": ("DN", "DomainName"),
        "domain_name_protocol": ("DNP", "DomainNameProtocol"),
    }
    lists = {
        "additional_flow_descriptions": ("AFD", "AdditionalFlowDesc"),
        "additional_urls": ("AU", "AdditionalURL"),
    }
    custom = {"custom": ("CP", "CustomPFDContent")}
    return (
        _given(pfd, texts, _counted)
        | _given(pfd, custom, lambda octets: {"Val": octets})
        | _given(pfd, lists, lambda items: {"Vals": [_counted(item) for item in items]})
    )


def _digits(digits: str) -> Parts:
    padded = digits + "f" * (len(digits) % 2)
    return {"Val": bytes(int(padded[at + 1] + padded[at], 16) for at in range(0, len(padded), 2))}


def _user_id(user: UserId) -> Parts:
    numbers = {"imsi": ("IMSIF", "IMSI"), "imei": ("IMEIF", "IMEI"), "msisdn": ("MSISDNF", "MSISDN")}
    return _given(user, numbers, _digits) | _given(user, {"nai": ("NAIF", "NAI")}, _counted)


def _peer(peer: RemoteGtpuPeer) -> Parts:
    parts = _addresses(peer)
    if peer.destination_interface is not None:
        parts |= {"DI": 1, "DestinationInterface": {"Val": bytes([peer.destination_interface])}}
    if peer.network_instance is not None:
        parts |= {"NI": 1, "NetworkInstance": {"Val": _labels(peer.network_instance)}}
    return parts


def _redirect(redirect: RedirectInformation) -> Parts:
    parts: Parts = {
        "RedirectAccessType": int(redirect.address_type),
        "RedirectServerAddr": {"Val": redirect.server_address},
    }
    if redirect.other_server_address is None:
        return parts
    return parts | {"OtherRedirectServerAddr": {"Val": redirect.other_server_address}}


def _flow(flow: FlowInformation) -> Parts:
    return {"FlowDir": int(flow.direction), "FlowDesc": flow.flow_description.encode()}


def _additional(additional: AdditionalUsageReports) -> Parts:
    return {"AURI": int(additional.is_undetermined), "Num": additional.reports}


def _timer(seconds: float) -> Parts:
    """§8.2.29: the unit in which the number fits."""
    if math.isinf(seconds):
        return {"TimerUnit": 7, "TimerVal": 0}
    unit, length = next((unit, length) for unit, length in _TIMER_UNITS.items() if seconds <= 31 * length)
    return {"TimerUnit": unit, "TimerVal": math.ceil(seconds / length)}


_TIMER_UNITS = {0: 2, 1: 60, 2: 600, 3: 3600, 4: 36000}


def _rates(rates: tuple[int, int]) -> Parts:
    return {"UL": rates[0], "DL": rates[1]}


def _ip_addresses(addresses: IpAddresses) -> Parts:
    return _addresses(addresses)


_PARTS: dict[IeType, Callable[[Any], Any]] = {
    IeType.ADDITIONAL_USAGE_REPORTS_INFORMATION: _additional,
    IeType.APN_DNN: lambda name: [_counted(label) for label in name.split(".")],
    IeType.CP_PFCP_ENTITY_IP_ADDRESS: _ip_addresses,
    IeType.DL_BUFFERING_DURATION: _timer,
    IeType.DL_FLOW_LEVEL_MARKING: _marking,
    IeType.DOWNLINK_DATA_NOTIFICATION_DELAY: lambda milliseconds: {"Val": milliseconds // 50},
    IeType.DOWNLINK_DATA_SERVICE_INFORMATION: _service,
    IeType.DROPPED_DL_TRAFFIC_THRESHOLD: _dropped,
    IeType.FAILED_RULE_ID: lambda rule: {"RuleIDType": rule[0], "RuleIDVal": rule[1]},
    IeType.FLOW_INFORMATION: _flow,
    IeType.FORWARDING_POLICY: lambda policy: {"ID": policy.encode()},
    IeType.F_SEID: _f_seid,
    IeType.F_TEID: _f_teid,
    IeType.GATE_STATUS: lambda gates: {"ULGate": int(gates[0]), "DLGate": int(gates[1])},
    IeType.GBR: _rates,
    IeType.GRACEFUL_RELEASE_PERIOD: _timer,
    IeType.MBR: _rates,
    IeType.NETWORK_INSTANCE: _labels,
    IeType.NODE_ID: _node_id,
    IeType.OUTER_HEADER_CREATION: _creation,
    IeType.OUTER_HEADER_REMOVAL: lambda removal: {"Desc": int(removal)},
    IeType.PACKET_RATE: _packet_rate,
    IeType.PFD_CONTENTS: _pfd,
    IeType.REDIRECT_INFORMATION: _redirect,
    IeType.REMOTE_GTP_U_PEER: _peer,
    IeType.SDF_FILTER: _sdf_filter,
    IeType.SUBSEQUENT_VOLUME_QUOTA: _volume,
    IeType.SUBSEQUENT_VOLUME_THRESHOLD: _volume,
    IeType.S_NSSAI: lambda snssai: {"SST": snssai[0], "SD": 0xFFFFFF if snssai[1] is None else snssai[1]},
    IeType.TIMER: _timer,
    IeType.TRANSPORT_LEVEL_MARKING: lambda marking: {"ToSTrafficClass": marking.to_bytes(2)},
    IeType.UE_IP_ADDRESS: _ue_ip,
    IeType.UE_IP_ADDRESS_POOL_IDENTITY: lambda pool: {"Val": pool.encode()},
    IeType.USER_ID: _user_id,
    IeType.VOLUME_MEASUREMENT: _measured,
    IeType.VOLUME_QUOTA: _volume,
    IeType.VOLUME_THRESHOLD: _volume,
}
"""Of the IEs that are more than one number or text."""
