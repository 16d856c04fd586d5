"""What UPFs report of sessions (TS 29.244 §7.5.8): downlink for idle UEs, usage, peers that know a tunnel no more."""

from __future__ import annotations

import logging
from dataclasses import replace

from core_stub.pfcp.ies import Cause, FTeid, ReportType, UpdateUrr, UsageReport
from core_stub.pfcp.messages import SessionReportRequest, SessionReportResponse
from core_stub.smf import charging
from core_stub.smf.charging import Account
from core_stub.smf.core import Core, RefusedError, UsageMessage, name
from core_stub.smf.procedures import lifecycle
from core_stub.smf.run import ProcedureError, RanError
from core_stub.smf.session import N4Session, Operation, PduSession, QosFlow, State
from core_stub.smf.table import Entry

log = logging.getLogger(__name__)

_REMEMBERED = 64
"""Usage reports of a session that may come again: as many as our UPF keeps."""

_IDLE = (State.INACTIVE, State.INACTIVE_BREAKOUT)


class Reports:
    """Takes reports; what follows from them is done in the background."""

    def __init__(self, core: Core) -> None:
        self._core = core
        core.on_usage = self._on_usage

    def take(self, upf: str, request: SessionReportRequest) -> SessionReportResponse:
        """The answer to a session report: it is acknowledged if the session is known."""
        entry = self._core.table.by_seid(request.seid)
        n4 = _n4_with(entry.session, request.seid) if entry else None
        if entry is None or n4 is None:
            return SessionReportResponse(0, Cause.SESSION_CONTEXT_NOT_FOUND)
        kinds = [kind.name for kind in request.report_type]
        self._core.emit("session_report", **name(entry.session.context), upf=n4.upf, report=kinds)
        self._core.overhear(upf, request)
        if ReportType.DLDR in request.report_type and entry.paging is None:
            entry.paging = paging = object()
            self._core.spawn(self._page(entry, paging))
        for f_teid in request.error_indication_f_teids:
            self._core.spawn(self._on_error_indication(entry, f_teid))
        return SessionReportResponse(n4.up_seid, Cause.REQUEST_ACCEPTED)

    def open_accounts(self, entry: Entry) -> None:
        """An account for every rating group of the session, with the quota that its UPFs start with."""
        for flow in entry.session.all_flows:
            if flow.charging is not None and flow.charging.rating_group not in entry.accounts:
                account = Account(flow.charging.rating_group).with_slice(flow.charging)
                entry.accounts[account.rating_group] = account

    # -- idle UEs -----------------------------------------------------------------------------------------------------

    def ue_answered(self, entry: Entry) -> None:
        """The UE has its user plane: when it is idle again, that is another paging."""
        entry.paging = None

    async def _page(self, entry: Entry, paging: object) -> None:
        """Network triggered service request, TS 23.502 §4.2.3.3."""
        try:
            if entry.session.state in _IDLE:
                await self._page_idle(entry, paging)
        finally:
            if entry.paging is paging:
                entry.paging = None

    async def _page_idle(self, entry: Entry, paging: object) -> None:
        core, context = self._core, entry.session.context
        core.emit("paging", **name(context))
        reason = "no service request"
        try:
            # The gNB answers before the UE does, whose service request needs the session for itself.
            await core.ports.ran.page(entry.session)
            await core.ports.sleep(core.config.paging.within / 1000)
        except RanError as error:
            reason = str(error)
        if entry.paging is paging and entry.session.state in _IDLE:
            core.emit("paging_failed", **name(context), reason=reason)
            await self._discard(entry, paging)

    async def _discard(self, entry: Entry, paging: object) -> None:
        ref = entry.session.context.ref
        try:
            async with self._core.exclusively(ref, Operation.DEACTIVATE):
                if entry.paging is paging and entry.session.state in _IDLE:
                    await lifecycle.discard_buffered(self._core.ports, entry.session)
        except (RefusedError, ProcedureError) as error:
            log.warning("session %s: what is buffered could not be discarded: %s", ref, error)

    async def _on_error_indication(self, entry: Entry, f_teid: FTeid) -> None:
        """A gNB knows the tunnel no more (TS 23.527 §5.3.3.1): the UE is idle as far as we know, and gets paged."""
        session = entry.session
        if session.gnb_f_teid is None or session.gnb_f_teid.teid != f_teid.teid:
            return
        try:
            async with self._core.exclusively(session.context.ref, Operation.DEACTIVATE):
                if entry.session.gnb_f_teid == session.gnb_f_teid:
                    self._core.table.update(entry, await lifecycle.deactivate(self._core.ports, entry.session))
                    self._core.report_session("session_deactivated", entry.session)
        except (RefusedError, ProcedureError) as error:
            log.warning("session %s: not deactivated after an error indication: %s", session.context.ref, error)

    # -- usage --------------------------------------------------------------------------------------------------------

    def _on_usage(self, entry: Entry, message: UsageMessage) -> None:
        n4 = _n4_with(entry.session, message.seid)
        used_up: list[tuple[QosFlow, UsageReport]] = []
        for report in message.usage_reports:
            flow = _flow_of(entry.session, report.urr_id)
            if flow is None or flow.charging is None:
                log.warning("session %s: usage of an unknown URR %d", entry.session.context.ref, report.urr_id)
                continue
            if _heard_before(entry, message.seid, report):
                continue
            self._charge(entry, flow.charging.rating_group, report)
            if charging.is_used_up(report):
                used_up.append((flow, report))
        self._core.table.update(entry, entry.session)
        if used_up and n4 is not None:
            self._core.spawn(self._grant(entry, n4, used_up))

    def _charge(self, entry: Entry, rating_group: int, report: UsageReport) -> None:
        account = entry.accounts.get(rating_group, Account(rating_group)).after(report)
        entry.accounts[rating_group] = account
        self._core.emit(
            "usage_report",
            **name(entry.session.context),
            rating_group=rating_group,
            trigger=[trigger.name for trigger in report.trigger],
            uplink=account.uplink,
            downlink=account.downlink,
            total=account.total,
            duration=account.duration,
        )

    async def _grant(self, entry: Entry, n4: N4Session, used_up: list[tuple[QosFlow, UsageReport]]) -> None:
        """More quota, as long as there is some; without it the UPF lets nothing pass."""
        ref = entry.session.context.ref
        try:
            # Whatever the state: what is asked is only that the session is there.
            async with self._core.exclusively(ref, Operation.RELEASE):
                updates = tuple(update for flow, report in used_up if (update := self._slice(entry, flow, report)))
                if updates:
                    await lifecycle.grant(self._core.ports, entry.session, n4, updates)
                self._core.table.update(entry, entry.session)
        except (RefusedError, ProcedureError) as error:
            log.warning("session %s: no more quota: %s", ref, error)

    def _slice(self, entry: Entry, flow: QosFlow, report: UsageReport) -> UpdateUrr | None:
        rule = flow.charging
        assert rule is not None
        account = entry.accounts[rule.rating_group]
        octets = charging.next_slice(account, rule)
        if rule.volume_quota is not None and octets == 0:
            self._core.emit("quota_exhausted", **name(entry.session.context), rating_group=rule.rating_group)
            return None
        entry.accounts[rule.rating_group] = replace(account, granted=account.total + octets)
        self._core.emit(
            "quota_granted", **name(entry.session.context), rating_group=rule.rating_group, octets=octets or None
        )
        return charging.another_slice(report.urr_id, rule, octets)


def _n4_with(session: PduSession, cp_seid: int) -> N4Session | None:
    return next((n4 for n4 in session.n4_sessions if n4.cp_seid == cp_seid), None)


def _flow_of(session: PduSession, urr_id: int) -> QosFlow | None:
    """URRs are numbered after their flow's slot, see rulesets.py."""
    return next((flow for flow in session.all_flows if flow.slot == urr_id - 1), None)


def _heard_before(entry: Entry, seid: int, report: UsageReport) -> bool:
    """True for usage that a UPF tells again, since all answers to its report were lost; it remembers those of now.

    The same number alone does not say so: numbers begin anew with a URR. The time in which it was measured does.
    """
    if report.start_time is None:
        return False
    if (seid, report) in entry.heard:
        return True
    entry.heard = (*entry.heard, (seid, report))[-_REMEMBERED:]
    return False
