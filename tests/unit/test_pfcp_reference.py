"""Every IE is, octet by octet and part by part, what pycrate makes of it."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core_stub.errors import RemoteProtocolError
from core_stub.pfcp.codec import reference
from core_stub.pfcp.codec.leaves import LEAVES
from core_stub.pfcp.codec.tables import ie_reader
from core_stub.pfcp.ies import IeType, OuterHeaderRemoval
from tests.support.pfcp_values import FLAGS, STRUCTURES, VALUES

UNKNOWN_TO_PYCRATE = {"SUMPC"}
"""Flags of Rel-16 that pycrate 0.8.1 does not have."""
COMPARED = sorted(VALUES.keys() - FLAGS.keys() - reference.MISTAKEN.keys())

some = settings(max_examples=25, deadline=None)


def name(ie: IeType) -> str:
    return ie.name


def contains(found: Any, wanted: Any) -> bool:
    """Whether pycrate's parts have all that is wanted, with these values."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(contains(found.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(contains, found, wanted))
    return bool(found == wanted)


def test_there_are_values_of_every_ie() -> None:
    assert VALUES.keys() == LEAVES.keys()


@pytest.mark.parametrize("ie", sorted(VALUES), ids=name)
def test_values_survive_the_round_trip(ie: IeType) -> None:
    @some
    @given(VALUES[ie])
    def survives(value: object) -> None:
        assert LEAVES[ie].decode(LEAVES[ie].encode(value)) == value

    survives()


@pytest.mark.parametrize("ie", COMPARED, ids=name)
def test_pycrate_writes_the_same_octets_and_finds_the_same_parts(ie: IeType) -> None:
    @some
    @given(VALUES[ie])
    def agree(value: object) -> None:
        if value is OuterHeaderRemoval.GTPU_UDP_IP:
            return  # pycrate wants the octet that says which extension headers to remove; Open5GS does not send it
        octets, parts = LEAVES[ie].encode(value), reference.to_parts(ie, value)
        assert reference.encode(ie, parts) == octets
        assert contains(reference.dissect(ie, octets), parts)

    agree()


@pytest.mark.parametrize("ie", sorted(FLAGS.keys() - reference.MISTAKEN.keys()), ids=name)
def test_every_flag_is_the_bit_that_pycrate_calls_so(ie: IeType) -> None:
    kind = FLAGS[ie]

    @some
    @given(VALUES[ie])
    def agree(value: int) -> None:
        found = reference.flags(ie, LEAVES[ie].encode(value), kind)
        assert found == {flag.name: bool(flag & value) for flag in kind if flag.name in found}

    agree()
    everything = LEAVES[ie].encode(kind(sum(kind)))
    assert set(kind.__members__) - reference.flags(ie, everything, kind).keys() <= UNKNOWN_TO_PYCRATE


READ_OTHERWISE = {
    IeType.NETWORK_INSTANCE: "pycrate takes it as octets",
    IeType.TIMER: "the same time in another unit",
    IeType.GRACEFUL_RELEASE_PERIOD: "the same time in another unit",
    IeType.DL_BUFFERING_DURATION: "the same time in another unit",
    IeType.DROPPED_DL_TRAFFIC_THRESHOLD: "pycrate wants both numbers, whatever the flags",
    IeType.PACKET_RATE: "we do not look at additional rates (APRC)",
    IeType.REMOTE_GTP_U_PEER: "we take a network instance without labels too",
    IeType.PFD_CONTENTS: "we do not look at additional domain names (ADNP)",
}


@pytest.mark.parametrize("ie", sorted(STRUCTURES.keys() - reference.MISTAKEN.keys() - READ_OTHERWISE.keys()), ids=name)
def test_whatever_octets_we_take_pycrate_takes_as_the_same(ie: IeType) -> None:
    rng = random.Random(int(ie))
    read = ie_reader(ie)

    @settings(max_examples=60, deadline=None)
    @given(VALUES[ie])
    def agree(value: object) -> None:
        octets = mutated(LEAVES[ie].encode(value), rng)
        try:
            taken = read(octets)
        except RemoteProtocolError:
            return
        assert contains(reference.dissect(ie, octets), reference.to_parts(ie, taken)), (octets, taken)

    agree()


def mutated(octets: bytes, rng: random.Random) -> bytes:
    changed = bytearray(octets or b"\0")
    changed[rng.randrange(min(3, len(changed)))] ^= 1 << rng.randrange(8)
    return bytes(changed[: rng.randrange(1, len(changed) + 1)] if rng.random() < 0.2 else changed + rng.randbytes(2))


@given(st.binary(max_size=40))
@settings(max_examples=30, deadline=None)
def test_pycrate_refuses_what_it_cannot_read_with_a_value_error(octets: bytes) -> None:
    try:
        reference.parse(octets)
    except ValueError:
        return
    assert len(octets) >= 8
