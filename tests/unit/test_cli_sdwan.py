"""`bearerlab sdwan` against the API over a core in memory: how answers look in 80 columns, and what is refused."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from aiohttp.test_utils import TestClient, TestServer
from typer.testing import CliRunner

from controllers.joint.model import Mode
from controllers.joint.quality import Quality
from controllers.joint.underlay import PolicyWays, Underlay, Way
from controllers.northbound.overlay import ENDPOINTS, MeasurementsBody, OverlayOperations
from controllers.northbound.server import application
from controllers.sdwan.controller import Controller
from controllers.sdwan.network import Demand, Named
from controllers.sdwan.recognition import Recognition
from controllers.srv6.policy import PolicyId
from testbed.cli import running, sdwan
from testbed.errors import InputError, RunInvalidError
from testbed.lab.ledger import LabRecord
from testbed.lab.proc import ProcessId
from tests.support.names import answer, datagram
from tests.support.overlays import OverlayLab, make_overlay

Found = TypeVar("Found")
POLICY = PolicyId("router-mpls", 100, "router-mpls")


class Shell:
    """The core without threads, and without switches but for those of `lab`."""

    def __init__(self, lab: OverlayLab) -> None:
        self.lab = lab

    async def read(self, look: Callable[[Controller], Found]) -> Found:
        return look(self.lab.controller)

    async def set_mode(self, mode: Mode) -> None:
        self.lab.run(self.lab.controller.set_mode(mode, self.lab.now))

    async def report(self, body: MeasurementsBody) -> None:
        raise AssertionError(body)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OverlayLab:
    """Two sites on two transports; calls are expected one way."""
    sites = {"cpe-edge": ("mpls", "internet"), "cpe-cloud": ("mpls", "internet")}
    overlay = make_overlay(sites, prices={"mpls": 10.0, "internet": 1.0})
    demands = tuple(
        Demand(each.application, each.source, each.target, 2_000_000, each.application == "calls")
        for each in overlay.demands
    )
    lab = OverlayLab(replace(overlay, demands=demands))
    lab.answer()
    (tmp_path / "controller.sock").touch()
    record = LabRecord(tmp_path, None)
    monkeypatch.setattr(sdwan, "running_lab", lambda *_, **__: record)
    monkeypatch.setattr(running, "exchange", lambda *request: asyncio.run(_exchange(Shell(lab), *request)))
    monkeypatch.setenv("COLUMNS", "80")
    return lab


async def _exchange(shell: Shell, socket: Path, method: str, target: str, body: Any = None) -> tuple[int, str]:
    assert socket.name == "controller.sock"
    app = application((OverlayOperations(shell), ENDPOINTS))
    async with TestClient(TestServer(app)) as client, client.request(method, target, json=body) as response:
        return response.status, await response.text()


def run(*argv: str) -> str:
    result = CliRunner().invoke(sdwan.app, argv, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def row(text: str, *cells: str) -> bool:
    return any(all(cell in line for cell in cells) for line in text.splitlines())


def test_show_has_tunnels_with_their_slas_and_what_applications_take(lab: OverlayLab) -> None:
    lab.windows(4, mpls=(80.0, 0.0))
    text = run("show")
    assert all(len(line) <= 80 for line in text.splitlines())
    assert text.startswith("Mode overlay: flows move between tunnels.")
    assert row(text, "cpe-edge", "connected", "mpls, internet")
    assert row(text, "mpls", "10", "cpe-edge, cpe-cloud")
    assert row(text, "cpe-edge>cpe-cloud:mpls", "up")
    assert row(text, "  voice", "breaks", "80.0", "160", "0.100")
    assert row(text, "calls", "cpe-edge", "cpe-cloud", "voice", "2Mbit", "internet", "holds")
    assert "backup" not in text
    assert row(run("show", "--all"), "backup", "internet", "–")
    assert json.loads(run("show", "--json"))["transports"][0] == {"name": "mpls", "price": 10.0, "colors": []}


def test_show_has_servers_that_were_recognised_by_name(lab: OverlayLab) -> None:
    assert "Recognised" not in run("show")
    backup = replace(lab.overlay.applications[1], named=Named("*.video.example"))
    lab.controller.recognition = Recognition(replace(lab.overlay, applications=(backup,)))
    told_by = datagram(answer("www.video.example", "www.video.example. 300 IN A 192.0.2.1"))
    lab.controller.recognition.answered("acme", told_by, time.monotonic())
    assert row(run("show"), "www.video.example", "192.0.2.1", "backup", "acme", "300")
    (told,) = json.loads(run("show", "--json"))["recognised"]
    assert (told["name"], told["address"], round(told["seconds"])) == ("www.video.example", "192.0.2.1", 300)


def test_show_says_what_is_wrong_where_no_tunnel_is_good(lab: OverlayLab) -> None:
    lab.windows(4, mpls=(80.0, 0.0), internet=(90.0, 0.0))
    text = " ".join(run("show").split())
    assert "calls:cpe-edge>cpe-cloud: cpe-edge>cpe-cloud:mpls breaks voice: delay 80.0 ms, 50 ms at most." in text
    lab.answer("cpe-edge>cpe-cloud:mpls")
    text = run("show")
    assert row(text, "cpe-edge>cpe-cloud:mpls", "down")
    assert sum(line.startswith("   voice") for line in text.splitlines()) == 3, (
        "of a tunnel that is down nothing is known"
    )


def test_explain_says_what_was_measured_violated_and_moved_at_what_cost(lab: OverlayLab) -> None:
    assert run("explain") == "Nothing was moved.\n"
    lab.windows(4, mpls=(80.0, 0.0))
    lab.windows(7)
    told = run("explain", "calls")
    assert all(len(line) <= 80 for line in told.splitlines())
    told = " ".join(told.split())
    assert (
        "calls:cpe-edge>cpe-cloud moved from mpls to internet: cpe-edge>cpe-cloud:mpls breaks voice: "
        "delay 80.0 ms, 50 ms at most; a Mbit/s costs 1 instead of 10, 18 less in all." in told
    )
    assert told.index("from mpls to internet") < told.index("from internet to mpls")
    assert "meets voice again and is preferred; a Mbit/s costs 10 instead of 1, 18 more in all." in told
    decisions = json.loads(run("explain", "calls", "--json"))["decisions"]
    assert [each["kind"] for each in decisions] == ["demand_moved"] * 4
    assert run("explain", "backup") == "Nothing was moved.\n"


def test_a_mode_is_set_and_told(lab: OverlayLab) -> None:
    assert run("mode", "static") == "Mode static: nothing moves.\n"
    assert lab.controller.mode is Mode.STATIC
    told = " ".join(run("explain", "calls").split())
    assert told.endswith("Mode static begins, with everything where it was at first: nothing moves.")
    assert json.loads(run("mode", "overlay", "--json")) == {"mode": "overlay"}


def test_a_policy_that_was_rerouted_is_told_to_the_applications_above_it(lab: OverlayLab) -> None:
    controller = lab.controller
    tunnels = tuple(replace(each, color=100 if each.transport == "mpls" else None) for each in lab.overlay.tunnels)
    controller.overlay = replace(lab.overlay, tunnels=tunnels)
    run("mode", "static")
    lab.windows(4, mpls=(80.0, 0.0))
    controller.mode = Mode.UNDERLAY
    ways = (Way(("pe1", "p1", "pe2"), (), Quality(80.0), 0.8), Way(("pe1", "p2", "pe2"), (), Quality(20.0), 0.2))
    below = Underlay((PolicyWays(POLICY, ways, "pe1>p1>pe2"),))
    controller.plan(below, lab.now)
    told = " ".join(run("explain", "calls").split())
    assert f"Policy {POLICY} moved from pe1>p1>pe2 to pe1>p2>pe2: for calls:cpe-cloud>cpe-edge and 1 more, mpls" in told
    assert "it carries calls:cpe-edge>cpe-cloud and calls:cpe-cloud>cpe-edge." in told
    assert "Policy" not in run("explain", "backup")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (
            ("explain", "call"),
            'sdwan explain: APPLICATION: got "call"; want an application: calls, backup, other (did',
        ),
        (("mode", "overly"), 'sdwan mode: MODE: got "overly"; want a mode: static, overlay, underlay, joint (did you'),
    ],
)
def test_a_name_that_is_none_is_refused_with_the_one_that_was_meant(
    lab: OverlayLab, argv: tuple[str, ...], message: str
) -> None:
    with pytest.raises(InputError) as refused:
        run(*argv)
    assert message in str(refused.value)


def test_a_lab_without_sdwan_is_no_lab_to_ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdwan, "running_lab", lambda *_, **__: LabRecord(tmp_path / "abcde", None))
    monkeypatch.setattr(running, "exchange", lambda *_: (404, "there is no such thing"))
    wanted = '"abcde", a lab without SD-WAN; want a lab whose scenario has `sdwan`'
    with pytest.raises(InputError, match=wanted):
        run("show")
    (tmp_path / "abcde").mkdir()
    (tmp_path / "abcde/controller.sock").touch()
    with pytest.raises(InputError, match=wanted):
        run("show")


def test_a_controller_that_has_ended_is_named_with_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = LabRecord(tmp_path / "abcde", None, run=tmp_path, named={"controller": ProcessId(2**22 + 1, 1)})
    monkeypatch.setattr(sdwan, "running_lab", lambda *_, **__: gone)
    with pytest.raises(RunInvalidError, match=r"controller of lab abcde has ended; its log: .*/logs/controller.log"):
        run("show")


def test_a_controller_that_fails_makes_the_run_invalid(lab: OverlayLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "exchange", lambda *_: (500, '{"detail": "stuck", "problems": []}'))
    with pytest.raises(RunInvalidError, match="controller: stuck"):
        run("show")
