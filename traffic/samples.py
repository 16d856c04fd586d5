"""The lines of samples files: one JSON object for every probe that came back, failed or was given up.

STAMP: `{"seq":17,"t":1795458000.123456,"lost":false,"up_ms":5.1,"down_ms":5.2,"rtt_ms":10.3,"dwell_ms":0.04}`;
       lost ones have no times.
HTTP:  `{"seq":3,"t":…,"connect_ms":10.1,"ttfb_ms":20.4,"total_ms":31.0,"bytes":10000,"served_by":"app1","error":null}`;
       what a failed request did not reach is null.
Links: `{"link":"m1-m2","way":"a_to_b","seq":5,"t":…,"lost":false,"delay_ms":1.02}`;
       `delay_ms` is null for a lost probe, and for one of which nobody knows exactly when it left.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from traffic import stamp

_S = TypeVar("_S")
_encode = json.JSONEncoder(separators=(",", ":")).encode


class SamplesFileError(ValueError):
    """A samples file has a line, other than a half-written last one, that is no sample."""


@dataclass(frozen=True)
class Delays:
    """Milliseconds of one round trip; `rtt_ms` is without `dwell_ms`, the time that the reflector took."""

    up_ms: float
    down_ms: float
    rtt_ms: float
    dwell_ms: float


@dataclass(frozen=True)
class StampSample:
    """One STAMP probe, sent at `t` (Unix seconds); `delays` is None if it was lost."""

    seq: int
    t: float
    delays: Delays | None

    @classmethod
    def of(cls, outcome: stamp.Sample | stamp.Lost) -> StampSample:
        """From what a SessionSender reports."""
        seq, sent = outcome.sequence, round(outcome.sent / 1e9, 7)
        if isinstance(outcome, stamp.Lost):
            return cls(seq, sent, None)
        up = outcome.received_by_reflector - outcome.sent
        down = outcome.received - outcome.sent_by_reflector
        dwell = outcome.sent_by_reflector - outcome.received_by_reflector
        return cls(seq, sent, Delays(up / 1e6, down / 1e6, (up + down) / 1e6, dwell / 1e6))

    @property
    def received(self) -> float | None:
        """When the reply arrived, in Unix seconds."""
        return None if self.delays is None else self.t + (self.delays.rtt_ms + self.delays.dwell_ms) / 1000


@dataclass(frozen=True)
class HttpSample:
    """One HTTP request begun at `t` (Unix seconds), from where all durations count; `error` is None if it went well."""

    seq: int
    t: float
    connect_ms: float | None = None
    ttfb_ms: float | None = None
    total_ms: float | None = None
    bytes: int = 0
    served_by: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class LinkSample:
    """One probe of a link, sent at `t` (Unix seconds); `way` is `a_to_b` or `b_to_a`."""

    link: str
    way: str
    seq: int
    t: float
    lost: bool
    delay_ms: float | None


def stamp_line(sample: StampSample) -> str:
    """One line of a STAMP samples file, with its line feed."""
    times = {} if sample.delays is None else asdict(sample.delays)
    return _line({"seq": sample.seq, "t": sample.t, "lost": sample.delays is None, **times})


def http_line(sample: HttpSample) -> str:
    """One line of an HTTP samples file, with its line feed."""
    return _line(asdict(sample))


def link_line(sample: LinkSample) -> str:
    """One line of a samples file of links, with its line feed."""
    return _line(vars(sample))  # a tenth of what asdict takes: there are hundreds a second


def read_stamp(path: Path) -> list[StampSample]:
    """All samples of a file, a half-written last line left out; raises SamplesFileError, FileNotFoundError."""
    return _read(path, _stamp_sample)


def read_http(path: Path) -> list[HttpSample]:
    """All samples of a file, a half-written last line left out; raises SamplesFileError, FileNotFoundError."""
    return _read(path, lambda fields: HttpSample(**fields))


def read_links(path: Path) -> list[LinkSample]:
    """All samples of a file, a half-written last line left out; raises SamplesFileError, FileNotFoundError."""
    return _read(path, lambda fields: LinkSample(**fields))


def _line(fields: dict[str, Any]) -> str:
    return _encode(fields) + "\n"


def _stamp_sample(fields: dict[str, Any]) -> StampSample:
    seq, t, lost = fields.pop("seq"), fields.pop("t"), fields.pop("lost")
    return StampSample(seq, t, None if lost else Delays(**fields))


def _read(path: Path, parse: Callable[[dict[str, Any]], _S]) -> list[_S]:
    return [_parsed(path, number, line, parse) for number, line in _whole_lines(path)]


def _whole_lines(path: Path) -> Iterable[tuple[int, str]]:
    lines = path.read_text(encoding="utf-8").split("\n")
    # Whatever follows the last line feed is still being written; it is "" when nothing is.
    return enumerate(lines[:-1], start=1)


def _parsed(path: Path, number: int, line: str, parse: Callable[[dict[str, Any]], _S]) -> _S:
    try:
        return parse(json.loads(line))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise SamplesFileError(f'{path}:{number}: got "{line[:80]}"; want a sample') from error
