"""A session's life: TS 23.502 §4.3.2, §4.2.3 (service request), §4.2.6 (AN release), §4.9.1.2 (path switch), §4.3.4."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from core_stub.pfcp.ies import FTeid, UpdateUrr
from core_stub.smf import rules
from core_stub.smf.procedures.steps import chosen, delete, delete_leftovers, establish_step, modify
from core_stub.smf.rulesets import FIRST_UPLINK_PDR, N3, new_uplink
from core_stub.smf.run import Ports, Run
from core_stub.smf.session import TRANSITIONS, N4Session, Operation, PduSession, QosFlow, SmContext, State


def draft(context: SmContext, psa: N4Session, flows: tuple[QosFlow, ...] = ()) -> PduSession:
    """A session that is still to be established, at the UPF of `psa`."""
    return PduSession(context, psa, new_uplink(FIRST_UPLINK_PDR, N3), last_pdr_id=FIRST_UPLINK_PDR, flows=flows)


async def establish(ports: Ports, session: PduSession) -> PduSession:
    """PDU session establishment, §4.3.2.2.1, of a draft, as far as the answer to the gNB (steps 10 to 12)."""
    async with Run(ports, "establishment", session.context) as run:
        # Steps 10a and 10b: N4 session establishment; the PSA chooses the CN Tunnel Info.
        n4, created = await establish_step(run, "establish_psa", ports, session, session.psa)
        uplink = replace(session.uplink, f_teid=chosen(n4.upf, created, FIRST_UPLINK_PDR))
    return replace(session, psa=n4, uplink=uplink)


async def activate(ports: Ports, session: PduSession, gnb: FTeid, gnb_url: str | None = None) -> PduSession:
    """The gNB's F-TEID has come: the rest of §4.3.2.2.1, a service request (§4.2.3.2), or a path switch (§4.9.1.2)."""
    is_switch = session.gnb_f_teid not in (None, gnb)
    async with Run(ports, "path_switch" if is_switch else "activation", session.context, session) as run:
        # AN Tunnel Info to the UPF, which starts to send downlink, after an end marker to the old gNB.
        message = rules.send_downlink(session.n3_upf, gnb, N3, end_marker=is_switch)
        await run.step("send_downlink_to_gnb", modify(ports.n4, session.n3_upf, message))
    context = session.context
    if gnb_url is not None:
        context = replace(context, request=replace(context.request, gnb=gnb_url))
    return replace(session, context=context, gnb_f_teid=gnb, state=TRANSITIONS[session.state, Operation.ACTIVATE])


async def deactivate(ports: Ports, session: PduSession) -> PduSession:
    """AN release, §4.2.6 (steps 6 and 7): the UPF on N3 buffers downlink, and tells of the first packet."""
    async with Run(ports, "deactivation", session.context, session) as run:
        message = rules.buffer_downlink(session.n3_upf)
        await run.step("buffer_downlink", modify(ports.n4, session.n3_upf, message))
    return replace(session, gnb_f_teid=None, state=TRANSITIONS[session.state, Operation.DEACTIVATE])


async def discard_buffered(ports: Ports, session: PduSession) -> None:
    """The UE was paged in vain (§4.2.3.3 step 6): its packets go, and the next one makes the UPF report again."""
    async with Run(ports, "discard", session.context, session) as run:
        message = rules.buffer_downlink(session.n3_upf, drop_buffered=True)
        await run.step("discard_buffered", modify(ports.n4, session.n3_upf, message))


async def grant(ports: Ports, session: PduSession, n4: N4Session, urrs: tuple[UpdateUrr, ...]) -> None:
    """More quota at one UPF (TS 32.255 §5.2.1.3, TS 29.244 §5.2.2.2.1)."""
    async with Run(ports, "quota", session.context, session) as run:
        await run.step("grant", modify(ports.n4, n4, rules.grant(n4, urrs)))


async def release(ports: Ports, session: PduSession, gone: Collection[str] = ()) -> PduSession:
    """PDU session release, §4.3.4.2; it can be repeated if it fails.

    UPFs that are `gone` cannot be asked: their parts ended with the association.
    """
    there = tuple(n4 for n4 in session.leftovers if n4.upf not in gone)
    async with Run(ports, "release", session.context, session) as run:
        # Steps 2a and 2b: N4 session release, at every UPF of the session.
        session = await delete_leftovers(run, ports.n4, replace(session, leftovers=there))
        for step, n4 in _parts(session):
            if n4.upf not in gone:
                await run.step(step, delete(ports.n4, n4))
    return replace(session, state=State.RELEASED)


def _parts(session: PduSession) -> Iterator[tuple[str, N4Session]]:
    """The PFCP sessions, each with the name of the step that deletes it."""
    if session.ulcl:
        yield "delete_ulcl", session.ulcl.n4
        yield from (("delete_local_psa", local_psa.n4) for local_psa in session.ulcl.local_psas)
    yield "delete_psa", session.psa
