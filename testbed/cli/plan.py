"""`bearerlab plan`: everything that a run would do, decided. No root; the same file and seed give the same plan."""

from __future__ import annotations

import json

import typer
from pydantic import TypeAdapter

from testbed.cli.options import Json, ScenarioFile, Seed, Settings
from testbed.plan.controlled import controlled
from testbed.plan.describe import describe
from testbed.plan.model import Plan, PlannedNode
from testbed.run import load_plan
from testbed.units import counted


def command(file: ScenarioFile, settings: Settings = [], seed: Seed = None, as_json: Json = False) -> None:  # noqa: B006
    """Print the plan of a scenario: addresses, routes, links, processes."""
    _, planned = load_plan(file, settings, seed=seed)
    if as_json:
        typer.echo(json.dumps(TypeAdapter(Plan).dump_python(planned, mode="json"), indent=2))
        return
    for node in planned.nodes:
        typer.echo(_node(node))
    typer.echo("\nlinks")
    for link in planned.links:
        what = describe(link.behaviour) if link.emulated else "plain veth"
        typer.echo(f"  {link.name:<22} {link.tier:<10} mtu {link.mtu}  {what}")
    if planned.changes:
        typer.echo("\nchanges of links")
    for change in planned.changes:
        typer.echo(f"  {change.window:<22} +{change.after_ms:g} ms  {change.link:<22} {describe(change.behaviour)}")
    for title, lines in controlled(planned):
        typer.echo(f"\n{title}")
        for line in lines:
            typer.echo(f"  {line}")
    typer.echo("\nprocesses")
    for process in (*planned.processes, *planned.probes):
        typer.echo(f"  {process.name:<22} {process.node or 'base namespace':<12} {' '.join(process.argv)}")


def _node(node: PlannedNode) -> str:
    lines = [f"{node.name}  {node.role}" + (f"  ({node.label})" if node.label else "")]
    lines += [f"  lo            {' '.join(node.loopback)}"] if node.loopback else []
    lines += [f"  {port.name:<13} {' '.join(port.addresses) or '–'}" for port in node.interfaces]
    lines += [f"  {counted(len(node.routes), 'route')}"] if node.routes else []
    return "\n".join(lines)
