"""The UPF's session control (TS 29.244 §6.3): requests in, responses out, rules to the user plane; no I/O, no clock.

A request makes a new `Session` value and its rules, or is rejected; only then is anything stored. But an establishment
with the CP F-SEID of a session ends that session first: its answer was lost, or its deletion. Rejections are made
here and not raised, since their header carries the CP function's SEID (§7.2.2.4.2), which only we know.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from ipaddress import IPv4Address
from random import Random

from core_stub.errors import RemoteProtocolError
from core_stub.gtpu import Tunnel
from core_stub.pfcp.ies import (
    Cause,
    FSeid,
    FTeid,
    Interface,
    NodeId,
    UsageReport,
    UsageReportTrigger,
    VolumeMeasurement,
)
from core_stub.pfcp.messages import (
    Request,
    Response,
    SessionDeletionRequest,
    SessionDeletionResponse,
    SessionEstablishmentRequest,
    SessionEstablishmentResponse,
    SessionModificationRequest,
    SessionModificationResponse,
)
from core_stub.upf.resolve import resolve
from core_stub.upf.rules import Counter, Encapsulate, Rule, Rules
from core_stub.upf.session import RuleError, RuleType, Session, Usage, established, modified
from core_stub.upf.userplane.base import UserPlane

Peer = tuple[str, int]
"""Address and UDP port of a CP function."""

IE_CREATE_PDR, IE_CREATE_FAR, IE_F_SEID = 1, 3, 57


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
class _Entry:
    peer: Peer
    session: Session
    rules: tuple[Rule, ...]


class UpfControl:
    """The table of sessions. `random` picks SEIDs and TEIDs: those of before a restart must not come again soon."""

    def __init__(
        self,
        *,
        n4_address: IPv4Address,
        gtpu_address: IPv4Address,
        user_plane: UserPlane,
        on_event: Callable[[SessionEvent], None],
        random: Random,
    ) -> None:
        self._node_id = NodeId(n4_address)
        self._n4_address = n4_address
        self._gtpu_address = gtpu_address
        self._user_plane = user_plane
        self._on_event = on_event
        self._random = random
        self._entries: dict[int, _Entry] = {}
        self._teid_owners: dict[int, int] = {}
        self._ue_owners: dict[IPv4Address, int] = {}

    @property
    def sessions(self) -> Iterable[Session]:
        """The sessions as they are now."""
        return [entry.session for entry in self._entries.values()]

    def handle(self, peer: Peer, request: Request) -> Response:
        """The answer to a session request; RemoteProtocolError for a request that no CP function sends."""
        match request:
            case SessionEstablishmentRequest():
                return self._establish(peer, request)
            case SessionModificationRequest():
                return self._modify(request)
            case SessionDeletionRequest():
                return self._delete(request)
            case _:
                raise RemoteProtocolError(Cause.SERVICE_NOT_SUPPORTED, f"{type(request).__name__} to a UPF")

    def forget(self, peer: Peer) -> None:
        """Delete every session of `peer`: its association is gone, or it restarted (§6.2.8, TS 23.527 §4.2)."""
        for entry in [entry for entry in self._entries.values() if entry.peer[0] == peer[0]]:
            self._drop(entry)

    def _establish(self, peer: Peer, request: SessionEstablishmentRequest) -> SessionEstablishmentResponse:
        cp_seid = request.cp_f_seid.seid
        try:
            _check_mandatory(request)
            self._forget_namesake(peer, request.cp_f_seid)
            # A CP function that restores sessions names the UP SEID of before (§7.2.2.4.2, TS 23.527 §4.3).
            restored = request.seid and request.seid not in self._entries
            up_seid = request.seid if restored else self._unused(self._entries)
            session = established(request, up_seid, self._choose(up_seid))
            self._commit(peer, session)
        except RemoteProtocolError as error:
            return SessionEstablishmentResponse(
                cp_seid, self._node_id, error.cause, error.offending_ie, failed_rule_id=_failed_rule(error)
            )
        self._on_event(SessionEvent(SessionEventKind.ESTABLISHED, session))
        return SessionEstablishmentResponse(
            cp_seid,
            self._node_id,
            Cause.REQUEST_ACCEPTED,
            up_f_seid=FSeid(up_seid, ipv4=self._n4_address),
            created_pdrs=session.created_pdrs(),
        )

    def _forget_namesake(self, peer: Peer, cp_f_seid: FSeid) -> None:
        """An F-SEID names one session (§5.6.2): a CP function that gives it to another has no use for the first."""
        for entry in list(self._entries.values()):
            if entry.peer[0] == peer[0] and entry.session.cp_f_seid == cp_f_seid:
                self._drop(entry)

    def _modify(self, request: SessionModificationRequest) -> SessionModificationResponse:
        entry = self._entries.get(request.seid)
        if entry is None:
            return SessionModificationResponse(0, Cause.SESSION_CONTEXT_NOT_FOUND)
        before = entry.session
        try:
            session = modified(before, request, self._choose(before.up_seid))
            usage = self._usage(before)
            gone = before.pdrs.keys() - session.pdrs.keys()
            if gone:
                session = replace(session, past_usage=self._usage(before, only=gone))
            self._commit(entry.peer, session, _end_markers(entry, request))
        except RemoteProtocolError as error:
            cp_seid = before.cp_f_seid.seid
            return SessionModificationResponse(
                cp_seid, error.cause, error.offending_ie, failed_rule_id=_failed_rule(error)
            )
        self._on_event(SessionEvent(SessionEventKind.MODIFIED, session))
        return SessionModificationResponse(
            session.cp_f_seid.seid,
            Cause.REQUEST_ACCEPTED,
            created_pdrs=session.created_pdrs(before),
            usage_reports=_reports(usage, request.remove_urrs),
        )

    def _delete(self, request: SessionDeletionRequest) -> SessionDeletionResponse:
        entry = self._entries.get(request.seid)
        if entry is None:
            return SessionDeletionResponse(0, Cause.SESSION_CONTEXT_NOT_FOUND)
        reports = _reports(self._usage(entry.session), entry.session.urrs)
        self._drop(entry)
        return SessionDeletionResponse(entry.session.cp_f_seid.seid, Cause.REQUEST_ACCEPTED, usage_reports=reports)

    def _commit(self, peer: Peer, session: Session, end_markers: tuple[Tunnel, ...] = ()) -> None:
        rules = resolve(session)
        for rule in rules:
            address = rule.match.ue_address if rule.match.teid is None else None
            if address and self._ue_owners.get(address, session.up_seid) != session.up_seid:
                raise RuleError(RuleType.PDR, rule.pdr_id, f"UE address {address} belongs to another session")
        self._release(session.up_seid)
        self._entries[session.up_seid] = _Entry(peer, session, rules)
        self._teid_owners.update(dict.fromkeys(session.teids, session.up_seid))
        self._ue_owners.update(dict.fromkeys(_n6_addresses(rules), session.up_seid))
        self._user_plane.apply(Rules(session.up_seid, rules, end_markers))

    def _drop(self, entry: _Entry) -> None:
        seid = entry.session.up_seid
        self._release(seid)
        del self._entries[seid]
        self._user_plane.apply(Rules(seid))
        self._on_event(SessionEvent(SessionEventKind.DELETED, entry.session))

    def _release(self, seid: int) -> None:
        entry = self._entries.get(seid)
        if entry is None:
            return
        for teid in entry.session.teids:
            del self._teid_owners[teid]
        for address in _n6_addresses(entry.rules):
            del self._ue_owners[address]

    def _choose(self, up_seid: int) -> Callable[[FTeid, Collection[int]], FTeid]:
        """How PDRs of the session `up_seid` get their F-TEID (§5.5.3)."""

        def choose(wanted: FTeid, taken: Collection[int]) -> FTeid:
            if wanted.choose:
                if wanted.choose_ipv6 and not wanted.choose_ipv4:
                    raise ValueError("an F-TEID over IPv6; this UPF has GTP-U over IPv4")
                return FTeid(self._unused(self._teid_owners, taken), self._gtpu_address)
            if wanted.ipv4 != self._gtpu_address:
                raise ValueError(f"F-TEID at {wanted.ipv4}; GTP-U of this UPF is at {self._gtpu_address}")
            if self._teid_owners.get(wanted.teid, up_seid) != up_seid:
                raise ValueError(f"TEID {wanted.teid} belongs to another session")
            return FTeid(wanted.teid, self._gtpu_address)

        return choose

    def _unused(self, *taken: Collection[int]) -> int:
        while True:
            number = self._random.randrange(1, 1 << 32)
            if not any(number in numbers for numbers in taken):
                return number

    def counters(self, session: Session) -> Mapping[int, Counter]:
        """PDR ID → counter of `session`."""
        return self._user_plane.counters(session.up_seid)

    def _usage(self, session: Session, only: Collection[int] | None = None) -> dict[int, Usage]:
        """URR ID → octets so far: of PDRs that are gone, and of all that are there (or `only` of some)."""
        usage = {urr_id: session.past_usage.get(urr_id, Usage()) for urr_id in session.urrs}
        for pdr_id, counter in self.counters(session).items():
            pdr = session.pdrs[pdr_id]
            if only is not None and pdr_id not in only:
                continue
            uplink = pdr.pdi.source_interface is Interface.ACCESS
            measured = Usage(uplink=counter.octets) if uplink else Usage(downlink=counter.octets)
            for urr_id in pdr.urr_ids:
                usage[urr_id] += measured
        return usage


def _check_mandatory(request: SessionEstablishmentRequest) -> None:
    if not request.create_pdrs:
        raise RemoteProtocolError(Cause.MANDATORY_IE_MISSING, "no Create PDR", IE_CREATE_PDR)
    if not request.create_fars:
        raise RemoteProtocolError(Cause.MANDATORY_IE_MISSING, "no Create FAR", IE_CREATE_FAR)
    if request.cp_f_seid.ipv4 is None and request.cp_f_seid.ipv6 is None:
        raise RemoteProtocolError(Cause.MANDATORY_IE_INCORRECT, "CP F-SEID without an address", IE_F_SEID)


def _failed_rule(error: RemoteProtocolError) -> tuple[int, int] | None:
    return error.failed_rule_id if isinstance(error, RuleError) else None


def _n6_addresses(rules: Iterable[Rule]) -> set[IPv4Address]:
    return {rule.match.ue_address for rule in rules if rule.match.teid is None and rule.match.ue_address}


def _end_markers(entry: _Entry, request: SessionModificationRequest) -> tuple[Tunnel, ...]:
    """The old tunnels of the FARs whose update says so (SNDEM, §8.2.50)."""
    fars = {far.far_id for far in request.update_fars if far.forwarding and far.forwarding.send_end_marker}
    tunnels = {
        rule.action.tunnel: None
        for rule in entry.rules
        if isinstance(rule.action, Encapsulate) and entry.session.pdrs[rule.pdr_id].far_id in fars
    }
    return tuple(tunnels)


def _reports(usage: Mapping[int, Usage], urr_ids: Iterable[int]) -> tuple[UsageReport, ...]:
    return tuple(_report(urr_id, usage[urr_id]) for urr_id in urr_ids)


def _report(urr_id: int, used: Usage) -> UsageReport:
    volume = VolumeMeasurement(used.uplink + used.downlink, used.uplink, used.downlink)
    return UsageReport(urr_id, 0, UsageReportTrigger.TERMR, volume)
