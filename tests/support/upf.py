"""N4 requests as tests need them, and a user plane that only remembers."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address

from core_stub.pfcp.ies import (
    ApplyAction,
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
)
from core_stub.pfcp.messages import SessionEstablishmentRequest
from core_stub.upf.rules import Counter, Rules

CP_SEID = 0x77
UE = IPv4Address("10.45.0.2")


class RecordingUserPlane:
    """Keeps the rules by session, and counters that the test sets."""

    def __init__(self) -> None:
        self.applied: dict[int, Rules] = {}
        self.counts: dict[int, dict[int, Counter]] = {}

    def apply(self, rules: Rules) -> None:
        self.applied[rules.seid] = rules

    def counters(self, seid: int) -> Mapping[int, Counter]:
        return self.counts.get(seid, {})

    def close(self) -> None:
        """Nothing to give back."""


def choose(choose_id: int | None = None) -> FTeid:
    return FTeid(choose=True, choose_ipv4=True, choose_id=choose_id)


def uplink(
    pdr_id: int, far_id: int, *, precedence: int = 65535, f_teid: FTeid | None = None, flows: tuple[str, ...] = ()
) -> CreatePdr:
    pdi = Pdi(Interface.ACCESS, f_teid or choose(5), "internet", sdf_filters=tuple(map(SdfFilter, flows)), qfis=(1,))
    return CreatePdr(pdr_id, precedence, pdi, far_id, OuterHeaderRemoval.GTPU_UDP_IP, qer_ids=(1,))


def downlink(pdr_id: int, far_id: int, *, ue: IPv4Address = UE, urr_ids: tuple[int, ...] = ()) -> CreatePdr:
    pdi = Pdi(Interface.CORE, network_instance="internet", ue_ip_address=UeIpAddress(ue, is_destination=True))
    return CreatePdr(pdr_id, 65535, pdi, far_id, qer_ids=(1,), urr_ids=urr_ids)


def from_n9(pdr_id: int, far_id: int) -> CreatePdr:
    return CreatePdr(pdr_id, 65535, Pdi(Interface.CORE, choose()), far_id, OuterHeaderRemoval.GTPU_UDP_IP, qer_ids=(1,))


def to_n6(far_id: int) -> CreateFar:
    return CreateFar(far_id, ApplyAction.FORW, ForwardingParameters(Interface.CORE, "internet"))


def tunnelling(interface: Interface, teid: int, address: str) -> ForwardingParameters:
    header = OuterHeaderCreation(OuterHeaderCreationDescription.GTPU_UDP_IPV4, teid, IPv4Address(address))
    return ForwardingParameters(
        interface, outer_header_creation=header, destination_interface_type=InterfaceType.N3_3GPP_ACCESS
    )


def to_tunnel(far_id: int, interface: Interface, teid: int, address: str) -> CreateFar:
    return CreateFar(far_id, ApplyAction.FORW, tunnelling(interface, teid, address))


def establishment(
    *rules: CreatePdr | CreateFar, cp_seid: int = CP_SEID, qers: tuple[CreateQer, ...] = (CreateQer(1, qfi=1),)
) -> SessionEstablishmentRequest:
    smf = IPv4Address("192.0.2.9")
    return SessionEstablishmentRequest(
        0,
        NodeId(smf),
        FSeid(cp_seid, smf),
        tuple(rule for rule in rules if isinstance(rule, CreatePdr)),
        tuple(rule for rule in rules if isinstance(rule, CreateFar)),
        create_qers=qers,
        pdn_type=PdnType.IPV4,
        apn_dnn="internet",
    )
