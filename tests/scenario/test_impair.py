"""Links that change while a lab runs: by its timeline, by a trace, and by `bearerlab impair`."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from testbed.lab.ledger import LABS
from testbed.run.control import NAME
from tests.support.command import bearerlab, events, leftovers, started
from tests.support.pair import LINK, scenario
from tests.support.polling import eventually

pytestmark = [pytest.mark.scenario]

PROBED = {
    "services": {"web": {"address": "203.0.113.10", "hosts": ["h2"]}},
    "probes": {"p": {"kind": "stamp", "from": "h1", "to": "web", "rate": 200}},
}


def measured(run: Path) -> dict[str, Any]:
    result = json.loads((run / "result.json").read_text())
    return {key.removesuffix(".p"): value for key, value in result["measurements"].items()}


def test_a_timeline_changes_links(tmp_path: Path) -> None:
    timeline: list[dict[str, Any]] = [
        {"measure": "before", "for": "1s"},
        {"impair": {"links": [LINK], "delay": "20ms", "up": {"loss": "50%"}}, "as": "worse", "settle": "1500ms"},
        {"link": {"name": LINK, "state": "down"}, "as": "cut", "settle": "600ms"},
        {"link": {"name": LINK, "state": "up"}, "as": "mended", "settle": "600ms"},
        {
            "ramp": {"links": [LINK], "delay": {"from": "20ms", "to": "5ms"}, "over": "600ms", "steps": 3},
            "as": "ramped",
            "settle": "100ms",
        },
        {"reset": {"links": [LINK]}, "as": "restored", "settle": "200ms"},
        {"measure": "after", "for": "1s"},
    ]
    run = tmp_path / "run"
    done = bearerlab("run", scenario(tmp_path, {}, timeline, **PROBED), "--out", run)
    assert done.returncode == 0, done.stdout + done.stderr
    found = measured(run)
    assert found["before"]["rtt_ms"]["min"] == pytest.approx(2, abs=0.5)
    assert found["worse"]["rtt_ms"]["p50"] >= 40
    assert 0.25 < found["worse"]["loss"] < 0.75
    # The node loses its neighbour with the carrier; what it sends meanwhile waits until it has it again.
    assert found["cut"]["rtt_ms"]["p50"] > 100
    assert found["mended"]["rtt_ms"]["p50"] >= 40
    assert found["after"]["rtt_ms"]["min"] == pytest.approx(2, abs=0.5)
    assert found["after"]["loss"] == 0
    assert [event["by"] for event in events(run, "link_changed")] == ["worse", *["ramped"] * 4, "restored"]
    assert [event["state"] for event in events(run, "link_state")] == ["down", "up"]
    probe = json.loads((run / "result.json").read_text())["links"][0]["achieved"]["a_to_b"]["probe"]
    windows = probe["windows"]
    assert 1 <= windows["before"]["delay_ms"]["p50"] < 20 <= windows["mended"]["delay_ms"]["p99"]
    assert windows["cut"]["lost"] >= 1
    assert windows["after"]["lost"] == 0


def test_a_trace_moves_a_link_and_its_end_is_told(tmp_path: Path) -> None:
    (tmp_path / "delay.txt").write_text("1Gbit 1ms\n1Gbit 30ms\n")
    trace = {"file": "delay.txt", "interval": "700ms", "at_end": "hold"}
    links = {"override": [{"link": LINK, "up": {"trace": trace}}]}
    run = tmp_path / "run"
    file = scenario(tmp_path, links, [{"measure": "all", "for": "2s"}], **PROBED)
    done = bearerlab("run", file, "--out", run)
    assert done.returncode == 0, done.stdout + done.stderr
    up = measured(run)["all"]["owd_ms"]["up"]
    assert up["min"] == pytest.approx(1, abs=0.5)
    assert up["p95"] >= 30
    (ended,) = events(run, "trace_ended")
    assert (ended["link"], ended["direction"], ended["then"]) == (LINK, "up", "hold")


def test_impair_a_running_lab(tmp_path: Path) -> None:
    run = tmp_path / "run"
    file = scenario(tmp_path, {}, [{"measure": "long", "for": "120s"}], **PROBED)
    with started("run", file, "--out", run):
        (entry,) = eventually(lambda: events(run, "lab"), bool)
        lab = entry["id"]
        eventually(lambda: bearerlab("impair", "show", "--lab", lab).returncode, lambda code: code == 0, 30)
        done = bearerlab("impair", "set", LINK, "delay=20ms", "up.loss=100%", "--lab", lab, "--json")
        assert done.returncode == 0, done.stderr
        (link,) = json.loads(done.stdout)
        assert (link["text"], link["changed"]) == (
            "up: 20 ms, loss 100%, 1Gbit, queue 50ms; down: 20 ms, 1Gbit, queue 50ms",
            True,
        )
        for wrong, message in (
            (("set", LINK, "delay=soon"), 'impair: delay: got "soon"; want a duration'),
            (("set", "h1-h9", "delay=1ms"), "impair: h1-h9: got no link of this name; want an emulated link: h1-h2"),
            (("show", "h1-h9"), "impair: h1-h9: got no such link; want an emulated link: h1-h2"),
        ):
            refused = bearerlab("impair", *wrong, "--lab", lab)
            assert (refused.returncode, refused.stderr[: len(message)]) == (2, message)
        assert bearerlab("impair", "reset", "--lab", lab).returncode == 0
        (shown,) = json.loads(bearerlab("impair", "show", "--lab", lab, "--json").stdout)
        assert (shown["text"], shown["changed"]) == ("1.02 ms, 1Gbit, queue 50ms", False)
    assert leftovers(lab) == []
    assert [event["by"] for event in events(run, "link_changed")] == ["bearerlab impair"] * 2


def test_no_lab_runs_under_that_name() -> None:
    done = bearerlab("impair", "show", "--lab", "nolab")
    assert done.returncode == 2
    assert 'impair: --lab: got "nolab"; want a running lab' in done.stderr


def test_an_overloaded_host_makes_the_run_invalid(tmp_path: Path) -> None:
    run = tmp_path / "run"
    # Nothing ever waits for less than a nanosecond.
    file = scenario(tmp_path, {}, [{"measure": "all", "for": "1s"}], **PROBED, validity={"run_delay": "1ns"})
    done = bearerlab("run", file, "--out", run)
    assert done.returncode == 4, done.stdout + done.stderr
    assert "INVALID: the host was overloaded:" in done.stdout
    result = json.loads((run / "result.json").read_text())
    assert (result["valid"], result["passed"]) == (False, False)
    assert "for a processor on average, bound 1e-06 ms" in result["reason"]
    (link,) = result["links"]
    assert link["achieved"]["a_to_b"]["packets"] >= 200
    assert link["achieved"]["a_to_b"]["lateness_us_p99"] > 0


def test_a_link_that_cannot_be_changed_makes_the_run_invalid(tmp_path: Path) -> None:
    run = tmp_path / "run"
    timeline: list[dict[str, Any]] = [
        {"measure": "quiet", "for": "6s"},
        {"impair": {"links": [LINK], "delay": "20ms"}, "as": "worse"},
    ]
    with started("run", scenario(tmp_path, {}, timeline), "--out", run) as process:
        (entry,) = eventually(lambda: events(run, "lab"), bool)
        # The control socket is there once the engine has its links.
        eventually((LABS / entry["id"] / NAME).exists, bool)
        subprocess.run(["ip", "-n", f"bl-{entry['id']}-h1", "link", "del", "h2"], check=True)
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 4, output
    result = json.loads((run / "result.json").read_text())
    assert result["valid"] is False
    assert LINK in result["reason"]
