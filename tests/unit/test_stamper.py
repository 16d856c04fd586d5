"""The process that sends and answers STAMP packets, over the loopback."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from tests.support.polling import eventually
from traffic.process import Endpoint
from traffic.sockets import receive, set_dscp, stamped_udp
from traffic.stamp import Probe, Reply, Sample
from traffic.stamper import EndId, Stamper, StamperError

EF = 46
FAR = "127.0.0.1"


@pytest.fixture
def stamper() -> Iterator[Stamper]:
    with Stamper.started() as started:
        yield started


def bound(port: int = 0) -> socket.socket:
    return stamped_udp(Endpoint(FAR, port), ipv6=False)


def near_end(to: socket.socket) -> socket.socket:
    udp = stamped_udp(None, ipv6=False)
    set_dscp(udp, EF)
    udp.connect(to.getsockname())
    return udp


def replies(stamper: Stamper, count: int) -> list[tuple[EndId, Sample]]:
    found: list[tuple[EndId, Sample]] = []

    def taken() -> list[tuple[EndId, Sample]]:
        found.extend(stamper.exchange(()).replies)
        return found

    return eventually(taken, lambda them: len(them) >= count)


def test_a_probe_comes_back_with_its_four_times(stamper: Stamper) -> None:
    far = bound()
    session = stamper.open(near_end(far))
    stamper.reflect(far)
    before = time.time_ns()
    (sent,) = stamper.exchange([(session, 7)]).departures
    ((end, sample),) = replies(stamper, 1)
    assert end == session
    assert (sample.sequence, sample.sent, sample.reply_sequence) == (7, sent, 0)
    times = [before, sent, sample.received_by_reflector, sample.sent_by_reflector, sample.received, time.time_ns()]
    assert times == sorted(times)


def test_a_reflector_numbers_each_session_of_its_own(stamper: Stamper) -> None:
    far = bound()
    sessions = [stamper.open(near_end(far)) for _ in range(2)]
    stamper.reflect(far)
    for number in range(3):
        stamper.exchange([(session, number) for session in sessions[: 2 - number % 2]])
        replies(stamper, 2 - number % 2)
    stamper.exchange([(session, 9) for session in sessions])
    assert {end: sample.reply_sequence for end, sample in replies(stamper, 2)} == {sessions[0]: 3, sessions[1]: 2}


def test_what_leaves_is_a_probe_and_what_comes_back_a_reply_of_its_length_and_class(stamper: Stamper) -> None:
    far, near = bound(), stamped_udp(Endpoint(FAR, 0), ipv6=False)
    address = far.getsockname()
    stamper.exchange([(stamper.open(near_end(far)), 5)])
    arrived = receive(far)
    assert (Probe.decode(arrived.data).sequence, arrived.tos >> 2, len(arrived.data)) == (5, EF, 44)

    stamper.reflect(far)
    probe = Probe(2**32 - 1, time.time_ns())
    set_dscp(near, 10)
    near.settimeout(10)
    near.sendto(b"GET / HTTP/1.1", address)
    near.sendto(probe.encode() + b"padding", address)
    answer = receive(near)
    reply = Reply.decode(answer.data)
    assert (reply.probe, reply.sequence, reply.probe_ttl, answer.tos >> 2) == (probe, 0, 255, 10)
    assert answer.data[44:] == b"padding"
    near.close()


def test_the_session_that_was_silent_longest_makes_room(stamper: Stamper) -> None:
    far = bound()
    address = far.getsockname()
    stamper.reflect(far)

    def number(session: socket.socket) -> int:
        session.sendto(Probe(0, time.time_ns()).encode(), address)
        session.settimeout(10)
        return Reply.decode(receive(session).data).sequence

    sessions = [bound() for _ in range(129)]
    assert {number(session) for session in sessions} == {0}
    assert number(sessions[128]) == 1
    assert number(sessions[1]) == 1
    assert number(sessions[0]) == 0, "it began anew"
    for session in sessions:
        session.close()


def test_more_probes_than_a_message_has_room_for(stamper: Stamper) -> None:
    far = bound()
    session = stamper.open(near_end(far))
    stamper.reflect(far)
    sent = stamper.exchange([(session, number) for number in range(5000)]).departures
    assert len(sent) == 5000
    assert sorted(sent) == list(sent)
    assert {end for end, _ in replies(stamper, 100)} == {session}


def test_what_cannot_be_sent_is_a_probe_without_a_reply(stamper: Stamper) -> None:
    nobody = bound()
    session = stamper.open(near_end(nobody))
    nobody.close()
    for number in range(3):
        assert len(stamper.exchange([(session, number)]).departures) == 1
    assert stamper.exchange(()).replies == ()


def test_a_socket_that_is_closed_is_free_for_others(stamper: Stamper) -> None:
    far = bound()
    port = far.getsockname()[1]
    end = stamper.reflect(far)
    stamper.close(end)
    stamper.exchange(())  # it has done what it was asked before
    assert stamper.reflect(bound(port)) == end


def test_it_ends_with_its_client_whatever_happens_there() -> None:
    with pytest.raises(ZeroDivisionError), Stamper.started() as stamper:
        stamper.exchange(())
        _ = 1 / 0
    with pytest.raises(StamperError):
        stamper.exchange(())
