"""The SMF itself: what gNB, lab and policy can ask of it. Who may do what when is in session.py's table."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus

from core_stub.pfcp.ies import FTeid
from core_stub.smf import selection
from core_stub.smf.config import Flow, SmfConfig, UpfClient
from core_stub.smf.core import Core, Emit, RefusedError
from core_stub.smf.n4 import PfcpN4
from core_stub.smf.placement import Placement
from core_stub.smf.procedures import flows, lifecycle, ulcl
from core_stub.smf.procedures.ulcl import Branch, Insertion
from core_stub.smf.reports import Reports
from core_stub.smf.restoration import Restoration
from core_stub.smf.rulesets import FLOWS
from core_stub.smf.run import N4, ProcedureError, Ran, RanError, Step
from core_stub.smf.session import Operation, PduSession, QosFlow, SessionRequest
from core_stub.smf.store import Store
from core_stub.smf.table import Entry

Branches = tuple[tuple[str, tuple[str, ...]], ...]
"""Local PSAs behind a UL CL: the UPF, and the flows that leave there."""


class Smf:
    """Sessions by reference; every public coroutine raises RefusedError or ProcedureError.

    `_replacing` has the old session of each new one that waits to be activated (SSC mode 3).
    """

    def __init__(  # noqa: PLR0913 - the times by name
        self,
        config: SmfConfig,
        n4: N4,
        ran: Ran,
        emit: Emit,
        *,
        now: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        store: Store | None = None,
    ) -> None:
        self.core = Core(config, n4, ran, emit, now=now, sleep=sleep, store=store)
        self.reports = Reports(self.core)
        self.restoration = Restoration(self.core)
        self.placement = Placement(self.core)
        self._replacing: dict[str, Entry] = {}

    @property
    def sessions(self) -> tuple[PduSession, ...]:
        """All sessions, oldest first."""
        return tuple(entry.session for entry in self.core.table)

    # -- the gNB's requests -------------------------------------------------------------------------------------------

    async def create(self, request: SessionRequest) -> PduSession:
        """Establish a PDU session; it stays inactive until the gNB's F-TEID is known."""
        core = self.core
        with self.placement.claimed(request):
            entry = self.placement.place(request)
            draft, psa = entry.session, entry.session.psa.upf
            epoch = self.restoration.epoch(psa)
            try:
                entry.session = await lifecycle.establish(core.ports, draft)
            except ProcedureError as error:
                core.table.give_back(entry.pool, draft.context.ue_ipv4, {psa} if error.trouble else set())
                core.report_failure(error, draft.context)
                raise
            if self.restoration.epoch(psa) != epoch:
                entry.gone |= {psa}
            self.reports.open_accounts(entry)
            replaced = core.table.of_ue(request.supi).get(request.replaces or 0)
            if replaced is not None:
                self._replacing[draft.context.ref] = replaced
            core.table.add(entry)
        core.report_session("session_established", entry.session)
        return entry.session

    async def activate(self, ref: str, gnb: FTeid, gnb_url: str | None = None) -> PduSession:
        """Take the gNB's F-TEID: the first one, that of a service request, or another after a path switch."""
        async with self.core.exclusively(ref, Operation.ACTIVATE) as entry:
            before = entry.session
            self.core.table.update(entry, await lifecycle.activate(self.core.ports, before, gnb, gnb_url))
            self.reports.ue_answered(entry)
            is_switch = before.gnb_f_teid not in (None, gnb)
        self.core.report_session("path_switched" if is_switch else "session_activated", entry.session)
        if ref in self._replacing:
            self.core.spawn(self._retire(self._replacing.pop(ref)))
        return entry.session

    async def deactivate(self, ref: str) -> PduSession:
        """The UE is idle: downlink is buffered, and the first packet makes us page."""
        async with self.core.exclusively(ref, Operation.DEACTIVATE) as entry:
            self.core.table.update(entry, await lifecycle.deactivate(self.core.ports, entry.session))
        self.core.report_session("session_deactivated", entry.session)
        return entry.session

    async def release(self, ref: str) -> None:
        """Release the session and its address."""
        async with self.core.exclusively(ref, Operation.RELEASE) as entry:
            await self._release(entry)

    # -- the lab's and policy's requests ------------------------------------------------------------------------------

    async def insert_ulcl(
        self, ref: str, upf: str, flow_descriptions: tuple[str, ...], branches: Branches = ()
    ) -> list[Step]:
        """Insert `upf` as UL CL, and as local PSA for these flows; `branches` are local PSAs behind it."""
        async with self.core.exclusively(ref, Operation.INSERT_ULCL) as entry:
            insertion = self._insertion(entry, upf, flow_descriptions, branches)
            ports, steps = self.core.collecting()
            with self._doubted(entry, insertion):
                session = await ulcl.insert_ulcl(ports, entry.session, insertion)
            self.core.table.update(entry, session)
        self.core.report_session("ulcl_inserted", entry.session, upf=upf)
        return steps

    async def relocate_ulcl(
        self, ref: str, upf: str, flow_descriptions: tuple[str, ...], branches: Branches = ()
    ) -> list[Step]:
        """Move the UL CL to the UPF called `upf`; without flows and branches those of now stay."""
        async with self.core.exclusively(ref, Operation.RELOCATE_ULCL) as entry:
            old = entry.session.ulcl
            # The table lets in sessions with a UL CL only.
            assert old is not None
            if not flow_descriptions and not branches:
                flow_descriptions = old.flow_descriptions
                branches = tuple((local.n4.upf, local.flow_descriptions) for local in old.local_psas)
            insertion = self._insertion(entry, upf, flow_descriptions, branches)
            ports, steps = self.core.collecting()
            with self._doubted(entry, insertion):
                session = await ulcl.relocate_ulcl(ports, entry.session, old, insertion)
            self.core.table.update(entry, session)
        self.core.report_session("ulcl_relocated", entry.session, old=old.n4.upf, upf=upf)
        return steps

    async def remove_ulcl(self, ref: str) -> tuple[str, list[Step]]:
        """Take the UL CL out again; the name of its UPF, and the steps that were done."""
        async with self.core.exclusively(ref, Operation.REMOVE_ULCL) as entry:
            old = entry.session.ulcl
            assert old is not None
            ports, steps = self.core.collecting()
            session = await ulcl.remove_ulcl(ports, entry.session, old)
            self.core.table.update(entry, session)
        self.core.report_session("ulcl_removed", entry.session, upf=old.n4.upf)
        return old.n4.upf, steps

    async def add_flow(self, ref: str, flow: Flow) -> QosFlow:
        """Give the session a dedicated QoS flow."""
        async with self.core.exclusively(ref, Operation.ADD_FLOW) as entry:
            session = entry.session
            if flow.qfi in {other.qfi for other in session.all_flows}:
                raise RefusedError(HTTPStatus.CONFLICT, "FLOW_EXISTS", f"QFI {flow.qfi} is in use in session {ref}")
            free = set(range(1, FLOWS)) - {other.slot for other in session.flows}
            if not free:
                detail = f"session {ref} has {FLOWS} QoS flows, and can have no more"
                raise RefusedError(HTTPStatus.CONFLICT, "INSUFFICIENT_RESOURCES", detail)
            added = flow.in_slot(min(free))
            self.core.table.update(entry, await flows.add_flow(self.core.ports, session, added))
            self.reports.open_accounts(entry)
        self.core.report_session("flow_added", entry.session, qfi=flow.qfi)
        return added

    async def remove_flow(self, ref: str, qfi: int) -> None:
        """Take a dedicated QoS flow away."""
        async with self.core.exclusively(ref, Operation.REMOVE_FLOW) as entry:
            for flow in entry.session.flows:
                if flow.qfi == qfi:
                    break
            else:
                raise RefusedError(HTTPStatus.NOT_FOUND, "FLOW_NOT_FOUND", f"session {ref} has no flow with QFI {qfi}")
            self.core.table.update(entry, await flows.remove_flow(self.core.ports, entry.session, flow))
        self.core.report_session("flow_removed", entry.session, qfi=qfi)

    async def replace_psa(self, ref: str, upf: str | None = None) -> str:
        """Have the UE make its session anew at another PSA: TS 23.502 §4.3.5.1 (SSC mode 2) and §4.3.5.2 (mode 3)."""
        core = self.core
        async with core.exclusively(ref, Operation.REPLACE_PSA) as entry:
            ssc_mode = entry.session.context.ssc_mode
            if ssc_mode == 1:
                raise RefusedError(HTTPStatus.CONFLICT, "SSC_MODE", f"session {ref} has SSC mode 1: it keeps its PSA")
            target = self.placement.steer_away(entry.session, self._upf(upf) if upf else None)
            core.report_session("psa_replacement", entry.session, target=target, ssc_mode=ssc_mode)
            if ssc_mode == 2:
                await self._release(entry)
                await self._told(core.ports.ran.release(entry.session, reactivate=True))
            else:
                await self._told(core.ports.ran.replace(entry.session, core.config.ssc.lifetime / 1000))
        return target

    def ref_of(self, supi: str, pdu_session_id: int | None = None) -> str:
        """The session of a UE; RefusedError if that is not one."""
        sessions = self.core.table.of_ue(supi)
        if pdu_session_id is not None:
            sessions = {key: entry for key, entry in sessions.items() if key == pdu_session_id}
        if not sessions:
            which = "PDU session" if pdu_session_id is None else f"PDU session {pdu_session_id}"
            raise RefusedError(HTTPStatus.NOT_FOUND, "CONTEXT_NOT_FOUND", f"{supi} has no {which}")
        if len(sessions) > 1:
            detail = f"{supi} has {len(sessions)} PDU sessions; want one, or pduSessionId"
            raise RefusedError(HTTPStatus.CONFLICT, "AMBIGUOUS", detail)
        return next(iter(sessions.values())).session.context.ref

    def edge_at(self, dnai: str, but: str) -> str:
        """The UPF at a DNAI with the least load, which is neither PSA nor UL CL of `but`, a session's reference."""
        session = self.core.known(but).session
        taken = {session.psa.upf} | ({session.ulcl.n4.upf} if session.ulcl else set())
        there = selection.edges(self.core.config, dnai)
        candidates = [upf for upf in there if upf.label not in taken]
        chosen = selection.choose(candidates, self.core.is_associated, self.core.loads)
        if chosen is None:
            why = "no UPF there is associated" if candidates else f"no {'other ' if there else ''}UPF is there"
            raise RefusedError(HTTPStatus.NOT_FOUND, "UPF_NOT_FOUND", f'DNAI "{dnai}": {why}')
        return chosen.label

    def listen(self, n4: PfcpN4) -> None:
        """Hear of UPFs and their reports from now on."""
        n4.on_report = self.reports.take
        n4.on_up = self.restoration.on_up
        n4.on_restarted = self.restoration.on_restarted
        n4.on_lost = self.restoration.on_lost
        self.restoration.start()

    async def close(self) -> None:
        """Do nothing more."""
        await self.core.close()

    # -- parts of them ------------------------------------------------------------------------------------------------

    def _insertion(self, entry: Entry, upf: str, flow_descriptions: tuple[str, ...], branches: Branches) -> Insertion:
        """A UL CL with our ends of N4; RefusedError if its UPFs are not, or are in the session already."""
        taken, old = {entry.session.psa.upf: "the PSA of this session"}, entry.session.ulcl
        if old is not None:
            taken[old.n4.upf] = "the UL CL of this session"
            if upf in (local.n4.upf for local in old.local_psas):
                taken[upf] = "a local PSA of this session"
        for label in (upf, *(label for label, _ in branches)):
            self._upf(label)
            if label in taken:
                detail = f"{label} is {taken[label]}; want another UPF"
                raise RefusedError(HTTPStatus.CONFLICT, "INVALID_UPF", detail)
            taken[label] = "asked for twice"
        ends = tuple(Branch(self.core.end_at(entry, label), sdf) for label, sdf in branches)
        return Insertion(self.core.end_at(entry, upf), flow_descriptions, ends)

    @contextmanager
    def _doubted(self, entry: Entry, insertion: Insertion) -> Iterator[None]:
        """If it fails and cannot be undone, nobody knows what is left at the UPFs of `insertion`."""
        upfs = {insertion.n4.upf, *(branch.n4.upf for branch in insertion.branches)}
        try:
            yield
        except ProcedureError as error:
            if error.trouble:
                entry.doubtful |= upfs
            raise
        entry.doubtful -= upfs

    def _upf(self, label: str) -> UpfClient:
        upfs = {upf.label: upf for upf in self.core.config.pfcp.client.upf}
        if label not in upfs:
            raise RefusedError(HTTPStatus.NOT_FOUND, "UPF_NOT_FOUND", f'"{label}"; want one of {", ".join(upfs)}')
        return upfs[label]

    async def _release(self, entry: Entry) -> None:
        released = await lifecycle.release(self.core.ports, entry.session, entry.gone)
        self.core.table.remove(entry)
        self._replacing.pop(released.context.ref, None)
        entry.session = released
        self.core.report_session("session_released", released)

    async def _retire(self, entry: Entry) -> None:
        """The old session goes when its lifetime is over (§4.3.5.2, step 6)."""
        await self.core.ports.sleep(self.core.config.ssc.lifetime / 1000)
        try:
            await self.release(entry.session.context.ref)
        except (RefusedError, ProcedureError):
            return  # released meanwhile, or reported: the gNB still knows it and can release it
        with suppress(RanError):
            await self.core.ports.ran.release(entry.session, reactivate=False)

    async def _told(self, telling: Awaitable[None]) -> None:
        try:
            await telling
        except RanError as error:
            raise RefusedError(HTTPStatus.GATEWAY_TIMEOUT, "PEER_NOT_RESPONDING", str(error)) from error
