"""Session messages (TS 29.244 §7.5).

`seid` is the SEID in the header: the one that the *receiver* allocated, 0 where it is not known yet (§7.2.2.4.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from core_stub.pfcp.ies import (
    AdditionalUsageReports,
    Cause,
    CreateBar,
    CreatedPdr,
    CreateFar,
    CreatePdr,
    CreateQer,
    CreateUrr,
    DownlinkDataReport,
    FSeid,
    FTeid,
    LoadControl,
    NodeId,
    OverloadControl,
    PdnType,
    ReportType,
    SeReqFlags,
    SmReqFlags,
    SrReqFlags,
    SrRspFlags,
    UpdateBar,
    UpdateFar,
    UpdatePdr,
    UpdateQer,
    UpdateUrr,
    UsageReport,
    UserId,
)


@dataclass(frozen=True, slots=True)
class SessionEstablishmentRequest:
    """§7.5.2."""

    message_type: ClassVar[int] = 50
    seid: int
    node_id: NodeId
    cp_f_seid: FSeid
    create_pdrs: tuple[CreatePdr, ...]
    create_fars: tuple[CreateFar, ...]
    create_urrs: tuple[CreateUrr, ...] = ()
    create_qers: tuple[CreateQer, ...] = ()
    create_bars: tuple[CreateBar, ...] = ()
    pdn_type: PdnType | None = None
    apn_dnn: str | None = None
    snssai: tuple[int, int | None] | None = None
    """(SST, SD); SD is None where the slice has none."""
    user_plane_inactivity_timer: int | None = None
    """Seconds; 0 stops it (§8.2.83)."""
    user_id: UserId | None = None
    flags: SeReqFlags | None = None
    recovery_time_stamp: int | None = None


@dataclass(frozen=True, slots=True)
class SessionEstablishmentResponse:
    """§7.5.3."""

    message_type: ClassVar[int] = 51
    seid: int
    node_id: NodeId
    cause: Cause
    offending_ie: int | None = None
    up_f_seid: FSeid | None = None
    created_pdrs: tuple[CreatedPdr, ...] = ()
    failed_rule_id: tuple[int, int] | None = None
    """(rule id type, rule id), §8.2.80."""
    load: LoadControl | None = None
    overload: OverloadControl | None = None


@dataclass(frozen=True, slots=True)
class SessionModificationRequest:
    """§7.5.4."""

    message_type: ClassVar[int] = 52
    seid: int
    cp_f_seid: FSeid | None = None
    remove_pdrs: tuple[int, ...] = ()
    remove_fars: tuple[int, ...] = ()
    remove_urrs: tuple[int, ...] = ()
    remove_qers: tuple[int, ...] = ()
    create_pdrs: tuple[CreatePdr, ...] = ()
    create_fars: tuple[CreateFar, ...] = ()
    create_urrs: tuple[CreateUrr, ...] = ()
    create_qers: tuple[CreateQer, ...] = ()
    update_pdrs: tuple[UpdatePdr, ...] = ()
    update_fars: tuple[UpdateFar, ...] = ()
    remove_bars: tuple[int, ...] = ()
    create_bars: tuple[CreateBar, ...] = ()
    update_urrs: tuple[UpdateUrr, ...] = ()
    update_qers: tuple[UpdateQer, ...] = ()
    update_bars: tuple[UpdateBar, ...] = ()
    query_urrs: tuple[int, ...] = ()
    query_urr_reference: int | None = None
    flags: SmReqFlags | None = None
    user_plane_inactivity_timer: int | None = None
    node_id: NodeId | None = None


@dataclass(frozen=True, slots=True)
class SessionModificationResponse:
    """§7.5.5."""

    message_type: ClassVar[int] = 53
    seid: int
    cause: Cause
    offending_ie: int | None = None
    created_pdrs: tuple[CreatedPdr, ...] = ()
    usage_reports: tuple[UsageReport, ...] = ()
    failed_rule_id: tuple[int, int] | None = None
    additional_usage_reports: AdditionalUsageReports | None = None
    load: LoadControl | None = None
    overload: OverloadControl | None = None


@dataclass(frozen=True, slots=True)
class SessionDeletionRequest:
    """§7.5.6."""

    message_type: ClassVar[int] = 54
    seid: int


@dataclass(frozen=True, slots=True)
class SessionDeletionResponse:
    """§7.5.7."""

    message_type: ClassVar[int] = 55
    seid: int
    cause: Cause
    offending_ie: int | None = None
    usage_reports: tuple[UsageReport, ...] = ()
    additional_usage_reports: AdditionalUsageReports | None = None
    load: LoadControl | None = None
    overload: OverloadControl | None = None


@dataclass(frozen=True, slots=True)
class SessionReportRequest:
    """§7.5.8; `error_indication_f_teids` are the remote F-TEIDs that GTP-U peers said they do not know."""

    message_type: ClassVar[int] = 56
    seid: int
    report_type: ReportType
    downlink_data_report: DownlinkDataReport | None = None
    usage_reports: tuple[UsageReport, ...] = ()
    error_indication_f_teids: tuple[FTeid, ...] = ()
    additional_usage_reports: AdditionalUsageReports | None = None
    flags: SrReqFlags | None = None
    load: LoadControl | None = None
    overload: OverloadControl | None = None


@dataclass(frozen=True, slots=True)
class SessionReportResponse:
    """§7.5.9."""

    message_type: ClassVar[int] = 57
    seid: int
    cause: Cause
    offending_ie: int | None = None
    update_bar: UpdateBar | None = None
    flags: SrRspFlags | None = None
    cp_f_seid: FSeid | None = None
    """The session's new one, if another SMF has taken it over (§5.22)."""
