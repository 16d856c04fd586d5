"""`bearerlab controller`: run an app of one's own, written for os-ken or for Ryu, in the foreground."""

from __future__ import annotations

import os
import signal
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

import typer

from testbed.errors import InputError, Problem


def command(
    file: Annotated[Path, typer.Argument(help="A Ryu or os-ken application.", metavar="FILE.py")],
    options: Annotated[
        list[str] | None,
        typer.Argument(help="Options of Ryu or of the app, after `--`.", metavar="[-- OPTION]…", show_default=False),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where switches connect to; 0 for any port.")] = 6653,
    address: Annotated[str, typer.Option(help="Which of the host's addresses; all by default.")] = "0.0.0.0",
) -> None:
    """Run a Ryu or os-ken application for the switches that connect, until Ctrl-C."""
    try:
        ip_address(address)
    except ValueError as error:
        want = "an address of this host such as 127.0.0.1"
        raise InputError("--address", [Problem("value", f'"{address}"', want)]) from error
    where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    launch = ("-P", "-m", "controllers.launch", "--console", "--listen", where, "--file", str(file))
    # It waits for these; while it starts they have to wait for it.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    # Not in this process, which has loaded Mininet, with its ways of logging, and Scapy.
    os.execv(sys.executable, (sys.executable, *launch, "--", *(options or [])))
