"""The N4 messages of each situation, built in one place and pure; rulesets.py has the rules in them."""

from __future__ import annotations

from ipaddress import IPv4Address

from core_stub.pfcp.ies import (
    ApplyAction,
    FSeid,
    FTeid,
    Interface,
    InterfaceType,
    NodeId,
    PdnType,
    SeReqFlags,
    SmReqFlags,
    UpdateFar,
    UpdateUrr,
)
from core_stub.pfcp.messages import (
    SessionDeletionRequest,
    SessionEstablishmentRequest,
    SessionModificationRequest,
)
from core_stub.smf import rulesets
from core_stub.smf.rulesets import BAR, DOWNLINK_FAR, N9, UPLINK_FAR, pdr_id, qer_id, to_tunnel
from core_stub.smf.session import LocalPsa, N4Session, PduSession, QosFlow, UlCl, Uplink


def establish(
    session: PduSession, n4: N4Session, cp_address: IPv4Address, *, restoring: bool = False
) -> SessionEstablishmentRequest:
    """All of `session` at the UPF of `n4`.

    A session that the UPF has lost is restored under the UP SEID that it had (TS 23.527 §4.3, TS 29.244 §7.2.2.4.2).
    """
    rule_set = rulesets.at(session, n4)
    request = session.context.request
    return SessionEstablishmentRequest(
        seid=n4.up_seid if restoring else 0,
        node_id=NodeId(cp_address),
        cp_f_seid=FSeid(n4.cp_seid, cp_address),
        create_pdrs=rule_set.pdrs,
        create_fars=rule_set.fars,
        create_urrs=rule_set.urrs,
        create_qers=rule_set.qers,
        create_bars=rule_set.bars,
        # Without it Open5GS accepts the session and forwards nothing.
        pdn_type=PdnType.IPV4,
        apn_dnn=request.dnn,
        snssai=request.snssai,
        flags=SeReqFlags.RESTI if restoring else None,
    )


def send_downlink(
    n4: N4Session, to: FTeid, interface_type: InterfaceType, *, end_marker: bool = False
) -> SessionModificationRequest:
    """Send all downlink into the tunnel `to`: the gNB's on N3, or the UL CL's on N9.

    An end marker tells the old receiver that nothing more follows (TS 23.501 §5.8.2.9).
    """
    forwarding = to_tunnel(Interface.ACCESS, to, interface_type, end_marker=end_marker)
    return SessionModificationRequest(n4.up_seid, update_fars=(UpdateFar(DOWNLINK_FAR, ApplyAction.FORW, forwarding),))


def buffer_downlink(n4: N4Session, *, drop_buffered: bool = False) -> SessionModificationRequest:
    """Buffer downlink and report the first packet; those buffered so far can be thrown away (TS 29.244 §5.2.4)."""
    far = UpdateFar(DOWNLINK_FAR, ApplyAction.BUFF | ApplyAction.NOCP, bar_id=BAR)
    flags = SmReqFlags.DROBU if drop_buffered else None
    return SessionModificationRequest(n4.up_seid, update_fars=(far,), flags=flags)


def send_uplink_to_psa(n4: N4Session, psa: FTeid) -> SessionModificationRequest:
    """Make a UL CL send uplink to another PSA."""
    forwarding = to_tunnel(Interface.CORE, psa, N9)
    return SessionModificationRequest(n4.up_seid, update_fars=(UpdateFar(UPLINK_FAR, ApplyAction.FORW, forwarding),))


def open_uplink(session: PduSession, uplink: Uplink) -> SessionModificationRequest:
    """A further way into the PSA, with an F-TEID of its own."""
    return SessionModificationRequest(session.psa.up_seid, create_pdrs=rulesets.uplink_pdrs(session, uplink))


def close_uplink(session: PduSession, uplink: Uplink) -> SessionModificationRequest:
    """Take a way into the PSA away."""
    pdrs = tuple(pdr_id(flow, uplink.pdr_id) for flow in session.all_flows)
    return SessionModificationRequest(session.psa.up_seid, remove_pdrs=pdrs)


def add_flow(session: PduSession, n4: N4Session, flow: QosFlow) -> SessionModificationRequest:
    """A QoS flow at the PSA or the UL CL."""
    rules = rulesets.of_flow(rulesets.joining(session, n4), n4, flow)
    return SessionModificationRequest(
        n4.up_seid, create_pdrs=rules.pdrs, create_urrs=rules.urrs, create_qers=rules.qers
    )


def remove_flow(session: PduSession, n4: N4Session, flow: QosFlow) -> SessionModificationRequest:
    """The same flow, gone again."""
    rules = rulesets.of_flow(session, n4, flow)
    return SessionModificationRequest(
        n4.up_seid,
        remove_pdrs=tuple(pdr.pdr_id for pdr in rules.pdrs),
        remove_urrs=tuple(urr.urr_id for urr in rules.urrs),
        remove_qers=(qer_id(flow),),
    )


def remove_branch(ulcl: UlCl, local_psa: LocalPsa) -> SessionModificationRequest:
    """Make a UL CL treat the flows of a local PSA like all others."""
    number = local_psa.number
    return SessionModificationRequest(ulcl.n4.up_seid, remove_pdrs=(number,), remove_fars=(number,))


def grant(n4: N4Session, urrs: tuple[UpdateUrr, ...]) -> SessionModificationRequest:
    """More quota."""
    return SessionModificationRequest(n4.up_seid, update_urrs=urrs)


def delete(n4: N4Session) -> SessionDeletionRequest:
    """End a PFCP session."""
    return SessionDeletionRequest(n4.up_seid)
