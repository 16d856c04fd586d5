"""STAMP packets octet by octet (RFC 8762 §4.2.1, §4.3.1) and the formats inside them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traffic.stamp import (
    ErrorEstimate,
    MalformedPacketError,
    Probe,
    ReflectorMode,
    Reply,
    SessionReflector,
    ntp_from_unix_ns,
    stamp_departure,
    unix_ns_from_ntp,
)

NOON = 1_795_435_200 * 10**9  # 2026-11-23 12:00:00 UTC, 0xEEAEA940 seconds after 1900

PROBE = bytes.fromhex(
    "00000011"  # Sequence Number 17
    "eeaea940 80000000"  # Timestamp: half a second past noon
    "8001" + "00" * 30  # Error Estimate: S, scale 0, multiplier 1  # MBZ
)
REPLY = bytes.fromhex(
    "00000000"  # Sequence Number: the first of this session
    "eeaea940 c0000000"  # Timestamp: three quarters of a second past noon
    "8001 0000"  # Error Estimate, MBZ
    "eeaea940 a0000000"  # Receive Timestamp: 0.625 s past noon
    "00000011 eeaea940 80000000 8001"  # the probe's Sequence Number, Timestamp, Error Estimate
    "0000"  # MBZ
    "fd 000000"  # Session-Sender TTL 253, MBZ
)
TIGHT = ErrorEstimate(synchronized=True, scale=0, multiplier=1)


def at(seconds_past_noon: float) -> int:
    return NOON + round(seconds_past_noon * 10**9)


def reflect(packet: bytes, mode: ReflectorMode = ReflectorMode.STATEFUL) -> bytes:
    reflector = SessionReflector(mode, error=TIGHT)
    reply = reflector.reflect(packet, "ue1", received=at(0.625), ttl=253)
    stamp_departure(reply, at(0.75))
    return bytes(reply)


def test_probe_is_the_octets_of_the_rfc() -> None:
    assert len(PROBE) == 44
    assert Probe(17, at(0.5), TIGHT).encode() == PROBE
    assert Probe.decode(PROBE) == Probe(17, at(0.5), TIGHT)


def test_reply_is_the_octets_of_the_rfc() -> None:
    assert len(REPLY) == 44
    assert reflect(PROBE) == REPLY
    assert Reply.decode(REPLY) == Reply(0, at(0.75), at(0.625), Probe(17, at(0.5), TIGHT), 253, TIGHT)


def test_stateless_reply_repeats_the_probes_number() -> None:
    assert reflect(PROBE, ReflectorMode.STATELESS) == PROBE[:4] + REPLY[4:]


def test_longer_probe_comes_back_at_its_own_length() -> None:
    assert reflect(PROBE + b"padding") == REPLY + b"padding"


def test_octets_that_must_be_zero_are_ignored_on_receipt() -> None:
    assert Probe.decode(PROBE[:14] + b"\xff" * 30) == Probe.decode(PROBE)


@pytest.mark.parametrize("decode", [Probe.decode, Reply.decode, reflect])
@pytest.mark.parametrize("length", [0, 1, 43])
def test_short_packet_is_malformed(decode: object, length: int) -> None:
    assert callable(decode)
    with pytest.raises(MalformedPacketError, match=rf"got {length} octets; want at least 44"):
        decode(bytes(length))


# Two NTP eras of 136 years are told apart, which reaches to 2104.
@given(st.integers(0, 4_233_462_144 * 10**9 - 1))
def test_time_survives_the_wire_to_the_nanosecond(unix_ns: int) -> None:
    assert unix_ns_from_ntp(ntp_from_unix_ns(unix_ns)) == unix_ns


@pytest.mark.parametrize(
    ("unix_s", "stamp"),
    [
        (0, 0x83AA7E80_00000000),
        (2_085_978_495, 0xFFFFFFFF_00000000),  # the last second of the first era, in 2036
        (2_085_978_496, 0x00000000_00000000),
    ],
)
def test_ntp_eras(unix_s: int, stamp: int) -> None:
    assert ntp_from_unix_ns(unix_s * 10**9) == stamp
    assert unix_ns_from_ntp(stamp) == unix_s * 10**9


@given(st.floats(0, 1e6))
def test_error_estimate_covers_the_error_tightly(seconds: float) -> None:
    estimate = ErrorEstimate.of(seconds, synchronized=False)
    assert estimate.seconds >= seconds
    assert estimate.seconds <= (seconds + 2**-32) * (1 + 1 / 127)  # a unit of the scale, eight bits of multiplier
    assert 1 <= estimate.multiplier <= 255
    assert ErrorEstimate.decode(estimate.encode()) == estimate


def test_error_estimate_bits() -> None:
    assert ErrorEstimate(synchronized=True, scale=5, multiplier=0x81).encode() == 0x8581
    assert ErrorEstimate.decode(0x4000 | 0x3F00 | 1) == ErrorEstimate(False, 63, 1, ptp_format=True)
