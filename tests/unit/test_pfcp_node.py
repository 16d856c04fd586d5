"""Node procedures beyond the simple ones: re-association, update, PFDs, node reports, bundles, priority, strangers."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest

from core_stub.errors import LocalProtocolError
from core_stub.pfcp import codec
from core_stub.pfcp.association import State
from core_stub.pfcp.endpoint import Endpoint
from core_stub.pfcp.events import (
    AssociationDown,
    AssociationUp,
    AssociationUpdated,
    PeerRestarted,
    RequestReceived,
    RequestTimedOut,
    ResponseReceived,
)
from core_stub.pfcp.ies import (
    ApplicationPfds,
    AsRspFlags,
    AssociationReleaseFlags,
    Cause,
    CpFeatures,
    IpAddresses,
    NodeReportType,
    RemoteGtpuPeer,
    SessionRetention,
    UeIpAddressPool,
    UpFeatures,
)
from core_stub.pfcp.messages import (
    AssociationSetupRequest,
    AssociationSetupResponse,
    AssociationUpdateRequest,
    AssociationUpdateResponse,
    HeartbeatRequest,
    Message,
    NodeReportRequest,
    NodeReportResponse,
    PfdManagementRequest,
    PfdManagementResponse,
    SessionDeletionRequest,
    SessionEstablishmentResponse,
    SessionReportRequest,
)
from tests.support.pfcp import SMF, UPF, FakeLink, endpoint, establishment, only
from tests.support.pfcp_samples import SMF_NODE, UPF_NODE

AFTER_THE_CROSSING = 7.5
"""T1 × N1: a setup of the peer's that comes later was not sent at the same time as ours."""


def associated(*, by: str = "smf", **settings: Any) -> FakeLink:
    between = FakeLink(endpoint(SMF_NODE, **settings), endpoint(UPF_NODE, **settings))
    if by == "smf":
        between.smf.associate(UPF, between.now)
    else:
        between.upf.associate(SMF, between.now)
    between.settle()
    between.events.clear()
    between.wire.clear()
    return between


def ask(
    node: Endpoint, message: Message, *, sequence: int = 99, now: float = 0.0, priority: int | None = None
) -> bytes:
    """The answer of a node to the SMF."""
    node.receive_datagram(codec.encode(message, sequence, priority), SMF, now)
    ((answer, _),) = node.datagrams_to_send()
    return answer


# -- set-up of what is set up ------------------------------------------------------------------------------------------


def test_a_setup_anew_overwrites_the_association_and_ends_its_sessions_whatever_the_time_stamp() -> None:
    between = associated()
    answer = only(ask(between.upf, AssociationSetupRequest(SMF_NODE, 1)))
    assert answer == AssociationSetupResponse(UPF_NODE, Cause.REQUEST_ACCEPTED, 1)
    assert between.upf.next_event() == AssociationDown(SMF, "set up anew by the peer")
    assert between.upf.next_event() == AssociationUp(SMF, SMF_NODE, 1, None)
    assert between.upf.next_event() is None


def test_a_setup_of_who_has_restarted_is_reported_as_a_restart() -> None:
    between = associated()
    ask(between.upf, AssociationSetupRequest(SMF_NODE, 2))
    assert between.upf.next_event() == PeerRestarted(SMF)
    assert between.upf.next_event() == AssociationUp(SMF, SMF_NODE, 2, None)


@pytest.mark.parametrize("entities", [(), (IpAddresses(IPv4Address(SMF[0])),)], ids=["all", "named"])
@pytest.mark.parametrize("time_stamp", [1, 2])
def test_sessions_that_are_to_be_retained_are(entities: tuple[IpAddresses, ...], time_stamp: int) -> None:
    between = associated()
    request = AssociationSetupRequest(SMF_NODE, time_stamp, session_retention=SessionRetention(entities))
    answer = only(ask(between.upf, request))
    assert isinstance(answer, AssociationSetupResponse)
    assert answer.flags == AsRspFlags.PSREI
    assert between.upf.next_event() is None
    ask(between.upf, HeartbeatRequest(time_stamp), sequence=100)
    assert between.upf.next_event() is None


def test_sessions_of_another_entity_alone_are_retained_for_it_alone() -> None:
    between = associated()
    retention = SessionRetention((IpAddresses(IPv4Address("10.9.9.9")),))
    answer = only(ask(between.upf, AssociationSetupRequest(SMF_NODE, 1, session_retention=retention)))
    assert isinstance(answer, AssociationSetupResponse)
    assert answer.flags is None
    assert between.upf.next_event() == AssociationDown(SMF, "set up anew by the peer")


def test_the_other_half_of_a_setup_from_both_sides_ends_nothing() -> None:
    between = associated(by="upf")
    ask(between.upf, AssociationSetupRequest(SMF_NODE, 1), now=AFTER_THE_CROSSING - 0.1)
    assert between.upf.next_event() is None
    ask(between.upf, AssociationSetupRequest(SMF_NODE, 1), sequence=100, now=AFTER_THE_CROSSING)
    assert between.upf.next_event() == AssociationDown(SMF, "set up anew by the peer")


def test_after_the_peers_setup_ours_is_not_sent_again() -> None:
    between = FakeLink(endpoint(SMF_NODE), endpoint(UPF_NODE), "x.")
    between.smf.associate(UPF, between.now)
    between.upf.associate(SMF, between.now)
    between.run(4)
    setups = [only(datagram) for datagram in between.sent(SMF)]
    assert [type(message) for message in setups] == [AssociationSetupRequest, AssociationSetupResponse]
    assert between.smf.state(UPF) is between.upf.state(SMF) is State.UP


def test_a_heartbeat_from_before_the_restart_is_not_another_restart() -> None:
    between = associated()
    ask(between.upf, AssociationSetupRequest(SMF_NODE, 2))
    while between.upf.next_event():
        pass
    ask(between.upf, HeartbeatRequest(1), sequence=7)
    assert between.upf.next_event() is None
    ask(between.upf, HeartbeatRequest(3), sequence=8)
    assert between.upf.next_event() == PeerRestarted(SMF)


def test_who_lost_the_association_by_path_failure_sets_it_up_when_it_hears_of_the_peer() -> None:
    between = associated()
    between.upf.handle_timer(5.0)
    for t1 in (7.5, 10.0, 12.5):
        between.upf.datagrams_to_send()
        between.upf.handle_timer(t1)
    assert between.upf.next_event() == AssociationDown(SMF, "no answer")
    between.now = 15.0
    between.run(5)  # in which the SMF sends a heartbeat
    assert between.events == [
        AssociationDown(UPF, "set up anew by the peer"),
        AssociationUp(UPF, UPF_NODE, 1, None),
        AssociationUp(SMF, SMF_NODE, 1, None),
    ]


def test_a_peer_that_has_no_association_is_associated_again_and_what_was_asked_of_it_ends() -> None:
    between = associated()
    between.upf = endpoint(UPF_NODE)
    first, second = (between.smf.request(UPF, establishment(number), between.now) for number in (1, 2))
    between.settle()
    disowned = SessionEstablishmentResponse(1, UPF_NODE, Cause.NO_ESTABLISHED_PFCP_ASSOCIATION)
    assert between.events == [
        ResponseReceived(UPF, first, disowned),
        AssociationDown(UPF, "the peer has no association"),
        RequestTimedOut(UPF, second),
        AssociationUp(SMF, SMF_NODE, 1, None),
        AssociationUp(UPF, UPF_NODE, 1, None),
    ]


def test_a_peer_that_takes_its_associations_back_is_not_asked_for_another_without_end() -> None:
    between = associated()
    for _ in range(2):
        between.upf = endpoint(UPF_NODE)
        between.smf.request(UPF, establishment(1), between.now)
        between.settle()
    assert between.smf.state(UPF) is State.IDLE


def test_time_stamps_wrap() -> None:
    between = associated()
    ask(between.upf, AssociationSetupRequest(SMF_NODE, 0xFFFFFFFF))
    while between.upf.next_event():
        pass
    ask(between.upf, HeartbeatRequest(5), sequence=8)
    assert between.upf.next_event() == PeerRestarted(SMF)


# -- update and release -----------------------------------------------------------------------------------------------


def test_an_update_tells_new_features_and_is_answered_with_ours() -> None:
    between = associated(up_features=UpFeatures.FTUP)
    token = between.upf.request(SMF, AssociationUpdateRequest(UPF_NODE, UpFeatures.UEIP), between.now)
    between.run(1)
    assert between.events == [
        AssociationUpdated(UPF, UpFeatures.UEIP, None),
        ResponseReceived(
            SMF, token, AssociationUpdateResponse(SMF_NODE, Cause.REQUEST_ACCEPTED, UpFeatures.FTUP)
        ),
    ]  # fmt: skip


def test_an_up_function_asks_to_be_released() -> None:
    between = associated()
    request = AssociationUpdateRequest(UPF_NODE, release=AssociationReleaseFlags.SARR, graceful_release_period=60)
    between.upf.request(SMF, request, between.now)
    between.settle()
    assert between.events[0] == AssociationUpdated(UPF, None, None, AssociationReleaseFlags.SARR, 60)
    between.smf.release(UPF, between.now)
    between.settle()
    assert between.smf.state(UPF) is between.upf.state(SMF) is State.IDLE


def test_a_release_while_a_heartbeat_is_outstanding_ends_both() -> None:
    between = associated()
    between.now = 5.0
    between.smf.handle_timer(between.now)
    between.smf.datagrams_to_send()  # the heartbeat is lost
    between.smf.release(UPF, between.now)
    between.run(30)
    assert between.events == [AssociationDown(SMF, "released by the peer"), AssociationDown(UPF, "released")]
    assert between.smf.get_timer() is None


def test_a_peer_that_restarts_while_it_is_released_is_associated() -> None:
    between = associated()
    between.upf.release(SMF, between.now)
    between.upf.datagrams_to_send()
    ask(between.upf, AssociationSetupRequest(SMF_NODE, 2))
    assert between.upf.next_event() == AssociationDown(SMF, "set up anew by the peer")
    assert between.upf.next_event() == AssociationUp(SMF, SMF_NODE, 2, None)


# -- PFDs and node reports --------------------------------------------------------------------------------------------

PFDS = PfdManagementRequest((ApplicationPfds("video"),), SMF_NODE)
REPORT = NodeReportRequest(SMF_NODE, NodeReportType.UPFR, (RemoteGtpuPeer(IPv4Address("10.0.0.9")),))
UPDATE = AssociationUpdateRequest(SMF_NODE)


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (PFDS, PfdManagementResponse(Cause.REQUEST_ACCEPTED)),
        (REPORT, NodeReportResponse(UPF_NODE, Cause.REQUEST_ACCEPTED)),
    ],
)
def test_pfds_and_node_reports_are_for_the_network_function(
    request_: PfdManagementRequest | NodeReportRequest, answer: PfdManagementResponse | NodeReportResponse
) -> None:
    between = associated()
    token = between.smf.request(UPF, request_, between.now)
    ((datagram, _),) = between.smf.datagrams_to_send()
    between.upf.receive_datagram(datagram, SMF, between.now)
    assert between.upf.next_event() == RequestReceived(SMF, token, request_)
    between.upf.respond(SMF, token, answer)
    between.settle()
    assert between.events == [ResponseReceived(UPF, token, answer)]


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (PFDS, PfdManagementResponse(Cause.NO_ESTABLISHED_PFCP_ASSOCIATION, None, UPF_NODE)),
        (REPORT, NodeReportResponse(UPF_NODE, Cause.NO_ESTABLISHED_PFCP_ASSOCIATION)),
        (UPDATE, AssociationUpdateResponse(UPF_NODE, Cause.NO_ESTABLISHED_PFCP_ASSOCIATION)),
    ],
)
def test_nothing_is_taken_before_the_association(
    request_: PfdManagementRequest | NodeReportRequest | AssociationUpdateRequest, answer: Message
) -> None:
    upf = endpoint(UPF_NODE)
    assert only(ask(upf, request_)) == answer
    assert upf.next_event() is None
    with pytest.raises(LocalProtocolError):
        upf.request(SMF, request_, 0.0)


def test_what_a_up_function_has_is_told_with_the_association() -> None:
    pools = (UeIpAddressPool(("pool-1",)),)
    between = FakeLink(
        endpoint(SMF_NODE, cp_features=CpFeatures.LOAD), endpoint(UPF_NODE, ue_ip_address_pools=pools)
    )  # fmt: skip
    between.smf.associate(UPF, between.now)
    between.settle()
    assert between.events == [
        AssociationUp(SMF, SMF_NODE, 1, None, CpFeatures.LOAD),
        AssociationUp(UPF, UPF_NODE, 1, None, None, (), pools),
    ]


# -- headers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("message", [HeartbeatRequest(1), AssociationSetupRequest(SMF_NODE, 1)])
@pytest.mark.parametrize("priority", [None, 0, 15])
def test_an_answer_has_the_priority_of_the_request(message: Message, priority: int | None) -> None:
    (frame,) = codec.frames(ask(endpoint(UPF_NODE), message, priority=priority))
    assert frame.header.priority == priority


def test_several_messages_go_into_one_datagram_where_both_take_that() -> None:
    between = FakeLink(
        endpoint(SMF_NODE, cp_features=CpFeatures.BUNDL), endpoint(UPF_NODE, up_features=UpFeatures.BUNDL)
    )  # fmt: skip
    between.smf.associate(UPF, between.now)
    between.settle()
    between.wire.clear()
    tokens = [between.smf.request(UPF, establishment(number), between.now) for number in range(20)]
    between.settle()
    frames = [list(codec.frames(datagram)) for datagram in between.sent(SMF)]
    assert [frame.header.sequence for several in frames for frame in several] == tokens
    assert len(frames) == 3
    assert max(map(len, between.sent(SMF))) <= 1400
    assert len(between.served) == 20
    assert [event.token for event in between.events if isinstance(event, ResponseReceived)] == tokens


def test_each_message_has_its_own_datagram_otherwise() -> None:
    between = associated(up_features=UpFeatures.FTUP)
    for number in range(3):
        between.smf.request(UPF, establishment(number), between.now)
    between.settle()
    assert len(between.sent(SMF)) == 3


def test_the_answer_to_another_version_is_not_answered() -> None:
    upf = endpoint(UPF_NODE)
    datagram = bytearray(b"\x40\x0b\x00\x04\x00\x00\x01\x00")  # Version Not Supported Response, version 2
    upf.receive_datagram(bytes(datagram), SMF, 0.0)
    assert upf.datagrams_to_send() == []


# -- strangers and nonsense -------------------------------------------------------------------------------------------


def test_a_stranger_is_told_that_it_gets_no_association() -> None:
    upf = endpoint(UPF_NODE, allowed_peers=frozenset({"10.9.9.9"}))
    answer = only(ask(upf, AssociationSetupRequest(SMF_NODE, 1)))
    assert answer == AssociationSetupResponse(UPF_NODE, Cause.REQUEST_REJECTED, 1)
    assert upf.state(SMF) is State.IDLE


@pytest.mark.parametrize("message", [UPDATE, PFDS, SessionDeletionRequest(1), establishment(1)])
def test_a_stranger_is_told_nothing_else(message: Message) -> None:
    upf = endpoint(UPF_NODE, allowed_peers=frozenset({"10.9.9.9"}))
    upf.receive_datagram(codec.encode(message, 1), SMF, 0.0)
    assert upf.datagrams_to_send() == []
    assert upf.next_event() is None


def test_an_establishment_that_cannot_be_read_is_rejected_to_the_seid_of_the_cp_function() -> None:
    between = associated()
    datagram = bytearray(codec.encode(establishment(0x1122334455667788), 5))
    at = datagram.index(b"\x00\x1d\x00\x04")  # a precedence of four octets
    datagram[at + 3] = 99
    between.upf.receive_datagram(bytes(datagram), SMF, between.now)
    ((answer, _),) = between.upf.datagrams_to_send()
    response = only(answer)
    assert isinstance(response, SessionEstablishmentResponse)
    assert (response.seid, response.cause) == (0x1122334455667788, Cause.INVALID_LENGTH)


@pytest.mark.parametrize("f_seid", [b"", b"\x00" * 9], ids=["none", "no address"])
def test_without_a_readable_f_seid_the_rejection_goes_to_seid_0(f_seid: bytes) -> None:
    between = associated()
    body = b"\x00\x39" + len(f_seid).to_bytes(2) + f_seid if f_seid else b""
    datagram = b"\x21\x32" + (12 + len(body)).to_bytes(2) + bytes(8) + b"\x00\x00\x05\x00" + body
    between.upf.receive_datagram(datagram, SMF, between.now)
    ((answer, _),) = between.upf.datagrams_to_send()
    response = only(answer)
    assert isinstance(response, SessionEstablishmentResponse)
    assert response.seid == 0


def test_a_report_that_cannot_be_read_is_rejected_with_the_ie() -> None:
    between = associated()
    datagram = bytearray(codec.encode(SessionReportRequest(1, 0), 5))  # type: ignore[arg-type]
    datagram[16:] = b""
    datagram[2:4] = (len(datagram) - 4).to_bytes(2)
    between.smf.receive_datagram(bytes(datagram), UPF, between.now)
    ((answer, _),) = between.smf.datagrams_to_send()
    assert only(answer).offending_ie == 39  # type: ignore[union-attr]
