"""Two endpoints on a link that loses, repeats and reorders, under a manual clock."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core_stub.errors import LocalProtocolError
from core_stub.pfcp import codec
from core_stub.pfcp.association import State
from core_stub.pfcp.events import (
    AssociationDown,
    AssociationFailed,
    AssociationUp,
    PeerRestarted,
    RequestTimedOut,
    ResponseReceived,
)
from core_stub.pfcp.ies import Cause, UpFeatures
from core_stub.pfcp.messages import (
    AssociationReleaseRequest,
    AssociationReleaseResponse,
    AssociationSetupRequest,
    HeartbeatRequest,
    HeartbeatResponse,
    Message,
    SessionDeletionRequest,
    SessionDeletionResponse,
    SessionEstablishmentResponse,
    VersionNotSupportedResponse,
)
from tests.support.pfcp import SMF, UPF, FakeLink, endpoint, establishment, only
from tests.support.pfcp_samples import SMF_NODE, UPF_NODE

UP_FEATURES = UpFeatures.FTUP | UpFeatures.EMPU


def link(fates: str = "", *, repeat: bool = False, heartbeat_interval: float = 5.0) -> FakeLink:
    return FakeLink(
        endpoint(SMF_NODE, heartbeat_interval=heartbeat_interval),
        endpoint(UPF_NODE, heartbeat_interval=heartbeat_interval, up_features=UP_FEATURES),
        fates,
        repeat,
    )


def associated(fates: str = "", *, repeat: bool = False, heartbeat_interval: float = 5.0) -> FakeLink:
    """Associated over a good link, which then gets bad."""
    up = link(heartbeat_interval=heartbeat_interval)
    up.smf.associate(UPF, up.now)
    up.settle()
    up.events.clear()
    up.wire.clear()
    after = link(fates, repeat=repeat)
    return FakeLink(up.smf, up.upf, after.fates, after.repeat)


def seid(event: ResponseReceived) -> int:
    assert isinstance(event.message, SessionEstablishmentResponse)
    return event.message.seid


def kinds(datagrams: list[bytes]) -> list[type[Message]]:
    return [type(only(datagram)) for datagram in datagrams]


# -- association ------------------------------------------------------------------------------------------------------


def test_association_is_set_up_and_both_sides_say_who_they_are() -> None:
    between = link()
    between.smf.associate(UPF, between.now)
    between.run(1)
    assert between.events == [AssociationUp(SMF, SMF_NODE, 1, None), AssociationUp(UPF, UPF_NODE, 1, UP_FEATURES)]
    assert between.smf.state(UPF) is between.upf.state(SMF) is State.UP


def test_setup_is_sent_again_with_the_same_sequence_number() -> None:
    between = link("xx")
    between.smf.associate(UPF, between.now)
    between.run(6)
    assert len(set(between.sent(SMF)[:3])) == 1
    assert between.smf.state(UPF) is State.UP


def test_a_lost_answer_is_repeated_byte_by_byte_without_a_second_association() -> None:
    between = link(".x")
    between.smf.associate(UPF, between.now)
    between.run(3)
    first, second = between.sent(UPF)[:2]
    assert first == second
    assert [type(event) for event in between.events] == [AssociationUp, AssociationUp]


def test_setup_fails_when_nobody_answers() -> None:
    between = link("x", repeat=True)
    between.smf.associate(UPF, between.now)
    between.run(7.5)
    assert between.events == [AssociationFailed(UPF, "no answer")]
    between.smf.associate(UPF, between.now)


def test_both_may_set_up_at_once() -> None:
    between = link()
    between.smf.associate(UPF, between.now)
    between.upf.associate(SMF, between.now)
    between.run(1)
    assert between.smf.state(UPF) is between.upf.state(SMF) is State.UP
    assert Counter(type(event) for event in between.events) == {AssociationUp: 2}


def test_release_ends_it_on_both_sides() -> None:
    between = associated()
    between.smf.release(UPF, between.now)
    between.run(1)
    assert between.events == [AssociationDown(SMF, "released by the peer"), AssociationDown(UPF, "released")]


def test_release_ends_it_even_if_the_peer_does_not_answer() -> None:
    between = associated("x", repeat=True)
    between.smf.release(UPF, between.now)
    between.run(7.5)
    assert AssociationDown(UPF, "no answer") in between.events
    assert between.smf.state(UPF) is State.IDLE


def test_release_of_what_does_not_exist_is_answered_so() -> None:
    upf = endpoint(UPF_NODE)
    upf.receive_datagram(codec.encode(AssociationReleaseRequest(SMF_NODE), 1), SMF, 0.0)
    ((answer, peer),) = upf.datagrams_to_send()
    assert (only(answer), peer) == (
        AssociationReleaseResponse(UPF_NODE, Cause.NO_ESTABLISHED_PFCP_ASSOCIATION),
        SMF,
    )


def test_associating_twice_is_our_fault() -> None:
    between = associated()
    with pytest.raises(LocalProtocolError):
        between.smf.associate(UPF, between.now)


# -- heartbeats -------------------------------------------------------------------------------------------------------


def test_heartbeats_go_both_ways_and_keep_the_association() -> None:
    between = associated()
    between.run(60)
    assert kinds(between.sent(SMF)).count(HeartbeatRequest) == 12
    assert kinds(between.sent(UPF)).count(HeartbeatRequest) == 12
    assert between.events == []


def test_no_heartbeat_is_sent_without_an_association_but_one_is_answered() -> None:
    upf = endpoint(UPF_NODE, started=42)
    assert upf.get_timer() is None
    upf.receive_datagram(codec.encode(HeartbeatRequest(7), 1), SMF, 0.0)
    ((answer, _),) = upf.datagrams_to_send()
    assert only(answer) == HeartbeatResponse(42)


def test_heartbeats_that_nobody_answers_end_the_association() -> None:
    between = associated("x", repeat=True)
    between.run(5 + 7.5)
    assert between.events == [AssociationDown(UPF, "no answer"), AssociationDown(SMF, "no answer")]
    assert between.smf.get_timer() is None


def test_one_lost_heartbeat_does_no_harm() -> None:
    between = associated("xx..xx")
    between.run(60)
    assert between.events == []


def test_a_restarted_up_function_is_noticed_and_associated_again() -> None:
    between = associated()
    between.upf = endpoint(UPF_NODE, started=2)
    between.run(6)
    assert between.events[:1] == [PeerRestarted(UPF)]
    assert AssociationUp(UPF, UPF_NODE, 2, None) in between.events
    assert between.smf.state(UPF) is between.upf.state(SMF) is State.UP


def test_a_restarted_cp_function_is_noticed_by_its_setup() -> None:
    between = associated()
    between.smf = endpoint(SMF_NODE, started=2)
    between.smf.associate(UPF, between.now)
    between.run(1)
    assert between.events[:2] == [PeerRestarted(SMF), AssociationUp(SMF, SMF_NODE, 2, None)]


# -- sessions ---------------------------------------------------------------------------------------------------------


def test_requests_are_answered_across_the_wrap_of_the_sequence_number() -> None:
    between = associated()
    tokens = [between.smf.request(UPF, establishment(number), between.now) for number in range(4)]
    between.run(1)
    assert tokens == [0xFFFFFF, 0, 1, 2]
    answers = [event for event in between.events if isinstance(event, ResponseReceived)]
    assert [(event.token, seid(event)) for event in answers] == list(zip(tokens, range(4), strict=True))


def test_a_repeated_request_is_handled_once_and_answered_by_the_same_bytes() -> None:
    between = associated("2")
    between.smf.request(UPF, establishment(1), between.now)
    between.run(1)
    assert between.served == [establishment(1)]
    assert len(between.sent(UPF)) == 2
    assert len(set(between.sent(UPF))) == 1
    assert len(between.events) == 1


def test_a_request_without_answer_times_out() -> None:
    between = associated("x", repeat=True, heartbeat_interval=100)
    token = between.smf.request(UPF, establishment(1), between.now)
    between.run(7.5)
    assert between.events == [RequestTimedOut(UPF, token)]
    assert len(between.sent(SMF)) == 3


@settings(max_examples=40, deadline=None)
@given(st.text(".x2~", min_size=1, max_size=30))
def test_on_any_link_every_request_ends_once_and_is_handled_at_most_once(fates: str) -> None:
    between = associated(fates, repeat=True)
    tokens = [between.smf.request(UPF, establishment(number), between.now) for number in range(10)]
    between.run(20)
    ends = Counter(event.token for event in between.events if isinstance(event, ResponseReceived | RequestTimedOut))
    assert ends == Counter(tokens)
    handled = [message.cp_f_seid.seid for message in between.served]
    assert len(handled) == len(set(handled))


@pytest.mark.parametrize(
    "fates",
    ["x" * 10, "x" * 20, "." * 10 + "x" * 10, "2" * 20, "~" * 20, "x.2~" * 2, "." * 10 + "x.2~" * 2],
    ids=["first sends", "two sends", "answers", "all twice", "all late", "requests mixed", "answers mixed"],
)
def test_losses_that_retransmission_can_repair_lose_nothing(fates: str) -> None:
    between = associated(fates)
    for number in range(10):
        between.smf.request(UPF, establishment(number), between.now)
    between.run(10)
    answered = {seid(event) for event in between.events if isinstance(event, ResponseReceived)}
    assert answered == set(range(10))
    assert len(between.served) == 10


def test_a_session_before_the_association_is_refused() -> None:
    upf = endpoint(UPF_NODE)
    upf.receive_datagram(codec.encode(SessionDeletionRequest(5), 1), SMF, 0.0)
    ((answer, _),) = upf.datagrams_to_send()
    assert only(answer) == SessionDeletionResponse(0, Cause.NO_ESTABLISHED_PFCP_ASSOCIATION)
    assert upf.next_event() is None


def test_asking_for_a_session_before_the_association_is_our_fault() -> None:
    with pytest.raises(LocalProtocolError):
        endpoint(SMF_NODE).request(UPF, establishment(1), 0.0)


# -- what is wrong ----------------------------------------------------------------------------------------------------


def test_a_request_that_cannot_be_read_is_answered_with_the_cause_and_the_ie() -> None:
    between = associated()
    datagram = bytearray(codec.encode(establishment(1), 77))
    del datagram[16:25]  # the node ID, which comes first
    datagram[2:4] = (len(datagram) - 4).to_bytes(2)
    between.upf.receive_datagram(bytes(datagram), SMF, between.now)
    ((answer, _),) = between.upf.datagrams_to_send()
    (frame,) = codec.frames(answer)
    assert frame.header.sequence == 77
    assert codec.decode(frame) == SessionEstablishmentResponse(1, UPF_NODE, Cause.MANDATORY_IE_MISSING, 60)


def test_an_answer_of_the_wrong_kind_counts_as_none() -> None:
    between = associated()
    token = between.smf.request(UPF, establishment(1), between.now)
    between.smf.receive_datagram(codec.encode(SessionDeletionResponse(1, Cause.REQUEST_ACCEPTED), token), UPF, 0.0)
    assert between.smf.next_event() == RequestTimedOut(UPF, token)


def test_another_version_is_answered_so() -> None:
    upf = endpoint(UPF_NODE)
    datagram = bytearray(codec.encode(HeartbeatRequest(1), 9))
    datagram[0] = 2 << 5
    upf.receive_datagram(bytes(datagram), SMF, 0.0)
    ((answer, _),) = upf.datagrams_to_send()
    assert only(answer) == VersionNotSupportedResponse()


@pytest.mark.parametrize("data", [b"", b"\x20", b"\xff" * 40, b"\x20\x63\x00\x04\x00\x00\x01\x00"])
def test_noise_is_not_answered(data: bytes) -> None:
    upf = endpoint(UPF_NODE)
    upf.receive_datagram(data[:1] and b"\x20" + data[1:], SMF, 0.0)
    assert upf.datagrams_to_send() == []
    assert upf.next_event() is None


def test_strangers_are_not_answered_where_peers_are_configured() -> None:
    upf = endpoint(UPF_NODE, allowed_peers=frozenset({SMF[0]}))
    upf.receive_datagram(codec.encode(HeartbeatRequest(1), 9), ("10.9.9.9", 8805), 0.0)
    assert upf.datagrams_to_send() == []
    upf.receive_datagram(codec.encode(HeartbeatRequest(1), 9), SMF, 0.0)
    assert len(upf.datagrams_to_send()) == 1


def test_an_association_that_the_peer_rejects_fails_with_its_cause() -> None:
    between = associated()
    between.upf.release(SMF, between.now)  # and while that goes on it takes no new association
    between.upf.datagrams_to_send()
    request = AssociationSetupRequest(replace(SMF_NODE, value="another"), 1)
    between.upf.receive_datagram(codec.encode(request, 5), SMF, between.now)
    ((answer, _),) = between.upf.datagrams_to_send()
    smf = endpoint(SMF_NODE, first_sequence=5)
    smf.associate(UPF, 0.0)
    smf.receive_datagram(answer, UPF, 0.0)
    assert smf.next_event() == AssociationFailed(UPF, "rejected: REQUEST_REJECTED")
