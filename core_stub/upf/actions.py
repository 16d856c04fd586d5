"""FARs and BARs to the actions of a user plane (TS 29.244 §5.2.3, §5.2.4)."""

from __future__ import annotations

from core_stub.errors import RemoteProtocolError
from core_stub.gtpu import PduType, Tunnel
from core_stub.pfcp.ies import (
    ApplyAction,
    Cause,
    CreateFar,
    IeType,
    Interface,
    OuterHeaderCreation,
    OuterHeaderCreationDescription,
    RuleType,
)
from core_stub.upf.errors import RuleError
from core_stub.upf.networks import Networks
from core_stub.upf.rules import Action, Buffer, Decapsulate, Drop, Encapsulate
from core_stub.upf.session import Session

BUFFERED_PACKETS = 128
"""For each FAR, where no BAR suggests a count."""
BUFFERED_OCTETS_A_PACKET = 2048
"""Bounds a queue in octets too: packets of full size fit, jumbo frames are few."""


class Actions:
    """The actions of one session's FARs."""

    def __init__(self, session: Session, networks: Networks) -> None:
        self._fars = session.fars
        self._bars = {bar.bar_id: bar for bar in session.bars}
        self._networks = networks

    def check(self) -> None:
        """RemoteProtocolError for a FAR that cannot be applied, even if no PDR uses it yet."""
        for far in self._fars:
            if far.bar_id is not None and far.bar_id not in self._bars:
                raise RuleError(RuleType.FAR, far.far_id, f"BAR {far.bar_id} does not exist")
            if ApplyAction.FORW in far.apply_action:
                self._check_forwarding(far)

    def action(self, far: CreateFar, qfi: int | None) -> Action:
        """What `far` does with packets; in a tunnel they are marked with `qfi`."""
        if ApplyAction.DROP in far.apply_action:
            return Drop()
        if ApplyAction.FORW in far.apply_action and far.forwarding is not None:
            creation = far.forwarding.outer_header_creation
            if creation is None:
                return Decapsulate(self._networks.device(far.forwarding.network_instance))
            return Encapsulate(_tunnel(creation, qfi, far.forwarding.destination_interface))
        if ApplyAction.BUFF in far.apply_action:
            return self._buffer(far)
        return Drop()

    def _buffer(self, far: CreateFar) -> Buffer:
        bar = self._bars.get(far.bar_id) if far.bar_id is not None else None
        suggested = bar.suggested_packets if bar else None
        packets = BUFFERED_PACKETS if suggested is None else suggested
        return Buffer(far.far_id, packets, packets * BUFFERED_OCTETS_A_PACKET, ApplyAction.NOCP in far.apply_action)

    def _check_forwarding(self, far: CreateFar) -> None:
        forwarding = far.forwarding
        if forwarding is None or forwarding.destination_interface is None:
            detail = f"FAR {far.far_id} forwards and does not say where"
            raise RemoteProtocolError(Cause.CONDITIONAL_IE_MISSING, detail, IeType.FORWARDING_PARAMETERS)
        self._networks.check(forwarding.network_instance, RuleType.FAR, far.far_id)
        creation = forwarding.outer_header_creation
        if creation is not None:
            _check_creation(far, creation)
        elif forwarding.destination_interface in (Interface.ACCESS, Interface.CP_FUNCTION):
            raise RuleError(RuleType.FAR, far.far_id, "no Outer Header Creation, which this interface needs")


def _check_creation(far: CreateFar, creation: OuterHeaderCreation) -> None:
    if OuterHeaderCreationDescription.GTPU_UDP_IPV4 not in creation.description:
        raise RuleError(RuleType.FAR, far.far_id, f"{creation.description!r}; this UPF creates GTP-U over IPv4")
    if creation.teid is None or creation.ipv4 is None:
        raise RuleError(RuleType.FAR, far.far_id, "Outer Header Creation without TEID or IPv4 address")


def _tunnel(creation: OuterHeaderCreation, qfi: int | None, destination: Interface | None) -> Tunnel:
    # _check_creation has seen to the TEID and the address.
    assert creation.ipv4 is not None
    assert creation.teid is not None
    pdu_type = PduType.DOWNLINK if destination is Interface.ACCESS else PduType.UPLINK
    return Tunnel(creation.ipv4, creation.teid, qfi, pdu_type)
