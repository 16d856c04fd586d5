"""What stands at each UPF of a session: all PDRs, FARs, QERs, URRs and the BAR, derived from the session alone; pure.

The rules are laid out as Open5GS does it, so that its UPF takes them (what it needs is noted where it is not obvious):

    at a PSA      PDR 1  downlink from N6                          → FAR 1  to the gNB, or to the UL CL on N9
                  PDR n  uplink; a new number and a new F-TEID
                         whenever the way in changes               → FAR 2  to N6
    at the UL CL  PDR 1  downlink from the local N6                → FAR 1  to the gNB
                  PDR 2  uplink that no filter takes               → FAR 2  to the PSA on N9
                  PDR 3  uplink of the SDF filters, same F-TEID    → FAR 3  to the local N6
                  PDR 4  downlink from the PSAs on N9              → FAR 1
                  PDR 11 uplink for the first local PSA on N9      → FAR 11, and so on

QER 1 carries the QFI that the UPF writes into the PDU Session Container, URR 1 what is charged. Those are the numbers
of the default flow. Another flow, in slot s, has the PDRs 100 s + n in their place, QER and URR s + 1 (an Open5GS UPF
dies of a URR ID above 8), and shares the FARs. All PDRs of one way in share its F-TEID.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from core_stub.pfcp.ies import (
    ApplyAction,
    CreateBar,
    CreateFar,
    CreatePdr,
    CreateQer,
    CreateUrr,
    ForwardingParameters,
    FTeid,
    Interface,
    InterfaceType,
    OuterHeaderCreation,
    OuterHeaderCreationDescription,
    OuterHeaderRemoval,
    Pdi,
    SdfFilter,
    UeIpAddress,
)
from core_stub.smf.charging import urr
from core_stub.smf.session import LocalPsa, N4Session, PduSession, QosFlow, UlCl, Uplink

DOWNLINK_PDR = 1
FIRST_UPLINK_PDR = 2
ULCL_DEFAULT_PDR = 2
ULCL_LOCAL_PDR = 3
ULCL_N9_DOWNLINK_PDR = 4
ULCL_FIRST_BRANCH = 11

DOWNLINK_FAR = 1
UPLINK_FAR = 2
LOCAL_FAR = 3
BAR = 1

FLOWS = 8
"""Slots of a session, the default flow's included."""
LAST_PDR = 99
"""Of the default flow."""

LOCAL_PRECEDENCE = 100
"""TS 23.501 §5.8.2.11.3: the lowest value is tried first. Open5GS gives its default flow 65535."""

N3 = InterfaceType.N3_3GPP_ACCESS
N9 = InterfaceType.N9_FOR_ROAMING
"""A PSA of Open5GS sends what comes in from "N9" (15) nowhere: it knows N9 as "N9 for roaming" (21) only."""
N6 = InterfaceType.N6


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules of a PFCP session, or those that are to be added to one."""

    pdrs: tuple[CreatePdr, ...] = ()
    fars: tuple[CreateFar, ...] = ()
    qers: tuple[CreateQer, ...] = ()
    urrs: tuple[CreateUrr, ...] = ()
    bars: tuple[CreateBar, ...] = ()

    def __add__(self, other: RuleSet) -> RuleSet:
        return RuleSet(
            self.pdrs + other.pdrs,
            self.fars + other.fars,
            self.qers + other.qers,
            self.urrs + other.urrs,
            self.bars + other.bars,
        )


def wanted(choose_id: int) -> FTeid:
    """An F-TEID that the UPF is to choose; what has the same CHOOSE ID shares it, over the whole life of a session.

    An F-TEID asked for without CHOOSE ID belongs to one PDR in Open5GS, and no other can share it later.
    """
    return FTeid(choose=True, choose_ipv4=True, choose_id=choose_id)


def new_uplink(pdr_id: int, interface_type: InterfaceType) -> Uplink:
    """A way into a PSA that is still to be opened."""
    return Uplink(pdr_id, wanted(pdr_id), interface_type)


def at(session: PduSession, n4: N4Session) -> RuleSet:
    """All rules of `session` at the UPF of `n4`, one of its PFCP sessions."""
    ulcl = session.ulcl
    if n4.upf == session.psa.upf:
        return _at_psa(session)
    assert ulcl is not None, "a session without UL CL has its PSA only"
    if n4.upf == ulcl.n4.upf:
        return _at_ulcl(session, ulcl)
    return _at_local_psa(session, ulcl, next(local for local in ulcl.local_psas if local.n4.upf == n4.upf))


def of_flow(session: PduSession, n4: N4Session, flow: QosFlow) -> RuleSet:
    """The rules of one flow at the UPF of `n4`; none at a local PSA, which has the default flow only."""
    ulcl = session.ulcl
    if n4.upf == session.psa.upf:
        return _flow_at_psa(session, session.uplink, flow)
    if ulcl is not None and n4.upf == ulcl.n4.upf:
        return _flow_at_ulcl(session, ulcl, flow)
    return RuleSet()


def joining(session: PduSession, n4: N4Session) -> PduSession:
    """`session` with F-TEIDs as PDRs have to ask for that are to share those which are there."""
    if n4.restored:
        return session
    if n4.upf == session.psa.upf:
        uplink = session.uplink
        return replace(session, uplink=replace(uplink, f_teid=wanted(uplink.pdr_id)))
    if session.ulcl is not None and n4.upf == session.ulcl.n4.upf:
        ulcl = replace(session.ulcl, n3=wanted(ULCL_DEFAULT_PDR), n9=wanted(ULCL_N9_DOWNLINK_PDR))
        return replace(session, ulcl=ulcl)
    return session


def downlink_far(session: PduSession) -> CreateFar:
    """FAR 1 of the UPF on N3: to the gNB, or buffered and the SMF told of it."""
    if session.gnb_f_teid is None:
        return CreateFar(DOWNLINK_FAR, ApplyAction.BUFF | ApplyAction.NOCP, bar_id=BAR)
    return CreateFar(DOWNLINK_FAR, ApplyAction.FORW, to_tunnel(Interface.ACCESS, session.gnb_f_teid, N3))


def uplink_pdrs(session: PduSession, uplink: Uplink) -> tuple[CreatePdr, ...]:
    """The PDRs of all flows for one way into the PSA."""
    return tuple(_uplink_pdr(session, uplink, flow, by_id=False) for flow in session.all_flows)


def pdr_id(flow: QosFlow, number: int) -> int:
    """The flow's PDR in the place of the default flow's PDR `number`."""
    return 100 * flow.slot + number


def qer_id(flow: QosFlow) -> int:
    """The flow's QER, and its URR too."""
    return flow.slot + 1


def to_n6(far_id: int, dnn: str) -> CreateFar:
    """To the data network."""
    forwarding = ForwardingParameters(Interface.CORE, dnn, destination_interface_type=N6)
    return CreateFar(far_id, ApplyAction.FORW, forwarding)


def to_tunnel(
    interface: Interface, to: FTeid, interface_type: InterfaceType, *, end_marker: bool = False
) -> ForwardingParameters:
    """Into a GTP-U tunnel; in an update, with an end marker into the one before it."""
    header = OuterHeaderCreation(OuterHeaderCreationDescription.GTPU_UDP_IPV4, to.teid, to.ipv4)
    return ForwardingParameters(
        interface,
        outer_header_creation=header,
        destination_interface_type=interface_type,
        send_end_marker=end_marker,
    )


# -- at each kind of UPF ----------------------------------------------------------------------------------------------


def _at_psa(session: PduSession) -> RuleSet:
    ulcl = session.ulcl
    far = downlink_far(session) if ulcl is None else _to_ulcl(ulcl)
    rules = RuleSet(fars=(far, to_n6(UPLINK_FAR, session.context.request.dnn)), bars=(CreateBar(BAR),))
    for flow in session.all_flows:
        rules += _flow_at_psa(session, session.uplink, flow)
    return rules


def _flow_at_psa(session: PduSession, uplink: Uplink, flow: QosFlow) -> RuleSet:
    pdrs = (_n6_downlink_pdr(session, flow), _uplink_pdr(session, uplink, flow, by_id=True))
    return RuleSet(pdrs, qers=(_qer(flow),), urrs=_urrs(flow))


def _at_ulcl(session: PduSession, ulcl: UlCl) -> RuleSet:
    default = session.context.default_flow
    to_psa = to_tunnel(Interface.CORE, session.uplink.f_teid, N9)
    fars = (downlink_far(session), CreateFar(UPLINK_FAR, ApplyAction.FORW, to_psa))
    rules = RuleSet(fars=fars, bars=(CreateBar(BAR),))
    if ulcl.flow_descriptions:
        local = _classified(session, ulcl, ULCL_LOCAL_PDR, LOCAL_FAR, ulcl.flow_descriptions)
        pdrs = (_n6_downlink_pdr(session, default), replace(local, urr_ids=_urr_ids(default)))
        rules += RuleSet(pdrs, (to_n6(LOCAL_FAR, session.context.request.dnn),), urrs=_urrs(default))
    for flow in session.all_flows:
        rules += _flow_at_ulcl(session, ulcl, flow)
    for local_psa in ulcl.local_psas:
        rules += _branch(session, ulcl, local_psa)
    return rules


def _flow_at_ulcl(session: PduSession, ulcl: UlCl, flow: QosFlow) -> RuleSet:
    """Both directions between gNB and PSA; charged is it at the PSA."""
    uplink = _tunnel_pdr(session, flow, ULCL_DEFAULT_PDR, N3, ulcl.n3)
    uplink = replace(uplink, far_id=UPLINK_FAR, pdi=replace(uplink.pdi, qfis=(flow.qfi,)))
    downlink = _tunnel_pdr(session, flow, ULCL_N9_DOWNLINK_PDR, N9, ulcl.n9)
    if flow.slot:
        downlink = replace(downlink, pdi=replace(downlink.pdi, qfis=(flow.qfi,)))
    return RuleSet((uplink, downlink), qers=(_qer(flow),))


def _branch(session: PduSession, ulcl: UlCl, local_psa: LocalPsa) -> RuleSet:
    """The rules of the UL CL that send a local PSA its flows."""
    number = local_psa.number
    pdr = _classified(session, ulcl, number, number, local_psa.flow_descriptions)
    forwarding = to_tunnel(Interface.CORE, local_psa.uplink.f_teid, N9)
    return RuleSet((pdr,), (CreateFar(number, ApplyAction.FORW, forwarding),))


def _at_local_psa(session: PduSession, ulcl: UlCl, local_psa: LocalPsa) -> RuleSet:
    fars = (_to_ulcl(ulcl), to_n6(UPLINK_FAR, session.context.request.dnn))
    return RuleSet(fars=fars) + _flow_at_psa(session, local_psa.uplink, session.context.default_flow)


def _to_ulcl(ulcl: UlCl) -> CreateFar:
    if ulcl.n9.choose:
        return CreateFar(DOWNLINK_FAR, ApplyAction.DROP)
    return CreateFar(DOWNLINK_FAR, ApplyAction.FORW, to_tunnel(Interface.ACCESS, ulcl.n9, N9))


# -- rules ------------------------------------------------------------------------------------------------------------


def _n6_downlink_pdr(session: PduSession, flow: QosFlow) -> CreatePdr:
    pdi = Pdi(
        Interface.CORE,
        network_instance=session.context.request.dnn,
        ue_ip_address=UeIpAddress(session.context.ue_ipv4, is_destination=True),
        sdf_filters=_filters(flow),
        source_interface_type=N6,
    )
    number = pdr_id(flow, DOWNLINK_PDR)
    return CreatePdr(number, flow.precedence, pdi, DOWNLINK_FAR, urr_ids=_urr_ids(flow), qer_ids=(qer_id(flow),))


def _uplink_pdr(session: PduSession, uplink: Uplink, flow: QosFlow, *, by_id: bool) -> CreatePdr:
    """Uplink to N6. `by_id`: the filters are named by the IDs that they have in the downlink PDR beside it.

    Those are taken from any PDR of the session that has them, in Open5GS with source and destination swapped once more,
    so a second uplink PDR has to have the descriptions again.
    """
    filters = tuple(SdfFilter(bidirectional_id=sdf.bidirectional_id) for sdf in _filters(flow))
    pdi = Pdi(
        # TS 29.244 §8.2.2, note 1: "Access" says uplink, on N9 as well as on N3.
        Interface.ACCESS,
        f_teid=uplink.f_teid,
        network_instance=session.context.request.dnn,
        sdf_filters=filters if by_id else tuple(map(SdfFilter, flow.flow_descriptions)),
        qfis=(flow.qfi,),
        source_interface_type=uplink.interface_type,
    )
    return CreatePdr(
        pdr_id(flow, uplink.pdr_id),
        flow.precedence,
        pdi,
        UPLINK_FAR,
        OuterHeaderRemoval.GTPU_UDP_IP,
        urr_ids=_urr_ids(flow),
        qer_ids=(qer_id(flow),),
    )


def _tunnel_pdr(
    session: PduSession, flow: QosFlow, number: int, interface_type: InterfaceType, f_teid: FTeid
) -> CreatePdr:
    """What comes out of a tunnel at the UL CL: uplink on N3, downlink on N9."""
    pdi = Pdi(
        Interface.ACCESS if interface_type is N3 else Interface.CORE,
        f_teid=f_teid,
        network_instance=session.context.request.dnn,
        source_interface_type=interface_type,
    )
    removal = OuterHeaderRemoval.GTPU_UDP_IP
    return CreatePdr(pdr_id(flow, number), flow.precedence, pdi, DOWNLINK_FAR, removal, qer_ids=(qer_id(flow),))


def _classified(
    session: PduSession, ulcl: UlCl, number: int, far_id: int, flow_descriptions: tuple[str, ...]
) -> CreatePdr:
    """Uplink that filters take out of what comes in on N3, whatever its QFI."""
    pdr = _tunnel_pdr(session, session.context.default_flow, number, N3, ulcl.n3)
    pdi = replace(pdr.pdi, sdf_filters=tuple(map(SdfFilter, flow_descriptions)))
    return replace(pdr, precedence=LOCAL_PRECEDENCE + number, pdi=pdi, far_id=far_id)


def _filters(flow: QosFlow) -> tuple[SdfFilter, ...]:
    """SDF filters with IDs that no other filter of the session has (§8.2.5)."""
    first = 100 * flow.slot + 1
    return tuple(SdfFilter(text, bidirectional_id=first + n) for n, text in enumerate(flow.flow_descriptions))


def _qer(flow: QosFlow) -> CreateQer:
    mbr, gbr = flow.mbr, flow.gbr
    return CreateQer(
        qer_id(flow),
        mbr_uplink_kbps=mbr.uplink if mbr else None,
        mbr_downlink_kbps=mbr.downlink if mbr else None,
        gbr_uplink_kbps=gbr.uplink if gbr else None,
        gbr_downlink_kbps=gbr.downlink if gbr else None,
        qfi=flow.qfi,
    )


def _urrs(flow: QosFlow) -> tuple[CreateUrr, ...]:
    return (urr(qer_id(flow), flow.charging),) if flow.charging else ()


def _urr_ids(flow: QosFlow) -> tuple[int, ...]:
    return (qer_id(flow),) if flow.charging else ()
