"""Retransmission with T1 and N1, and the answers to duplicates."""

from __future__ import annotations

import pytest

from core_stub.pfcp.transactions import Duplicate, GiveUp, Resend, Transactions

PEER = ("10.0.0.2", 8805)
OTHER = ("10.0.0.3", 8805)


def transactions(first_sequence: int = 0) -> Transactions:
    return Transactions(first_sequence=first_sequence, t1=2.5, n1=3)


def test_a_request_is_sent_n1_times_and_then_given_up() -> None:
    ours = transactions()
    ours.start(PEER, 7, b"request", now=0.0)
    assert ours.get_timer() == 2.5
    assert ours.expire(2.4) == []
    assert ours.expire(2.5) == [Resend(PEER, b"request")]
    assert ours.expire(5.0) == [Resend(PEER, b"request")]
    assert ours.expire(7.5) == [GiveUp(PEER, 7)]
    assert ours.get_timer() is None


def test_only_what_is_due_is_sent_again() -> None:
    ours = transactions()
    ours.start(PEER, 1, b"one", now=0.0)
    ours.start(PEER, 2, b"two", now=1.0)
    assert ours.expire(2.5) == [Resend(PEER, b"one")]
    assert ours.get_timer() == 3.5


def test_an_answer_ends_the_retransmission_and_counts_once() -> None:
    ours = transactions()
    ours.start(PEER, 7, b"request", now=0.0)
    assert not ours.finish(OTHER, 7)
    assert ours.finish(PEER, 7)
    assert not ours.finish(PEER, 7)
    assert ours.expire(10.0) == []


def test_sequence_numbers_wrap_after_three_octets() -> None:
    ours = transactions(first_sequence=0xFFFFFE)
    assert [ours.next_sequence() for _ in range(4)] == [0xFFFFFE, 0xFFFFFF, 0, 1]


def test_a_duplicate_gets_the_answer_of_the_original() -> None:
    ours = transactions()
    ours.admit(PEER, 7, b"request", now=0.0)
    with pytest.raises(Duplicate) as raised:
        ours.admit(PEER, 7, b"request", now=1.0)
    assert raised.value.response is None
    ours.answer(PEER, 7, b"response")
    with pytest.raises(Duplicate) as raised:
        ours.admit(PEER, 7, b"request", now=2.5)
    assert raised.value.response == b"response"


def test_another_peer_or_another_request_with_the_same_number_is_no_duplicate() -> None:
    ours = transactions()
    ours.admit(PEER, 7, b"request", now=0.0)
    ours.admit(OTHER, 7, b"request", now=0.0)
    ours.admit(PEER, 7, b"another request, of a peer that has restarted", now=1.0)


def test_answers_are_kept_for_as_long_as_the_peer_may_send_again_and_no_longer() -> None:
    ours = transactions()
    ours.admit(PEER, 7, b"request", now=0.0)
    with pytest.raises(Duplicate):
        ours.admit(PEER, 7, b"request", now=7.5)
    ours.admit(PEER, 7, b"request", now=10.0)


def test_an_answer_keeps_the_priority_of_its_request_until_it_is_forgotten() -> None:
    ours = transactions()
    ours.admit(PEER, 7, b"request", now=0.0, priority=3)
    assert ours.priority(PEER, 7) == 3
    assert ours.priority(OTHER, 7) is None


def test_a_flood_of_requests_has_its_oldest_answers_forgotten() -> None:
    ours = transactions()
    flood = (1 << 16) + 1
    for sequence in range(flood):
        ours.admit(PEER, sequence, b"request", now=0.0)
    ours.admit(PEER, 0, b"request", now=0.0)
    with pytest.raises(Duplicate):
        ours.admit(PEER, flood - 1, b"request", now=0.0)


def test_large_answers_are_forgotten_before_they_fill_the_memory() -> None:
    ours = transactions()
    for sequence in range(300):
        ours.admit(PEER, sequence, b"request", now=0.0)
        ours.answer(PEER, sequence, bytes(65000))
    ours.admit(PEER, 0, b"request", now=0.0)
    with pytest.raises(Duplicate):
        ours.admit(PEER, 299, b"request", now=0.0)


def test_answers_that_are_forgotten_make_room() -> None:
    ours = transactions()
    for sequence in range(3000):
        ours.admit(PEER, sequence, b"request", now=float(sequence))
        ours.answer(PEER, sequence, bytes(65000))
        with pytest.raises(Duplicate):
            ours.admit(PEER, sequence, b"request", now=float(sequence))
    with pytest.raises(Duplicate):
        ours.admit(PEER, 2991, b"request", now=2999.0)
