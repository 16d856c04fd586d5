"""The UPF's session control (TS 29.244 §6.3): requests in, responses out, rules to the user plane; no I/O, no clock.

    shell: handle(peer, request, now), on_user_plane(event, now), handle_timer(now), on_answer(report, response, now)
       then send all of reports_to_send() and node_reports_to_send(), and wait until get_timer()

A request makes a new `Session` value and its rules, or is rejected; only then is anything stored. But an establishment
with the CP F-SEID of a session ends that session first: its answer was lost, or its deletion. Rejections are made
here and not raised, since their header carries the CP function's SEID (§7.2.2.4.2), which only we know.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address

from core_stub.errors import RemoteProtocolError
from core_stub.gtpu import Tunnel
from core_stub.pfcp.ies import (
    Cause,
    FSeid,
    IeType,
    NodeId,
    RuleType,
    SmReqFlags,
    UpFeatures,
    UsageReport,
    UsageReportTrigger,
)
from core_stub.pfcp.messages import (
    PfdManagementRequest,
    PfdManagementResponse,
    Request,
    Response,
    SessionDeletionRequest,
    SessionDeletionResponse,
    SessionEstablishmentRequest,
    SessionEstablishmentResponse,
    SessionModificationRequest,
    SessionModificationResponse,
    SessionReportResponse,
)
from core_stub.upf.accounting import Accounts, Triggers
from core_stub.upf.errors import RuleError
from core_stub.upf.identifiers import Identifiers
from core_stub.upf.paths import NodeReport, Paths, PathWatch
from core_stub.upf.reporting import Report, Reporter
from core_stub.upf.resolve import Resolver, unchanged
from core_stub.upf.rules import Counter, EchoAnswered, Encapsulate, Reading, Rule, UserPlaneEvent
from core_stub.upf.session import Session, established, modified
from core_stub.upf.store import Entry, Peer, SessionStore
from core_stub.upf.userplane.base import UserPlane

log = logging.getLogger(__name__)

UP_FEATURES = (
    UpFeatures.DDND
    | UpFeatures.DLBD
    | UpFeatures.FTUP
    | UpFeatures.PFDM
    | UpFeatures.EMPU
    | UpFeatures.UDBC
    | UpFeatures.QUOAC
    | UpFeatures.PFDE
    | UpFeatures.ADPDP
    | UpFeatures.UEIP
    | UpFeatures.MNOP
)
"""What this control does (§8.2.25), with a user plane that applies all of `Rules`."""


class SessionEventKind(StrEnum):
    """What became of a session."""

    ESTABLISHED = "session_established"
    MODIFIED = "session_modified"
    DELETED = "session_deleted"


@dataclass(frozen=True)
class SessionEvent:
    """A change that took effect; `session` as it is now, or last was."""

    kind: SessionEventKind
    session: Session


@dataclass(frozen=True)
class SessionView:
    """A session with its counters, for those who look at it."""

    entry: Entry
    counters: Mapping[int, Counter]
    readings: Mapping[int, Reading]
    buffered: Mapping[int, Counter]


class UpfControl:
    """The sessions of a UPF.

    `ntp` tells of a time of the caller's clock the seconds of UTC since 1900; without `paths` no GTP-U path is watched.
    """

    def __init__(  # noqa: PLR0913 -- all by name
        self,
        *,
        n4_address: IPv4Address,
        identifiers: Identifiers,
        resolver: Resolver,
        user_plane: UserPlane,
        on_event: Callable[[SessionEvent], None],
        ntp: Callable[[float], int],
        paths: Paths | None = None,
    ) -> None:
        self._node_id = NodeId(n4_address)
        self._n4_address = n4_address
        self._identifiers = identifiers
        self._resolver = resolver
        self._user_plane = user_plane
        self._on_event = on_event
        self._ntp = ntp
        self._store = SessionStore(identifiers, user_plane)
        self._reporter = Reporter(self._store, user_plane, self._resolved, self._drop, ntp)
        self._paths = PathWatch(paths, self._store, user_plane, self._node_id) if paths else None
        self.reports_to_send = self._reporter.reports_to_send

    @property
    def sessions(self) -> Iterable[Session]:
        """The sessions as they are now."""
        return [entry.session for entry in self._store.all()]

    def views(self) -> Iterable[SessionView]:
        """The sessions with their counters."""
        return map(self._view, self._store.all())

    def view(self, seid: int) -> SessionView | None:
        """The session with this UP SEID."""
        entry = self._store.get(seid)
        return None if entry is None else self._view(entry)

    def _view(self, entry: Entry) -> SessionView:
        plane, seid = self._user_plane, entry.session.up_seid
        return SessionView(entry, plane.counters(seid), plane.readings(seid), plane.buffered(seid))

    def handle(self, peer: Peer, request: Request, now: float) -> Response:
        """The answer to a request; RemoteProtocolError for one that is rejected without a word on sessions."""
        match request:
            case SessionEstablishmentRequest():
                return self._establish(peer, request, now)
            case SessionModificationRequest():
                return self._modify(peer, request, now)
            case SessionDeletionRequest():
                return self._delete(peer, request, now)
            case PfdManagementRequest():
                return self._provision(request)
            case _:
                raise RemoteProtocolError(Cause.SERVICE_NOT_SUPPORTED, f"{type(request).__name__} to a UPF")

    def on_user_plane(self, event: UserPlaneEvent, now: float) -> None:
        """Something happened to packets."""
        if not isinstance(event, EchoAnswered):
            self._reporter.on_user_plane(event, now)
        elif self._paths:
            self._paths.on_answer(event, now)

    def get_timer(self) -> float | None:
        """When `handle_timer` wants to be called."""
        timers = (self._reporter.get_timer(), self._paths.get_timer() if self._paths else None)
        return min((timer for timer in timers if timer is not None), default=None)

    def handle_timer(self, now: float) -> None:
        """Do what is due."""
        self._reporter.handle_timer(now)
        if self._paths:
            self._paths.handle_timer(now)

    def node_reports_to_send(self) -> list[NodeReport]:
        """Reports on paths that have to be sent now, once."""
        return self._paths.reports_to_send() if self._paths else []

    def on_answer(self, report: Report, response: SessionReportResponse | None, now: float) -> None:
        """The answer to a report, or None if the CP function gave none."""
        self._reporter.on_answer(report, response, now)

    def forget(self, peer: Peer) -> None:
        """Delete every session of `peer`: its association is gone, or it restarted (§6.2.8, TS 23.527 §4.2)."""
        for entry in self._store.of_peer(peer[0]):
            self._drop(entry)

    # -- requests -----------------------------------------------------------------------------------------------------

    def _establish(self, peer: Peer, request: SessionEstablishmentRequest, now: float) -> SessionEstablishmentResponse:
        cp_seid = request.cp_f_seid.seid
        try:
            _check_mandatory(request)
            self._forget_namesake(peer, request.cp_f_seid)
            up_seid = self._up_seid(request)
            self._resolver.check_applications(request.create_pdrs)
            session = established(request, up_seid, self._identifiers.chooser(up_seid))
            entry = self._resolved(Entry(peer, session, (), Accounts().edited(session.urrs, (), now)), session)
        except RemoteProtocolError as error:
            log.warning("%s:%d: session establishment rejected: %s", *peer, error)
            return SessionEstablishmentResponse(
                cp_seid, self._node_id, error.cause, error.offending_ie, failed_rule_id=_failed_rule(error)
            )
        self._store.put(entry)
        self._arm(entry, now)
        self._on_event(SessionEvent(SessionEventKind.ESTABLISHED, session))
        return SessionEstablishmentResponse(
            cp_seid,
            self._node_id,
            Cause.REQUEST_ACCEPTED,
            up_f_seid=FSeid(up_seid, ipv4=self._n4_address),
            created_pdrs=session.created_pdrs(),
        )

    def _up_seid(self, request: SessionEstablishmentRequest) -> int:
        """A CP function that restores sessions names the UP SEID of before (§7.2.2.4.2, TS 23.527 §4.3)."""
        if request.seid and self._store.get(request.seid) is None:
            return request.seid
        return self._store.unused_seid()

    def _forget_namesake(self, peer: Peer, cp_f_seid: FSeid) -> None:
        """An F-SEID names one session (§5.6.2): a CP function that gives it to another has no use for the first."""
        namesake = self._store.namesake(peer, cp_f_seid)
        if namesake is not None:
            self._drop(namesake)

    def _check_namesake(self, entry: Entry, cp_f_seid: FSeid) -> None:
        namesake = self._store.namesake(entry.peer, cp_f_seid)
        if namesake is not None and namesake.session.up_seid != entry.session.up_seid:
            detail = f"CP F-SEID {cp_f_seid.seid} is that of session {namesake.session.up_seid}"
            raise RemoteProtocolError(Cause.MANDATORY_IE_INCORRECT, detail, IeType.F_SEID)

    def _modify(self, peer: Peer, request: SessionModificationRequest, now: float) -> SessionModificationResponse:
        before = self._store.get(request.seid)
        if before is None:
            log.warning("%s:%d: modification of session %d, which there is not", *peer, request.seid)
            return SessionModificationResponse(0, Cause.SESSION_CONTEXT_NOT_FOUND)
        try:
            chooser = self._identifiers.chooser(request.seid)
            session = modified(before.session, request, chooser)
            self._resolver.check_applications((*request.create_pdrs, *request.update_pdrs))
            entry = self._resolved(before, session, unchanged(before.session, before.rules, session))
            queried = _queried(session, request)
            if request.cp_f_seid is not None:
                self._check_namesake(before, request.cp_f_seid)
        except RemoteProtocolError as error:
            log.warning("%s:%d: modification of session %d rejected: %s", *peer, request.seid, error)
            cp_seid = before.session.cp_f_seid.seid
            return SessionModificationResponse(
                cp_seid, error.cause, error.offending_ie, failed_rule_id=_failed_rule(error)
            )
        usage_reports = self._change(before, entry, request, queried, now)
        self._on_event(SessionEvent(SessionEventKind.MODIFIED, session))
        return SessionModificationResponse(
            session.cp_f_seid.seid,
            Cause.REQUEST_ACCEPTED,
            created_pdrs=session.created_pdrs(before.session),
            usage_reports=usage_reports,
        )

    def _change(
        self,
        before: Entry,
        entry: Entry,
        request: SessionModificationRequest,
        queried: Mapping[int, UsageReportTrigger],
        now: float,
    ) -> tuple[UsageReport, ...]:
        """Put `entry` in the place of `before`; what has been used by URRs that were queried, or that go."""
        accounts, immediate = before.accounts, tuple[UsageReport, ...]()
        if queried:
            accounts, immediate = self._reported(accounts, self._user_plane.readings(request.seid), now, queried)
        is_same = entry.session.urrs is before.session.urrs
        kept = accounts if is_same else accounts.edited(entry.session.urrs, request.update_urrs, now)
        entry = Entry(entry.peer, entry.session, entry.rules, kept)
        acted_on = _acted_on(request, entry.session)
        last = self._store.put(
            entry,
            end_markers=_end_markers(before, request),
            drop_buffered=SmReqFlags.DROBU in (request.flags or SmReqFlags(0)),
            acted_on=acted_on,
        )
        if acted_on:
            self._reporter.has_acted(before.session)
        self._arm(entry, now)
        final = accounts.closed(request.remove_urrs, last, now, self._ntp)
        return (*before.unanswered, *immediate, *final)

    def _delete(self, peer: Peer, request: SessionDeletionRequest, now: float) -> SessionDeletionResponse:
        entry = self._store.get(request.seid)
        if entry is None:
            log.warning("%s:%d: deletion of session %d, which there is not", *peer, request.seid)
            return SessionDeletionResponse(0, Cause.SESSION_CONTEXT_NOT_FOUND)
        last = self._drop(entry)
        reports = entry.accounts.closed([urr.urr_id for urr in entry.session.urrs], last, now, self._ntp)
        return SessionDeletionResponse(
            entry.session.cp_f_seid.seid, Cause.REQUEST_ACCEPTED, usage_reports=(*entry.unanswered, *reports)
        )

    def _provision(self, request: PfdManagementRequest) -> PfdManagementResponse:
        """PFDs are those of the node (§6.2.5): sessions that detect an application follow at once."""
        self._resolver.applications.provision(request.applications)
        for entry in self._store.all():
            if any(pdr.pdi.application_id is not None for pdr in entry.session.pdrs):
                self._store.put(self._resolved(entry, entry.session))
        return PfdManagementResponse(Cause.REQUEST_ACCEPTED)

    # -- what requests come to ----------------------------------------------------------------------------------------

    def _resolved(self, entry: Entry, session: Session, kept: tuple[Rule, ...] = ()) -> Entry:
        """`entry` with `session` in it and the rules that it comes to; RemoteProtocolError if it cannot be."""
        rules = self._resolver.resolve(session, kept)
        self._identifiers.check(session)
        return Entry(entry.peer, session, rules, entry.accounts, entry.unanswered)

    def _reported(
        self, accounts: Accounts, readings: Mapping[int, Reading], now: float, wanted: Triggers
    ) -> tuple[Accounts, tuple[UsageReport, ...]]:
        """The reports that are `wanted`; what else these readings bring about is said along with them."""
        accounts, found = accounts.settled(readings, now)
        triggers = {**found, **wanted}
        for urr_id in found.keys() & wanted.keys():
            triggers[urr_id] = found[urr_id] | wanted[urr_id]
        return accounts.reported(readings, now, triggers, self._ntp)

    def _arm(self, entry: Entry, now: float) -> None:
        self._reporter.arm(entry)
        if self._paths:
            self._paths.watch(entry.session, now)

    def _drop(self, entry: Entry) -> Mapping[int, Reading]:
        last = self._store.drop(entry)
        self._reporter.forget(entry)
        self._on_event(SessionEvent(SessionEventKind.DELETED, entry.session))
        return last


def _check_mandatory(request: SessionEstablishmentRequest) -> None:
    if not request.create_pdrs:
        raise RemoteProtocolError(Cause.MANDATORY_IE_MISSING, "no Create PDR", IeType.CREATE_PDR)
    if not request.create_fars:
        raise RemoteProtocolError(Cause.MANDATORY_IE_MISSING, "no Create FAR", IeType.CREATE_FAR)
    if request.cp_f_seid.ipv4 is None and request.cp_f_seid.ipv6 is None:
        raise RemoteProtocolError(Cause.MANDATORY_IE_INCORRECT, "CP F-SEID without an address", IeType.F_SEID)


def _failed_rule(error: RemoteProtocolError) -> tuple[int, int] | None:
    return error.failed_rule_id if isinstance(error, RuleError) else None


def _queried(session: Session, request: SessionModificationRequest) -> Mapping[int, UsageReportTrigger]:
    """The URRs that have to report at once (§7.5.4.10, and QAURR for all)."""
    if not (request.query_urrs or request.flags):
        return {}
    known = {urr.urr_id for urr in session.urrs}
    for urr_id in request.query_urrs:
        if urr_id not in known:
            raise RuleError(RuleType.URR, urr_id, "there is none with this ID to query")
    wanted = known if SmReqFlags.QAURR in (request.flags or SmReqFlags(0)) else request.query_urrs
    return dict.fromkeys(wanted, UsageReportTrigger.IMMER)


def _end_markers(before: Entry, request: SessionModificationRequest) -> tuple[Tunnel, ...]:
    """The old tunnels of the FARs whose update says so (SNDEM, §8.2.31)."""
    fars = {far.far_id for far in request.update_fars if far.forwarding and far.forwarding.send_end_marker}
    pdrs = {pdr.pdr_id for pdr in before.session.pdrs if pdr.far_id in fars} if fars else ()
    tunnels = {
        rule.action.tunnel: None
        for rule in before.rules
        if rule.pdr_id in pdrs and isinstance(rule.action, Encapsulate)
    }
    return tuple(tunnels)


def _acted_on(request: SessionModificationRequest, session: Session) -> frozenset[int]:
    """The FARs that the CP function has changed, or whose BAR: it wants to hear of the next packet again."""
    bars = {bar.bar_id for bar in request.update_bars}
    return frozenset(
        {far.far_id for far in request.update_fars}
        | {far.far_id for far in session.fars if far.bar_id is not None and far.bar_id in bars}
    )
