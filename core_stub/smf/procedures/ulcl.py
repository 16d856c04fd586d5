"""The UL CL: its insertion, relocation and removal, TS 23.502 §4.3.5.4 to §4.3.5.7."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from core_stub.pfcp.ies import FTeid
from core_stub.pfcp.messages import SessionModificationRequest
from core_stub.smf import rules, rulesets
from core_stub.smf.procedures.steps import (
    chosen,
    delete,
    delete_leftovers,
    establish_step,
    modify,
    open_uplink,
)
from core_stub.smf.rulesets import (
    FIRST_UPLINK_PDR,
    N3,
    N9,
    ULCL_DEFAULT_PDR,
    ULCL_FIRST_BRANCH,
    ULCL_N9_DOWNLINK_PDR,
    new_uplink,
    wanted,
)
from core_stub.smf.run import N4, Ports, Run
from core_stub.smf.session import LocalPsa, N4Session, PduSession, State, UlCl


@dataclass(frozen=True)
class Branch:
    """A local PSA on N9 that is to be, and the flows that leave there (TS 29.212 §5.4.2)."""

    n4: N4Session
    flow_descriptions: tuple[str, ...]


@dataclass(frozen=True)
class Insertion:
    """A UL CL that is to be: our end of N4 with its UPF, the flows that leave there, and its local PSAs on N9."""

    n4: N4Session
    flow_descriptions: tuple[str, ...]
    branches: tuple[Branch, ...] = ()


async def insert_ulcl(ports: Ports, session: PduSession, insertion: Insertion) -> PduSession:
    """Addition of a UL CL and additional PSAs, §4.3.5.4."""
    session = with_next_pdr(session)
    async with Run(ports, "ulcl_insertion", session.context, session) as run:
        session = await delete_leftovers(run, ports.n4, session)
        # Step 3 hands the PSA's CN Tunnel Info to the UL CL, so the PSA has to choose it first.
        new = new_uplink(session.last_pdr_id, N9)
        uplink = await open_uplink(run, "open_n9_uplink", ports.n4, session, new)
        ulcl = await _put_in(run, ports, session, replace(session, uplink=uplink), insertion)
        inserted = replace(session, uplink=uplink, ulcl=ulcl, state=State.LOCAL_BREAKOUT)
        run.commit(inserted)
        closing = rules.close_uplink(session, session.uplink)
        await run.step("close_n3_uplink", modify(ports.n4, session.psa, closing))
    return inserted


async def relocate_ulcl(ports: Ports, session: PduSession, ulcl: UlCl, insertion: Insertion) -> PduSession:
    """Simultaneous change of UL CL and additional PSAs, §4.3.5.7: from `ulcl`, the session's, to another UPF.

    The PSA keeps its way in on N9: both UL CLs send there as long as there are two.
    """
    async with Run(ports, "ulcl_relocation", session.context, session) as run:
        session = await delete_leftovers(run, ports.n4, session)
        target = await _put_in(run, ports, session, session, insertion)
        await _delete_old(run, ports.n4, replace(session, ulcl=target), ulcl)
    return replace(session, ulcl=target)


async def remove_ulcl(ports: Ports, session: PduSession, ulcl: UlCl) -> PduSession:
    """Removal of the UL CL and its local PSAs, §4.3.5.5; `ulcl` is the session's."""
    n4, psa = ports.n4, session.psa
    session = with_next_pdr(session)
    async with Run(ports, "ulcl_removal", session.context, session) as run:
        # The PSA that stays chooses the CN Tunnel Info that the gNB is told next.
        uplink = await open_uplink(run, "open_n3_uplink", n4, session, new_uplink(session.last_pdr_id, N3))
        removed = replace(session, uplink=uplink, ulcl=None, state=State.ACTIVE)

        async def uplink_back() -> None:
            await ports.ran.switch_n3(session, session.n3)
            await ports.sleep(ports.guard_s)

        await run.step("switch_n3_to_psa", ports.ran.switch_n3(session, uplink.f_teid), uplink_back)
        # The PSA that stays gets the AN Tunnel Info for downlink.
        await run.step(
            "move_downlink_to_gnb",
            modify(n4, psa, downlink_at_psa(removed)),
            lambda: modify(n4, psa, downlink_at_psa(session)),
        )
        await run.step("guard", ports.sleep(ports.guard_s))
        await _delete_old(run, n4, removed, ulcl)
        await run.step("close_n9_uplink", modify(n4, psa, rules.close_uplink(session, session.uplink)))
    return removed


async def _put_in(run: Run, ports: Ports, before: PduSession, after: PduSession, insertion: Insertion) -> UlCl:
    """A UL CL for `after`, whose way into the PSA is open; `before` is what a failure goes back to."""
    n4, psa = ports.n4, before.psa
    ulcl = await _establish(run, ports, before.ulcl, after, insertion)

    async def downlink_back() -> None:
        await modify(n4, psa, downlink_at_psa(before))
        await ports.sleep(ports.guard_s)

    # Step 4: the PSA gets the UL CL's CN Tunnel Info for downlink.
    redirection = modify(n4, psa, downlink_at_psa(replace(after, ulcl=ulcl)))
    await run.step("move_downlink_to_ulcl", redirection, downlink_back)
    # Step 6: the gNB gets the UL CL's CN Tunnel Info for uplink.
    switch = ports.ran.switch_n3(before, ulcl.n3)
    await run.step("switch_n3_to_ulcl", switch, lambda: ports.ran.switch_n3(before, before.n3))
    await run.step("guard", ports.sleep(ports.guard_s))
    return ulcl


async def _establish(run: Run, ports: Ports, old: UlCl | None, session: PduSession, insertion: Insertion) -> UlCl:
    """Steps 2 and 3: first the local PSAs, whose CN Tunnel Info the UL CL gets, then the UL CL, then they get its own.

    Where the flows leave at the UL CL's own N6, additional PSA and UL CL are one. Local PSAs of the `old` UL CL that
    stay keep their way in, like the PSA.
    """
    draft = UlCl(insertion.n4, wanted(ULCL_DEFAULT_PDR), wanted(ULCL_N9_DOWNLINK_PDR), insertion.flow_descriptions)
    staying = {local.n4.upf: local for local in old.local_psas} if old else {}
    local_psas = []
    for number, branch in enumerate(insertion.branches, ULCL_FIRST_BRANCH):
        local = staying.get(branch.n4.upf)
        if local is None:
            local = await _establish_local_psa(run, ports, replace(session, ulcl=draft), branch)
        local_psas.append(replace(local, number=number, flow_descriptions=branch.flow_descriptions))
    draft = replace(draft, local_psas=tuple(local_psas))
    edge, created = await establish_step(run, "establish_ulcl", ports, replace(session, ulcl=draft), insertion.n4)
    n3, n9 = (chosen(edge.upf, created, pdr_id) for pdr_id in (ULCL_DEFAULT_PDR, ULCL_N9_DOWNLINK_PDR))
    for local in local_psas:
        back = _local_downlink(ports.n4, local, old.n9) if old and local.n4.upf in staying else None
        await run.step("send_local_downlink_to_ulcl", _local_downlink(ports.n4, local, n9)(), back)
    return replace(draft, n4=edge, n3=n3, n9=n9)


async def _establish_local_psa(run: Run, ports: Ports, session: PduSession, branch: Branch) -> LocalPsa:
    """A local PSA for `session`, whose UL CL is still a draft; so it has no downlink yet."""
    assert session.ulcl is not None
    local = LocalPsa(ULCL_FIRST_BRANCH, branch.n4, new_uplink(FIRST_UPLINK_PDR, N9), branch.flow_descriptions)
    draft = replace(session, ulcl=replace(session.ulcl, local_psas=(local,)))
    n4, created = await establish_step(run, "establish_local_psa", ports, draft, branch.n4)
    f_teid = chosen(n4.upf, created, FIRST_UPLINK_PDR)
    return replace(local, n4=n4, uplink=replace(local.uplink, f_teid=f_teid))


def _local_downlink(n4: N4, local: LocalPsa, ulcl: FTeid) -> Callable[[], Awaitable[object]]:
    return lambda: modify(n4, local.n4, rules.send_downlink(local.n4, ulcl, N9))


async def _delete_old(run: Run, n4: N4, session: PduSession, ulcl: UlCl) -> None:
    """From here on the session is `session`, without `ulcl`, which is released with those local PSAs that go too."""
    old = tuple(n4 for n4 in (ulcl.n4, *(local.n4 for local in ulcl.local_psas)) if n4 not in session.n4_sessions)
    run.commit(replace(session, leftovers=(*session.leftovers, *old)))
    for number, n4_session in enumerate(old, 1):
        await run.step("delete_ulcl" if number == 1 else "delete_local_psa", delete(n4, n4_session))
        run.commit(replace(session, leftovers=(*session.leftovers, *old[number:])))


def with_next_pdr(session: PduSession) -> PduSession:
    """With a PDR ID for another way into the PSA. After the last one the first is free again."""
    last = session.last_pdr_id
    return replace(session, last_pdr_id=last + 1 if last < rulesets.LAST_PDR else FIRST_UPLINK_PDR)


def downlink_at_psa(session: PduSession) -> SessionModificationRequest:
    """Where the PSA has to send the session's downlink."""
    if session.ulcl is not None:
        return rules.send_downlink(session.psa, session.ulcl.n9, N9)
    if session.gnb_f_teid is not None:
        return rules.send_downlink(session.psa, session.gnb_f_teid, N3)
    return rules.buffer_downlink(session.psa)
