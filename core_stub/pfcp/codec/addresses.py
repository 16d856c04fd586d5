"""The IEs that say who or where somebody is: names, addresses, endpoint identifiers (TS 29.244 §8.2)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Any

from core_stub.pfcp.codec.leaf import (
    IPV4,
    IPV6,
    U8,
    U16,
    U32,
    U64,
    Leaf,
    Part,
    TooShortError,
    counted,
    flagged,
    require,
)
from core_stub.pfcp.ies import (
    FSeid,
    FTeid,
    Interface,
    IpAddresses,
    NodeId,
    OuterHeaderCreation,
    RemoteGtpuPeer,
    TeidRange,
    UeIpAddress,
    UserPlaneIpResource,
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


def decode_network_instance(octets: bytes) -> str:
    """§8.2.4: labels as in a DNN (Open5GS), or the plain name."""
    try:
        return decode_labels(octets)
    except ValueError:
        require(octets, "a name")
        return octets.decode("ascii")


LABELS = Leaf(encode_labels, decode_labels)
NETWORK_INSTANCE = Leaf(encode_labels, decode_network_instance)


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


def _has_address(value: FSeid | IpAddresses | RemoteGtpuPeer) -> None:
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
    Part("teid", int(_Creation.GTPU_UDP_IPV4 | _Creation.GTPU_UDP_IPV6), U32),
    Part("ipv4", int(_Creation.GTPU_UDP_IPV4 | _Creation.UDP_IPV4 | _Creation.IPV4), IPV4),
    Part("ipv6", int(_Creation.GTPU_UDP_IPV6 | _Creation.UDP_IPV6 | _Creation.IPV6), IPV6),
    Part("port", int(_Creation.UDP_IPV4 | _Creation.UDP_IPV6), U16),
)
"""Which flags of the description call for which part."""
_KNOWN_CREATIONS = sum(_Creation)
_VLAN_TAGS = 0xC000


def _encode_creation(creation: OuterHeaderCreation) -> bytes:
    described = int(creation.description)
    written = [U16.write(described)]
    for part in _CREATION_PARTS:
        item = getattr(creation, part.name)
        require((item is not None) == bool(described & part.flag), f"{part.name} as the description says")
        if item is not None:
            written.append(part.kind.write(item))
    return b"".join(written)


def _decode_creation(octets: bytes) -> OuterHeaderCreation:
    described, at = U16.read(octets, 0)
    description = _Creation(described & _KNOWN_CREATIONS)
    require(description and not described & _VLAN_TAGS, "a description that is known, and no VLAN tags")
    values: dict[str, Any] = {}
    for part in _CREATION_PARTS:
        if described & part.flag:
            values[part.name], at = part.kind.read(octets, at)
    return OuterHeaderCreation(description, **values)


OUTER_HEADER_CREATION = Leaf(_encode_creation, _decode_creation)

_INTERFACE = counted(2, lambda value: bytes([value]), lambda octets: Interface(U8.read(octets, 0)[0] & 0x0F))
REMOTE_GTP_U_PEER = flagged(
    RemoteGtpuPeer,
    Part("ipv4", 0x02, IPV4),
    Part("ipv6", 0x01, IPV6),
    Part("destination_interface", 0x04, _INTERFACE),
    Part("network_instance", 0x08, counted(2, encode_labels, decode_network_instance)),
    check=_has_address,
)


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
        decode_network_instance(octets[at:end]) if set_flags & _ASSONI else None,
        Interface(octets[end] & 0x0F) if set_flags & _ASSOSI else None,
    )


USER_PLANE_IP_RESOURCE = Leaf(_encode_ip_resource, _decode_ip_resource)
