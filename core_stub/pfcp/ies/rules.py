"""The rules of a session: PDR, FAR, QER, URR and BAR, to create and to update; each names its table of TS 29.244.

In an update None means that the field stays as it was. `removed` has the names of the fields whose IE has a null
length: these the rule shall lose (§5.6.3).
"""

from __future__ import annotations

from dataclasses import dataclass

from core_stub.pfcp.ies.codes import GateStatus, Interface, InterfaceType, OuterHeaderRemoval
from core_stub.pfcp.ies.flags import ApplyAction, MeasurementInformation, MeasurementMethod, ReportingTriggers
from core_stub.pfcp.ies.values import (
    DlFlowLevelMarking,
    DroppedDlTrafficThreshold,
    FTeid,
    OuterHeaderCreation,
    PacketRate,
    RedirectInformation,
    SdfFilter,
    UeIpAddress,
    Volume,
)


@dataclass(frozen=True, slots=True)
class Pdi:
    """Packet Detection Information (Table 7.5.2.2-2)."""

    source_interface: Interface
    f_teid: FTeid | None = None
    network_instance: str | None = None
    ue_ip_address: UeIpAddress | None = None
    sdf_filters: tuple[SdfFilter, ...] = ()
    qfis: tuple[int, ...] = ()
    source_interface_type: InterfaceType | None = None
    application_id: str | None = None
    framed_routes: tuple[str, ...] = ()
    """As in RADIUS (RFC 2865 §5.22)."""


@dataclass(frozen=True, slots=True)
class CreatePdr:
    """Table 7.5.2.2-1. The lowest precedence value is matched first (TS 23.501 §5.8.2.11.3)."""

    pdr_id: int
    precedence: int
    pdi: Pdi
    far_id: int | None = None
    outer_header_removal: OuterHeaderRemoval | None = None
    urr_ids: tuple[int, ...] = ()
    qer_ids: tuple[int, ...] = ()
    activate_predefined_rules: tuple[str, ...] = ()
    ue_ip_address_pools: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UpdatePdr:
    """Table 7.5.4.2-1."""

    pdr_id: int
    precedence: int | None = None
    pdi: Pdi | None = None
    far_id: int | None = None
    outer_header_removal: OuterHeaderRemoval | None = None
    urr_ids: tuple[int, ...] | None = None
    qer_ids: tuple[int, ...] | None = None
    activate_predefined_rules: tuple[str, ...] = ()
    deactivate_predefined_rules: tuple[str, ...] = ()
    removed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class CreatedPdr:
    """Table 7.5.3.2-1: what the UP function chose for a PDR."""

    pdr_id: int
    f_teid: FTeid | None = None
    ue_ip_address: UeIpAddress | None = None


@dataclass(frozen=True, slots=True)
class DuplicatingParameters:
    """Table 7.5.2.3-3, and 7.5.4.3-3 for updates (there `destination_interface` may be None)."""

    destination_interface: Interface | None = None
    outer_header_creation: OuterHeaderCreation | None = None
    transport_level_marking: int | None = None
    forwarding_policy: str | None = None
    removed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ForwardingParameters:
    """Table 7.5.2.3-2, and 7.5.4.3-2 for updates (there `destination_interface` may be None).

    `send_end_marker` is the SNDEM flag of PFCPSMReq-Flags (§8.2.31), and it and `removed` are for updates only.
    `transport_level_marking` (§8.2.12) is the ToS or traffic class in the high octet and its mask in the low one.
    """

    destination_interface: Interface | None = None
    network_instance: str | None = None
    outer_header_creation: OuterHeaderCreation | None = None
    destination_interface_type: InterfaceType | None = None
    send_end_marker: bool = False
    redirect: RedirectInformation | None = None
    transport_level_marking: int | None = None
    forwarding_policy: str | None = None
    dnai: str | None = None
    removed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class CreateFar:
    """Table 7.5.2.3-1."""

    far_id: int
    apply_action: ApplyAction
    forwarding: ForwardingParameters | None = None
    bar_id: int | None = None
    duplicating: tuple[DuplicatingParameters, ...] = ()


@dataclass(frozen=True, slots=True)
class UpdateFar:
    """Table 7.5.4.3-1."""

    far_id: int
    apply_action: ApplyAction | None = None
    forwarding: ForwardingParameters | None = None
    bar_id: int | None = None
    duplicating: tuple[DuplicatingParameters, ...] | None = None
    removed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
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
    correlation_id: int | None = None
    packet_rate: PacketRate | None = None
    dl_flow_level_marking: DlFlowLevelMarking | None = None
    reflective_qos: bool | None = None
    paging_policy_indicator: int | None = None
    averaging_window_ms: int | None = None


@dataclass(frozen=True, slots=True)
class UpdateQer:
    """Table 7.5.4.5-1; the two gates, the two MBRs and the two GBRs are one IE each: both or none."""

    qer_id: int
    gate_uplink: GateStatus | None = None
    gate_downlink: GateStatus | None = None
    mbr_uplink_kbps: int | None = None
    mbr_downlink_kbps: int | None = None
    gbr_uplink_kbps: int | None = None
    gbr_downlink_kbps: int | None = None
    qfi: int | None = None
    correlation_id: int | None = None
    packet_rate: PacketRate | None = None
    dl_flow_level_marking: DlFlowLevelMarking | None = None
    reflective_qos: bool | None = None
    paging_policy_indicator: int | None = None
    averaging_window_ms: int | None = None
    removed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class CreateUrr:
    """Table 7.5.2.4-1. Times in seconds; `monitoring_time` is a time of day, in seconds of UTC since 1900."""

    urr_id: int
    method: MeasurementMethod
    triggers: ReportingTriggers
    volume_threshold: Volume | None = None
    volume_quota: Volume | None = None
    time_threshold: int | None = None
    time_quota: int | None = None
    event_threshold: int | None = None
    event_quota: int | None = None
    measurement_period: int | None = None
    quota_holding_time: int | None = None
    quota_validity_time: int | None = None
    dropped_dl_traffic_threshold: DroppedDlTrafficThreshold | None = None
    monitoring_time: int | None = None
    subsequent_volume_threshold: Volume | None = None
    subsequent_time_threshold: int | None = None
    subsequent_volume_quota: Volume | None = None
    subsequent_time_quota: int | None = None
    inactivity_detection_time: int | None = None
    linked_urr_ids: tuple[int, ...] = ()
    measurement_information: MeasurementInformation | None = None
    quota_action_far_id: int | None = None
    number_of_reports: int | None = None


@dataclass(frozen=True, slots=True)
class UpdateUrr:
    """Table 7.5.4.4-1."""

    urr_id: int
    method: MeasurementMethod | None = None
    triggers: ReportingTriggers | None = None
    volume_threshold: Volume | None = None
    volume_quota: Volume | None = None
    time_threshold: int | None = None
    time_quota: int | None = None
    event_threshold: int | None = None
    event_quota: int | None = None
    measurement_period: int | None = None
    quota_holding_time: int | None = None
    quota_validity_time: int | None = None
    dropped_dl_traffic_threshold: DroppedDlTrafficThreshold | None = None
    monitoring_time: int | None = None
    subsequent_volume_threshold: Volume | None = None
    subsequent_time_threshold: int | None = None
    subsequent_volume_quota: Volume | None = None
    subsequent_time_quota: int | None = None
    inactivity_detection_time: int | None = None
    linked_urr_ids: tuple[int, ...] | None = None
    measurement_information: MeasurementInformation | None = None
    quota_action_far_id: int | None = None
    number_of_reports: int | None = None
    removed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class CreateBar:
    """Table 7.5.2.6-1. The delay is a multiple of 50 ms (§8.2.28), of 12.75 s at the most."""

    bar_id: int
    notification_delay_ms: int | None = None
    suggested_packets: int | None = None


@dataclass(frozen=True, slots=True)
class UpdateBar:
    """Tables 7.5.4.11-1 and 7.5.9.2-1; the last two fields are for Session Report Responses only."""

    bar_id: int
    notification_delay_ms: int | None = None
    suggested_packets: int | None = None
    buffering_duration: float | None = None
    """Seconds; infinity is a value."""
    buffering_suggested_packets: int | None = None
    removed: frozenset[str] = frozenset()
