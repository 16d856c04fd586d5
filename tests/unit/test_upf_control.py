"""Session control of the UPF by its messages, without a socket."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from core_stub.errors import RemoteProtocolError
from core_stub.gtpu import PduType, Tunnel
from core_stub.pfcp.ies import (
    ApplicationPfds,
    ApplyAction,
    Cause,
    CreateBar,
    CreateFar,
    CreatePdr,
    CreateQer,
    CreateUrr,
    ForwardingParameters,
    FSeid,
    FTeid,
    GateStatus,
    Interface,
    InterfaceType,
    MeasurementMethod,
    OuterHeaderRemoval,
    Pdi,
    PfdContents,
    ReportingTriggers,
    ReportType,
    SdfFilter,
    UeIpAddress,
    UpdateBar,
    UpdateFar,
    UpdatePdr,
    UpdateQer,
    UpdateUrr,
    Volume,
    VolumeMeasurement,
)
from core_stub.pfcp.messages import (
    PfdManagementRequest,
    Request,
    SessionDeletionRequest,
    SessionDeletionResponse,
    SessionEstablishmentRequest,
    SessionModificationRequest,
    SessionModificationResponse,
    SessionReportRequest,
)
from core_stub.sdf import parse_flow_description
from core_stub.upf.rules import Buffer, Decapsulate, Drop, Encapsulate, Reading
from tests.support.upf import (
    CP_SEID,
    GTPU,
    N4,
    SMF,
    UE,
    Upf,
    choose,
    downlink,
    establishment,
    from_n9,
    to_n6,
    to_tunnel,
    tunnelling,
    uplink,
)


@pytest.fixture
def upf() -> Upf:
    return Upf()


def like_open5gs() -> SessionEstablishmentRequest:
    """The establishment that Open5GS's SMF sends (FACTS, captures)."""
    both = FTeid(choose=True, choose_ipv4=True, choose_ipv6=True)
    shared = replace(both, choose_id=5)
    smf_gtpu = to_tunnel(3, Interface.CP_FUNCTION, 9, "192.0.2.9")
    removal = OuterHeaderRemoval.GTPU_UDP_IP
    pdrs = (
        CreatePdr(
            1,
            65535,
            Pdi(
                Interface.CORE,
                None,
                "internet",
                UeIpAddress(UE, is_destination=True),
                source_interface_type=InterfaceType.N6,
            ),
            1,
            urr_ids=(1,),
            qer_ids=(1,),
        ),
        CreatePdr(
            2,
            65535,
            Pdi(Interface.ACCESS, shared, "internet", qfis=(1,), source_interface_type=InterfaceType.N3_3GPP_ACCESS),
            2,
            removal,
            qer_ids=(1,),
        ),
        CreatePdr(3, 255, Pdi(Interface.CP_FUNCTION, both), 1, removal),
        CreatePdr(
            4,
            255,
            Pdi(Interface.ACCESS, shared, sdf_filters=(SdfFilter("permit out 58 from ff02::2/128 to assigned"),)),
            3,
            removal,
        ),
    )
    fars = (
        CreateFar(1, ApplyAction.BUFF | ApplyAction.NOCP, bar_id=1),
        CreateFar(
            2,
            ApplyAction.FORW,
            ForwardingParameters(Interface.CORE, "internet", destination_interface_type=InterfaceType.N6),
        ),
        smf_gtpu,
    )
    request = establishment(*pdrs, *fars, qers=(CreateQer(1, qfi=1, mbr_uplink_kbps=10**6, mbr_downlink_kbps=10**6),))
    urr = CreateUrr(1, MeasurementMethod.VOLUM, ReportingTriggers.VOLTH, Volume(100 << 20))
    return replace(request, create_urrs=(urr,), create_bars=(CreateBar(1),))


def test_an_establishment_of_open5gs_is_answered_as_it_needs(upf: Upf) -> None:
    response = upf.establish(like_open5gs())
    assert (response.seid, response.cause) == (CP_SEID, Cause.REQUEST_ACCEPTED)
    assert response.up_f_seid
    assert response.up_f_seid.ipv4 == N4
    created = {pdr.pdr_id: pdr.f_teid for pdr in response.created_pdrs}
    assert created.keys() == {2, 3, 4}, "a Created PDR for every CHOOSE PDR"
    assert created[2] == created[4] != created[3]
    assert all(f_teid and f_teid.ipv4 == GTPU and f_teid.teid and not f_teid.choose for f_teid in created.values())
    rules = upf.rules(response.up_f_seid.seid)
    assert list(rules) == [3, 4, 1, 2]
    assert rules[2].action == Decapsulate("n6")
    assert rules[1].action == Buffer(1, packets=128, octets=128 * 2048, notify=True), "no gNB yet"
    assert rules[1].match.ue_address == UE


def test_uplink_filters_are_swapped_and_downlink_filters_are_not(upf: Upf) -> None:
    response = upf.establish(like_open5gs())
    description = "permit out 17 from 203.0.113.1 to assigned"
    pdi = Pdi(Interface.CORE, ue_ip_address=UeIpAddress(UE), sdf_filters=(SdfFilter(description),))
    assert response.up_f_seid
    seid = response.up_f_seid.seid
    upf.modify(SessionModificationRequest(seid, create_pdrs=(CreatePdr(5, 1, pdi, 1),)))
    written = parse_flow_description(description)
    assert upf.rules(seid)[5].match.filters == (written,)
    assert upf.rules(seid)[4].match.filters[0].destination.network is not None


def test_activation_sends_downlink_to_the_gnb_with_the_qfi(upf: Upf) -> None:
    seid, _ = upf.accepted(uplink(2, 2), downlink(1, 1), to_n6(2), CreateFar(1, ApplyAction.BUFF))
    forwarding = tunnelling(Interface.ACCESS, 0x4D, "198.51.100.1")
    response = upf.modify(SessionModificationRequest(seid, update_fars=(UpdateFar(1, ApplyAction.FORW, forwarding),)))
    assert response == SessionModificationResponse(CP_SEID, Cause.REQUEST_ACCEPTED)
    tunnel = Tunnel(IPv4Address("198.51.100.1"), 0x4D, 1, PduType.DOWNLINK)
    assert upf.rules(seid)[1].action == Encapsulate(tunnel)
    assert [event.kind for event in upf.events] == ["session_established", "session_modified"]


def test_deactivation_keeps_the_forwarding_parameters(upf: Upf) -> None:
    seid, _ = upf.accepted(downlink(1, 1), to_tunnel(1, Interface.ACCESS, 5, "198.51.100.1"))
    upf.modify(SessionModificationRequest(seid, update_fars=(UpdateFar(1, ApplyAction.BUFF),)))
    assert upf.rules(seid)[1].action == Buffer(1, packets=128, octets=128 * 2048, notify=False)
    upf.modify(SessionModificationRequest(seid, update_fars=(UpdateFar(1, ApplyAction.FORW),)))
    assert isinstance(upf.rules(seid)[1].action, Encapsulate)


def ulcl() -> tuple[CreatePdr | CreateFar, ...]:
    """An edge UPF between gNB and PSA: one anycast address is local, the rest goes on by N9."""
    return (
        downlink(1, 1),
        uplink(2, 2),
        uplink(3, 3, precedence=100, flows=("permit out ip from 203.0.113.10/32 to assigned",)),
        from_n9(4, 1),
        to_tunnel(1, Interface.ACCESS, 0x11, "198.51.100.1"),
        to_tunnel(2, Interface.CORE, 0x22, "198.51.100.2"),
        to_n6(3),
    )


def test_an_uplink_classifier_tries_its_filters_first(upf: Upf) -> None:
    seid, f_teids = upf.accepted(*ulcl())
    assert f_teids[2] == f_teids[3] != f_teids[4]
    rules = [rule for rule in upf.user_plane.applied[seid].rules if rule.match.teid == f_teids[2].teid]
    n9 = Tunnel(IPv4Address("198.51.100.2"), 0x22, 1, PduType.UPLINK)
    assert [rule.action for rule in rules] == [Decapsulate("n6"), Encapsulate(n9)]


def test_what_comes_by_n9_goes_down_to_the_gnb(upf: Upf) -> None:
    seid, f_teids = upf.accepted(*ulcl())
    rule = upf.rules(seid)[4]
    assert (rule.match.teid, rule.match.ue_address) == (f_teids[4].teid, None)
    assert rule.action == Encapsulate(Tunnel(IPv4Address("198.51.100.1"), 0x11, 1, PduType.DOWNLINK))


def test_the_ue_address_of_an_uplink_pdr_is_checked_as_the_source(upf: Upf) -> None:
    pdr = uplink(2, 2)
    pdr = replace(pdr, pdi=replace(pdr.pdi, ue_ip_address=UeIpAddress(UE)))
    seid, _ = upf.accepted(pdr, to_n6(2))
    assert upf.rules(seid)[2].match.ue_address == UE


def test_a_filter_id_alone_means_the_filter_that_had_both(upf: Upf) -> None:
    description = "permit out 6 from 203.0.113.10 443 to assigned"
    both = replace(downlink(1, 1).pdi, sdf_filters=(SdfFilter(description, 7),))
    alone = replace(uplink(2, 2).pdi, sdf_filters=(SdfFilter(bidirectional_id=7),))
    seid, _ = upf.accepted(replace(downlink(1, 1), pdi=both), replace(uplink(2, 2), pdi=alone), to_n6(1), to_n6(2))
    assert upf.rules(seid)[2].match.filters == (parse_flow_description(description).swapped(),)


def test_a_further_way_in_gets_an_f_teid_of_its_own_and_is_reported_alone(upf: Upf) -> None:
    seid, before = upf.accepted(uplink(2, 2), to_n6(2))
    response = upf.modify(SessionModificationRequest(seid, create_pdrs=(uplink(3, 2, f_teid=choose()),)))
    assert [pdr.pdr_id for pdr in response.created_pdrs] == [3]
    assert response.created_pdrs[0].f_teid != before[2]
    upf.modify(SessionModificationRequest(seid, remove_pdrs=(2,)))
    assert upf.rules(seid).keys() == {3}


def test_a_later_pdr_shares_by_choose_id(upf: Upf) -> None:
    seid, before = upf.accepted(uplink(2, 2), to_n6(2))
    response = upf.modify(SessionModificationRequest(seid, create_pdrs=(uplink(3, 2, f_teid=choose(5)),)))
    assert response.created_pdrs[0].f_teid == before[2]


def test_a_closed_gate_drops_in_its_direction_only(upf: Upf) -> None:
    request = establishment(
        uplink(2, 2),
        downlink(1, 1),
        to_n6(2),
        to_tunnel(1, Interface.ACCESS, 5, "198.51.100.1"),
        qers=(CreateQer(1, gate_uplink=GateStatus.CLOSED, qfi=1),),
    )
    response = upf.establish(request)
    assert response.up_f_seid
    rules = upf.rules(response.up_f_seid.seid)
    assert rules[2].action == Drop()
    assert isinstance(rules[1].action, Encapsulate)


def test_end_markers_go_to_the_old_tunnel(upf: Upf) -> None:
    seid, _ = upf.accepted(downlink(1, 1), to_tunnel(1, Interface.ACCESS, 5, "198.51.100.1"))
    forwarding = replace(tunnelling(Interface.ACCESS, 6, "198.51.100.2"), send_end_marker=True)
    upf.modify(SessionModificationRequest(seid, update_fars=(UpdateFar(1, forwarding=forwarding),)))
    old = Tunnel(IPv4Address("198.51.100.1"), 5, 1, PduType.DOWNLINK)
    assert upf.user_plane.applied[seid].end_markers == (old,)


def activating(pdr_id: int, name: str) -> CreatePdr:
    return replace(uplink(pdr_id, 2), activate_predefined_rules=(name,))


def detecting(pdr_id: int, application_id: str) -> CreatePdr:
    pdr = uplink(pdr_id, 2)
    return replace(pdr, pdi=replace(pdr.pdi, application_id=application_id))


def within(pdr_id: int, network_instance: str) -> CreatePdr:
    pdr = uplink(pdr_id, 2)
    return replace(pdr, pdi=replace(pdr.pdi, network_instance=network_instance))


def forwarding_to(network_instance: str) -> CreateFar:
    return CreateFar(8, ApplyAction.FORW, ForwardingParameters(Interface.CORE, network_instance))


@pytest.mark.parametrize(
    ("change", "cause", "failed_rule_id"),
    [
        ({"remove_pdrs": (9,)}, Cause.RULE_CREATION_MODIFICATION_FAILURE, (0, 9)),
        ({"remove_fars": (2,)}, Cause.RULE_CREATION_MODIFICATION_FAILURE, (0, 2)),
        ({"remove_qers": (1,)}, Cause.RULE_CREATION_MODIFICATION_FAILURE, (0, 2)),
        ({"create_fars": (to_n6(2),)}, Cause.RULE_CREATION_MODIFICATION_FAILURE, (1, 2)),
        ({"create_pdrs": (uplink(7, 9),)}, Cause.RULE_CREATION_MODIFICATION_FAILURE, (0, 7)),
        ({"create_pdrs": (uplink(7, 2, flows=("garbage",)),)}, Cause.RULE_CREATION_MODIFICATION_FAILURE, (0, 7)),
        ({"create_pdrs": (activating(7, "unheard-of"),)}, Cause.UNKNOWN_PRE_DEFINED_RULE, (0, 7)),
        ({"create_pdrs": (detecting(7, "unheard-of"),)}, Cause.UNKNOWN_APPLICATION_ID, (0, 7)),
        ({"update_pdrs": (UpdatePdr(2, pdi=detecting(2, "unheard-of").pdi),)}, Cause.UNKNOWN_APPLICATION_ID, (0, 2)),
        ({"create_pdrs": (within(7, "elsewhere"),)}, Cause.RULE_CREATION_MODIFICATION_FAILURE, (0, 7)),
        ({"create_pdrs": (replace(uplink(7, 2), urr_ids=(9,)),)}, Cause.RULE_CREATION_MODIFICATION_FAILURE, (0, 7)),
        (
            {"create_fars": (CreateFar(8, ApplyAction.BUFF, bar_id=9),)},
            Cause.RULE_CREATION_MODIFICATION_FAILURE,
            (1, 8),
        ),
        ({"create_fars": (forwarding_to("elsewhere"),)}, Cause.RULE_CREATION_MODIFICATION_FAILURE, (1, 8)),
        ({"update_qers": (UpdateQer(9),)}, Cause.RULE_CREATION_MODIFICATION_FAILURE, (2, 9)),
        ({"remove_urrs": (9,)}, Cause.RULE_CREATION_MODIFICATION_FAILURE, (3, 9)),
        ({"update_urrs": (UpdateUrr(9),)}, Cause.RULE_CREATION_MODIFICATION_FAILURE, (3, 9)),
        ({"query_urrs": (9,)}, Cause.RULE_CREATION_MODIFICATION_FAILURE, (3, 9)),
        ({"remove_bars": (9,)}, Cause.RULE_CREATION_MODIFICATION_FAILURE, (4, 9)),
        ({"update_bars": (UpdateBar(9),)}, Cause.RULE_CREATION_MODIFICATION_FAILURE, (4, 9)),
        ({"update_pdrs": (UpdatePdr(9),)}, Cause.RULE_CREATION_MODIFICATION_FAILURE, (0, 9)),
        ({"update_fars": (UpdateFar(9),)}, Cause.RULE_CREATION_MODIFICATION_FAILURE, (1, 9)),
        ({"create_fars": (CreateFar(8, ApplyAction.FORW),)}, Cause.CONDITIONAL_IE_MISSING, None),
        (
            {"create_fars": (CreateFar(8, ApplyAction.FORW, ForwardingParameters(Interface.ACCESS)),)},
            Cause.RULE_CREATION_MODIFICATION_FAILURE,
            (1, 8),
        ),
    ],
)
def test_a_rejected_modification_changes_nothing(
    upf: Upf, change: dict[str, tuple[object, ...]], cause: Cause, failed_rule_id: tuple[int, int] | None
) -> None:
    seid, _ = upf.accepted(uplink(2, 2), downlink(1, 1), to_n6(2), CreateFar(1, ApplyAction.BUFF))
    before, session, events = upf.user_plane.applied[seid], list(upf.control.sessions), len(upf.events)
    good = UpdateFar(1, ApplyAction.FORW, tunnelling(Interface.ACCESS, 5, "198.51.100.1"))
    updates = (good, *change.get("update_fars", ()))
    request = SessionModificationRequest(seid, **{**change, "update_fars": updates})  # type: ignore[arg-type]
    response = upf.modify(request)
    assert (response.seid, response.cause, response.failed_rule_id) == (CP_SEID, cause, failed_rule_id)
    assert upf.user_plane.applied[seid] is before
    assert list(upf.control.sessions) == session
    assert len(upf.events) == events


@pytest.mark.parametrize(
    ("request_", "cause", "offending_ie", "failed_rule_id"),
    [
        (establishment(to_n6(2)), Cause.MANDATORY_IE_MISSING, 1, None),
        (establishment(uplink(2, 2)), Cause.MANDATORY_IE_MISSING, 3, None),
        (
            replace(establishment(uplink(2, 2), to_n6(2)), cp_f_seid=FSeid(CP_SEID)),
            Cause.MANDATORY_IE_INCORRECT,
            57,
            None,
        ),
        (
            establishment(replace(uplink(2, 2), far_id=None), to_n6(2)),
            Cause.CONDITIONAL_IE_MISSING,
            108,
            None,
        ),
        (
            establishment(uplink(2, 2, f_teid=FTeid(choose=True, choose_ipv6=True)), to_n6(2)),
            Cause.INVALID_F_TEID_ALLOCATION_OPTION,
            21,
            (0, 2),
        ),
        (
            establishment(uplink(2, 2, f_teid=FTeid(0, GTPU)), to_n6(2)),
            Cause.RULE_CREATION_MODIFICATION_FAILURE,
            None,
            (0, 2),
        ),
        (
            establishment(uplink(2, 2, f_teid=FTeid(5, IPv4Address("203.0.113.1"))), to_n6(2)),
            Cause.RULE_CREATION_MODIFICATION_FAILURE,
            None,
            (0, 2),
        ),
        (
            establishment(replace(uplink(2, 2), urr_ids=(3,)), to_n6(2)),
            Cause.RULE_CREATION_MODIFICATION_FAILURE,
            None,
            (0, 2),
        ),
    ],
)
def test_a_rejected_establishment_says_why_and_leaves_nothing(
    upf: Upf,
    *,
    caplog: pytest.LogCaptureFixture,
    request_: SessionEstablishmentRequest,
    cause: Cause,
    offending_ie: int | None,
    failed_rule_id: tuple[int, int] | None,
) -> None:
    response = upf.establish(request_)
    assert f"192.0.2.9:8805: session establishment rejected: {cause.name}: " in caplog.text
    assert (response.seid, response.cause) == (CP_SEID, cause)
    assert (response.offending_ie, response.failed_rule_id) == (offending_ie, failed_rule_id)
    assert response.up_f_seid is None
    assert not upf.user_plane.applied
    assert not list(upf.control.sessions)


@pytest.mark.parametrize("request_", [SessionModificationRequest(404), SessionDeletionRequest(404)])
def test_an_unknown_seid_is_answered_with_seid_0(upf: Upf, request_: Request) -> None:
    response = upf.control.handle(SMF, request_, 0.0)
    assert isinstance(response, SessionModificationResponse | SessionDeletionResponse)
    assert (response.seid, response.cause) == (0, Cause.SESSION_CONTEXT_NOT_FOUND)


def test_a_request_that_is_for_an_smf_is_refused(upf: Upf) -> None:
    with pytest.raises(RemoteProtocolError):
        upf.control.handle(SMF, SessionReportRequest(1, ReportType.DLDR), 0.0)


def test_addresses_and_teids_belong_to_one_session(upf: Upf) -> None:
    _, f_teids = upf.accepted(uplink(2, 2), downlink(1, 1), to_n6(2), to_n6(1))
    same_address = establishment(downlink(1, 1), to_n6(1), cp_seid=2)
    assert upf.establish(same_address).failed_rule_id == (0, 1)
    same_teid = establishment(uplink(2, 2, f_teid=FTeid(f_teids[2].teid, GTPU)), to_n6(2), cp_seid=2)
    assert upf.establish(same_teid).failed_rule_id == (0, 2)
    assert len(list(upf.control.sessions)) == 1


def test_an_establishment_with_the_f_seid_of_a_session_replaces_it(upf: Upf) -> None:
    first, _ = upf.accepted(downlink(1, 1), to_n6(1))
    second, _ = upf.accepted(downlink(1, 1), to_n6(1))
    assert first != second
    assert [session.up_seid for session in upf.control.sessions] == [second]
    assert upf.user_plane.applied[first].rules == ()
    assert [event.kind for event in upf.events] == ["session_established", "session_deleted", "session_established"]


def test_the_same_seid_of_another_peer_is_another_session(upf: Upf) -> None:
    upf.accepted(downlink(1, 1), to_n6(1))
    request = establishment(downlink(1, 1, ue=IPv4Address("10.45.0.3")), to_n6(1))
    upf.control.handle(("192.0.2.8", 8805), request, 0.0)
    assert len(list(upf.control.sessions)) == 2


def test_a_session_does_not_take_the_f_seid_of_another(upf: Upf) -> None:
    first = upf.established(establishment(downlink(1, 1), to_n6(1)))
    second = upf.established(establishment(downlink(1, 1, ue=IPv4Address("10.45.0.3")), to_n6(1), cp_seid=2))
    own, other, new = (FSeid(seid, IPv4Address("192.0.2.9")) for seid in (2, CP_SEID, 3))
    refused = upf.modify(SessionModificationRequest(second, other))
    assert (refused.cause, refused.offending_ie) == (Cause.MANDATORY_IE_INCORRECT, 57)
    for f_seid in (own, new):
        assert upf.modify(SessionModificationRequest(second, f_seid)).seid == f_seid.seid
    for seid in (first, second):
        assert upf.delete(SessionDeletionRequest(seid)).cause is Cause.REQUEST_ACCEPTED


def test_an_address_belongs_to_one_session_even_while_nothing_can_match(upf: Upf) -> None:
    upf.accepted(downlink(1, 1), to_n6(1))
    upf.control.handle(
        SMF, PfdManagementRequest((ApplicationPfds("a", ((PfdContents("permit out ip from any to any"),),)),)), 0.0
    )
    other = downlink(1, 1, ue=IPv4Address("10.45.0.3"))
    other = replace(other, pdi=replace(other.pdi, application_id="a"))
    seid = upf.established(establishment(other, to_n6(1), cp_seid=2))
    upf.control.handle(SMF, PfdManagementRequest(), 0.0)
    update = UpdatePdr(1, pdi=replace(downlink(1, 1).pdi))
    assert upf.modify(SessionModificationRequest(seid, update_pdrs=(update,))).failed_rule_id == (0, 1)


def test_deletion_frees_everything_and_reports_usage(upf: Upf) -> None:
    request = like_open5gs()
    response = upf.establish(request)
    assert response.up_f_seid
    seid = response.up_f_seid.seid
    upf.user_plane.meters[seid] = {1: Reading(0, 300, 0, 3)}
    deleted = upf.delete(SessionDeletionRequest(seid))
    assert (deleted.seid, deleted.cause) == (CP_SEID, Cause.REQUEST_ACCEPTED)
    assert [report.volume for report in deleted.usage_reports] == [VolumeMeasurement(300, 0, 300)]
    assert upf.user_plane.applied[seid].rules == ()
    assert upf.establish(request).cause is Cause.REQUEST_ACCEPTED


def test_usage_of_a_pdr_that_is_gone_is_still_reported(upf: Upf) -> None:
    response = upf.establish(like_open5gs())
    assert response.up_f_seid
    seid = response.up_f_seid.seid
    again = replace(downlink(7, 1), urr_ids=(1,))
    upf.user_plane.meters[seid] = {1: Reading(0, 300, 0, 3)}
    upf.modify(SessionModificationRequest(seid, remove_pdrs=(1,), create_pdrs=(again,)))
    upf.user_plane.meters[seid] = {1: Reading(0, 350, 0, 4)}
    removed = upf.modify(SessionModificationRequest(seid, update_pdrs=(UpdatePdr(7, urr_ids=()),), remove_urrs=(1,)))
    assert [report.volume for report in removed.usage_reports] == [VolumeMeasurement(350, 0, 350)]


def test_a_restored_session_keeps_its_seid_and_f_teids(upf: Upf) -> None:
    request = establishment(uplink(2, 2, f_teid=FTeid(0xABC, GTPU)), to_n6(2))
    response = upf.establish(replace(request, seid=0x1234))
    assert response.up_f_seid
    assert response.up_f_seid.seid == 0x1234
    assert response.created_pdrs == ()
    assert upf.rules(0x1234)[2].match.teid == 0xABC


def test_sessions_of_a_peer_that_is_gone_are_deleted(upf: Upf) -> None:
    seid, _ = upf.accepted(uplink(2, 2), to_n6(2))
    upf.control.forget(("192.0.2.10", 8805))
    assert list(upf.control.sessions)
    upf.control.forget(SMF)
    assert not list(upf.control.sessions)
    assert upf.user_plane.applied[seid].rules == ()
    assert upf.events[-1].kind == "session_deleted"
