"""Redundancy tags, and which copy is the first (IEEE 802.1CB-2017)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traffic.frer import HISTORY, NUMBERS, RESET_S, Recovery, UntaggedError, is_tagged, tagged, untagged
from traffic.replication import Replicator

FRAME = bytes.fromhex("02b1fd000001 02b1fe000007 0800") + b"packet"


def test_a_tag_octet_by_octet() -> None:
    """§7.8: EtherType F1-C1, two reserved octets, the sequence number; then what was there."""
    assert tagged(FRAME, 0x1234).hex(" ") == (FRAME[:12] + bytes.fromhex("f1c1 0000 1234") + FRAME[12:]).hex(" ")


@given(st.binary(min_size=14, max_size=100), st.integers(0, NUMBERS - 1))
def test_a_tag_comes_off_as_it_went_on(frame: bytes, sequence: int) -> None:
    assert untagged(tagged(frame, sequence)) == (sequence, frame)


@pytest.mark.parametrize("frame", [b"", FRAME, FRAME[:12] + bytes.fromhex("f1c1 0000")])
def test_a_frame_without_a_whole_tag_is_not_tagged(frame: bytes) -> None:
    assert not is_tagged(frame)
    with pytest.raises(UntaggedError):
        untagged(frame)


@given(st.integers(0, NUMBERS - 1), st.lists(st.integers(0, HISTORY // 2 - 1), max_size=200))
def test_of_each_number_one_passes_in_whatever_order_copies_come(first: int, jitter: list[int]) -> None:
    """Two copies of each, late by up to half of the history, across the end of the numbers."""
    order = sorted([(n, n) for n in range(len(jitter))] + [(n + late + 0.5, n) for n, late in enumerate(jitter)])
    recovery = Recovery()
    passed = [n for _, n in order if recovery.accept((first + n) % NUMBERS, 0.0)]
    assert passed == list(range(len(jitter)))
    assert (recovery.passed, recovery.discarded) == (len(jitter), len(jitter))


def test_what_overtook_is_passed_and_what_is_too_far_off_is_not() -> None:
    recovery = Recovery()
    assert [recovery.accept(n, 0.0) for n in (5, 7, 6, 7, 6)] == [True, True, True, False, False]
    assert not recovery.accept(7 + HISTORY, 0.0)
    assert not recovery.accept(7 - HISTORY, 0.0)
    assert recovery.rogue == 2


def test_after_a_silence_a_sender_may_begin_anew() -> None:
    recovery = Recovery()
    recovery.accept(40_000, 0.0)
    assert not recovery.accept(0, RESET_S / 2)
    assert recovery.accept(0, RESET_S * 1.1)


def test_a_replicator_numbers_each_stream_and_passes_the_first_of_each() -> None:
    other = FRAME[:6] + b"\x02\xb1\xfe\x00\x00\x08" + FRAME[12:]
    sender, receiver = Replicator(), Replicator()
    sent = [sender.take(frame, 0.0) for frame in (FRAME, other, FRAME)]
    assert sent == [tagged(FRAME, 0), tagged(other, 0), tagged(FRAME, 1)]
    copies = [copy for copy in sent if copy is not None] * 2
    assert [receiver.take(copy, 0.0) for copy in copies] == [FRAME, other, FRAME, None, None, None]
