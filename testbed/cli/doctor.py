"""`bearerlab doctor`: what this host can do, found out by doing it."""

from __future__ import annotations

import typer
from rich.console import Console

from testbed.cli.options import Json
from testbed.doctor import missing_required, probe_all, render, to_json


def command(as_json: Json = False) -> None:
    """Show each capability: present or absent, what needs it, how to get it."""
    capabilities = probe_all()
    if as_json:
        typer.echo(to_json(capabilities))
    else:
        Console().print(render(capabilities))
    raise typer.Exit(3 if missing_required(capabilities) else 0)
