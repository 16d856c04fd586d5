"""QoS flows: PDU session modification, TS 23.502 §4.3.3.2, as far as UPFs and gNB are concerned."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from core_stub.errors import RemoteProtocolError
from core_stub.pfcp.ies import Cause, CreatedPdr
from core_stub.smf import rules
from core_stub.smf.procedures.steps import modify
from core_stub.smf.run import Ports, Run
from core_stub.smf.session import N4Session, PduSession, QosFlow


async def add_flow(ports: Ports, session: PduSession, flow: QosFlow) -> PduSession:
    """A dedicated flow: first the UPFs know it, then the gNB may mark packets with its QFI."""
    flows = (*session.flows, flow)
    async with Run(ports, "flow_addition", session.context, session) as run:
        for n4 in _with_flows(session):
            response = await run.step(
                "add_flow",
                modify(ports.n4, n4, rules.add_flow(session, n4, flow)),
                _removal(ports, session, n4, flow),
            )
            _check_shared(session, n4, response.created_pdrs)
        await _tell_gnb(run, ports, session, flows)
    return replace(session, flows=flows)


async def remove_flow(ports: Ports, session: PduSession, flow: QosFlow) -> PduSession:
    """The flow's packets become those of the default flow, at the gNB first."""
    flows = tuple(other for other in session.flows if other != flow)
    async with Run(ports, "flow_removal", session.context, session) as run:
        await _tell_gnb(run, ports, session, flows)
        removed = replace(session, flows=flows)
        for n4 in _with_flows(session):
            await run.step(
                "remove_flow",
                modify(ports.n4, n4, rules.remove_flow(session, n4, flow)),
                _addition(ports, removed, n4, flow),
            )
    return removed


def _with_flows(session: PduSession) -> tuple[N4Session, ...]:
    return (session.psa, session.ulcl.n4) if session.ulcl else (session.psa,)


def _removal(ports: Ports, session: PduSession, n4: N4Session, flow: QosFlow) -> Callable[[], Awaitable[object]]:
    return lambda: modify(ports.n4, n4, rules.remove_flow(session, n4, flow))


def _addition(ports: Ports, session: PduSession, n4: N4Session, flow: QosFlow) -> Callable[[], Awaitable[object]]:
    return lambda: modify(ports.n4, n4, rules.add_flow(session, n4, flow))


async def _tell_gnb(run: Run, ports: Ports, session: PduSession, flows: tuple[QosFlow, ...]) -> None:
    """An idle UE is told with its next service request."""
    if session.gnb_f_teid is not None:
        tell = ports.ran.set_flows(session, flows)
        await run.step("tell_gnb", tell, lambda: ports.ran.set_flows(session, session.flows))


def _check_shared(session: PduSession, n4: N4Session, created: tuple[CreatedPdr, ...]) -> None:
    """The flow has to share the F-TEIDs of the session: the gNB sends to no other."""
    known = {session.uplink.f_teid} | ({session.ulcl.n3, session.ulcl.n9} if session.ulcl else set())
    for pdr in created:
        if pdr.f_teid is not None and pdr.f_teid not in known:
            detail = f"{n4.upf} gave PDR {pdr.pdr_id} an F-TEID of its own"
            raise RemoteProtocolError(Cause.INVALID_F_TEID_ALLOCATION_OPTION, detail)
