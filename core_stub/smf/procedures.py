"""Procedures of TS 23.502 on one PDU session, each a coroutine from the session as it is to the session as it becomes.

All are make before break: the new path is complete before the first packet is sent to it, and the old one stays for a
guard time, so that packets on their way find it. A failure raises ProcedureError; run.py says what is undone when.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from core_stub.errors import RemoteProtocolError
from core_stub.pfcp.ies import Cause, CreatedPdr, FTeid, InterfaceType
from core_stub.pfcp.messages import (
    SessionDeletionRequest,
    SessionDeletionResponse,
    SessionEstablishmentRequest,
    SessionEstablishmentResponse,
    SessionModificationRequest,
    SessionModificationResponse,
)
from core_stub.smf import rules
from core_stub.smf.run import N4, Ports, Run, UpfRejectedError, running
from core_stub.smf.session import CpEnd, N4Session, PduSession, SmContext, State, UlCl, Uplink

Answer = TypeVar("Answer", SessionEstablishmentResponse, SessionModificationResponse, SessionDeletionResponse)
SessionMessage = SessionEstablishmentRequest | SessionModificationRequest | SessionDeletionRequest


async def establish(ports: Ports, context: SmContext, psa: str, cp: CpEnd) -> PduSession:
    """PDU session establishment, §4.3.2.2.1, as far as the answer to the gNB (steps 10 to 12)."""
    async with running(ports, "establishment", context) as run:
        # Steps 10a and 10b: N4 session establishment; the PSA chooses the CN Tunnel Info.
        request = rules.establish_psa(context, cp)
        n4, f_teids = await _establish_step(run, "establish_psa", ports.n4, psa, request)
        uplink = Uplink(rules.FIRST_UPLINK_PDR, _chosen(psa, f_teids, rules.FIRST_UPLINK_PDR))
    return PduSession(context, n4, uplink, last_pdr_id=uplink.pdr_id)


async def activate(ports: Ports, session: PduSession, gnb: FTeid) -> PduSession:
    """The gNB's F-TEID has come: the rest of §4.3.2.2.1, and the same for a path switch (§4.9.1.2)."""
    async with running(ports, "activation", session.context, session) as run:
        # Steps 15 to 16b: AN Tunnel Info to the UPF, which starts to send downlink.
        action = _modify(ports.n4, session.n3_upf, rules.send_downlink(session.n3_upf, gnb, rules.N3))
        await run.step("send_downlink_to_gnb", action)
    state = State.ACTIVE if session.state is State.INACTIVE else session.state
    return replace(session, gnb_f_teid=gnb, state=state)


async def release(ports: Ports, session: PduSession) -> PduSession:
    """PDU session release, §4.3.4.2; it can be repeated if it fails."""
    async with running(ports, "release", session.context, session) as run:
        # Steps 2a and 2b: N4 session release, at every UPF of the session.
        session = await _delete_leftovers(run, ports.n4, session)
        if session.ulcl:
            await run.step("delete_ulcl", _delete(ports.n4, session.ulcl.n4))
        await run.step("delete_psa", _delete(ports.n4, session.psa))
    return replace(session, state=State.RELEASED)


@dataclass(frozen=True)
class Insertion:
    """The UL CL to insert: its UPF, our end of N4 with it, and the flows that leave there (TS 29.212 §5.4.2)."""

    upf: str
    cp: CpEnd
    flow_descriptions: tuple[str, ...]


async def insert_ulcl(
    ports: Ports, session: PduSession, gnb: FTeid, insertion: Insertion, guard_s: float
) -> PduSession:
    """Addition of a UL CL and additional PSA, §4.3.5.4; `gnb` is the session's AN Tunnel Info."""
    n4, psa = ports.n4, session.psa
    session = _with_next_pdr(session)
    async with running(ports, "ulcl_insertion", session.context, session) as run:
        session = await _delete_leftovers(run, n4, session)
        # Step 3 hands the PSA's CN Tunnel Info to the UL CL, so the PSA has to choose it first.
        uplink = await _open_uplink(run, n4, session, rules.N9, "open_n9_uplink")
        # Steps 2 and 3 in one, as additional PSA and UL CL are the same UPF.
        request = rules.establish_ulcl(
            session.context, insertion.cp, flow_descriptions=insertion.flow_descriptions, gnb=gnb, psa=uplink.f_teid
        )
        edge, f_teids = await _establish_step(run, "establish_ulcl", n4, insertion.upf, request)
        ulcl = UlCl(
            edge,
            n3=_chosen(edge.upf, f_teids, rules.ULCL_DEFAULT_PDR),
            n9=_chosen(edge.upf, f_teids, rules.ULCL_N9_DOWNLINK_PDR),
            flow_descriptions=insertion.flow_descriptions,
        )

        async def downlink_back() -> None:
            await _modify(n4, psa, rules.send_downlink(psa, gnb, rules.N3))
            await ports.sleep(guard_s)

        # Step 4: the PSA gets the UL CL's CN Tunnel Info for downlink.
        redirection = _modify(n4, psa, rules.send_downlink(psa, ulcl.n9, rules.N9))
        await run.step("move_downlink_to_ulcl", redirection, downlink_back)
        # Step 6: the gNB gets the UL CL's CN Tunnel Info for uplink.
        switch = ports.ran.switch_n3(session, ulcl.n3)
        await run.step("switch_n3_to_ulcl", switch, lambda: ports.ran.switch_n3(session, session.n3))
        await run.step("guard", ports.sleep(guard_s))
        inserted = replace(session, uplink=uplink, ulcl=ulcl, state=State.LOCAL_BREAKOUT)
        run.commit(inserted)
        await run.step("close_n3_uplink", _modify(n4, psa, rules.close_uplink(session, session.uplink.pdr_id)))
    return inserted


async def remove_ulcl(ports: Ports, session: PduSession, ulcl: UlCl, gnb: FTeid, guard_s: float) -> PduSession:
    """Removal of the UL CL and additional PSA, §4.3.5.5; `ulcl` and `gnb` are the session's."""
    n4, psa = ports.n4, session.psa
    session = _with_next_pdr(session)
    async with running(ports, "ulcl_removal", session.context, session) as run:
        # The PSA that stays chooses the CN Tunnel Info that the gNB is told next.
        uplink = await _open_uplink(run, n4, session, rules.N3, "open_n3_uplink")

        async def uplink_back() -> None:
            await ports.ran.switch_n3(session, session.n3)
            await ports.sleep(guard_s)

        await run.step("switch_n3_to_psa", ports.ran.switch_n3(session, uplink.f_teid), uplink_back)
        # The PSA that stays gets the AN Tunnel Info for downlink.
        await run.step(
            "move_downlink_to_gnb",
            _modify(n4, psa, rules.send_downlink(psa, gnb, rules.N3)),
            lambda: _modify(n4, psa, rules.send_downlink(psa, ulcl.n9, rules.N9)),
        )
        await run.step("guard", ports.sleep(guard_s))
        removed = replace(session, uplink=uplink, ulcl=None, state=State.ACTIVE)
        run.commit(replace(removed, leftovers=(*removed.leftovers, ulcl.n4)))
        # The UL CL and the additional PSA, one UPF here, are released.
        await run.step("delete_ulcl", _delete(n4, ulcl.n4))
        run.commit(removed)
        await run.step("close_n9_uplink", _modify(n4, psa, rules.close_uplink(session, session.uplink.pdr_id)))
    return removed


def _with_next_pdr(session: PduSession) -> PduSession:
    return replace(session, last_pdr_id=session.last_pdr_id + 1)


async def _delete_leftovers(run: Run, n4: N4, session: PduSession) -> PduSession:
    """Try again to delete what earlier procedures left over, before it is in the way."""
    for leftover in session.leftovers:
        await run.step("delete_leftover", _delete(n4, leftover))
    session = replace(session, leftovers=())
    run.session = session
    return session


async def _establish_step(
    run: Run, name: str, n4: N4, upf: str, request: SessionEstablishmentRequest
) -> tuple[N4Session, tuple[CreatedPdr, ...]]:
    """Establish, and undo it if this or a later step fails."""

    async def disown() -> None:
        # Without an answer there is no SEID to delete by. Asked again with the same F-SEID, which names one session
        # only (TS 29.244 §5.6.2), the UPF replaces what it may have and tells.
        established, _ = await _establish(n4, upf, request)
        await _delete(n4, established)

    n4_session, f_teids = await run.step(name, _establish(n4, upf, request), disown)
    run.replace_undo(lambda: _delete(n4, n4_session))
    return n4_session, f_teids


async def _open_uplink(run: Run, n4: N4, session: PduSession, interface_type: InterfaceType, name: str) -> Uplink:
    pdr_id = session.last_pdr_id
    response = await run.step(
        name,
        _modify(n4, session.psa, rules.open_uplink(session, pdr_id, interface_type)),
        lambda: _modify(n4, session.psa, rules.close_uplink(session, pdr_id)),
    )
    return Uplink(pdr_id, _chosen(session.psa.upf, response.created_pdrs, pdr_id))


async def _establish(
    n4: N4, upf: str, message: SessionEstablishmentRequest
) -> tuple[N4Session, tuple[CreatedPdr, ...]]:
    response = await _ask(n4, upf, message, SessionEstablishmentResponse)
    if response.up_f_seid is None:
        raise RemoteProtocolError(Cause.CONDITIONAL_IE_MISSING, f"{upf} accepted a session without UP F-SEID")
    return N4Session(upf, message.cp_f_seid.seid, response.up_f_seid.seid), response.created_pdrs


async def _modify(n4: N4, session: N4Session, message: SessionModificationRequest) -> SessionModificationResponse:
    return await _ask(n4, session.upf, message, SessionModificationResponse)


async def _delete(n4: N4, session: N4Session) -> None:
    try:
        await _ask(n4, session.upf, rules.delete(session), SessionDeletionResponse)
    except UpfRejectedError as error:
        # It is gone already: an earlier answer was lost, or the UPF has restarted.
        if error.cause is not Cause.SESSION_CONTEXT_NOT_FOUND:
            raise


async def _ask(n4: N4, upf: str, message: SessionMessage, expected: type[Answer]) -> Answer:
    response = await n4.request(upf, message)
    if not isinstance(response, expected):
        raise RemoteProtocolError(
            Cause.REQUEST_REJECTED, f"{upf} answered {type(message).__name__} with {type(response).__name__}"
        )
    if response.cause is not Cause.REQUEST_ACCEPTED:
        raise UpfRejectedError(upf, response.cause, type(message).__name__)
    return response


def _chosen(upf: str, created: Iterable[CreatedPdr], pdr_id: int) -> FTeid:
    """The F-TEID that the UPF chose for a PDR; GTP-U runs over IPv4."""
    for pdr in created:
        if pdr.pdr_id == pdr_id and pdr.f_teid is not None and pdr.f_teid.ipv4 is not None:
            return pdr.f_teid
    raise RemoteProtocolError(Cause.CONDITIONAL_IE_MISSING, f"{upf} chose no IPv4 F-TEID for PDR {pdr_id}")
