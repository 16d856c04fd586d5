"""SessionSender and SessionReflector, joined by a link that loses, repeats and reorders."""

from __future__ import annotations

import pytest

from traffic.stamp import (
    Lost,
    MalformedPacketError,
    Probe,
    ReflectorMode,
    Reply,
    Sample,
    SessionReflector,
    SessionSender,
    stamp_departure,
)

MS = 10**6
START = 1_795_435_200 * 10**9


def sender() -> SessionSender:
    return SessionSender(timeout=2000 * MS)


def send(session: SessionSender, now: int) -> bytes:
    packet = session.prepare()
    session.depart(packet, now)
    return bytes(packet)


def reply_to(probe: bytes, reflector: SessionReflector | None = None, session: str = "ue1") -> bytes:
    sent = Probe.decode(probe).sent
    reflector = reflector or SessionReflector()
    reply = reflector.reflect(probe, session, received=sent + 5 * MS, ttl=250)
    stamp_departure(reply, sent + 6 * MS)
    return bytes(reply)


def test_probes_are_numbered_from_zero_and_carry_their_time() -> None:
    session = sender()
    probes = [Probe.decode(send(session, START + n * MS)) for n in range(3)]
    assert [(probe.sequence, probe.sent) for probe in probes] == [(n, START + n * MS) for n in range(3)]


def test_reply_completes_a_sample_with_all_four_times() -> None:
    session = sender()
    reply = reply_to(send(session, START))
    assert session.receive(reply, START + 11 * MS) == Sample(
        0, START, START + 5 * MS, START + 6 * MS, START + 11 * MS, 0
    )
    assert session.under_way == 0


def test_duplicate_reply_is_no_second_sample() -> None:
    session = sender()
    reply = reply_to(send(session, START))
    assert session.receive(reply, START + 11 * MS) is not None
    assert session.receive(reply, START + 12 * MS) is None


def test_replies_out_of_order_find_their_probes() -> None:
    session = sender()
    replies = [reply_to(send(session, START + n * MS)) for n in range(3)]
    samples = [session.receive(reply, START + 20 * MS) for reply in reversed(replies)]
    assert [sample.sequence for sample in samples if sample] == [2, 1, 0]


def test_reply_to_an_earlier_run_is_ignored() -> None:
    stale = reply_to(send(sender(), START - 500 * MS))
    session = sender()
    send(session, START)
    assert session.receive(stale, START + MS) is None
    assert session.under_way == 1


def test_silent_probes_are_given_up_at_the_timeout_oldest_first() -> None:
    session = sender()
    for n in range(3):
        send(session, START + n * MS)
    assert session.expire(START + 2000 * MS - 1) == []
    assert session.expire(START + 2001 * MS) == [Lost(0, START), Lost(1, START + MS)]
    assert session.under_way == 1


def test_reply_after_the_timeout_stays_lost() -> None:
    session = sender()
    reply = reply_to(send(session, START))
    assert session.expire(START + 2000 * MS) == [Lost(0, START)]
    assert session.receive(reply, START + 2001 * MS) is None


def test_end_of_the_session_gives_up_the_rest() -> None:
    session = sender()
    send(session, START)
    assert session.abandon() == [Lost(0, START)]
    assert session.abandon() == []


def test_garbage_is_malformed_and_changes_nothing() -> None:
    session = sender()
    send(session, START)
    with pytest.raises(MalformedPacketError):
        session.receive(b"GET / HTTP/1.1", START)
    assert session.under_way == 1


def sequences(reflector: SessionReflector, sessions: list[str]) -> list[int]:
    probe = Probe(41, START).encode()
    return [Reply.decode(reply_to(probe, reflector, session)).sequence for session in sessions]


def test_stateful_reflector_numbers_each_session_on_its_own() -> None:
    assert sequences(SessionReflector(), ["ue1", "ue1", "ue2", "ue1"]) == [0, 1, 0, 2]


def test_stateless_reflector_repeats_the_probes_number() -> None:
    assert sequences(SessionReflector(ReflectorMode.STATELESS), ["ue1", "ue1", "ue2"]) == [41, 41, 41]


def test_reflector_forgets_the_session_silent_longest_when_its_table_is_full() -> None:
    reflector = SessionReflector()
    assert sequences(reflector, ["busy", "silent", "busy"]) == [0, 0, 1]
    sequences(reflector, [f"other{n}" for n in range(4094)])
    assert sequences(reflector, ["one more", "busy", "silent"]) == [0, 2, 0]
