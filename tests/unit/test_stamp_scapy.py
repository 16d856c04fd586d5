"""Scapy's STAMP, which shares no code with ours, reads our packets and writes packets that we read."""

from __future__ import annotations

from typing import Any

from scapy.contrib.stamp import (
    ErrorEstimate as ScapyErrorEstimate,
)
from scapy.contrib.stamp import (
    STAMPSessionReflectorTestUnauthenticated,
    STAMPSessionSenderTestUnauthenticated,
)

from traffic.stamp import ErrorEstimate, Probe, Reply, SessionReflector, stamp_departure

NOON = 1_795_435_200 * 10**9
NOON_1900 = 4_004_424_000
"""The same in Scapy's fields: seconds after 1900."""
SENT, RECEIVED, RETURNED = 0.5, 0.625, 0.75
"""Seconds past noon."""
ERROR = ErrorEstimate(synchronized=True, scale=5, multiplier=135)
SCAPY_ERROR = ScapyErrorEstimate(S=1, Z=0, scale=5, multiplier=135)


def at(seconds_past_noon: float) -> int:
    return NOON + round(seconds_past_noon * 10**9)


PROBE = Probe(17, at(SENT), ERROR)


def past_noon(field: Any) -> float:
    return float(field - NOON_1900)


def error_of(field: Any) -> ErrorEstimate:
    return ErrorEstimate(bool(field.S), field.scale, field.multiplier, ptp_format=bool(field.Z))


def test_scapy_reads_our_probe() -> None:
    probe = STAMPSessionSenderTestUnauthenticated(PROBE.encode())
    assert (probe.seq, past_noon(probe.ts), error_of(probe.err_estimate)) == (17, SENT, ERROR)


def test_we_read_scapys_probe() -> None:
    probe = STAMPSessionSenderTestUnauthenticated(seq=17, ts=NOON_1900 + SENT, err_estimate=SCAPY_ERROR, ssid=7)
    assert Probe.decode(bytes(probe)) == PROBE


def test_scapy_reads_our_reply() -> None:
    packet = SessionReflector(error=ERROR).reflect(PROBE.encode(), "ue1", received=at(RECEIVED), ttl=9)
    stamp_departure(packet, at(RETURNED))
    reply = STAMPSessionReflectorTestUnauthenticated(bytes(packet))
    assert tuple(map(past_noon, (reply.ts, reply.ts_rx, reply.ts_sender))) == (RETURNED, RECEIVED, SENT)
    assert (reply.seq, reply.seq_sender, reply.ttl_sender) == (0, 17, 9)
    assert error_of(reply.err_estimate) == error_of(reply.err_estimate_sender) == ERROR


def test_we_read_scapys_reply() -> None:
    reply = STAMPSessionReflectorTestUnauthenticated(
        seq=4,
        ts=NOON_1900 + RETURNED,
        err_estimate=SCAPY_ERROR,
        ts_rx=NOON_1900 + RECEIVED,
        seq_sender=17,
        ts_sender=NOON_1900 + SENT,
        err_estimate_sender=SCAPY_ERROR,
        ttl_sender=9,
    )
    assert Reply.decode(bytes(reply)) == Reply(4, at(RETURNED), at(RECEIVED), PROBE, 9, ERROR)
