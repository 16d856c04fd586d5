"""What every procedure of the SMF is made of: ports to the outside, and steps that are reported and can be undone.

A step that fails undoes those before it, last one first, up to the point where the procedure was committed. What is
left to do after that is clearing up: if it fails the new path stays, since going back would cost packets.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import IPv4Address
from types import TracebackType
from typing import Protocol, Self, TypeVar

from core_stub.errors import PfcpTimeoutError, RemoteProtocolError
from core_stub.pfcp.ies import Cause, FTeid
from core_stub.pfcp.messages import Response, SessionRequest
from core_stub.smf.session import PduSession, QosFlow, SmContext

log = logging.getLogger(__name__)

Result = TypeVar("Result")
Undo = Callable[[], Awaitable[object]]


class N4(Protocol):
    """The way to the UPFs, which go by name."""

    async def request(self, upf: str, message: SessionRequest) -> Response:
        """The answer, whatever its cause; PfcpTimeoutError if none comes, NotAssociatedError if none can come."""

    def is_associated(self, upf: str) -> bool:
        """True if the UPF can be asked now."""


class Ran(Protocol):
    """The way to the gNBs: N2, by way of the AMF where there is one. All raise RanError if the gNB does not agree."""

    async def switch_n3(self, session: PduSession, f_teid: FTeid) -> None:
        """Make the session's gNB send uplink to `f_teid`."""

    async def set_flows(self, session: PduSession, flows: tuple[QosFlow, ...]) -> None:
        """Tell the session's QoS flows beside the default one, by which the UE marks its uplink."""

    async def page(self, session: PduSession) -> None:
        """Have the UE ask for its user plane (TS 23.502 §4.2.3.3); returns once it was paged."""

    async def release(self, session: PduSession, *, reactivate: bool) -> None:
        """Tell that the session is released; with `reactivate` the UE shall ask for it anew (§4.3.4.2)."""

    async def replace(self, session: PduSession, lifetime_s: float) -> None:
        """Have the UE make another session to the same DNN before this one goes, so much later (§4.3.5.2)."""


class UpfRejectedError(Exception):
    """A UPF refused, and so changed nothing."""

    def __init__(self, upf: str, cause: Cause, what: str) -> None:
        self.cause = cause
        super().__init__(f"{upf} answered {what} with cause {cause.value} ({cause.name})")


class NotAssociatedError(Exception):
    """There is no association with the UPF, so nothing was sent."""

    def __init__(self, upf: str) -> None:
        super().__init__(f"{upf} is not associated")


class RanError(Exception):
    """A gNB did not answer."""


class RanRejectedError(RanError):
    """A gNB refused or could not be reached, and so changed nothing."""


FAILURES = (UpfRejectedError, NotAssociatedError, PfcpTimeoutError, RemoteProtocolError, RanError)
"""What a step may fail with."""
_NOTHING_DONE = (UpfRejectedError, NotAssociatedError, RanRejectedError)


class ProcedureError(Exception):
    """A step failed. `session` is the session as it is now: as before, or, if `committed`, as it was to become.

    `trouble` is what could not be undone.
    """

    def __init__(self, run: Run, failure: Exception) -> None:
        self.procedure = run.procedure
        self.step = run.current
        self.failure = failure
        self.session = run.session
        self.committed = run.committed
        self.trouble = tuple(run.trouble)
        then = "the new path stays and this is left over" if run.committed else "rolled back"
        trouble = "".join(f"; rolling back: {problem}" for problem in run.trouble)
        super().__init__(
            f"{run.procedure}: step {run.current}: {str(failure) or type(failure).__name__}; {then}{trouble}"
        )


@dataclass(frozen=True)
class Step:
    """A step that was done, `t` in seconds of Unix time."""

    procedure: str
    context: SmContext
    step: str
    t: float


@dataclass(frozen=True)
class Ports:
    """The outside of a procedure. `sleep` takes seconds, `now` gives those of Unix time.

    `address` is our end of N4; an old path stays open for `guard_s` seconds after a switch.
    """

    address: IPv4Address
    guard_s: float
    n4: N4
    ran: Ran
    report: Callable[[Step], None]
    now: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]


class Run:
    """One procedure under way on `session`: what fails inside is rolled back and comes out as ProcedureError."""

    def __init__(self, ports: Ports, procedure: str, context: SmContext, session: PduSession | None = None) -> None:
        self.procedure = procedure
        self.session = session
        self.current = ""
        self.committed = False
        self.trouble: list[Exception] = []
        self._ports = ports
        self._context = context
        self._undos: list[Undo] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, FAILURES):
            await self.roll_back()
            raise ProcedureError(self, error) from error

    async def step(self, name: str, action: Awaitable[Result], undo: Undo | None = None) -> Result:
        """Do `action`. If nobody knows whether it was done (no answer), it is undone like one that was."""
        self.current = name
        try:
            result = await action
        except FAILURES as failure:
            if undo and not isinstance(failure, _NOTHING_DONE):
                self._undos.append(undo)
            raise
        if undo:
            self._undos.append(undo)
        self._ports.report(Step(self.procedure, self._context, name, self._ports.now()))
        return result

    def replace_undo(self, undo: Undo) -> None:
        """Do `undo` for the last step, which can be undone better with what it gave."""
        self._undos[-1] = undo

    def commit(self, session: PduSession) -> None:
        """From here on the session is `session`, whatever fails."""
        self.session = session
        self.committed = True
        self._undos.clear()

    async def roll_back(self) -> None:
        """Undo what was done, last step first; what cannot be undone goes into `trouble` and does not stop the rest."""
        while self._undos:
            try:
                await self._undos.pop()()
            except FAILURES as failure:
                log.warning("%s: rolling back: %s", self.procedure, failure)
                self.trouble.append(failure)
