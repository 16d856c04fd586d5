"""Sessions along tunnels: liveness by rounds, loss by direction, windows."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from pydantic import ValidationError

from traffic.stamp import Sample
from traffic.tunnel_sessions import (
    DOUBTED_ROUNDS,
    Liveness,
    Measurements,
    OneWay,
    Timing,
    TunnelSession,
    TunnelWindow,
    lost_by_direction,
    measurements_json,
    read_probing,
)

MS = 10**6
START = 1_795_435_200 * 10**9
"""A multiple of the window."""
TIMING = Timing(timeout=100 * MS, lost=3, window=500 * MS, settle=200 * MS)
TUNNEL = {
    "id": "t",
    "namespace": "a",
    "source": "192.0.2.1",
    "target": "192.0.2.2",
    "target_namespace": "b",
    "classes": [46],
}
PROBING = {"interval_ms": 100, "timeout_ms": 100, "lost": 3, "window_ms": 500, "tunnels": [TUNNEL]}


class Path:
    """A tunnel with 5 ms forward and 7 ms back. The clock, in ms, is that of the session and the host's."""

    def __init__(self, *classes: int) -> None:
        self.session = TunnelSession("t", classes, TIMING)
        self.reflected: Counter[int] = Counter()

    def round(self, at: int, forward: str = "", back: str = "", *, extra: bool = False) -> list[Liveness]:
        """A round of which these classes' probes or replies are lost, as in "46"."""
        number = self.session.begin(at * MS, extra=extra)
        changes = []
        for dscp in self.session.classes:
            sent = START + at * MS
            self.session.depart(dscp, sent)
            if str(dscp) in forward.split():
                continue
            reply = Sample(number, sent, sent + 5 * MS, sent + 6 * MS, sent + 13 * MS, self.reflected[dscp])
            self.reflected[dscp] += 1
            if str(dscp) not in back.split():
                changes.append(self.session.receive(dscp, reply))
        return [change for change in changes if change]

    def expire(self, at: int) -> Liveness | None:
        return self.session.expire(at * MS, START + at * MS)

    def complete(self, at: int) -> list[TunnelWindow]:
        return list(self.session.complete(START + at * MS))


def at(ms: float) -> float:
    return START / 1e9 + ms / 1000


def test_what_to_measure_is_read_and_refused() -> None:
    assert read_probing(json.dumps(PROBING)).tunnels[0].classes == (46,)
    for wrong in ({"lost": 0}, {"tunnels": [TUNNEL | {"classes": []}]}, {"tunnels": [TUNNEL | {"classes": [64]}]}):
        with pytest.raises(ValidationError):
            read_probing(json.dumps(PROBING | wrong))


def test_a_report_is_written() -> None:
    window = TunnelWindow("t", 46, 1.5, 5, 4, 1, 0, OneWay(5, 6, 7, 2), None)
    found = json.loads(measurements_json(Measurements((window,), (Liveness("t", False, 2.5),))))
    assert found == {
        "windows": [
            {
                "tunnel": "t",
                "dscp": 46,
                "t": 1.5,
                "sent": 5,
                "received": 4,
                "lost_forward": 1,
                "lost_back": 0,
                "forward": {"min_us": 5, "mean_us": 6, "p95_us": 7, "jitter_us": 2},
                "back": None,
            }
        ],
        "liveness": [{"tunnel": "t", "up": False, "t": 2.5}],
    }


def test_it_is_down_when_the_last_of_so_many_rounds_has_timed_out_and_up_with_an_answer() -> None:
    path = Path(46)
    assert path.round(0) == [Liveness("t", True, at(13))]
    for now in (100, 200, 300):
        path.round(now, forward="46")
        assert path.expire(now) is None
    assert path.expire(399) is None
    assert path.expire(400) == Liveness("t", False, at(400))
    assert path.expire(401) is None
    assert path.round(500) == [Liveness("t", True, at(513))]


def test_a_round_is_answered_if_one_class_is() -> None:
    path = Path(46, 0)
    for now in range(0, 1000, 100):
        path.round(now, forward="46")
        assert path.expire(now) is None


def test_a_round_is_waited_for_until_all_classes_have_answered() -> None:
    path = Path(46, 0)
    path.round(0)
    assert not path.session.waiting
    path.round(100, forward="46")
    path.round(200)
    assert path.session.waiting, "for the second"
    path.expire(199)
    assert path.session.waiting
    path.expire(200)
    assert not path.session.waiting


def test_a_tunnel_is_doubted_for_a_hundred_rounds_after_one_that_was_lost() -> None:
    path = Path(46)
    path.round(0)
    assert not path.session.doubted
    path.round(100, back="46")
    path.expire(200)
    for now in range(200, 200 + 100 * DOUBTED_ROUNDS, 100):
        assert path.session.doubted, now
        path.round(now)
    assert not path.session.doubted


def test_a_tunnel_that_is_down_is_not_doubted() -> None:
    path = Path(46)
    for now in range(0, 400, 100):
        path.round(now, forward="46" if now else "")
        assert path.expire(now) is None
    assert path.session.doubted
    assert path.expire(400) is not None
    assert not path.session.doubted


def test_extra_rounds_without_an_answer_are_no_blackout_but_one_with_an_answer_ends_silence() -> None:
    path = Path(46)
    path.round(0)
    path.round(100, forward="46")
    for now in range(110, 200, 10):
        path.round(now, forward="46", extra=True)
    assert path.expire(300) is None
    path.round(300, forward="46")
    path.round(310, extra=True)
    path.round(400, forward="46")
    path.round(500, forward="46")
    assert path.expire(600) is None
    path.round(600, forward="46")
    assert path.expire(700) == Liveness("t", False, at(700))


def test_an_answer_to_what_was_given_up_answers_no_other_round() -> None:
    session = TunnelSession("t", [46, 0], TIMING)
    session.begin(0)
    session.depart(46, START)
    session.depart(0, START - MS)  # the host's clock is set back, and the first is remembered
    session.expire(100 * MS, START)
    session.begin(100 * MS)
    session.depart(46, START + 100 * MS)
    session.depart(0, START + 100 * MS)
    for number, sent in enumerate((START, START + 100 * MS)):
        session.receive(46, Sample(number, sent, START + 100 * MS, START + 100 * MS, START + 101 * MS, number))
    assert session.waiting, "for the class 0"


def test_a_reply_to_an_earlier_run_answers_nothing() -> None:
    path = Path(46)
    path.round(0, forward="46")
    stale = Sample(0, START - 1000 * MS, START, START, START + MS, 0)
    assert path.session.receive(46, stale) is None
    assert path.session.waiting


def test_rounds_lost_one_by_one_are_no_blackout() -> None:
    path = Path(46)
    for now in range(0, 1500, 300):
        path.round(now)
        path.round(now + 100, back="46")
        path.round(now + 200, back="46")
        assert path.expire(now + 299) is None


def test_a_window_tells_loss_by_direction_and_delays() -> None:
    path = Path(46)
    for now in range(0, 700, 100):
        path.round(now, forward="46" if now in (100, 400) else "", back="46" if now == 200 else "")
        path.expire(now)
    path.expire(700)
    assert path.complete(699) == []
    forward, back = OneWay(5000, 5000, 5000, 0), OneWay(7000, 7000, 7000, 0)
    assert path.complete(700) == [TunnelWindow("t", 46, at(0), 5, 2, 2, 1, forward, back)]
    assert path.complete(700) == []


def test_without_a_later_reply_the_direction_is_unknown() -> None:
    path = Path(46)
    for now in range(0, 500, 100):
        path.round(now, back="46" if now else "")
    path.expire(700)
    (window,) = path.complete(700)
    assert (window.sent, window.received, window.lost_forward, window.lost_back) == (5, 1, 0, 0)


@pytest.mark.parametrize(
    ("lost", "answers", "wanted"),
    [
        ([1], [(0, 0), (2, 1)], (1, 0)),
        ([1], [(0, 0), (2, 2)], (0, 1)),
        ([0, 1], [(-1, -1), (2, 1)], (1, 1)),
        ([1, 2], [(0, 9), (3, 0)], (2, 0)),  # the reflector began anew
        ([2], [(0, 0), (3, 2)], (0, 1)),  # 1 is of another window
        ([1], [(0, 0)], (0, 0)),
    ],
)
def test_loss_is_told_apart_by_the_numbers_of_replies(
    lost: list[int], answers: list[tuple[int, int]], wanted: tuple[int, int]
) -> None:
    assert lost_by_direction(lost, answers) == wanted
