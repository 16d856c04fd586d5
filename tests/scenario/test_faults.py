"""Runs that do not end well: each says why, and leaves nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from testbed import doctor
from testbed.lab.ledger import LABS
from tests.support.command import BEARERLAB, bearerlab, events, leftovers, started
from tests.support.polling import eventually
from tests.support.scenario import LOCAL_BREAKOUT

pytestmark = [pytest.mark.scenario]

LONG = ("--set", "timeline.0.for=60s")


def lab_id(run: Path) -> str:
    """The id of the lab that belongs to a run directory, once there is one."""
    found: list[dict[str, Any]] = eventually(lambda: events(run, "lab"), bool)
    identity: str = found[0]["id"]
    return identity


def measuring(run: Path) -> str:
    """Wait until the probes of a run are going; the lab's id."""
    eventually(lambda: [event for event in events(run, "ready") if event["process"] == "probe-ue1-portal"], bool, 60)
    return lab_id(run)


def pid_of(lab: str, process: str) -> int:
    """The pid of a lab's process, from its ledger."""
    entries = [json.loads(line) for line in (LABS / lab / "ledger.jsonl").read_text().splitlines()]
    pids: list[int] = [entry["pid"] for entry in entries if entry["kind"] == "process" and entry["name"] == process]
    return pids[-1]


@pytest.mark.parametrize("victim", ["smf", "upf-cloud", "gnb1", "controller", "wire", "cpe-cloud-ovs-vswitchd"])
def test_a_process_that_dies_makes_the_run_invalid(tmp_path: Path, victim: str) -> None:
    run = tmp_path / "run"
    with started("run", LOCAL_BREAKOUT, "--out", run, *LONG) as process:
        lab = measuring(run)
        os.kill(pid_of(lab, victim), signal.SIGKILL)
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 4, output
    assert f"{victim} ended with signal SIGKILL during the run" in output
    result = json.loads((run / "result.json").read_text())
    assert result["valid"] is False
    assert victim in result["reason"]
    assert leftovers(lab) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_an_interrupted_run_takes_everything_down(tmp_path: Path, number: signal.Signals, code: int) -> None:
    run = tmp_path / "run"
    with started("run", LOCAL_BREAKOUT, "--out", run, *LONG) as process:
        lab = measuring(run)
        process.send_signal(number)
        output, _ = process.communicate(timeout=30)
    assert process.returncode == code, output
    assert output.endswith("interrupted; everything was taken down\n")
    assert leftovers(lab) == []


def test_a_failing_step_takes_everything_down(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with started("run", LOCAL_BREAKOUT, "--out", run, "--set", "timeline.0.for=3s") as process:
        lab = measuring(run)
        # A UPF that does not answer N4: the insertion cannot be made and is undone.
        os.kill(pid_of(lab, "upf-edge"), signal.SIGSTOP)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 4, output
    assert "upf-edge" in output
    assert leftovers(lab) == []


def test_a_process_that_dies_during_a_step_is_the_one_that_is_named(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with started("run", LOCAL_BREAKOUT, "--out", run, "--set", "timeline.0.for=3s") as process:
        lab = measuring(run)
        # The insertion comes to a halt at the edge UPF, and then its other end dies.
        os.kill(pid_of(lab, "upf-edge"), signal.SIGSTOP)
        eventually(lambda: [event for event in events(run, "step") if event["step"] == "open_n9_uplink"], bool)
        os.kill(pid_of(lab, "upf-cloud"), signal.SIGKILL)
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 4, output
    assert "upf-cloud ended with signal SIGKILL during the run" in output
    assert leftovers(lab) == []


def test_clean_removes_exactly_what_a_killed_run_made(tmp_path: Path) -> None:
    killed, living = tmp_path / "killed", tmp_path / "living"
    with started("run", LOCAL_BREAKOUT, "--out", living, *LONG) as other:
        kept = measuring(living)
        with started("run", LOCAL_BREAKOUT, "--out", killed, *LONG) as process:
            lab = measuring(killed)
            process.kill()
        assert leftovers(lab)
        cleaned = bearerlab("clean", lab)
        assert cleaned.returncode == 0, cleaned.stderr
        assert f"removed lab {lab}" in cleaned.stdout
        assert leftovers(lab) == []
        # The other lab runs on: two at once do not see each other.
        assert other.poll() is None
        pinged = subprocess.run(
            ["ip", "netns", "exec", f"bl-{kept}-ue1", "ping", "-c", "1", "-W", "2", "203.0.113.10"], check=False
        )
        assert pinged.returncode == 0
    assert leftovers(kept) == []


def test_without_root(tmp_path: Path) -> None:
    argv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", BEARERLAB]
    argv += ["run", str(LOCAL_BREAKOUT), "--out", str(tmp_path / "run")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    assert "root" in done.stderr


def test_a_missing_engine_is_said_before_anything_starts(tmp_path: Path) -> None:
    if doctor.present("netem"):
        pytest.skip("this kernel has netem")
    done = bearerlab("run", LOCAL_BREAKOUT, "--out", tmp_path / "run", "--set", "links.engine=netem")
    assert done.returncode == 3, done.stdout
    assert "netem" in done.stderr
    assert not (tmp_path / "run").exists()


def test_wrong_input_makes_nothing(tmp_path: Path) -> None:
    done = bearerlab("run", LOCAL_BREAKOUT, "--out", tmp_path / "run", "--set", "core.ue_mtu=big", "--set", "x=1")
    assert done.returncode == 2
    assert "core.ue_mtu: got" in done.stderr
    assert "x: got an unknown key" in done.stderr
    assert not (tmp_path / "run").exists()
