"""What a UPF says of its own (TS 29.244 §5.2.2, §5.3, §7.5.8): usage, downlink data, error indications; no I/O.

The shell sends `reports_to_send()` and hands each answer, or that there was none, to `on_answer`. Usage that the CP
function did not take is kept, with its UR-SEQN, and goes with the next message that has usage reports.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from core_stub.pfcp.ies import (
    ApplyAction,
    Cause,
    CreateFar,
    DownlinkDataReport,
    FTeid,
    ReportType,
    RuleType,
    SrRspFlags,
    UpdateBar,
    UsageReport,
)
from core_stub.pfcp.messages import SessionReportRequest, SessionReportResponse
from core_stub.upf.rules import BudgetSpent, ErrorIndicated, FirstBuffered, SessionsEvent
from core_stub.upf.session import Session
from core_stub.upf.store import Entry, Peer, SessionStore
from core_stub.upf.tables import edited, merged
from core_stub.upf.timers import Timers
from core_stub.upf.userplane.base import UserPlane

log = logging.getLogger(__name__)

MOST_UNANSWERED = 64
"""Usage reports of a session that wait to be told again: some 4 KB of a message."""


@dataclass(frozen=True)
class Report:
    """A request to send to `peer`, about the session that is `up_seid` here."""

    peer: Peer
    up_seid: int
    request: SessionReportRequest


_Timer = tuple[Literal["usage", "buffering"], int] | tuple[Literal["notification"], int, int]
"""What is due for which UP SEID; a notification is due for a PDR."""


class Reporter:
    """`drop` is called with a session that the CP function does not know any more."""

    def __init__(
        self,
        store: SessionStore,
        user_plane: UserPlane,
        resolve: Callable[[Entry, Session], Entry],
        drop: Callable[[Entry], object],
        ntp: Callable[[float], int],
    ) -> None:
        self._store = store
        self._user_plane = user_plane
        self._resolve = resolve
        self._drop = drop
        self._ntp = ntp
        self._timers: Timers[_Timer] = Timers()
        self._outbox: list[Report] = []
        self._indicated: set[ErrorIndicated] = set()

    # -- what happened ------------------------------------------------------------------------------------------------

    def on_user_plane(self, event: SessionsEvent, now: float) -> None:
        """Something happened to packets; what it says may be of a session that has gone meanwhile."""
        match event:
            case FirstBuffered(seid, pdr_id):
                self._on_first_buffered(seid, pdr_id, now)
            case BudgetSpent(seid):
                self._settle(seid, now)
            case ErrorIndicated():
                self._on_error_indicated(event)

    def handle_timer(self, now: float) -> None:
        """Do what is due."""
        for timer in list(self._timers.expired(now)):
            match timer:
                case ("usage", seid):
                    self._settle(seid, now)
                case ("buffering", seid):
                    self._end_buffering(seid)
                case ("notification", seid, pdr_id):
                    self._notify(seid, pdr_id)

    def on_answer(self, report: Report, response: SessionReportResponse | None, now: float) -> None:
        """The CP function's answer to a report, or None if there was none."""
        entry = self._store.get(report.up_seid)
        if entry is None:
            return
        if response is None or response.cause is not Cause.REQUEST_ACCEPTED:
            self._on_failure(entry, report, response)
        else:
            self._on_instructions(entry, response, now)

    # -- what follows from it -----------------------------------------------------------------------------------------

    def get_timer(self) -> float | None:
        """When `handle_timer` wants to be called."""
        return self._timers.next()

    def reports_to_send(self) -> list[Report]:
        """Everything that has to be sent now, once."""
        reports, self._outbox = self._outbox, []
        return reports

    def arm(self, entry: Entry) -> None:
        """Wait for what is due in a session that has changed."""
        if entry.accounts.usages:
            self._timers.arm(("usage", entry.session.up_seid), entry.accounts.due())

    def forget(self, entry: Entry) -> None:
        """Wait no more for a session that has gone."""
        self._timers.arm(("usage", entry.session.up_seid), None)
        self.has_acted(entry.session)

    def has_acted(self, session: Session) -> None:
        """The CP function has changed FARs of what was `session`: they buffer anew, and errors of tunnels are news."""
        self._timers.arm(("buffering", session.up_seid), None)
        if self._indicated:
            self._indicated -= {ErrorIndicated(*tunnel) for tunnel in session.tunnels}

    # -- usage --------------------------------------------------------------------------------------------------------

    def _settle(self, seid: int, now: float) -> None:
        entry = self._store.get(seid)
        if entry is None:
            return
        readings = self._user_plane.readings(seid)
        accounts, triggers = entry.accounts.settled(readings, now)
        accounts, reports = accounts.reported(readings, now, triggers, self._ntp)
        if reports:
            self._send(entry, ReportType.USAR, usage_reports=(*entry.unanswered, *reports))
            entry = replace(entry, unanswered=())
        entry = replace(entry, accounts=accounts)
        self._store.put(entry)
        self.arm(entry)

    # -- downlink data ------------------------------------------------------------------------------------------------

    def _on_first_buffered(self, seid: int, pdr_id: int, now: float) -> None:
        entry = self._store.get(seid)
        far = _buffering_far(entry.session, pdr_id) if entry else None
        if entry is None or far is None:
            return
        delay_ms = next((bar.notification_delay_ms for bar in entry.session.bars if bar.bar_id == far.bar_id), None)
        if delay_ms:
            self._timers.arm(("notification", seid, pdr_id), now + delay_ms / 1000)
        else:
            self._notify(seid, pdr_id)

    def _notify(self, seid: int, pdr_id: int) -> None:
        """§5.2.3.1, unless the FAR has stopped to buffer while the notification was delayed."""
        entry = self._store.get(seid)
        if entry is not None and _buffering_far(entry.session, pdr_id) is not None:
            self._send(entry, ReportType.DLDR, downlink_data_report=DownlinkDataReport((pdr_id,)))

    def _on_instructions(self, entry: Entry, response: SessionReportResponse, now: float) -> None:
        """How to go on buffering (Table 7.5.9.2-1)."""
        drop_buffered = SrRspFlags.DROBU in (response.flags or SrRspFlags(0))
        update = response.update_bar
        if update is not None and any(bar.bar_id == update.bar_id for bar in entry.session.bars):
            bars = edited(RuleType.BAR, entry.session.bars, ((), (), (_of_modification(update),)), merged)
            entry = self._resolve(entry, replace(entry.session, bars=bars))
            if update.buffering_duration is not None:
                due = now + update.buffering_duration
                self._timers.arm(("buffering", entry.session.up_seid), None if due == float("inf") else due)
        elif not drop_buffered:
            return
        self._store.put(entry, drop_buffered=drop_buffered)

    def _end_buffering(self, seid: int) -> None:
        """DL Buffering Duration (§8.2.29) is over."""
        entry = self._store.get(seid)
        if entry is not None:
            self._store.put(entry, drop_buffered=True)

    # -- errors -------------------------------------------------------------------------------------------------------

    def _on_error_indicated(self, event: ErrorIndicated) -> None:
        """TS 23.527 §5.3: the CP function is told, once before it acts; each lost packet brings an indication."""
        entry = self._store.sending_to(event.peer, event.teid)
        if entry is None or event in self._indicated:
            return
        self._indicated.add(event)
        self._send(entry, ReportType.ERIR, error_indication_f_teids=(FTeid(event.teid, event.peer),))

    def _on_failure(self, entry: Entry, report: Report, response: SessionReportResponse | None) -> None:
        request, seid = report.request, report.up_seid
        if response is not None and response.cause is Cause.SESSION_CONTEXT_NOT_FOUND:
            log.warning("session %d: %s:%d does not know it any more", seid, *report.peer)
            self._drop(entry)
            return
        why = "does not answer" if response is None else f"answers {response.cause.name}"
        log.warning("session %d: %s:%d %s to a report of %s", seid, *report.peer, why, request.report_type.name)
        # Who did not hear of something is told at the next packet.
        self._indicated -= {
            ErrorIndicated(f_teid.ipv4, f_teid.teid) for f_teid in request.error_indication_f_teids if f_teid.ipv4
        }
        if request.downlink_data_report:
            pdr_ids = request.downlink_data_report.pdr_ids
            fars = {pdr.far_id for pdr in entry.session.pdrs if pdr.pdr_id in pdr_ids and pdr.far_id is not None}
            self._store.put(entry, acted_on=frozenset(fars))
        if request.usage_reports:
            self._keep(entry, request.usage_reports)

    def _keep(self, entry: Entry, reports: tuple[UsageReport, ...]) -> None:
        """What was not taken goes with the next message, as long as it fits into one."""
        unanswered = (*reports, *entry.unanswered)
        if lost := unanswered[:-MOST_UNANSWERED]:
            log.error("session %d: %d usage reports that nobody took are given up", entry.session.up_seid, len(lost))
        self._store.replace(replace(entry, unanswered=unanswered[-MOST_UNANSWERED:]))

    def _send(
        self,
        entry: Entry,
        report_type: ReportType,
        *,
        downlink_data_report: DownlinkDataReport | None = None,
        usage_reports: tuple[UsageReport, ...] = (),
        error_indication_f_teids: tuple[FTeid, ...] = (),
    ) -> None:
        request = SessionReportRequest(
            entry.session.cp_f_seid.seid,
            report_type,
            downlink_data_report,
            usage_reports,
            error_indication_f_teids,
        )
        self._outbox.append(Report(entry.peer, entry.session.up_seid, request))


def _buffering_far(session: Session, pdr_id: int) -> CreateFar | None:
    """The FAR of a PDR if it wants the CP function to be told of what it buffers."""
    far_id = next((pdr.far_id for pdr in session.pdrs if pdr.pdr_id == pdr_id), None)
    wanted = ApplyAction.BUFF | ApplyAction.NOCP
    return next((far for far in session.fars if far.far_id == far_id and far.apply_action & wanted == wanted), None)


def _of_modification(update: UpdateBar) -> UpdateBar:
    """The count that a response suggests (§8.2.30) is the same as that of a modification (§8.2.98)."""
    return replace(update, suggested_packets=update.buffering_suggested_packets or update.suggested_packets)
