"""`bearerlab inspect`: the labs of this machine and what runs in them."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from testbed.cli.options import Json
from testbed.lab import proc
from testbed.lab.ledger import LabRecord, labs


def command(as_json: Json = False) -> None:
    """Show each lab: its id, its run's process, its namespaces and processes."""
    found = labs()
    if as_json:
        typer.echo(json.dumps([_as_data(lab) for lab in found], indent=2, default=str))
        return
    if not found:
        typer.echo("no lab is running")
        return
    table = Table("lab", "state", "run's pid", "namespaces", "processes", "controller", "enter a node")
    for lab in found:
        alive = sum(proc.alive(process) for process in lab.processes)
        state = _state(lab)
        pid = str(lab.owner.pid) if lab.owner else "–"
        enter = f"ip netns exec bl-{lab.run_id}-NODE …"
        apps = ", ".join(Path(app).name for app in _controller_apps(lab)) or "–"
        table.add_row(lab.run_id, state, pid, str(len(lab.namespaces)), str(alive), apps, enter)
    Console().print(table)
    for lab in found:
        for name in lab.ended if lab.owner_lives else ():
            typer.echo(f"{lab.run_id}: {name} has ended; its log: {lab.log(name)}")


def _state(lab: LabRecord) -> str:
    if not lab.owner_lives:
        return "crashed: bearerlab clean"
    return "being taken down" if lab.taken_down else "running"


def _as_data(lab: LabRecord) -> dict[str, object]:
    living = [{"name": name, **asdict(process)} for name, process in lab.named.items() if proc.alive(process)]
    data = asdict(lab) | {"run_id": lab.run_id, "owner_lives": lab.owner_lives, "processes": living}
    del data["named"]
    return data | {"ended": lab.ended, "controller": _controller_apps(lab)}


def _controller_apps(lab: LabRecord) -> list[str]:
    """What the lab's controllers run: our apps by their names, a user's own by its file."""
    words = [proc.command_line(process) for process in lab.processes if proc.alive(process)]
    controllers = [argv for argv in words if "controllers.launch" in argv]
    return [app for argv in controllers for option, app in pairwise(argv) if option in ("--app", "--file")]
