"""N4 requests as tests need them, a control that answers them, and a user plane that only remembers."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from random import Random

from core_stub.pfcp.ies import (
    ApplyAction,
    Cause,
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
from core_stub.pfcp.messages import (
    SessionDeletionRequest,
    SessionDeletionResponse,
    SessionEstablishmentRequest,
    SessionEstablishmentResponse,
    SessionModificationRequest,
    SessionModificationResponse,
)
from core_stub.sdf import parse_flow_description
from core_stub.upf.control import SessionEvent, UpfControl
from core_stub.upf.identifiers import Identifiers
from core_stub.upf.networks import DataNetwork, Networks
from core_stub.upf.paths import Paths
from core_stub.upf.predefined import Applications, PredefinedRule
from core_stub.upf.reporting import Report
from core_stub.upf.resolve import Resolver
from core_stub.upf.rules import UNREAD, Counter, Reading, Rule, Rules

CP_SEID = 0x77
UE = IPv4Address("10.45.0.2")


class RecordingUserPlane:
    """Keeps the rules by session, and counters and readings that the test sets."""

    def __init__(self) -> None:
        self.applied: dict[int, Rules] = {}
        self.counts: dict[int, dict[int, Counter]] = {}
        self.meters: dict[int, dict[int, Reading]] = {}
        self.echoes: list[IPv4Address] = []

    def apply(self, rules: Rules) -> Mapping[int, Reading]:
        before = {meter.urr_id for meter in self.applied.get(rules.seid, Rules(rules.seid)).meters}
        gone = before - {meter.urr_id for meter in rules.meters}
        self.applied[rules.seid] = rules
        meters = self.meters.get(rules.seid, {})
        return {urr_id: meters.pop(urr_id, UNREAD) for urr_id in gone}

    def counters(self, seid: int) -> Mapping[int, Counter]:
        return self.counts.get(seid, {})

    def readings(self, seid: int) -> Mapping[int, Reading]:
        return self.meters.get(seid, {})

    def buffered(self, seid: int) -> Mapping[int, Counter]:
        return {}

    def echo(self, peer: IPv4Address) -> None:
        self.echoes.append(peer)

    def close(self) -> None:
        """Nothing to give back."""


SMF = ("192.0.2.9", 8805)
N4 = IPv4Address("192.0.2.1")
GTPU = IPv4Address("192.0.2.2")
NTP_ZERO = 3_900_000_000
"""The time of day at 0 of the test's clock."""
NETWORKS = (
    DataNetwork(IPv4Network("10.45.0.0/16"), "n6", "internet", IPv4Address("10.45.0.1")),
    DataNetwork(IPv4Network("10.46.0.0/29"), "ims0", "ims"),
)
PREDEFINED = (
    PredefinedRule("no-video", 10, (parse_flow_description("permit out ip from 203.0.113.0/24 to assigned"),), False),
    PredefinedRule("slow", 20, (), True, 1000, 5000),
)


class Upf:
    """A control with what it did, on a clock that stands at `now`."""

    def __init__(self, paths: Paths | None = None) -> None:
        self.now = 1000.0
        self.user_plane = RecordingUserPlane()
        self.events: list[SessionEvent] = []
        networks = Networks(NETWORKS)
        applications = Applications({"dns": (parse_flow_description("permit out 17 from any 53 to assigned"),)})
        self.control = UpfControl(
            n4_address=N4,
            identifiers=Identifiers(GTPU, networks, Random(1)),
            resolver=Resolver(networks, applications, {rule.name: rule for rule in PREDEFINED}),
            user_plane=self.user_plane,
            on_event=self.events.append,
            ntp=lambda now: NTP_ZERO + int(now),
            paths=paths,
        )

    def establish(self, request: SessionEstablishmentRequest) -> SessionEstablishmentResponse:
        response = self.control.handle(SMF, request, self.now)
        assert isinstance(response, SessionEstablishmentResponse)
        return response

    def modify(self, request: SessionModificationRequest) -> SessionModificationResponse:
        response = self.control.handle(SMF, request, self.now)
        assert isinstance(response, SessionModificationResponse)
        return response

    def delete(self, request: SessionDeletionRequest) -> SessionDeletionResponse:
        response = self.control.handle(SMF, request, self.now)
        assert isinstance(response, SessionDeletionResponse)
        return response

    def established(self, request: SessionEstablishmentRequest) -> int:
        """The UP SEID of a session that is accepted."""
        response = self.establish(request)
        assert response.cause is Cause.REQUEST_ACCEPTED
        assert response.up_f_seid
        return response.up_f_seid.seid

    def accepted(self, *rules: CreatePdr | CreateFar) -> tuple[int, dict[int, FTeid]]:
        """(UP SEID, PDR ID → F-TEID) of a session with these rules."""
        response = self.establish(establishment(*rules))
        assert response.cause is Cause.REQUEST_ACCEPTED
        assert response.up_f_seid
        return response.up_f_seid.seid, {pdr.pdr_id: pdr.f_teid for pdr in response.created_pdrs if pdr.f_teid}

    def rules(self, seid: int) -> dict[int, Rule]:
        return {rule.pdr_id: rule for rule in self.user_plane.applied[seid].rules}

    def reports(self) -> list[Report]:
        """What it sends now."""
        return self.control.reports_to_send()

    def wait_until(self, now: float) -> None:
        """Let time pass, with everything that is due on the way at its time."""
        while (due := self.control.get_timer()) is not None and due <= now:
            self.now = max(self.now, due)
            self.control.handle_timer(self.now)
        self.now = now


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
