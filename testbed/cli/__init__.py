"""The command line: one module for each verb.

Exit codes: 0 the expectations hold, 1 some do not, 2 the input is wrong, 3 this host cannot, 4 the run is invalid or
something unexpected happened; 129, 130 and 143 after SIGHUP, Ctrl-C and SIGTERM.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from contextlib import suppress
from types import FrameType

import typer

from testbed.cli import (
    bench,
    check,
    clean,
    controller,
    core,
    doctor,
    graph,
    impair,
    inspect,
    plan,
    report,
    run,
    sdwan,
    srv6,
    up,
)
from testbed.errors import BearerlabError, HostError, RunInvalidError

app = typer.Typer(
    name="bearerlab",
    help="An emulation testbed for the network between a 5G user, the edge cloud and the central cloud.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for verb in (doctor, check, plan, run, up, inspect, graph, report, controller, bench, clean):
    app.command(verb.__name__.rpartition(".")[2])(verb.command)
app.add_typer(impair.app, name="impair")
app.add_typer(core.app, name="core")
app.add_typer(srv6.app, name="srv6")
app.add_typer(sdwan.app, name="sdwan")


_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> None:
    """Run the command line; errors for the user end it with their message and exit code."""
    signal.signal(signal.SIGTERM, _end)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup's way to say that it shall go on
        signal.signal(signal.SIGHUP, _end)
    try:
        app()
    except BearerlabError as error:
        _say(str(error))
        sys.exit(error.exit_code)
    except SystemExit as end:
        # Typer makes one of a KeyboardInterrupt too.
        if end.code in {128 + number for number in _SIGNALS}:
            _say("interrupted; everything was taken down")
        raise
    except Exception as error:
        if isinstance(error, PermissionError) and os.geteuid() != 0:
            _say(f"{error.filename or 'this'}: {error.strerror}; run it with sudo")
            sys.exit(HostError.exit_code)
        # Not 1: no expectation was judged.
        _say(traceback.format_exc())
        sys.exit(RunInvalidError.exit_code)


def _end(number: int, _frame: FrameType | None) -> None:
    """The signal unwinds the stack like any other end, so that every context manager takes down what it made."""
    # Another one must not interrupt the take-down.
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


def _say(text: str) -> None:
    # After SIGHUP there may be nobody left to read it.
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)
