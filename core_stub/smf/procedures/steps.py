"""What procedures say on N4: one message and its answer, as steps that are undone if a later one fails."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

from core_stub.errors import RemoteProtocolError
from core_stub.pfcp.ies import Cause, CreatedPdr, FTeid
from core_stub.pfcp.messages import (
    SessionDeletionRequest,
    SessionDeletionResponse,
    SessionEstablishmentRequest,
    SessionEstablishmentResponse,
    SessionModificationRequest,
    SessionModificationResponse,
)
from core_stub.smf import rules
from core_stub.smf.run import N4, Ports, Run, UpfRejectedError
from core_stub.smf.session import N4Session, PduSession, Uplink

Answer = TypeVar("Answer", SessionEstablishmentResponse, SessionModificationResponse, SessionDeletionResponse)
SessionMessage = SessionEstablishmentRequest | SessionModificationRequest | SessionDeletionRequest

Created = tuple[CreatedPdr, ...]


async def establish(n4: N4, upf: str, message: SessionEstablishmentRequest) -> tuple[N4Session, Created]:
    """Establish a PFCP session: it, and the F-TEIDs that the UPF chose."""
    response = await _ask(n4, upf, message, SessionEstablishmentResponse)
    if response.up_f_seid is None:
        raise RemoteProtocolError(Cause.CONDITIONAL_IE_MISSING, f"{upf} accepted a session without UP F-SEID")
    return N4Session(upf, message.cp_f_seid.seid, response.up_f_seid.seid), response.created_pdrs


async def modify(n4: N4, session: N4Session, message: SessionModificationRequest) -> SessionModificationResponse:
    """Modify a PFCP session."""
    return await _ask(n4, session.upf, message, SessionModificationResponse)


async def delete(n4: N4, session: N4Session) -> None:
    """Delete a PFCP session; one that is gone already is as good as deleted."""
    try:
        await _ask(n4, session.upf, rules.delete(session), SessionDeletionResponse)
    except UpfRejectedError as error:
        # An earlier answer was lost, or the UPF has restarted.
        if error.cause is not Cause.SESSION_CONTEXT_NOT_FOUND:
            raise


async def establish_step(
    run: Run, name: str, ports: Ports, session: PduSession, n4_session: N4Session
) -> tuple[N4Session, Created]:
    """Establish `session` at the UPF of `n4_session`, and undo it if this or a later step fails."""
    n4, upf = ports.n4, n4_session.upf
    request = rules.establish(session, n4_session, ports.address)

    async def disown() -> None:
        # Without an answer there is no SEID to delete by. Asked again with the same F-SEID, which names one session
        # only (TS 29.244 §5.6.2), the UPF replaces what it may have and tells.
        established, _ = await establish(n4, upf, request)
        await delete(n4, established)

    established, created = await run.step(name, establish(n4, upf, request), disown)
    run.replace_undo(lambda: delete(n4, established))
    return established, created


async def open_uplink(run: Run, name: str, n4: N4, session: PduSession, uplink: Uplink) -> Uplink:
    """Open a further way into the PSA, and close it if this or a later step fails."""
    response = await run.step(
        name,
        modify(n4, session.psa, rules.open_uplink(session, uplink)),
        lambda: modify(n4, session.psa, rules.close_uplink(session, uplink)),
    )
    return replace(uplink, f_teid=chosen(session.psa.upf, response.created_pdrs, uplink.pdr_id))


async def delete_leftovers(run: Run, n4: N4, session: PduSession) -> PduSession:
    """Try again to delete what earlier procedures left over, before it is in the way."""
    if not session.leftovers:
        return session
    for leftover in session.leftovers:
        await run.step("delete_leftover", delete(n4, leftover))
    session = replace(session, leftovers=())
    run.session = session
    return session


def chosen(upf: str, created: Iterable[CreatedPdr], pdr_id: int) -> FTeid:
    """The F-TEID that the UPF chose for a PDR; GTP-U runs over IPv4, and TEID 0 is for signalling (TS 29.281 §5.1)."""
    for pdr in created:
        if pdr.pdr_id == pdr_id and pdr.f_teid and pdr.f_teid.teid and int(pdr.f_teid.ipv4 or 0):
            return pdr.f_teid
    raise RemoteProtocolError(Cause.CONDITIONAL_IE_MISSING, f"{upf} chose no IPv4 F-TEID for PDR {pdr_id}")


async def _ask(n4: N4, upf: str, message: SessionMessage, expected: type[Answer]) -> Answer:
    response = await n4.request(upf, message)
    if not isinstance(response, expected):
        raise RemoteProtocolError(
            Cause.REQUEST_REJECTED, f"{upf} answered {type(message).__name__} with {type(response).__name__}"
        )
    if response.cause is not Cause.REQUEST_ACCEPTED:
        raise UpfRejectedError(upf, response.cause, type(message).__name__)
    return response
