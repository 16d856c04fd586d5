"""A session's PDRs, FARs and QERs to the `Rules` of a user plane; what does not fit together is rejected here."""

from __future__ import annotations

from core_stub.errors import RemoteProtocolError
from core_stub.gtpu import PduType, Tunnel
from core_stub.pfcp.ies import (
    ApplyAction,
    Cause,
    CreateFar,
    CreatePdr,
    GateStatus,
    Interface,
    OuterHeaderCreation,
    OuterHeaderCreationDescription,
)
from core_stub.upf.rules import Action, Decapsulate, Drop, Encapsulate, Match, Rule
from core_stub.upf.sdf import FlowDescriptionError, FlowFilter, parse_flow_description
from core_stub.upf.session import RuleError, RuleType, Session

IE_FORWARDING_PARAMETERS = 4
IE_FAR_ID = 108
IE_SDF_FILTER = 23


def resolve(session: Session) -> tuple[Rule, ...]:
    """The rules of `session`, lowest precedence value first; RemoteProtocolError for what cannot be applied."""
    for far in session.fars.values():
        _check_far(far)
    descriptions = _descriptions(session)
    rules = [
        Rule(pdr.pdr_id, pdr.precedence, _match(session, pdr, descriptions), _action(session, pdr))
        for pdr in session.pdrs.values()
    ]
    return tuple(sorted(rules, key=lambda rule: (rule.precedence, rule.pdr_id)))


def _check_far(far: CreateFar) -> None:
    if ApplyAction.FORW not in far.apply_action:
        return
    if far.forwarding is None or far.forwarding.destination_interface is None:
        raise RemoteProtocolError(
            Cause.CONDITIONAL_IE_MISSING, f"FAR {far.far_id} forwards and does not say where", IE_FORWARDING_PARAMETERS
        )
    creation = far.forwarding.outer_header_creation
    if creation is None:
        if far.forwarding.destination_interface in (Interface.ACCESS, Interface.CP_FUNCTION):
            raise RuleError(RuleType.FAR, far.far_id, "no Outer Header Creation, which this interface needs")
        return
    if OuterHeaderCreationDescription.GTPU_UDP_IPV4 not in creation.description:
        raise RuleError(RuleType.FAR, far.far_id, f"{creation.description!r}; this UPF creates GTP-U over IPv4")
    if creation.teid is None or creation.ipv4 is None:
        raise RuleError(RuleType.FAR, far.far_id, "Outer Header Creation without TEID or IPv4 address")


def _descriptions(session: Session) -> dict[int, str]:
    """SDF Filter ID → flow description (§8.2.5): a filter with the ID alone means the one that came with both."""
    return {
        sdf.bidirectional_id: sdf.flow_description
        for pdr in session.pdrs.values()
        for sdf in pdr.pdi.sdf_filters
        if sdf.bidirectional_id is not None and sdf.flow_description is not None
    }


def _match(session: Session, pdr: CreatePdr, descriptions: dict[int, str]) -> Match:
    pdi = pdr.pdi
    f_teid = session.f_teids.get(pdr.pdr_id)
    ue = pdi.ue_ip_address
    # From a tunnel the UE address is checked where it is the source (§8.2.62, S/D): nobody borrows another's.
    ue_address = ue.ipv4 if ue and (f_teid is None or not ue.is_destination) else None
    return Match(f_teid.teid if f_teid else None, ue_address, _filters(pdr, descriptions), pdi.qfis)


def _filters(pdr: CreatePdr, descriptions: dict[int, str]) -> tuple[FlowFilter, ...]:
    filters = []
    for sdf in pdr.pdi.sdf_filters:
        if (sdf.traffic_class, sdf.spi, sdf.flow_label) != (None, None, None):
            # Without them the filter would match more than was asked for.
            detail = f"PDR {pdr.pdr_id}: SDF filter by traffic class, SPI or flow label"
            raise RemoteProtocolError(Cause.SERVICE_NOT_SUPPORTED, detail, IE_SDF_FILTER)
        description = sdf.flow_description or descriptions.get(sdf.bidirectional_id or 0)
        if description is None:
            raise RuleError(RuleType.PDR, pdr.pdr_id, f"SDF Filter ID {sdf.bidirectional_id} without a description")
        try:
            flow_filter = parse_flow_description(description)
        except FlowDescriptionError as error:
            raise RuleError(RuleType.PDR, pdr.pdr_id, str(error)) from error
        # §5.2.1A.2A: descriptions are written for the downlink.
        filters.append(flow_filter.swapped() if _is_uplink(pdr) else flow_filter)
    return tuple(filters)


def _is_uplink(pdr: CreatePdr) -> bool:
    return pdr.pdi.source_interface is Interface.ACCESS


def _action(session: Session, pdr: CreatePdr) -> Action:
    if pdr.far_id is None:
        raise RemoteProtocolError(Cause.CONDITIONAL_IE_MISSING, f"PDR {pdr.pdr_id} without FAR ID", IE_FAR_ID)
    far = session.fars.get(pdr.far_id)
    if far is None:
        raise RuleError(RuleType.PDR, pdr.pdr_id, f"FAR {pdr.far_id} does not exist")
    for urr_id in pdr.urr_ids:
        if urr_id not in session.urrs:
            raise RuleError(RuleType.PDR, pdr.pdr_id, f"URR {urr_id} does not exist")
    qfi, is_open = _qos(session, pdr)
    if not is_open or ApplyAction.FORW not in far.apply_action or far.forwarding is None:
        return Drop()
    creation = far.forwarding.outer_header_creation
    if creation is None:
        return Decapsulate()
    return Encapsulate(_tunnel(creation, qfi, far.forwarding.destination_interface))


def _qos(session: Session, pdr: CreatePdr) -> tuple[int | None, bool]:
    """(QFI to mark, gate open) out of the PDR's QERs."""
    qfi, is_open = None, True
    for qer_id in pdr.qer_ids:
        qer = session.qers.get(qer_id)
        if qer is None:
            raise RuleError(RuleType.PDR, pdr.pdr_id, f"QER {qer_id} does not exist")
        gate = qer.gate_uplink if _is_uplink(pdr) else qer.gate_downlink
        is_open = is_open and gate is GateStatus.OPEN
        qfi = qer.qfi if qfi is None else qfi
    return qfi, is_open


def _tunnel(creation: OuterHeaderCreation, qfi: int | None, destination: Interface | None) -> Tunnel:
    # _check_far has seen to the TEID and the address.
    assert creation.ipv4 is not None
    assert creation.teid is not None
    pdu_type = PduType.DOWNLINK if destination is Interface.ACCESS else PduType.UPLINK
    return Tunnel(creation.ipv4, creation.teid, qfi, pdu_type)
