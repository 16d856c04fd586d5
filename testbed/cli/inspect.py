"""`bearerlab inspect`: the labs of this machine and what runs in them."""

from __future__ import annotations

import json
from dataclasses import asdict

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
    table = Table("lab", "state", "run's pid", "namespaces", "processes", "enter a node")
    for lab in found:
        alive = sum(proc.alive(process) for process in lab.processes)
        state = "running" if lab.owner_lives else "crashed: bearerlab clean"
        pid = str(lab.owner.pid) if lab.owner else "–"
        enter = f"ip netns exec bl-{lab.run_id}-NODE …"
        table.add_row(lab.run_id, state, pid, str(len(lab.namespaces)), str(alive), enter)
    Console().print(table)
    for lab in found:
        for name in lab.ended if lab.owner_lives else ():
            typer.echo(f"{lab.run_id}: {name} has ended; its log: {lab.log(name)}")


def _as_data(lab: LabRecord) -> dict[str, object]:
    living = [{"name": name, **asdict(process)} for name, process in lab.named.items() if proc.alive(process)]
    data = asdict(lab) | {"run_id": lab.run_id, "owner_lives": lab.owner_lives, "processes": living}
    del data["named"]
    return data | {"ended": lab.ended}
