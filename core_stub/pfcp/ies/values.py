"""The values of IEs that hold no other IEs; each names its clause of TS 29.244 (Rel-16).

Times of day are seconds of UTC since 1900 (NTP) as on the wire, durations are seconds, volumes octets.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from core_stub.pfcp.ies.codes import FlowDirection, Interface, RateUnit, RedirectAddressType
from core_stub.pfcp.ies.flags import OuterHeaderCreationDescription


@dataclass(frozen=True, slots=True)
class NodeId:
    """§8.2.38: an address, or an FQDN as text."""

    value: IPv4Address | IPv6Address | str


@dataclass(frozen=True, slots=True)
class FSeid:
    """§8.2.37."""

    seid: int
    ipv4: IPv4Address | None = None
    ipv6: IPv6Address | None = None


@dataclass(frozen=True, slots=True)
class FTeid:
    """§8.2.3. With `choose` the UP function picks the TEID; PDRs with the same `choose_id` share one.

    With `choose`, `choose_ipv4` and `choose_ipv6` say which kinds of address are wanted (the V4 and V6 flags).
    """

    teid: int = 0
    ipv4: IPv4Address | None = None
    ipv6: IPv6Address | None = None
    choose: bool = False
    choose_id: int | None = None
    choose_ipv4: bool = False
    choose_ipv6: bool = False


@dataclass(frozen=True, slots=True)
class UeIpAddress:
    """§8.2.62; `is_destination` is the S/D flag: the address is matched against the destination (downlink).

    With `choose_ipv4` and `choose_ipv6` the UP function picks the address. `ipv6` stands for its prefix: of 64 bits,
    or of `ipv6_prefix_length`; `ipv6_delegation_bits` of them less for a UE that delegates prefixes.
    """

    ipv4: IPv4Address | None = None
    ipv6: IPv6Address | None = None
    is_destination: bool = False
    choose_ipv4: bool = False
    choose_ipv6: bool = False
    ipv6_delegation_bits: int | None = None
    ipv6_prefix_length: int | None = None


@dataclass(frozen=True, slots=True)
class SdfFilter:
    """§8.2.5; the flow description (TS 29.212 §5.4.2, an IPFilterRule) is kept as text.

    `bidirectional_id` is the SDF Filter ID; a filter with that alone refers to the one that was sent with both.
    `traffic_class` is the ToS or traffic class in the high octet and its mask in the low one, `spi` the security
    parameter index of IPsec, `flow_label` that of IPv6.
    """

    flow_description: str | None = None
    bidirectional_id: int | None = None
    traffic_class: int | None = None
    spi: int | None = None
    flow_label: int | None = None


@dataclass(frozen=True, slots=True)
class OuterHeaderCreation:
    """§8.2.56."""

    description: OuterHeaderCreationDescription
    teid: int | None = None
    ipv4: IPv4Address | None = None
    ipv6: IPv6Address | None = None
    port: int | None = None


@dataclass(frozen=True, slots=True)
class RedirectInformation:
    """§8.2.20; `other_server_address` is the IPv6 one where the type asks for both."""

    address_type: RedirectAddressType
    server_address: str
    other_server_address: str | None = None


@dataclass(frozen=True, slots=True)
class PacketRateLimit:
    """§8.2.63: so many packets in one `unit` of time."""

    packets: int
    unit: RateUnit


@dataclass(frozen=True, slots=True)
class PacketRate:
    """§8.2.63."""

    uplink: PacketRateLimit | None = None
    downlink: PacketRateLimit | None = None


@dataclass(frozen=True, slots=True)
class DlFlowLevelMarking:
    """§8.2.66; both as on the wire: two octets each, the traffic class with its mask in the low one."""

    traffic_class: int | None = None
    service_class: int | None = None


@dataclass(frozen=True, slots=True)
class Volume:
    """Octets of a Volume Threshold or Quota, and of what comes after the monitoring time (§8.2.13, 50, 16, 86)."""

    total: int | None = None
    uplink: int | None = None
    downlink: int | None = None


@dataclass(frozen=True, slots=True)
class DroppedDlTrafficThreshold:
    """§8.2.49."""

    packets: int | None = None
    octets: int | None = None


@dataclass(frozen=True, slots=True)
class VolumeMeasurement:
    """§8.2.44; octets, and packets."""

    total: int | None = None
    uplink: int | None = None
    downlink: int | None = None
    total_packets: int | None = None
    uplink_packets: int | None = None
    downlink_packets: int | None = None


@dataclass(frozen=True, slots=True)
class AdditionalUsageReports:
    """§8.2.91: `reports` more will follow in Session Report Requests, or how many is not known yet."""

    is_undetermined: bool = False
    reports: int = 0


@dataclass(frozen=True, slots=True)
class DownlinkDataServiceInformation:
    """§8.2.27: the DSCP (or traffic class) of the packet that came, and the QFI of its flow."""

    paging_policy_indication: int | None = None
    qfi: int | None = None


@dataclass(frozen=True, slots=True)
class FlowInformation:
    """§8.2.61: a flow that was detected; the description as in an SDF filter."""

    direction: FlowDirection
    flow_description: str


@dataclass(frozen=True, slots=True)
class UserId:
    """§8.2.101; the first three as digits."""

    imsi: str | None = None
    imei: str | None = None
    msisdn: str | None = None
    nai: str | None = None


@dataclass(frozen=True, slots=True)
class PfdContents:
    """§8.2.39: a packet flow description, by which an application is detected."""

    flow_description: str | None = None
    url: str | None = None
    domain_name: str | None = None
    custom: bytes | None = None
    domain_name_protocol: str | None = None
    additional_flow_descriptions: tuple[str, ...] = ()
    additional_urls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RemoteGtpuPeer:
    """§8.2.70: the other end of a GTP-U path, and which of our interfaces leads to it."""

    ipv4: IPv4Address | None = None
    ipv6: IPv6Address | None = None
    destination_interface: Interface | None = None
    network_instance: str | None = None


@dataclass(frozen=True, slots=True)
class IpAddresses:
    """CP PFCP Entity IP Address (§8.2.135)."""

    ipv4: IPv4Address | None = None
    ipv6: IPv6Address | None = None


@dataclass(frozen=True, slots=True)
class TeidRange:
    """TEIDRI and TEID Range (§8.2.82 of Rel-15): the TEIDs whose first `bits` bits are those of the octet `prefix`."""

    bits: int
    prefix: int


@dataclass(frozen=True, slots=True)
class UserPlaneIpResource:
    """User Plane IP Resource Information (§8.2.82 of Rel-15; void since Rel-16).

    Where a UP function that does not allocate F-TEIDs (FTUP) takes GTP-U; the CP function allocates them from it.
    """

    ipv4: IPv4Address | None = None
    ipv6: IPv6Address | None = None
    teid_range: TeidRange | None = None
    network_instance: str | None = None
    source_interface: Interface | None = None
