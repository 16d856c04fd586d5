"""The N4 messages of each situation, built in one place and pure.

The rules are laid out as Open5GS does it, so that its UPF takes them (what it needs is noted where it is not obvious):

    at the PSA    PDR 1  downlink from N6                          → FAR 1  to the gNB, or to the UL CL on N9
                  PDR n  uplink; a new number and a new F-TEID
                         whenever the way in changes               → FAR 2  to N6
    at the UL CL  PDR 1  downlink from the local N6                → FAR 1  to the gNB
                  PDR 2  uplink that no filter takes               → FAR 2  to the PSA on N9
                  PDR 3  uplink of the SDF filters, same F-TEID    → FAR 3  to the local N6
                  PDR 4  downlink from the PSA on N9               → FAR 1

QER 1 carries the QFI that the UPF writes into the PDU Session Container, in both.
"""

from __future__ import annotations

from core_stub.pfcp.ies import (
    ApplyAction,
    CreateBar,
    CreateFar,
    CreatePdr,
    CreateQer,
    ForwardingParameters,
    FSeid,
    FTeid,
    Interface,
    InterfaceType,
    NodeId,
    OuterHeaderCreation,
    OuterHeaderCreationDescription,
    OuterHeaderRemoval,
    Pdi,
    PdnType,
    SdfFilter,
    UeIpAddress,
    UpdateFar,
)
from core_stub.pfcp.messages import (
    SessionDeletionRequest,
    SessionEstablishmentRequest,
    SessionModificationRequest,
)
from core_stub.smf.session import CpEnd, N4Session, PduSession, SmContext

DOWNLINK_PDR = 1
FIRST_UPLINK_PDR = 2
ULCL_DEFAULT_PDR = 2
ULCL_LOCAL_PDR = 3
ULCL_N9_DOWNLINK_PDR = 4

DOWNLINK_FAR = 1
UPLINK_FAR = 2
LOCAL_FAR = 3

QER = 1
BAR = 1

# TS 23.501 §5.8.2.11.3: the lowest value is tried first. Open5GS gives its default flow 65535.
DEFAULT_PRECEDENCE = 65535
LOCAL_PRECEDENCE = 100

# §8.2.3: PDRs with the same CHOOSE ID share an F-TEID, for Open5GS over the whole life of a session. A PDR that must
# have an F-TEID of its own therefore goes without.
_SHARED_CHOOSE_ID = 5

N3 = InterfaceType.N3_3GPP_ACCESS
# A PSA of Open5GS sends what comes in from "N9" (15) nowhere: it knows N9 as "N9 for roaming" (21) only.
N9 = InterfaceType.N9_FOR_ROAMING
N6 = InterfaceType.N6


def establish_psa(context: SmContext, cp: CpEnd) -> SessionEstablishmentRequest:
    """A session at its PSA, as yet without a gNB: downlink is buffered and the SMF told of it."""
    pdrs = (_n6_downlink_pdr(context), _uplink_pdr(context, FIRST_UPLINK_PDR, N3))
    fars = (
        CreateFar(DOWNLINK_FAR, ApplyAction.BUFF | ApplyAction.NOCP, bar_id=BAR),
        _to_n6(UPLINK_FAR, context.request.dnn),
    )
    return _establish(context, cp, pdrs, fars, (CreateBar(BAR),))


def establish_ulcl(
    context: SmContext, cp: CpEnd, *, flow_descriptions: tuple[str, ...], gnb: FTeid, psa: FTeid
) -> SessionEstablishmentRequest:
    """A UL CL and local PSA in one UPF, between `gnb` (N3) and `psa` (N9)."""
    filters = tuple(SdfFilter(description) for description in flow_descriptions)
    pdrs = (
        _n6_downlink_pdr(context),
        _uplink_pdr(context, ULCL_DEFAULT_PDR, N3, choose_id=_SHARED_CHOOSE_ID),
        _uplink_pdr(context, ULCL_LOCAL_PDR, N3, choose_id=_SHARED_CHOOSE_ID, filters=filters),
        _n9_downlink_pdr(context.request.dnn),
    )
    fars = (
        CreateFar(DOWNLINK_FAR, ApplyAction.FORW, _to_tunnel(Interface.ACCESS, gnb, N3)),
        CreateFar(UPLINK_FAR, ApplyAction.FORW, _to_tunnel(Interface.CORE, psa, N9)),
        _to_n6(LOCAL_FAR, context.request.dnn),
    )
    return _establish(context, cp, pdrs, fars)


def send_downlink(n4: N4Session, to: FTeid, interface_type: InterfaceType) -> SessionModificationRequest:
    """Send all downlink into the tunnel `to`: the gNB's on N3, or the UL CL's on N9."""
    forwarding = _to_tunnel(Interface.ACCESS, to, interface_type)
    return SessionModificationRequest(n4.up_seid, update_fars=(UpdateFar(DOWNLINK_FAR, ApplyAction.FORW, forwarding),))


def open_uplink(session: PduSession, pdr_id: int, interface_type: InterfaceType) -> SessionModificationRequest:
    """A further way into the PSA, with an F-TEID of its own."""
    pdr = _uplink_pdr(session.context, pdr_id, interface_type)
    return SessionModificationRequest(session.psa.up_seid, create_pdrs=(pdr,))


def close_uplink(session: PduSession, pdr_id: int) -> SessionModificationRequest:
    """Take a way into the PSA away."""
    return SessionModificationRequest(session.psa.up_seid, remove_pdrs=(pdr_id,))


def delete(n4: N4Session) -> SessionDeletionRequest:
    """End a PFCP session."""
    return SessionDeletionRequest(n4.up_seid)


def _establish(
    context: SmContext,
    cp: CpEnd,
    pdrs: tuple[CreatePdr, ...],
    fars: tuple[CreateFar, ...],
    bars: tuple[CreateBar, ...] = (),
) -> SessionEstablishmentRequest:
    return SessionEstablishmentRequest(
        seid=0,
        node_id=NodeId(cp.address),
        cp_f_seid=FSeid(cp.seid, cp.address),
        create_pdrs=pdrs,
        create_fars=fars,
        create_qers=(CreateQer(QER, qfi=context.qfi),),
        create_bars=bars,
        # Without it Open5GS accepts the session and forwards nothing.
        pdn_type=PdnType.IPV4,
        apn_dnn=context.request.dnn,
        snssai=context.request.snssai,
    )


def _n6_downlink_pdr(context: SmContext) -> CreatePdr:
    pdi = Pdi(
        Interface.CORE,
        network_instance=context.request.dnn,
        ue_ip_address=UeIpAddress(context.ue_ipv4, is_destination=True),
        source_interface_type=N6,
    )
    return CreatePdr(DOWNLINK_PDR, DEFAULT_PRECEDENCE, pdi, DOWNLINK_FAR, qer_ids=(QER,))


def _uplink_pdr(
    context: SmContext,
    pdr_id: int,
    interface_type: InterfaceType,
    choose_id: int | None = None,
    filters: tuple[SdfFilter, ...] = (),
) -> CreatePdr:
    """Uplink to FAR 2, or what `filters` take to FAR 3."""
    pdi = Pdi(
        # TS 29.244 §8.2.2, note 1: "Access" says uplink, on N9 as well as on N3.
        Interface.ACCESS,
        f_teid=FTeid(choose=True, choose_ipv4=True, choose_id=choose_id),
        network_instance=context.request.dnn,
        sdf_filters=filters,
        qfis=(context.qfi,),
        source_interface_type=interface_type,
    )
    precedence, far_id = (LOCAL_PRECEDENCE, LOCAL_FAR) if filters else (DEFAULT_PRECEDENCE, UPLINK_FAR)
    return CreatePdr(pdr_id, precedence, pdi, far_id, OuterHeaderRemoval.GTPU_UDP_IP, qer_ids=(QER,))


def _n9_downlink_pdr(dnn: str) -> CreatePdr:
    pdi = Pdi(
        Interface.CORE,
        f_teid=FTeid(choose=True, choose_ipv4=True),
        network_instance=dnn,
        source_interface_type=N9,
    )
    removal = OuterHeaderRemoval.GTPU_UDP_IP
    return CreatePdr(ULCL_N9_DOWNLINK_PDR, DEFAULT_PRECEDENCE, pdi, DOWNLINK_FAR, removal, qer_ids=(QER,))


def _to_n6(far_id: int, dnn: str) -> CreateFar:
    forwarding = ForwardingParameters(Interface.CORE, dnn, destination_interface_type=N6)
    return CreateFar(far_id, ApplyAction.FORW, forwarding)


def _to_tunnel(interface: Interface, to: FTeid, interface_type: InterfaceType) -> ForwardingParameters:
    header = OuterHeaderCreation(OuterHeaderCreationDescription.GTPU_UDP_IPV4, to.teid, to.ipv4)
    return ForwardingParameters(interface, outer_header_creation=header, destination_interface_type=interface_type)
