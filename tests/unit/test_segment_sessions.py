"""Sessions along segment lists: their packets' routing header, their windows, whose turn it is."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import IPv6Address

import pytest
from pydantic import ValidationError
from scapy.layers.inet import UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrSegmentRouting

from traffic.segment_sessions import (
    LOST_AFTER_NS,
    MeasuredSession,
    ProbedWindow,
    ProbePackets,
    Subject,
    Subjects,
    read_subjects,
    windows_json,
)
from traffic.sessions import End
from traffic.stamp import SessionReflector, stamp_departure

MS = 10**6
WINDOW = 1000 * MS
START = 1_795_435_200 * 10**9
"""A multiple of the window."""
A, B, SID = IPv6Address("fd00::1"), IPv6Address("fd00::2"), IPv6Address("fcbb:bb00:1:e000::")
SUBJECT = Subject("link/a/b", End("ns-a", A), (SID,), End("ns-b", B))


def session() -> MeasuredSession:
    return MeasuredSession("s", WINDOW)


def probe(on: MeasuredSession, at: int) -> bytes:
    packet = on.prepare()
    on.depart(packet, at)
    return bytes(packet)


def answer(on: MeasuredSession, packet: bytes, sent: int, delay: int) -> None:
    reply = SessionReflector().reflect(packet, "s", received=sent + delay, ttl=62)
    stamp_departure(reply, sent + 50 * MS)
    on.receive(bytes(reply), sent + 60 * MS)


def test_a_packet_is_as_scapy_makes_it() -> None:
    segments = SID, IPv6Address("fcbb:bb00:2::")
    packets = ProbePackets(replace(SUBJECT, segments=segments), 5000, 862)
    payload = bytes(range(44))
    srh = IPv6ExtHdrSegmentRouting(addresses=[str(B), "fcbb:bb00:2::", str(SID)], segleft=2, lastentry=2)
    wanted = IPv6(src=str(A), dst=str(SID), hlim=255) / srh / UDP(sport=5000, dport=862) / payload
    assert packets.packet(payload) == bytes(wanted)


def test_what_to_measure_is_read() -> None:
    end = {"namespace": "ns-a", "address": "fd00::1"}, {"namespace": "ns-b", "address": "fd00::2"}
    subject = {"id": "link/a/b", "headend": end[0], "segments": [str(SID)], "reflector": end[1]}
    text = json.dumps({"interval_ms": 100, "window_ms": 1000, "subjects": [subject]})
    assert read_subjects(text) == Subjects(100, 1000, (SUBJECT,))


@pytest.mark.parametrize("interval", [0, -1])
def test_an_interval_that_is_none_is_refused(interval: float) -> None:
    with pytest.raises(ValidationError, match="interval_ms"):
        read_subjects(json.dumps({"interval_ms": interval, "window_ms": 1000, "subjects": []}))


def test_windows_are_written() -> None:
    text = windows_json((ProbedWindow("a", 2, 1, 12.5, 13.0), ProbedWindow("b", 2, 0, None, None)))
    assert json.loads(text)["windows"] == [
        {"id": "a", "sent": 2, "received": 1, "least_us": 12.5, "mean_us": 13.0},
        {"id": "b", "sent": 2, "received": 0, "least_us": None, "mean_us": None},
    ]


def test_a_window_has_the_one_way_delays_of_what_was_sent_in_it() -> None:
    on = session()
    for number, delay in enumerate((5, 3, 4)):
        sent = START + number * 300 * MS
        answer(on, probe(on, sent), sent, delay * MS)
    assert list(on.complete(START + WINDOW)) == [ProbedWindow("s", 3, 3, 3000.0, 4000.0)]
    assert list(on.complete(START + 2 * WINDOW)) == []


def test_a_window_waits_for_answers_and_is_complete_when_they_are_given_up() -> None:
    on = session()
    answer(on, probe(on, START), START, 5 * MS)
    late = START + 900 * MS
    probe(on, late)
    assert list(on.complete(late + LOST_AFTER_NS - 1)) == []
    assert list(on.complete(late + LOST_AFTER_NS)) == [ProbedWindow("s", 2, 1, 5000.0, 5000.0)]


def test_a_window_that_is_not_over_is_not_told() -> None:
    on = session()
    answer(on, probe(on, START), START, 5 * MS)
    assert list(on.complete(START + WINDOW - 1)) == []


def test_an_answer_counts_in_the_window_of_its_probe() -> None:
    on = session()
    first, second = START + 990 * MS, START + 1100 * MS
    packets = probe(on, first), probe(on, second)
    answer(on, packets[1], second, 2 * MS)
    answer(on, packets[0], first, 7 * MS)
    found = list(on.complete(START + 2 * WINDOW))
    assert found == [ProbedWindow("s", 1, 1, 7000.0, 7000.0), ProbedWindow("s", 1, 1, 2000.0, 2000.0)]


def test_without_any_answer_there_is_no_delay() -> None:
    on = session()
    probe(on, START)
    assert list(on.complete(START + 2 * WINDOW)) == [ProbedWindow("s", 1, 0, None, None)]


def test_an_answer_counts_once_and_a_late_one_not_at_all() -> None:
    on = session()
    packet = probe(on, START)
    answer(on, packet, START, 5 * MS)
    answer(on, packet, START, 5 * MS)
    late = probe(on, START + MS)
    assert list(on.complete(START + MS + LOST_AFTER_NS)) == [ProbedWindow("s", 2, 1, 5000.0, 5000.0)]
    answer(on, late, START + MS, 5 * MS)
    assert list(on.complete(START + 9 * WINDOW)) == []


def test_a_clock_set_back_makes_no_negative_delay() -> None:
    on = session()
    answer(on, probe(on, START), START, -5 * MS)
    assert list(on.complete(START + WINDOW)) == [ProbedWindow("s", 1, 1, 0.0, 0.0)]
