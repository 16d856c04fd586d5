"""How the command line ends when no verb has ended it: with a code of the contract, and a word about why."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
import typer

from testbed import cli

Run = Callable[[Callable[[], object]], int]


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """What `main` does to the handlers of this process does not last."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def end(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `bearerlab` with one verb, which calls the body; its exit code."""

    def run(body: Callable[[], object]) -> int:
        app = typer.Typer(pretty_exceptions_enable=False)

        @app.command()
        def verb() -> None:
            body()

        monkeypatch.setattr(cli, "app", app)
        monkeypatch.setattr(sys, "argv", ["bearerlab"])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0)

    return run


def test_what_nobody_expected_is_shown_and_is_no_failed_expectation(
    end: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert end(lambda: 1 / 0) == 4
    assert "ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGHUP, 129), (signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_and_says_so(
    end: Run, capsys: pytest.CaptureFixture[str], number: signal.Signals, code: int
) -> None:
    assert end(lambda: signal.raise_signal(number)) == code
    assert capsys.readouterr().err == "interrupted; everything was taken down\n"


def test_nohup_is_respected(end: Run) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assert end(lambda: signal.raise_signal(signal.SIGHUP)) == 0


def test_the_take_down_is_not_interrupted(end: Run) -> None:
    def body() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGHUP)
            signal.raise_signal(signal.SIGINT)

    assert end(body) == 143


def test_what_needs_root_says_so(end: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def denied() -> None:
        raise PermissionError(13, "Permission denied", "/run/bearerlab/abcde")

    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert end(denied) == 3
    assert capsys.readouterr().err == "/run/bearerlab/abcde: Permission denied; run it with sudo\n"


INTERRUPTED_IMPORT = """
import signal, sys
class Interrupt:
    def find_spec(self, name, path, target=None):
        if name == "testbed.cli":
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Interrupt())
from testbed.__main__ import main
main()
"""


def test_an_interrupt_before_anything_is_there_is_quiet() -> None:
    done = subprocess.run([sys.executable, "-c", INTERRUPTED_IMPORT], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
