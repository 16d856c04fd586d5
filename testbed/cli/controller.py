"""`bearerlab controller`: run an app of one's own, written for os-ken or for Ryu, in the foreground."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

import typer

from controllers import ovs
from testbed import netns
from testbed.cli.running import running_lab
from testbed.errors import InputError, Problem
from testbed.graph import Role
from testbed.lab.base import uninterrupted
from testbed.lab.ledger import LabRecord
from testbed.lab.names import Names
from testbed.plan.addressing import MANAGEMENT4
from testbed.plan.processes import OPENFLOW_PORT
from testbed.run.control import NAME
from testbed.run.management import request

_ENDINGS = (signal.SIGINT, signal.SIGTERM)
_POLL_S = 0.05


def command(
    file: Annotated[Path, typer.Argument(help="A Ryu or os-ken application.", metavar="FILE.py")],
    options: Annotated[
        list[str] | None,
        typer.Argument(help="Options of Ryu or of the app, after `--`.", metavar="[-- OPTION]…", show_default=False),
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Where switches connect to; 0 for any port.")
    ] = OPENFLOW_PORT,
    address: Annotated[str, typer.Option(help="Which of the host's addresses; all by default.")] = "0.0.0.0",
    lab: Annotated[
        str | None, typer.Option(help="Have the CPEs of this running lab, by its id, until Ctrl-C.", metavar="ID")
    ] = None,
) -> None:
    """Run a Ryu or os-ken application for the switches that connect, until Ctrl-C."""
    if lab:
        raise typer.Exit(_in_lab(running_lab("controller", lab, serving=NAME), file, options or []))
    try:
        ip_address(address)
    except ValueError as error:
        want = "an address of this host such as 127.0.0.1"
        raise InputError("--address", [Problem("value", f'"{address}"', want)]) from error
    # It waits for these; while it starts they have to wait for it.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDINGS)
    # Not in this process, which has loaded Mininet, with its ways of logging, and Scapy.
    os.execv(sys.executable, _argv(f"[{address}]" if ":" in address else address, port, file, options or []))


def _argv(address: str, port: int, file: Path, options: list[str]) -> list[str]:
    where = ("--console", "--listen", f"{address}:{port}")
    return [sys.executable, "-P", "-m", "controllers.launch", *where, "--file", str(file), "--", *options]


def _in_lab(lab: LabRecord, file: Path, options: list[str]) -> int:
    """The exit code of the app, which has the lab's CPEs meanwhile; then they are their controller's again."""
    cpes = _cpes(lab)
    address, port = str(MANAGEMENT4[1]), OPENFLOW_PORT + 1
    with _ending_whole() as stack:
        with netns.entered(Names(lab.run_id).base):
            app = stack.enter_context(_started(_argv(address, port, file, options)))
            serves = _serves(app, address, port)
        if serves:
            for cpe in cpes:
                stack.enter_context(ovs.handed_over(lab.directory / cpe, f"tcp:{address}:{port}"))
        # Ctrl-C is how it ends, and the lab goes on.
        with suppress(KeyboardInterrupt):
            app.wait()
    return app.returncode


@contextmanager
def _ending_whole() -> Iterator[ExitStack]:
    """A stack that a second Ctrl-C does not stop half-way."""
    stack = ExitStack()
    try:
        yield stack
    finally:
        with uninterrupted():
            stack.close()


def _cpes(lab: LabRecord) -> list[str]:
    nodes = request(lab.directory / NAME, "GET", "/nodes")["nodes"]
    if any(node["role"] == Role.EDGE for node in nodes):
        want = "a lab without `sdwan`, whose controller owns the CPEs"
        raise InputError("controller", [Problem("--lab", f"{lab.run_id}, which has an overlay", want)])
    found = [node["name"] for node in nodes if node["role"] == Role.CPE]
    if not found:
        raise InputError("controller", [Problem("--lab", f"{lab.run_id}, which has no CPE", "a lab that has")])
    return found


@contextmanager
def _started(argv: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDINGS)
    try:
        app = subprocess.Popen(argv)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    try:
        yield app
    finally:
        app.terminate()
        app.wait()


def _serves(app: subprocess.Popen[bytes], address: str, port: int) -> bool:
    """Wait until the app listens; False if it has ended instead."""
    while app.poll() is None:
        with socket.socket() as client:
            if client.connect_ex((address, port)) == 0:
                return True
        time.sleep(_POLL_S)
    return False
