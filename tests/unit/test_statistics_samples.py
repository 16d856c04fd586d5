"""The lines of samples files, written and read back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from traffic.samples import (
    HttpSample,
    SamplesFileError,
    StampSample,
    http_line,
    read_http,
    read_stamp,
    stamp_line,
)
from traffic.stamp import Lost, Sample

SENT = 1_795_435_200_500_000_000
ANSWERED = StampSample.of(Sample(17, SENT, SENT + 5_000_000, SENT + 5_250_000, SENT + 11_250_000, 17))
GIVEN_UP = StampSample.of(Lost(18, SENT))


def test_stamp_line_of_a_reply() -> None:
    assert json.loads(stamp_line(ANSWERED)) == {
        "seq": 17,
        "t": 1795435200.5,
        "lost": False,
        "up_ms": 5.0,
        "down_ms": 6.0,
        "rtt_ms": 11.0,
        "dwell_ms": 0.25,
    }


def test_stamp_line_of_a_loss_has_no_times() -> None:
    assert json.loads(stamp_line(GIVEN_UP)) == {"seq": 18, "t": 1795435200.5, "lost": True}


def test_arrival_counts_the_dwell_time() -> None:
    assert ANSWERED.received == pytest.approx(1795435200.51125, abs=1e-6)
    assert GIVEN_UP.received is None


@pytest.mark.parametrize("half_line", ["", "{", '{"seq":19,"t":1', '{"seq":19,"t":1.0,"lost":true}'])
def test_half_written_last_line_is_left_out(tmp_path: Path, half_line: str) -> None:
    path = tmp_path / "samples.jsonl"
    path.write_text(stamp_line(ANSWERED) + stamp_line(GIVEN_UP) + half_line)
    assert read_stamp(path) == [ANSWERED, GIVEN_UP]


@pytest.mark.parametrize("line", ["", "{}", "[]", "null", '{"seq":1}', "not JSON", '{"seq":1,"t":1,"lost":false}'])
def test_bad_line_elsewhere_is_an_error_with_its_number(tmp_path: Path, line: str) -> None:
    path = tmp_path / "samples.jsonl"
    path.write_text(stamp_line(ANSWERED) + line + "\n" + stamp_line(GIVEN_UP))
    with pytest.raises(SamplesFileError, match=r"samples\.jsonl:2: got .*; want a sample"):
        read_stamp(path)


def test_http_samples_survive_the_file(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    samples = [HttpSample(0, 1.5, 10, 20, 30, 1000, "app1"), HttpSample(1, 2.0, error="timed out")]
    path.write_text("".join(map(http_line, samples)) + '{"seq":2')
    assert read_http(path) == samples
    assert json.loads(http_line(samples[1])) == {
        "seq": 1,
        "t": 2.0,
        "connect_ms": None,
        "ttfb_ms": None,
        "total_ms": None,
        "bytes": 0,
        "served_by": None,
        "error": "timed out",
    }
