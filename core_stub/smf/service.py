"""The SMF itself: which sessions there are, who may do what when, one procedure at a time per session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from ipaddress import IPv4Address
from itertools import count
from typing import Protocol

from core_stub.pfcp.ies import Cause, FTeid
from core_stub.pfcp.messages import SessionReportRequest, SessionReportResponse
from core_stub.smf import procedures
from core_stub.smf.config import SessionPool, SmfConfig, UpfClient
from core_stub.smf.pools import AddressPool, PoolExhaustedError
from core_stub.smf.procedures import Insertion
from core_stub.smf.run import N4, Ports, ProcedureError, Ran, Step
from core_stub.smf.session import (
    TRANSITIONS,
    CpEnd,
    Operation,
    PduSession,
    SessionRequest,
    SmContext,
    State,
)


class Emit(Protocol):
    """Where events go: one JSON line each."""

    def __call__(self, event: str, **fields: object) -> None:
        """Report `event`; fields have to be what JSON can hold."""


class RefusedError(Exception):
    """A request that is not even tried; `cause` is from TS 29.500 §5.2.7.2 or TS 29.502 §6.1.3 where those have one."""

    def __init__(self, status: HTTPStatus, cause: str, detail: str) -> None:
        self.status = status
        self.cause = cause
        super().__init__(detail)


@dataclass
class _Entry:
    """A session. `edges` are our ends of N4 with the UPFs that ever were its UL CL: always the same, so that a session
    which could not be cleared away there is replaced by the next; `doubtful` are UPFs where there may be one.
    """

    session: PduSession
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    edges: dict[str, CpEnd] = field(default_factory=dict)
    doubtful: set[str] = field(default_factory=set)
    is_lost: bool = False

    def become(self, session: PduSession) -> None:
        """What a procedure made of the session; one that was lost meanwhile stays lost."""
        is_lost = self.is_lost and session.state is not State.RELEASED
        self.session = replace(session, state=State.LOST) if is_lost else session


class Smf:
    """Sessions by reference; every public coroutine raises RefusedError or ProcedureError."""

    def __init__(  # noqa: PLR0913 - the times by name
        self,
        config: SmfConfig,
        n4: N4,
        ran: Ran,
        emit: Emit,
        *,
        now: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._config = config
        self._address = config.pfcp.server[0].address
        self._pools = {pool.dnn: AddressPool(pool.subnet, pool.gateway) for pool in config.session}
        self._emit = emit
        self._ports = Ports(n4, ran, self._report, now, sleep)
        self._entries: dict[str, _Entry] = {}
        self._quarantine: dict[tuple[AddressPool, IPv4Address], set[str]] = {}
        self._being_created: set[tuple[str, int]] = set()
        self._refs = count(1)
        self._seids = count(1)

    @property
    def sessions(self) -> tuple[PduSession, ...]:
        """All sessions, oldest first."""
        return tuple(entry.session for entry in self._entries.values())

    async def create(self, request: SessionRequest) -> PduSession:
        """Establish a PDU session; it stays inactive until the gNB's F-TEID is known."""
        pool = self._pool(request)
        psa = next(upf for upf in self._config.pfcp.client.upf if upf.anchors(request.dnn))
        with self._claimed(request):
            try:
                ue_ipv4 = self._pools[pool.dnn].allocate()
            except PoolExhaustedError as error:
                raise RefusedError(HTTPStatus.INTERNAL_SERVER_ERROR, "INSUFFICIENT_RESOURCES", str(error)) from error
            context = SmContext(str(next(self._refs)), request, pool.qfi, ue_ipv4)
            try:
                session = await procedures.establish(self._ports, context, psa.label, self._cp_end())
            except ProcedureError as error:
                self._give_back(context, {psa.label} if error.trouble else set())
                self._report_failure(error, context)
                raise
            self._entries[context.ref] = _Entry(session)
        self._report_session("session_established", session)
        return session

    async def activate(self, ref: str, gnb: FTeid) -> PduSession:
        """Take the gNB's F-TEID (the first one, or another after a path switch)."""
        async with self._exclusively(ref, Operation.ACTIVATE) as entry:
            entry.become(await procedures.activate(self._ports, entry.session, gnb))
        self._report_session("session_activated", entry.session)
        return entry.session

    async def release(self, ref: str) -> None:
        """Release the session and its address."""
        async with self._exclusively(ref, Operation.RELEASE) as entry:
            entry.become(await procedures.release(self._ports, entry.session))
            del self._entries[ref]
            self._give_back(entry.session.context, entry.doubtful)
        self._report_session("session_released", entry.session)

    async def insert_ulcl(self, supi: str, upf: str, flow_descriptions: tuple[str, ...]) -> list[Step]:
        """Insert the UPF called `upf` as UL CL and local PSA for these flows; the steps that were done."""
        edge = self._upf(upf)
        async with self._exclusively(self._ref_of(supi), Operation.INSERT_ULCL) as entry:
            session = entry.session
            if edge.label == session.psa.upf:
                detail = f"{upf} is the PSA of this session; want another UPF"
                raise RefusedError(HTTPStatus.CONFLICT, "INVALID_UPF", detail)
            # The table lets in active sessions only, and those have an F-TEID at the gNB.
            assert session.gnb_f_teid is not None
            ports, steps = self._collecting()
            cp = entry.edges.setdefault(edge.label, self._cp_end())
            insertion = Insertion(edge.label, cp, flow_descriptions)
            try:
                entry.become(await procedures.insert_ulcl(ports, session, session.gnb_f_teid, insertion, self._guard_s))
            except ProcedureError as error:
                if error.trouble:
                    entry.doubtful.add(edge.label)
                raise
            entry.doubtful.discard(edge.label)
        self._report_session("ulcl_inserted", entry.session)
        return steps

    async def remove_ulcl(self, supi: str) -> tuple[str, list[Step]]:
        """Take the UL CL out again; the name of its UPF, and the steps that were done."""
        async with self._exclusively(self._ref_of(supi), Operation.REMOVE_ULCL) as entry:
            session = entry.session
            assert session.gnb_f_teid is not None
            assert session.ulcl is not None
            ports, steps = self._collecting()
            removal = procedures.remove_ulcl(ports, session, session.ulcl, session.gnb_f_teid, self._guard_s)
            entry.become(await removal)
        self._report_session("ulcl_removed", entry.session)
        return session.ulcl.n4.upf, steps

    def on_session_report(self, request: SessionReportRequest) -> SessionReportResponse:
        """N4 session report (TS 23.502 §4.4.2.2): taken note of, and acknowledged if the session is known."""
        for session in self.sessions:
            for n4 in session.n4_sessions:
                if n4.cp_seid == request.seid:
                    kinds = [kind.name for kind in request.report_type]
                    self._emit("session_report", **_name(session.context), upf=n4.upf, report=kinds)
                    return SessionReportResponse(n4.up_seid, Cause.REQUEST_ACCEPTED)
        return SessionReportResponse(0, Cause.SESSION_CONTEXT_NOT_FOUND)

    def on_upf_lost(self, upf: str, reason: str) -> None:
        """The association with `upf` has ended, and with it the sessions there (TS 29.244 §6.2.8)."""
        for entry in self._entries.values():
            entry.doubtful.discard(upf)
            if not entry.is_lost and upf in (n4.upf for n4 in entry.session.n4_sessions):
                entry.is_lost = True
                entry.become(entry.session)
                self._emit("session_lost", **_name(entry.session.context), upf=upf, reason=reason)
        for (pool, address), upfs in list(self._quarantine.items()):
            upfs.discard(upf)
            if not upfs:
                del self._quarantine[pool, address]
                pool.release(address)

    # -- who may do what ----------------------------------------------------------------------------------------------

    def _pool(self, request: SessionRequest) -> SessionPool:
        pools = [pool for pool in self._config.session if pool.dnn == request.dnn]
        if not pools:
            known = ", ".join(pool.dnn for pool in self._config.session)
            detail = f'DNN "{request.dnn}"; want one of {known}'
            raise RefusedError(HTTPStatus.FORBIDDEN, "DNN_NOT_SUPPORTED", detail)
        if request.snssai != (pools[0].sst, pools[0].sd):
            detail = f"{_slice(*request.snssai)}; DNN {request.dnn} is in {_slice(pools[0].sst, pools[0].sd)}"
            raise RefusedError(HTTPStatus.FORBIDDEN, "SNSSAI_DENIED", detail)
        return pools[0]

    @contextmanager
    def _claimed(self, request: SessionRequest) -> Iterator[None]:
        """Nobody else may create the same session meanwhile."""
        key = (request.supi, request.pdu_session_id)
        existing = {(s.context.request.supi, s.context.request.pdu_session_id) for s in self.sessions}
        if key in existing | self._being_created:
            detail = f"{request.supi} has a PDU session {request.pdu_session_id}; release it first"
            raise RefusedError(HTTPStatus.CONFLICT, "SESSION_EXISTS", detail)
        self._being_created.add(key)
        try:
            yield
        finally:
            self._being_created.remove(key)

    def _upf(self, name: str) -> UpfClient:
        upfs = {upf.label: upf for upf in self._config.pfcp.client.upf}
        if name not in upfs:
            raise RefusedError(HTTPStatus.NOT_FOUND, "UPF_NOT_FOUND", f'"{name}"; want one of {", ".join(upfs)}')
        return upfs[name]

    def _ref_of(self, supi: str) -> str:
        refs = [session.context.ref for session in self.sessions if session.context.request.supi == supi]
        if not refs:
            raise RefusedError(HTTPStatus.NOT_FOUND, "CONTEXT_NOT_FOUND", f"{supi} has no PDU session")
        if len(refs) > 1:
            raise RefusedError(HTTPStatus.CONFLICT, "AMBIGUOUS", f"{supi} has {len(refs)} PDU sessions; want one")
        return refs[0]

    @asynccontextmanager
    async def _exclusively(self, ref: str, operation: Operation) -> AsyncIterator[_Entry]:
        """The entry, when no other procedure runs on it; what a failed procedure left is kept."""
        entry = self._known(ref)
        async with entry.lock:
            # It may have been released while this waited.
            session = self._known(ref).session
            if (session.state, operation) not in TRANSITIONS:
                detail = f"cannot {operation.value}: session {ref} is {session.state.value}"
                raise RefusedError(HTTPStatus.CONFLICT, "INVALID_STATE", detail)
            try:
                yield entry
            except ProcedureError as error:
                entry.become(error.session or session)
                self._report_failure(error, session.context)
                raise

    def _known(self, ref: str) -> _Entry:
        if ref not in self._entries:
            raise RefusedError(HTTPStatus.NOT_FOUND, "CONTEXT_NOT_FOUND", f"no SM context {ref}")
        return self._entries[ref]

    def _give_back(self, context: SmContext, doubtful: set[str]) -> None:
        """Return the UE's address; not before the UPFs are lost that may have a session with it, and refuse another."""
        pool = self._pools[context.request.dnn]
        if doubtful:
            self._quarantine[pool, context.ue_ipv4] = doubtful
        else:
            pool.release(context.ue_ipv4)

    # -- what procedures get ------------------------------------------------------------------------------------------

    @property
    def _guard_s(self) -> float:
        return self._config.ulcl.guard / 1000

    def _cp_end(self) -> CpEnd:
        return CpEnd(self._address, next(self._seids))

    def _collecting(self) -> tuple[Ports, list[Step]]:
        steps: list[Step] = []

        def report(step: Step) -> None:
            steps.append(step)
            self._report(step)

        return replace(self._ports, report=report), steps

    # -- events -------------------------------------------------------------------------------------------------------

    def _report(self, step: Step) -> None:
        self._emit("step", **_name(step.context), procedure=step.procedure, step=step.step)

    def _report_failure(self, error: ProcedureError, context: SmContext) -> None:
        self._emit("procedure_failed", **_name(context), procedure=error.procedure, step=error.step, reason=str(error))

    def _report_session(self, event: str, session: PduSession) -> None:
        context = session.context
        self._emit(event, **_name(context), dnn=context.request.dnn, ue_ipv4=str(context.ue_ipv4), psa=session.psa.upf)


def _slice(sst: int, sd: int | None) -> str:
    return f"S-NSSAI {sst}" if sd is None else f"S-NSSAI {sst}-{sd:06X}"


def _name(context: SmContext) -> dict[str, object]:
    return {"ue": context.request.supi, "ref": context.ref}
