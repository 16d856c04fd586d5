"""What the parts of the SMF share: sessions one procedure at a time, ports, events, and tasks in the background."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Protocol

from core_stub.pfcp.messages import (
    Response,
    SessionDeletionResponse,
    SessionEstablishmentResponse,
    SessionModificationResponse,
    SessionReportRequest,
    SessionRequest,
)
from core_stub.smf.config import SmfConfig
from core_stub.smf.run import N4, Ports, ProcedureError, Ran, Step
from core_stub.smf.selection import Loads
from core_stub.smf.session import TRANSITIONS, N4Session, Operation, PduSession, SmContext, State
from core_stub.smf.store import Store
from core_stub.smf.table import Entry, SessionTable

log = logging.getLogger(__name__)


UsageMessage = SessionModificationResponse | SessionDeletionResponse | SessionReportRequest
_LoadMessage = SessionEstablishmentResponse | UsageMessage


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


class Core:
    """See the head of this module. `on_usage` gets a session and what has usage reports of it; set it at once."""

    on_usage: Callable[[Entry, UsageMessage], None]

    def __init__(  # noqa: PLR0913 - the times by name
        self,
        config: SmfConfig,
        n4: N4,
        ran: Ran,
        emit: Emit,
        *,
        now: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        store: Store | None,
    ) -> None:
        self.config = config
        self.emit = emit
        self.table = SessionTable(config, store)
        self.loads = Loads(self.table.per_upf)
        address = config.pfcp.server[0].address
        guard_s = config.ulcl.guard / 1000
        self.ports = Ports(address, guard_s, _Overheard(n4, self.overhear), ran, self._report, now, sleep)
        self._tasks: set[asyncio.Task[None]] = set()

    def is_associated(self, upf: str) -> bool:
        """True if the UPF can be asked now."""
        return self.ports.n4.is_associated(upf)

    def end_at(self, entry: Entry, upf: str) -> N4Session:
        """Our end of N4 for a session that `entry` is to have at `upf`."""
        return N4Session(upf, self.table.seid_at(entry, upf))

    # -- one procedure at a time --------------------------------------------------------------------------------------

    def known(self, ref: str) -> Entry:
        """The session; RefusedError if there is none."""
        entry = self.table.get(ref)
        if entry is None:
            raise RefusedError(HTTPStatus.NOT_FOUND, "CONTEXT_NOT_FOUND", f"no SM context {ref}")
        return entry

    @asynccontextmanager
    async def exclusively(self, ref: str, operation: Operation) -> AsyncIterator[Entry]:
        """The entry, when no other procedure runs on it; what a failed procedure left is kept."""
        entry = self.known(ref)
        async with entry.lock:
            # It may have been released while this waited.
            session = self.known(ref).session
            if (session.state, operation) not in TRANSITIONS:
                detail = f"cannot {operation.value}: session {ref} is {session.state.value}"
                raise RefusedError(HTTPStatus.CONFLICT, "INVALID_STATE", detail)
            try:
                yield entry
            except ProcedureError as error:
                self.table.update(entry, error.session or session)
                self.report_failure(error, session.context)
                raise

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do `work` in the background."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def settled(self) -> None:
        """Return when nothing is done in the background any more."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """End what is done in the background."""
        for task in self._tasks:
            task.cancel()
        await self.settled()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a procedure in the background failed", exc_info=error)

    # -- events -------------------------------------------------------------------------------------------------------

    def collecting(self) -> tuple[Ports, list[Step]]:
        """Ports that also list the steps that were done."""
        steps: list[Step] = []

        def report(step: Step) -> None:
            steps.append(step)
            self._report(step)

        return replace(self.ports, report=report), steps

    def report_failure(self, error: ProcedureError, context: SmContext) -> None:
        """The event of a procedure that failed."""
        self.emit("procedure_failed", **name(context), procedure=error.procedure, step=error.step, reason=str(error))

    def report_session(self, event: str, session: PduSession, **more: object) -> None:
        """An event of a session."""
        context = session.context
        ue_ipv4 = str(context.ue_ipv4)
        self.emit(event, **name(context), dnn=context.request.dnn, ue_ipv4=ue_ipv4, psa=session.psa.upf, **more)

    def lose(self, entry: Entry, upf: str, reason: str) -> None:
        """A session that no UPF takes: all that is left to do is to release it."""
        self.table.update(entry, replace(entry.session, state=State.LOST))
        self.emit("session_lost", **name(entry.session.context), upf=upf, reason=reason)

    def _report(self, step: Step) -> None:
        self.emit("step", **name(step.context), procedure=step.procedure, step=step.step)

    def overhear(self, upf: str, message: Response | SessionReportRequest) -> None:
        """What UPFs tell beside the point: their load, and usage."""
        if isinstance(message, _LoadMessage) and message.load is not None:
            self.loads.learn(upf, message.load.sequence, message.load.metric)
        if isinstance(message, UsageMessage) and message.usage_reports:
            entry = self.table.by_seid(message.seid)
            if entry is not None:
                self.on_usage(entry, message)


class _Overheard:
    """The port N4, with an ear on the answers."""

    def __init__(self, n4: N4, overhear: Callable[[str, Response], None]) -> None:
        self._n4 = n4
        self._overhear = overhear
        self.is_associated = n4.is_associated

    async def request(self, upf: str, message: SessionRequest) -> Response:
        response = await self._n4.request(upf, message)
        self._overhear(upf, response)
        return response


def name(context: SmContext) -> dict[str, object]:
    """How events name a session."""
    return {"ue": context.request.supi, "ref": context.ref}
