"""The command line: one module for each verb.

Exit codes: 0 the expectations hold, 1 some do not, 2 the input is wrong, 3 this host cannot, 4 the run is invalid.
"""

from __future__ import annotations

import signal
import sys
from types import FrameType

import typer

from testbed.cli import bench, check, clean, doctor, graph, impair, inspect, plan, report, run, up
from testbed.errors import BearerlabError

app = typer.Typer(
    name="bearerlab",
    help="An emulation testbed for the network between a 5G user, the edge cloud and the central cloud.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for verb in (doctor, check, plan, run, up, inspect, graph, report, bench, clean):
    app.command(verb.__name__.rpartition(".")[2])(verb.command)
app.add_typer(impair.app, name="impair")


def main() -> None:
    """Run the command line; errors for the user end it with their message and exit code."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        app()
    except BearerlabError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("interrupted; everything was taken down", file=sys.stderr)
        sys.exit(130)


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    """SIGTERM unwinds the stack like any other end, so that every context manager takes down what it made."""
    # A second one must not interrupt the take-down.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(128 + signal.SIGTERM)
