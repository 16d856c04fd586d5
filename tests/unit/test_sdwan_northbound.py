"""What clients tell of an overlay: nonsense is refused as a whole, with all that is wrong with it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from controllers.northbound.bodies import Body
from controllers.northbound.overlay import MeasurementsBody, ModeBody, liveness, probing_view, windows
from controllers.northbound.problems import RequestError, read
from controllers.osken import Datapath
from controllers.overlay import OverlayShell
from controllers.sdwan.controller import Controller
from controllers.sdwan.telemetry import ClassWindow
from tests.support.overlays import make_overlay

OVERLAY = make_overlay({"a": ("mpls",), "b": ("mpls",)})
ONE_WAY = {"min_us": 9.0, "mean_us": 10_000.0, "p95_us": 11.0, "jitter_us": 500.0}
WINDOW = {
    "tunnel": "a>b:mpls",
    "dscp": 46,
    "t": 1.0,
    "sent": 5,
    "received": 3,
    "lost_forward": 1,
    "lost_back": 1,
    "forward": ONE_WAY,
    "back": None,
}


def measured(**more: Any) -> bytes:
    return json.dumps({"windows": [WINDOW | more], "liveness": []}).encode()


def test_a_window_tells_of_a_tunnel_and_the_one_back() -> None:
    there, back = windows(read(MeasurementsBody, "measurements", measured()), OVERLAY)
    assert there == ClassWindow("a>b:mpls", 46, sent=5, received=3, lost=1, delay_ms=10.0, jitter_ms=0.5)
    assert back == ClassWindow("b>a:mpls", 46, sent=4, received=3, lost=1, delay_ms=None, jitter_ms=None)


def test_what_may_have_been_lost_on_either_way_counts_on_both() -> None:
    silence = measured(received=0, lost_forward=0, lost_back=0, forward=None)
    found = windows(read(MeasurementsBody, "measurements", silence), OVERLAY)
    assert [(window.sent, window.lost) for window in found] == [(5, 5), (5, 5)]


def test_one_session_measures_a_tunnel_both_ways() -> None:
    overlay = make_overlay({"a": ("mpls", "inet"), "b": ("mpls", "inet")})
    assert {tunnel.id for tunnel in probing_view(Controller(overlay)).tunnels} == {"a>b:mpls", "a>b:inet"}
    silent = {"windows": [], "liveness": [{"tunnel": "a>b:inet", "up": False, "t": 1.0}]}
    told = liveness(read(MeasurementsBody, "measurements", json.dumps(silent).encode()), overlay)
    assert dict(told) == {"a>b:inet": False, "b>a:inet": False}


@pytest.mark.parametrize(
    ("model", "body", "where"),
    [
        (MeasurementsBody, b"", "no JSON"),
        (MeasurementsBody, b"[]", "measurements"),
        (MeasurementsBody, b"{}", "windows"),
        (MeasurementsBody, measured(dscp=64), "windows[0].dscp"),
        (MeasurementsBody, measured(sent=-1), "windows[0].sent"),
        (MeasurementsBody, measured(received=6), "want no more received and lost than the 5 that were sent"),
        (MeasurementsBody, measured(forward=ONE_WAY | {"mean_us": float("nan")}), "windows[0].forward.mean_us"),
        (MeasurementsBody, measured(forward=ONE_WAY | {"mean_us": float("inf")}), "windows[0].forward.mean_us"),
        (MeasurementsBody, measured(forward=ONE_WAY | {"jitter_us": -1}), "windows[0].forward.jitter_us"),
        (MeasurementsBody, measured(colour="red"), "windows[0].colour"),
        (ModeBody, b'{"mode": "chaos"}', "mode"),
        (ModeBody, b'{"mode": null}', "mode"),
    ],
)
def test_nonsense_is_refused_with_its_place(model: type[Body], body: bytes, where: str) -> None:
    with pytest.raises(RequestError) as error:
        read(model, "measurements", body)
    assert error.value.status == 400
    assert where in error.value.detail


class Connection:
    """Of a switch; remembers what was sent."""

    def __init__(self, dpid: int) -> None:
        self.id, self.sent = dpid, list[Any]()

    def send_msg(self, message: Any) -> None:
        self.sent.append(message)


def test_a_switch_that_nobody_knows_is_not_even_asked(capsys: pytest.CaptureFixture[str]) -> None:
    shell = OverlayShell(Controller(OVERLAY), None)
    stranger = Connection(0xBAD)
    shell.connected(Datapath(stranger))
    shell.disconnected(Datapath(stranger))
    assert stranger.sent == []
    event = json.loads(capsys.readouterr().out)
    assert (event["event"], event["dpid"]) == ("unknown_switch", 0xBAD)


def test_measurements_of_tunnels_that_there_are_not_are_passed_over(capsys: pytest.CaptureFixture[str]) -> None:
    core = Controller(OVERLAY)
    shell = OverlayShell(core, None)
    liveness = [{"tunnel": name, "up": True, "t": 1.0} for name in ("nowhere", "a>b:mpls")]
    good = WINDOW | {"received": 5, "lost_forward": 0, "lost_back": 0}
    body = read(
        MeasurementsBody,
        "measurements",
        json.dumps({"windows": [good, good | {"tunnel": "nowhere"}], "liveness": liveness}).encode(),
    )
    asyncio.run(shell.report(body))
    assert core.telemetry.quality("a>b:mpls", "voice").delay_ms == 10.0
    assert [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()] == ["overlay_ready"]
