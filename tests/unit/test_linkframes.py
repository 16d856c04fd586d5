"""Probes of a link: their frames, and what becomes of each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from traffic.linkframes import LOST_AFTER_NS, SLOW_SEND_NS, LinkProbe, ProbedDirection
from traffic.samples import LinkSample, link_line, read_links
from traffic.statistics import link_statistics

MAC = bytes.fromhex("020000000001")
NOW = 1_795_435_200_500_000_000
MS = 1_000_000


@pytest.fixture
def way() -> ProbedDirection:
    return ProbedDirection(3, "m1-m2", "a_to_b", MAC)


def send(way: ProbedDirection, now: int, took: int = 20_000) -> bytes:
    frame = way.depart(now)
    way.departed(now + took)
    return frame


def test_a_frame_that_no_bridge_forwards() -> None:
    frame = LinkProbe(3, 17, NOW).encode(MAC)
    assert frame[:14].hex() == "0180c200000e" + "020000000001" + "88b5"
    assert len(frame) == 60
    assert LinkProbe.decode(frame) == LinkProbe(3, 17, NOW)


@pytest.mark.parametrize("frame", [b"", b"\0" * 60, LinkProbe(3, 17, NOW).encode(MAC)[:59]])
def test_what_is_no_probe(frame: bytes) -> None:
    assert LinkProbe.decode(frame) is None


def test_a_probe_that_arrives(way: ProbedDirection) -> None:
    frame = send(way, NOW)
    assert way.under_way
    assert way.receive(frame, NOW + 5 * MS) == LinkSample("m1-m2", "a_to_b", 0, 1795435200.5, False, 5.0)
    assert not way.under_way


def test_each_probe_is_found_by_its_number(way: ProbedDirection) -> None:
    first, second = send(way, NOW), send(way, NOW + 100 * MS)
    arrived = [way.receive(second, NOW + 101 * MS), way.receive(first, NOW + 150 * MS)]
    assert [(sample.seq, sample.delay_ms) for sample in arrived if sample] == [(1, 1.0), (0, 150.0)]


def test_a_second_arrival_is_no_sample(way: ProbedDirection) -> None:
    frame = send(way, NOW)
    way.receive(frame, NOW + MS)
    assert way.receive(frame, NOW + 2 * MS) is None


@pytest.mark.parametrize("octet", [12, 17, 21, 29])
def test_what_the_link_corrupted_never_arrived(way: ProbedDirection, octet: int) -> None:
    frame = bytearray(send(way, NOW))
    frame[octet] ^= 1
    assert way.receive(bytes(frame), NOW + MS) is None
    assert [sample.lost for sample in way.abandon()] == [True]


def test_a_preempted_sender_says_nothing_about_delay(way: ProbedDirection) -> None:
    punctual, held_up = send(way, NOW, took=SLOW_SEND_NS), send(way, NOW + MS, took=SLOW_SEND_NS + 1)
    samples = [way.receive(frame, NOW + 9 * MS) for frame in (punctual, held_up)]
    assert [(sample.lost, sample.delay_ms) for sample in samples if sample] == [(False, 9.0), (False, None)]


def test_what_does_not_come_is_lost(way: ProbedDirection) -> None:
    frame = send(way, NOW)
    send(way, NOW + MS)
    assert list(way.expire(NOW + LOST_AFTER_NS)) == []
    assert list(way.expire(NOW + LOST_AFTER_NS + 1)) == [LinkSample("m1-m2", "a_to_b", 0, 1795435200.5, True, None)]
    assert way.receive(frame, NOW + LOST_AFTER_NS + 2) is None
    assert [(sample.seq, sample.lost) for sample in way.abandon()] == [(1, True)]
    assert not way.under_way


def test_samples_are_read_as_they_were_written(tmp_path: Path) -> None:
    samples = [LinkSample("m1-m2", "a_to_b", 0, 5.5, False, 1.25), LinkSample("m1-m2", "b_to_a", 0, 5.6, True, None)]
    path = tmp_path / "links.all.jsonl"
    path.write_text("".join(map(link_line, samples)) + '{"link":"m1')
    assert read_links(path) == samples
    assert json.loads(link_line(samples[0]))["delay_ms"] == 1.25


def test_statistics_of_a_window() -> None:
    def sample(seq: int, delay_ms: float | None, *, lost: bool = False) -> LinkSample:
        return LinkSample("m1-m2", "a_to_b", seq, float(seq), lost, delay_ms)

    found = link_statistics(
        [sample(0, 99.0), sample(1, 3.0), sample(2, None, lost=True), sample(3, None), sample(4, 1.0), sample(5, 99.0)],
        start=1.0,
        end=5.0,
    )
    assert (found["sent"], found["lost"]) == (4, 1)
    assert (found["delay_ms"]["min"], found["delay_ms"]["p99"]) == (1.0, 3.0)
