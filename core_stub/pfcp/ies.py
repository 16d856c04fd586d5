"""Information elements of PFCP as frozen values; each names its clause of TS 29.244 (Rel-16).

Addresses are `ipaddress` objects. A field that is None is an IE that is absent. Groups (PDR, FAR, …) exist once for
*create*, *update* and *remove*: what an update leaves out is None and stays as it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from ipaddress import IPv4Address, IPv6Address


class IeType(IntEnum):
    """Table 8.1.2-1: the IEs that are understood here, by the names of the table; all others are ignored."""

    CREATE_PDR = 1
    PDI = 2
    CREATE_FAR = 3
    FORWARDING_PARAMETERS = 4
    CREATE_URR = 6
    CREATE_QER = 7
    CREATED_PDR = 8
    UPDATE_PDR = 9
    UPDATE_FAR = 10
    UPDATE_FORWARDING_PARAMETERS = 11
    REMOVE_PDR = 15
    REMOVE_FAR = 16
    REMOVE_URR = 17
    REMOVE_QER = 18
    CAUSE = 19
    SOURCE_INTERFACE = 20
    F_TEID = 21
    NETWORK_INSTANCE = 22
    SDF_FILTER = 23
    GATE_STATUS = 25
    MBR = 26
    GBR = 27
    PRECEDENCE = 29
    VOLUME_THRESHOLD = 31
    REPORTING_TRIGGERS = 37
    REPORT_TYPE = 39
    OFFENDING_IE = 40
    DESTINATION_INTERFACE = 42
    UP_FUNCTION_FEATURES = 43
    APPLY_ACTION = 44
    PFCPSMREQ_FLAGS = 49
    PDR_ID = 56
    F_SEID = 57
    NODE_ID = 60
    MEASUREMENT_METHOD = 62
    USAGE_REPORT_TRIGGER = 63
    VOLUME_MEASUREMENT = 66
    USAGE_REPORT_MODIFICATION = 78
    USAGE_REPORT_DELETION = 79
    USAGE_REPORT_REPORT = 80
    URR_ID = 81
    DOWNLINK_DATA_REPORT = 83
    OUTER_HEADER_CREATION = 84
    CREATE_BAR = 85
    BAR_ID = 88
    CP_FUNCTION_FEATURES = 89
    UE_IP_ADDRESS = 93
    OUTER_HEADER_REMOVAL = 95
    RECOVERY_TIME_STAMP = 96
    UR_SEQN = 104
    FAR_ID = 108
    QER_ID = 109
    PDN_TYPE = 113
    FAILED_RULE_ID = 114
    QFI = 124
    APN_DNN = 159
    INTERFACE_TYPE = 160
    S_NSSAI = 257


class Cause(IntEnum):
    """§8.2.1."""

    REQUEST_ACCEPTED = 1
    MORE_USAGE_REPORT_TO_SEND = 2
    PARTIAL_SUCCESS = 3
    REQUEST_REJECTED = 64
    SESSION_CONTEXT_NOT_FOUND = 65
    MANDATORY_IE_MISSING = 66
    CONDITIONAL_IE_MISSING = 67
    INVALID_LENGTH = 68
    MANDATORY_IE_INCORRECT = 69
    INVALID_FORWARDING_POLICY = 70
    INVALID_F_TEID_ALLOCATION_OPTION = 71
    NO_ESTABLISHED_PFCP_ASSOCIATION = 72
    RULE_CREATION_MODIFICATION_FAILURE = 73
    PFCP_ENTITY_IN_CONGESTION = 74
    NO_RESOURCES_AVAILABLE = 75
    SERVICE_NOT_SUPPORTED = 76
    SYSTEM_FAILURE = 77
    REDIRECTION_REQUESTED = 78
    ALL_DYNAMIC_ADDRESSES_ARE_OCCUPIED = 79
    UNKNOWN_PRE_DEFINED_RULE = 80
    UNKNOWN_APPLICATION_ID = 81


class Interface(IntEnum):
    """Source Interface (§8.2.2) and Destination Interface (§8.2.24)."""

    ACCESS = 0
    CORE = 1
    SGI_LAN_N6_LAN = 2
    CP_FUNCTION = 3
    VN_INTERNAL = 4


class InterfaceType(IntEnum):
    """3GPP Interface Type (§8.2.118): which reference point a rule's interface is. Open5GS needs it in PDI and FAR."""

    S1_U = 0
    S5_S8_U = 1
    S4_U = 2
    S11_U = 3
    S12 = 4
    GN_GP_U = 5
    S2A_U = 6
    S2B_U = 7
    ENB_DL_FORWARDING = 8
    ENB_UL_FORWARDING = 9
    UPF_DL_FORWARDING = 10
    N3_3GPP_ACCESS = 11
    N3_TRUSTED_NON_3GPP = 12
    N3_UNTRUSTED_NON_3GPP = 13
    N3_FOR_FORWARDING = 14
    N9 = 15
    SGI = 16
    N6 = 17
    N19 = 18
    S8_U = 19
    GP_U = 20
    N9_FOR_ROAMING = 21
    IU_U = 22
    N9_FOR_FORWARDING = 23
    SXA_U = 24
    SXB_U = 25
    SXC_U = 26
    N4_U = 27
    UPF_UL_FORWARDING = 28


class ApplyAction(IntFlag):
    """§8.2.26; two octets on the wire, in the order DROP FORW BUFF NOCP DUPL IPMA IPMD DFRT | EDRT BDPN DDPN."""

    DROP = 0x01
    FORW = 0x02
    BUFF = 0x04
    NOCP = 0x08
    DUPL = 0x10
    IPMA = 0x20
    IPMD = 0x40
    DFRT = 0x80
    EDRT = 0x100
    BDPN = 0x200
    DDPN = 0x400


class UpFeatures(IntFlag):
    """UP Function Features (§8.2.25), octet 5 in the low byte, then upwards."""

    BUCP = 0x0001
    DDND = 0x0002
    DLBD = 0x0004
    TRST = 0x0008
    FTUP = 0x0010
    PFDM = 0x0020
    HEEU = 0x0040
    TREU = 0x0080
    EMPU = 0x0100
    PDIU = 0x0200
    UDBC = 0x0400
    QUOAC = 0x0800
    TRACE = 0x1000
    FRRT = 0x2000
    PFDE = 0x4000
    EPFAR = 0x8000
    DPDRA = 0x01_0000
    ADPDP = 0x02_0000
    UEIP = 0x04_0000
    SSET = 0x08_0000
    MNOP = 0x10_0000
    MTE = 0x20_0000
    BUNDL = 0x40_0000
    GCOM = 0x80_0000
    MPAS = 0x100_0000
    RTTL = 0x200_0000
    VTIME = 0x400_0000
    NORP = 0x800_0000
    IPTV = 0x1000_0000
    IP6PL = 0x2000_0000
    TSCU = 0x4000_0000
    MPTCP = 0x8000_0000


class PdnType(IntEnum):
    """PDN Type (§8.2.79)."""

    IPV4 = 1
    IPV6 = 2
    IPV4V6 = 3
    NON_IP = 4
    ETHERNET = 5


class OuterHeaderCreationDescription(IntFlag):
    """Octets 5 and 6 of Outer Header Creation (§8.2.56), octet 5 in the high byte."""

    GTPU_UDP_IPV4 = 0x0100
    GTPU_UDP_IPV6 = 0x0200
    UDP_IPV4 = 0x0400
    UDP_IPV6 = 0x0800
    IPV4 = 0x1000
    IPV6 = 0x2000


class OuterHeaderRemoval(IntEnum):
    """§8.2.64."""

    GTPU_UDP_IPV4 = 0
    GTPU_UDP_IPV6 = 1
    UDP_IPV4 = 2
    UDP_IPV6 = 3
    IPV4 = 4
    IPV6 = 5
    GTPU_UDP_IP = 6


class GateStatus(IntEnum):
    """Gate Status (§8.2.7)."""

    OPEN = 0
    CLOSED = 1


class MeasurementMethod(IntFlag):
    """§8.2.40."""

    DURAT = 1
    VOLUM = 2
    EVENT = 4


class ReportingTriggers(IntFlag):
    """§8.2.19, octet 5 in the low byte."""

    PERIO = 0x01
    VOLTH = 0x02
    TIMTH = 0x04
    QUHTI = 0x08
    START = 0x10
    STOPT = 0x20
    DROTH = 0x40
    LIUSA = 0x80
    VOLQU = 0x100
    TIMQU = 0x200
    ENVCL = 0x400


class ReportType(IntFlag):
    """§8.2.21."""

    DLDR = 1
    USAR = 2
    ERIR = 4
    UPIR = 8


@dataclass(frozen=True)
class NodeId:
    """§8.2.38: an address, or an FQDN as text."""

    value: IPv4Address | IPv6Address | str


@dataclass(frozen=True)
class FSeid:
    """§8.2.37."""

    seid: int
    ipv4: IPv4Address | None = None
    ipv6: IPv6Address | None = None


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class UeIpAddress:
    """§8.2.62; `is_destination` is the S/D flag: the address is matched against the destination (downlink)."""

    ipv4: IPv4Address | None = None
    ipv6: IPv6Address | None = None
    is_destination: bool = False


@dataclass(frozen=True)
class SdfFilter:
    """§8.2.5; the flow description (TS 29.212 §5.4.2, an IPFilterRule) is kept as text.

    `bidirectional_id` is the SDF Filter ID; a filter with that alone refers to the one that was sent with both.
    """

    flow_description: str | None = None
    bidirectional_id: int | None = None


@dataclass(frozen=True)
class Pdi:
    """Packet Detection Information (Table 7.5.2.2-2)."""

    source_interface: Interface
    f_teid: FTeid | None = None
    network_instance: str | None = None
    ue_ip_address: UeIpAddress | None = None
    sdf_filters: tuple[SdfFilter, ...] = ()
    qfis: tuple[int, ...] = ()
    source_interface_type: InterfaceType | None = None


@dataclass(frozen=True)
class CreatePdr:
    """Table 7.5.2.2-1. The lowest precedence value is matched first (TS 23.501 §5.8.2.11.3)."""

    pdr_id: int
    precedence: int
    pdi: Pdi
    far_id: int | None = None
    outer_header_removal: OuterHeaderRemoval | None = None
    urr_ids: tuple[int, ...] = ()
    qer_ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class UpdatePdr:
    """Table 7.5.4.2-1."""

    pdr_id: int
    precedence: int | None = None
    pdi: Pdi | None = None
    far_id: int | None = None
    outer_header_removal: OuterHeaderRemoval | None = None
    urr_ids: tuple[int, ...] | None = None
    qer_ids: tuple[int, ...] | None = None


@dataclass(frozen=True)
class CreatedPdr:
    """Table 7.5.3.2-1: the F-TEID that the UP function chose for a PDR."""

    pdr_id: int
    f_teid: FTeid | None = None


@dataclass(frozen=True)
class OuterHeaderCreation:
    """§8.2.56."""

    description: OuterHeaderCreationDescription
    teid: int | None = None
    ipv4: IPv4Address | None = None
    ipv6: IPv6Address | None = None
    port: int | None = None


@dataclass(frozen=True)
class ForwardingParameters:
    """Table 7.5.2.3-2, and 7.5.4.3-2 for updates (there `destination_interface` may be None).

    `send_end_marker` is the SNDEM flag of PFCPSMReq-Flags (§8.2.50), meaningful in updates only.
    """

    destination_interface: Interface | None = None
    network_instance: str | None = None
    outer_header_creation: OuterHeaderCreation | None = None
    destination_interface_type: InterfaceType | None = None
    send_end_marker: bool = False


@dataclass(frozen=True)
class CreateFar:
    """Table 7.5.2.3-1."""

    far_id: int
    apply_action: ApplyAction
    forwarding: ForwardingParameters | None = None
    bar_id: int | None = None


@dataclass(frozen=True)
class UpdateFar:
    """Table 7.5.4.3-1."""

    far_id: int
    apply_action: ApplyAction | None = None
    forwarding: ForwardingParameters | None = None
    bar_id: int | None = None


@dataclass(frozen=True)
class CreateQer:
    """Table 7.5.2.5-1; rates in kbit/s as on the wire (§8.2.8)."""

    qer_id: int
    gate_uplink: GateStatus = GateStatus.OPEN
    gate_downlink: GateStatus = GateStatus.OPEN
    mbr_uplink_kbps: int | None = None
    mbr_downlink_kbps: int | None = None
    gbr_uplink_kbps: int | None = None
    gbr_downlink_kbps: int | None = None
    qfi: int | None = None


@dataclass(frozen=True)
class CreateUrr:
    """Table 7.5.2.4-1; volume in octets."""

    urr_id: int
    method: MeasurementMethod
    triggers: ReportingTriggers
    volume_threshold: int | None = None


@dataclass(frozen=True)
class CreateBar:
    """Table 7.5.2.6-1."""

    bar_id: int


@dataclass(frozen=True)
class VolumeMeasurement:
    """§8.2.44; octets, and packets."""

    total: int | None = None
    uplink: int | None = None
    downlink: int | None = None
    total_packets: int | None = None
    uplink_packets: int | None = None
    downlink_packets: int | None = None


@dataclass(frozen=True)
class UsageReport:
    """Tables 7.5.5.2-1, 7.5.7.2-1 and 7.5.8.3-1; `trigger` uses the bits of Usage Report Trigger (§8.2.41)."""

    urr_id: int
    sequence: int
    trigger: int
    volume: VolumeMeasurement | None = None
