"""What follows when a UPF has restarted or died: restoration (TS 23.527 §4.3), or another UPF in its place.

A session's part at a UPF is derived from the session alone, so it can be established again there as it was, or at
another UPF with F-TEIDs of that one. Nothing has to be closed at a UPF that has forgotten everything.
"""

from __future__ import annotations

from dataclasses import replace

from core_stub.errors import RemoteProtocolError
from core_stub.pfcp.ies import Cause, CreatedPdr
from core_stub.pfcp.messages import SessionEstablishmentRequest
from core_stub.smf import rules
from core_stub.smf.procedures.steps import chosen, delete, establish, establish_step, modify, open_uplink
from core_stub.smf.procedures.ulcl import downlink_at_psa, with_next_pdr
from core_stub.smf.rulesets import FIRST_UPLINK_PDR, N3, N9, new_uplink
from core_stub.smf.run import Ports, Run
from core_stub.smf.session import LocalPsa, N4Session, PduSession, State, UlCl


async def restore(ports: Ports, session: PduSession, n4: N4Session) -> PduSession:
    """Establish the session's part at a UPF that has lost it, under the same SEIDs, addresses and F-TEIDs."""
    async with Run(ports, "restoration", session.context, session) as run:
        request = rules.establish(session, n4, ports.address, restoring=True)
        established, created = await run.step("restore", establish(ports.n4, n4.upf, request))
        _check_kept(request, created)
    return session.with_n4(replace(established, restored=True))


def _check_kept(request: SessionEstablishmentRequest, created: tuple[CreatedPdr, ...]) -> None:
    """F-TEIDs that were named must not have been chosen anew: gNB and peers send to the old ones."""
    named = {pdr.pdr_id: pdr.pdi.f_teid for pdr in request.create_pdrs}
    for pdr in created:
        f_teid = named.get(pdr.pdr_id)
        if pdr.f_teid is not None and f_teid is not None and pdr.f_teid.teid != f_teid.teid:
            detail = f"PDR {pdr.pdr_id} was to have TEID {f_teid.teid:#x}"
            raise RemoteProtocolError(Cause.INVALID_F_TEID_ALLOCATION_OPTION, detail)


async def replace_psa(ports: Ports, session: PduSession, psa: N4Session) -> PduSession:
    """Another PSA with the same UE address, in place of one that is gone."""
    ulcl = session.ulcl
    uplink = new_uplink(FIRST_UPLINK_PDR, N9 if ulcl else N3)
    draft = replace(session, psa=psa, uplink=uplink, last_pdr_id=FIRST_UPLINK_PDR)
    async with Run(ports, "psa_replacement", session.context, session) as run:
        n4, created = await establish_step(run, "establish_psa", ports, draft, psa)
        uplink = replace(uplink, f_teid=chosen(n4.upf, created, FIRST_UPLINK_PDR))
        replaced = replace(draft, psa=n4, uplink=uplink)
        if ulcl is not None:
            message = rules.send_uplink_to_psa(ulcl.n4, uplink.f_teid)
            await run.step("move_uplink_to_psa", modify(ports.n4, ulcl.n4, message))
        elif session.gnb_f_teid is not None:
            await run.step("switch_n3_to_psa", ports.ran.switch_n3(session, uplink.f_teid))
    return replaced


async def bypass_ulcl(ports: Ports, session: PduSession, ulcl: UlCl) -> PduSession:
    """The UL CL is gone: gNB and PSA reach each other without it. An idle UE learns where with its service request."""
    n4, psa = ports.n4, session.psa
    session = with_next_pdr(session)
    async with Run(ports, "ulcl_bypass", session.context, session) as run:
        uplink = await open_uplink(run, "open_n3_uplink", n4, session, new_uplink(session.last_pdr_id, N3))
        bypassed = replace(without_ulcl(session), uplink=uplink, leftovers=session.leftovers)
        await run.step("move_downlink", modify(n4, psa, downlink_at_psa(bypassed)))
        if session.gnb_f_teid is not None:
            await run.step("switch_n3_to_psa", ports.ran.switch_n3(session, uplink.f_teid))
        run.commit(replace(without_ulcl(session), uplink=uplink))
        for local_psa in ulcl.local_psas:
            await run.step("delete_local_psa", delete(n4, local_psa.n4))
        run.commit(bypassed)
        await run.step("close_n9_uplink", modify(n4, psa, rules.close_uplink(session, session.uplink)))
    return bypassed


def without_ulcl(session: PduSession) -> PduSession:
    """The UL CL is gone; what is left of it are its local PSAs."""
    left = tuple(local_psa.n4 for local_psa in session.ulcl.local_psas) if session.ulcl else ()
    state = State.INACTIVE if session.gnb_f_teid is None else State.ACTIVE
    return replace(session, ulcl=None, state=state, leftovers=(*session.leftovers, *left))


async def drop_local_psa(ports: Ports, session: PduSession, ulcl: UlCl, local_psa: LocalPsa) -> PduSession:
    """A local PSA is gone: its flows go to the PSA like all others."""
    async with Run(ports, "local_psa_removal", session.context, session) as run:
        await run.step("remove_branch", modify(ports.n4, ulcl.n4, rules.remove_branch(ulcl, local_psa)))
    left = tuple(other for other in ulcl.local_psas if other != local_psa)
    return replace(session, ulcl=replace(ulcl, local_psas=left))
