"""Which lab a verb means, and what is said of its processes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from testbed.cli import inspect, running
from testbed.errors import InputError, RunInvalidError
from testbed.lab.ledger import LabRecord, Ledger, open_ledger, read_lab


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """Of a lab that this process owns, whose controller has ended and whose probe goes on."""
    ledger = open_ledger(tmp_path / "labs")
    ledger.run(tmp_path / "run")
    with subprocess.Popen(["sleep", "60"]) as process:
        ledger.process("controller", process.pid)
        process.kill()
    ledger.process("probe", os.getpid())
    return ledger


def test_a_controller_that_has_ended_is_named_with_its_log(ledger: Ledger, tmp_path: Path) -> None:
    lab = read_lab(ledger.directory)
    with pytest.raises(RunInvalidError) as raised:
        running.ask(lab, "controller", "GET", "/v1/topology")
    log = tmp_path / "run/logs/controller.log"
    assert str(raised.value) == f"controller of lab {lab.run_id} has ended; its log: {log}"
    with pytest.raises(RunInvalidError, match="probe did not answer"):
        running.ask(lab, "probe", "GET", "/")


def test_inspect_names_what_has_ended(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = read_lab(ledger.directory)
    monkeypatch.setattr(inspect, "labs", lambda: (lab,))
    app = typer.Typer()
    app.command()(inspect.command)
    told = CliRunner().invoke(app).output
    assert f"{lab.run_id}: controller has ended; its log: {lab.log('controller')}" in told
    assert "probe has ended" not in told


def test_a_process_that_was_started_again_has_not_ended(ledger: Ledger) -> None:
    ledger.process("controller", os.getpid())
    assert read_lab(ledger.directory).ended == ()


def inspected(lab: LabRecord, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(inspect, "labs", lambda: (lab,))
    monkeypatch.setenv("COLUMNS", "200")
    app = typer.Typer()
    app.command()(inspect.command)
    return CliRunner().invoke(app).output


def test_nothing_has_ended_by_itself_in_a_lab_that_is_taken_down(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.taking_down()
    told = inspected(read_lab(ledger.directory), monkeypatch)
    assert "being taken down" in told
    assert "has ended" not in told


@pytest.mark.parametrize("named", [True, False])
def test_a_lab_without_what_the_verb_asks_is_told_what_makes_it(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, *, named: bool
) -> None:
    lab = read_lab(ledger.directory)
    monkeypatch.setattr(running, "labs", lambda: (lab,))
    with pytest.raises(InputError) as raised:
        running.running_lab("srv6", lab.run_id if named else None, serving="controller.sock", needs="`srv6:`")
    assert str(raised.value) == (
        f"srv6: --lab: got {lab.run_id}, without controller.sock; want a lab whose scenario has `srv6:`"
        " (or wait, if it is still starting)"
    )
