"""`bearerlab sdwan` against the API over a core in memory, in 80 columns."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from testbed.cli import running, sdwan
from testbed.errors import InputError
from testbed.lab.ledger import LabRecord
from tests.support.overlay_api import OverlayApi
from tests.support.overlays import OverlayLab, make_overlay

BOTH = ("mpls", "internet")


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> OverlayLab:
    lab = OverlayLab(make_overlay({"a": BOTH, "b": BOTH}))
    lab.answer()
    api = OverlayApi(lab)

    def exchange(socket: Path, method: str, target: str, body: Any = None) -> tuple[int, str]:
        assert socket == Path("/lab/controller.sock")
        status, answer = api(method, target.removeprefix("/v1"), body)
        return status, json.dumps(answer) if answer is not None else ""

    monkeypatch.setattr(sdwan, "running_lab", lambda *_, **__: LabRecord(Path("/lab"), None))
    monkeypatch.setattr(running, "exchange", exchange)
    monkeypatch.setenv("COLUMNS", "80")
    return lab


def run(*argv: str) -> str:
    result = CliRunner().invoke(sdwan.app, argv, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def row(text: str, *cells: str) -> bool:
    return any(all(cell in line for cell in cells) for line in text.splitlines())


def test_show_has_edges_tunnels_with_their_quality_and_applications(lab: OverlayLab) -> None:
    lab.windows(2, mpls=(80.0, 0.0))
    text = run("show")
    assert all(len(line) <= 80 for line in text.splitlines())
    assert row(text, "a", "1", "connected", "mpls, internet")
    assert row(text, "a>b:mpls", "up", "voice", "breaks", "80.0 ms")
    assert row(text, "a>b:internet", "up", "voice", "meets", "10.0 ms", "0.0 %")
    assert row(text, "calls", "a", "b", "voice", "internet")
    assert set(json.loads(run("show", "--json"))) == {"mode", "edges", "tunnels", "demands"}


def test_a_tunnel_that_is_down_is_shown(lab: OverlayLab) -> None:
    lab.answer("a>b:mpls")
    assert row(run("show"), "a>b:mpls", "down")


def test_explain_tells_why_in_sentences_of_one_application_or_of_all(lab: OverlayLab) -> None:
    assert run("explain") == "nothing was moved so far\n"
    lab.answer("a>b:mpls")
    (told,) = run("explain", "calls").splitlines()
    time_of_day, sentence = told.split("  ", 1)
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3}", time_of_day)
    assert sentence == "calls:a>b: from a>b:mpls to a>b:internet, as a>b:mpls is down"
    assert len(run("explain").splitlines()) == 2, "and others"
    assert [each["demand"] for each in json.loads(run("explain", "calls", "--json"))] == ["calls:a>b"]


def test_an_application_that_is_not_there_is_named_with_those_that_are(lab: OverlayLab) -> None:
    with pytest.raises(InputError, match=r'got "call"; want an application: .*did you mean "calls"\?'):
        run("explain", "call")


def test_mode_begins_anew_in_another_one(lab: OverlayLab) -> None:
    run("mode", "static")
    assert lab.controller.mode.value == "static"
    assert CliRunner().invoke(sdwan.app, ["mode", "chaotic"]).exit_code == 2


def test_a_lab_without_an_overlay_is_told_apart(lab: OverlayLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "exchange", lambda *_: (404, '{"detail": "there is no /v1/overlay"}'))
    with pytest.raises(InputError, match="without an overlay; want one with `sdwan`"):
        run("show")
