"""What a UPF chooses and what it looks up by name: UE addresses, networks, applications, predefined rules, PDRs of the
CP function."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest

from core_stub.errors import RemoteProtocolError
from core_stub.gtpu import PduType, Tunnel
from core_stub.pfcp.ies import (
    ApplicationPfds,
    ApplyAction,
    Cause,
    CreateFar,
    CreatePdr,
    CreateQer,
    ForwardingParameters,
    GateStatus,
    Interface,
    OuterHeaderRemoval,
    Pdi,
    PfdContents,
    RuleType,
    SdfFilter,
    UeIpAddress,
    UpdatePdr,
    UpdateQer,
)
from core_stub.pfcp.messages import (
    PfdManagementRequest,
    PfdManagementResponse,
    SessionDeletionRequest,
    SessionEstablishmentRequest,
    SessionModificationRequest,
)
from core_stub.sdf import FlowFilter, parse_flow_description
from core_stub.upf.errors import RuleError
from core_stub.upf.networks import DataNetwork, Networks
from core_stub.upf.rules import Decapsulate, Drop, Encapsulate, Match, Rate
from tests.support.upf import SMF, UE, Upf, choose, downlink, establishment, to_n6, to_tunnel, tunnelling, uplink

GNB = "198.51.100.1"
DNS, VIDEO = "permit out 17 from any 53 to assigned", "permit out ip from 203.0.113.0/24 to assigned"


@pytest.fixture
def upf() -> Upf:
    return Upf()


def asking(*, cp_seid: int = 1, dnn: str = "internet") -> SessionEstablishmentRequest:
    """A session whose UE address the UPF is to choose, for both directions."""
    any_address = UeIpAddress(choose_ipv4=True)
    down, up = downlink(1, 1), uplink(2, 2)
    pdrs = (
        replace(
            down, pdi=replace(down.pdi, ue_ip_address=replace(any_address, is_destination=True), network_instance=dnn)
        ),
        replace(up, pdi=replace(up.pdi, ue_ip_address=any_address, network_instance=dnn)),
    )
    fars = (to_tunnel(1, Interface.ACCESS, 5, GNB), to_n6(2))
    return establishment(*pdrs, *fars, cp_seid=cp_seid)


# -- UE addresses -------------------------------------------------------------------------------------------------


def test_one_address_is_chosen_for_all_pdrs_and_told(upf: Upf) -> None:
    response = upf.establish(asking())
    first = IPv4Address("10.45.0.2")
    assert [pdr.ue_ip_address for pdr in response.created_pdrs] == [UeIpAddress(first), UeIpAddress(first)]
    assert [pdr.f_teid is None for pdr in response.created_pdrs] == [True, False]
    assert response.up_f_seid
    rules = upf.rules(response.up_f_seid.seid)
    assert (rules[1].match.ue_address, rules[2].match.ue_address) == (first, first)


def test_a_later_pdr_gets_the_same_address(upf: Upf) -> None:
    seid = upf.established(asking())
    pdi = Pdi(Interface.CORE, choose(), "internet", UeIpAddress(choose_ipv4=True))
    response = upf.modify(SessionModificationRequest(seid, create_pdrs=(CreatePdr(3, 1, pdi, 1),)))
    (created,) = response.created_pdrs
    assert created.ue_ip_address == UeIpAddress(UE)


def test_addresses_are_of_the_network_and_come_back_late(upf: Upf) -> None:
    addresses = []
    for cp_seid in range(1, 7):
        response = upf.establish(asking(cp_seid=cp_seid, dnn="ims"))
        addresses += [pdr.ue_ip_address.ipv4 for pdr in response.created_pdrs[:1] if pdr.ue_ip_address]
    assert addresses == [IPv4Address(f"10.46.0.{host}") for host in (1, 2, 3, 4, 5, 6)]
    full = upf.establish(asking(cp_seid=7, dnn="ims"))
    assert (full.cause, full.failed_rule_id) == (Cause.ALL_DYNAMIC_ADDRESSES_ARE_OCCUPIED, (0, 1))
    session = next(iter(upf.control.sessions))
    upf.delete(SessionDeletionRequest(session.up_seid))
    assert upf.establish(asking(cp_seid=8, dnn="ims")).cause is Cause.REQUEST_ACCEPTED


def test_no_address_is_looked_for_in_a_network_that_is_unknown(upf: Upf) -> None:
    response = upf.establish(asking(dnn="elsewhere"))
    assert (response.cause, response.offending_ie) == (Cause.RULE_CREATION_MODIFICATION_FAILURE, 22)


def test_an_address_that_the_cp_function_gave_is_not_chosen(upf: Upf) -> None:
    upf.accepted(downlink(1, 1), to_tunnel(1, Interface.ACCESS, 5, GNB))
    response = upf.establish(asking())
    assert response.created_pdrs[0].ue_ip_address == UeIpAddress(IPv4Address("10.45.0.3"))


@pytest.mark.parametrize("address", [None, UeIpAddress(), UeIpAddress(choose_ipv6=True)])
def test_a_pdr_that_nothing_can_find_is_refused(upf: Upf, address: UeIpAddress | None) -> None:
    pdr = downlink(1, 1)
    response = upf.establish(establishment(replace(pdr, pdi=replace(pdr.pdi, ue_ip_address=address)), to_n6(1)))
    assert (response.cause, response.failed_rule_id) == (Cause.RULE_CREATION_MODIFICATION_FAILURE, (0, 1))


# -- networks -----------------------------------------------------------------------------------------------------

POOLS = (
    DataNetwork(IPv4Network("10.1.0.0/30"), "n6", "internet", IPv4Address("10.1.0.1")),
    DataNetwork(IPv4Network("10.2.0.0/31"), "n7", "ims"),
)


def test_a_network_instance_has_its_device_and_pool() -> None:
    networks = Networks(POOLS)
    for name in ("internet", "ims", None):
        networks.check(name, RuleType.PDR, 1)
    with pytest.raises(RuleError, match='Network Instance "else" is not configured'):
        networks.check("else", RuleType.PDR, 1)
    assert [networks.device(name) for name in ("internet", "ims", None)] == ["n6", "n7", "n6"]
    assert networks.free_address("internet", ()) == IPv4Address("10.1.0.2")
    assert networks.free_address("internet", {IPv4Address("10.1.0.2")}) is None
    assert [networks.free_address("ims", ()) for _ in range(3)] == [
        IPv4Address(f"10.2.0.{host}") for host in (1, 0, 1)
    ]  # fmt: skip
    assert networks.free_address(None, ()) == IPv4Address("10.1.0.2")


def test_a_pool_without_a_dnn_serves_all_networks() -> None:
    networks = Networks([replace(POOLS[0], dnn=None), POOLS[1]])
    networks.check("anything", RuleType.FAR, 1)
    assert [networks.device(name) for name in ("anything", "ims")] == ["n6", "n7"]
    assert networks.free_address("anything", ()) == IPv4Address("10.1.0.2")


def test_packets_leave_at_the_device_of_their_network(upf: Upf) -> None:
    far = CreateFar(2, ApplyAction.FORW, ForwardingParameters(Interface.CORE, "ims"))
    seid, _ = upf.accepted(uplink(2, 2), far)
    assert upf.rules(seid)[2].action == Decapsulate("ims0")


def test_outer_headers_that_are_not_gtpu_over_ipv4_are_refused(upf: Upf) -> None:
    pdr = replace(uplink(2, 2), outer_header_removal=OuterHeaderRemoval.UDP_IPV6)
    response = upf.establish(establishment(pdr, to_n6(2)))
    assert (response.cause, response.offending_ie, response.failed_rule_id) == (
        Cause.RULE_CREATION_MODIFICATION_FAILURE,
        95,
        (0, 2),
    )


# -- QoS ----------------------------------------------------------------------------------------------------------


def test_rates_are_those_of_the_direction_and_share_their_qer(upf: Upf) -> None:
    qers = (CreateQer(1, mbr_uplink_kbps=80_000, mbr_downlink_kbps=800, qfi=1), CreateQer(2, mbr_downlink_kbps=0))
    pdrs = (replace(uplink(2, 2), qer_ids=(1, 2)), replace(downlink(1, 1), qer_ids=(1, 2)))
    request = establishment(*pdrs, to_n6(2), to_tunnel(1, Interface.ACCESS, 5, GNB), qers=qers)
    seid = upf.established(request)
    assert upf.rules(seid)[2].rates == (Rate(1, True, 80_000, 1_000_000),)
    assert upf.rules(seid)[1].rates == (Rate(1, False, 800, 15_000),), "no less than ten packets at once"
    upf.modify(SessionModificationRequest(seid, update_qers=(UpdateQer(1, mbr_downlink_kbps=8_000),)))
    assert upf.rules(seid)[1].rates == (Rate(1, False, 8_000, 100_000),)
    closed = UpdateQer(1, gate_uplink=GateStatus.CLOSED, gate_downlink=GateStatus.OPEN)
    upf.modify(SessionModificationRequest(seid, update_qers=(closed,)))
    assert upf.rules(seid)[2].action == Drop()
    assert isinstance(upf.rules(seid)[1].action, Encapsulate)


# -- SDF filters --------------------------------------------------------------------------------------------------


def test_filters_by_type_of_service_spi_and_flow_label(upf: Upf) -> None:
    pdr = uplink(2, 2)
    sdfs = (SdfFilter(VIDEO, traffic_class=0xB8FC), SdfFilter(spi=7), SdfFilter(flow_label=9))
    seid, _ = upf.accepted(replace(pdr, pdi=replace(pdr.pdi, sdf_filters=sdfs)), to_n6(2))
    described = parse_flow_description(VIDEO).swapped()
    assert upf.rules(seid)[2].match.filters == (
        replace(described, traffic_class=(0xB8, 0xFC)),
        FlowFilter(spi=7),
        FlowFilter(flow_label=9),
    )


# -- applications -------------------------------------------------------------------------------------------------


def pfds(application_id: str, *flows: str) -> ApplicationPfds:
    return ApplicationPfds(application_id, (tuple(PfdContents(flow) for flow in flows),) if flows else ())


def provision(upf: Upf, *applications: ApplicationPfds) -> None:
    response = upf.control.handle(SMF, PfdManagementRequest(applications), upf.now)
    assert response == PfdManagementResponse(Cause.REQUEST_ACCEPTED)


def detecting(upf: Upf, application_id: str) -> int:
    pdr = uplink(3, 2, precedence=10)
    pdr = replace(pdr, pdi=replace(pdr.pdi, application_id=application_id))
    return upf.established(establishment(uplink(2, 2), pdr, to_n6(2)))


def filters(upf: Upf, seid: int, pdr_id: int = 3) -> list[FlowFilter]:
    return list(upf.rules(seid)[pdr_id].match.filters)


def test_an_application_is_detected_by_its_flows(upf: Upf) -> None:
    provision(upf, pfds("video", VIDEO, DNS))
    seid = detecting(upf, "video")
    assert filters(upf, seid) == [parse_flow_description(flow).swapped() for flow in (VIDEO, DNS)]


def test_sessions_follow_pfds_that_change(upf: Upf) -> None:
    provision(upf, pfds("video", VIDEO))
    seid = detecting(upf, "video")
    provision(upf, pfds("video", DNS), pfds("other", VIDEO))
    assert filters(upf, seid) == [parse_flow_description(DNS).swapped()]
    provision(upf, pfds("video"))
    assert upf.rules(seid).keys() == {2}, "a PDR whose application nobody describes takes nothing"
    upf.modify(SessionModificationRequest(seid, update_pdrs=(UpdatePdr(2, precedence=5),)))
    provision(upf, pfds("video", VIDEO))
    assert upf.rules(seid).keys() == {2, 3}
    provision(upf)
    assert upf.rules(seid).keys() == {2}


def test_configured_applications_stay_below_pfds(upf: Upf) -> None:
    seid = detecting(upf, "dns")
    assert filters(upf, seid) == [parse_flow_description(DNS).swapped()]
    provision(upf, pfds("dns", VIDEO))
    assert filters(upf, seid) == [parse_flow_description(VIDEO).swapped()]
    provision(upf)
    assert filters(upf, seid) == [parse_flow_description(DNS).swapped()]


def test_pfds_with_several_descriptions_in_one(upf: Upf) -> None:
    contents = PfdContents(VIDEO, additional_flow_descriptions=(DNS, VIDEO))
    provision(upf, ApplicationPfds("video", ((contents,),)))
    assert filters(upf, detecting(upf, "video")) == [parse_flow_description(flow).swapped() for flow in (VIDEO, DNS)]


@pytest.mark.parametrize(
    ("contents", "cause"),
    [
        (PfdContents(url="https://example.com"), Cause.SERVICE_NOT_SUPPORTED),
        (PfdContents(DNS, domain_name="example.com"), Cause.SERVICE_NOT_SUPPORTED),
        (PfdContents("garbage"), Cause.REQUEST_REJECTED),
    ],
)
def test_pfds_that_cannot_be_applied_change_nothing(upf: Upf, contents: PfdContents, cause: Cause) -> None:
    provision(upf, pfds("video", VIDEO))
    seid = detecting(upf, "video")
    bad = (pfds("video", DNS), ApplicationPfds("other", ((contents,),)))
    with pytest.raises(RemoteProtocolError) as caught:
        upf.control.handle(SMF, PfdManagementRequest(bad), upf.now)
    assert (caught.value.cause, caught.value.offending_ie) == (cause, 61)
    assert filters(upf, seid) == [parse_flow_description(VIDEO).swapped()]


# -- predefined rules ---------------------------------------------------------------------------------------------


def test_a_predefined_rule_stands_before_the_pdr_that_activates_it(upf: Upf) -> None:
    pdr = replace(uplink(2, 2, flows=(DNS,)), activate_predefined_rules=("no-video",))
    seid, f_teids = upf.accepted(pdr, to_n6(2))
    teid = f_teids[2].teid
    blocked, own = upf.user_plane.applied[seid].rules
    assert (blocked.pdr_id, blocked.precedence, blocked.action) == (2, 10, Drop())
    assert blocked.match == Match(teid, None, (parse_flow_description(VIDEO).swapped(),), (1,))
    assert (own.action, own.match.filters) == (Decapsulate("n6"), (parse_flow_description(DNS).swapped(),))


def test_predefined_rules_are_activated_and_deactivated(upf: Upf) -> None:
    seid, _ = upf.accepted(uplink(2, 2), to_n6(2))
    activate = UpdatePdr(2, activate_predefined_rules=("slow", "no-video"))
    upf.modify(SessionModificationRequest(seid, update_pdrs=(activate,)))
    rules = upf.user_plane.applied[seid].rules
    assert [rule.precedence for rule in rules] == [10, 20], "without filters of its own a PDR only carries them"
    assert rules[1].rates == (Rate("slow/2", True, 1000, 15_000),)
    upf.modify(SessionModificationRequest(seid, update_pdrs=(UpdatePdr(2, deactivate_predefined_rules=("slow",)),)))
    assert [rule.precedence for rule in upf.user_plane.applied[seid].rules] == [10]
    upf.modify(SessionModificationRequest(seid, update_pdrs=(UpdatePdr(2, deactivate_predefined_rules=("no-video",)),)))
    assert [rule.precedence for rule in upf.user_plane.applied[seid].rules] == [65535]


# -- the CP function's own packets --------------------------------------------------------------------------------


def test_router_advertisements_reach_the_gnb_with_a_qfi(upf: Upf) -> None:
    """PDRs 3 and 4 of Open5GS: the UE's solicitation goes to the SMF, whose advertisement takes the UE's own FAR."""
    from_cp = CreatePdr(3, 255, Pdi(Interface.CP_FUNCTION, choose()), 1, OuterHeaderRemoval.GTPU_UDP_IP)
    solicitation = uplink(4, 3, precedence=255, flows=("permit out 58 from ff02::2/128 to assigned",))
    cp = tunnelling(Interface.CP_FUNCTION, 9, "192.0.2.9")
    seid, f_teids = upf.accepted(
        downlink(1, 1),
        uplink(2, 2),
        from_cp,
        replace(solicitation, qer_ids=()),
        to_tunnel(1, Interface.ACCESS, 5, GNB),
        to_n6(2),
        CreateFar(3, ApplyAction.FORW, cp),
    )
    rules = upf.rules(seid)
    assert rules[3].match.teid == f_teids[3].teid != f_teids[2].teid
    assert rules[3].action == rules[1].action == Encapsulate(Tunnel(IPv4Address(GNB), 5, 1, PduType.DOWNLINK))
    assert rules[4].action == Encapsulate(Tunnel(IPv4Address("192.0.2.9"), 9, None, PduType.UPLINK))
