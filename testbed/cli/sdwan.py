"""`bearerlab sdwan`: the SD-WAN overlay of a running lab, as its controller has it."""

from __future__ import annotations

import json
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any

import typer
from rich.console import Console

from testbed.cli.options import Json
from testbed.cli.running import Lab, ask, running_lab
from testbed.cli.sdwan_tables import demand_table, edge_table, sentences, tunnel_table
from testbed.errors import InputError, Problem, RunInvalidError
from testbed.lab.ledger import LabRecord
from testbed.plan.names import Names
from testbed.plan.processes import CONTROLLER

NORTHBOUND = f"{CONTROLLER}.sock"

app = typer.Typer(help="Show the SD-WAN overlay of a running lab, and why it is as it is.", no_args_is_help=True)


class Mode(StrEnum):
    """What may be moved when an SLA is broken."""

    STATIC = "static"
    OVERLAY = "overlay"
    UNDERLAY = "underlay"
    JOINT = "joint"


@app.command()
def show(lab: Lab = None, as_json: Json = False) -> None:
    """Show edges, tunnels with their quality, and what each application takes."""
    overlay = _ask(_lab(lab), "GET", "/overlay")
    if as_json:
        typer.echo(json.dumps(overlay, indent=2))
        return
    console = Console()
    for table in (edge_table(overlay), tunnel_table(overlay), demand_table(overlay)):
        console.print(table)
        console.print()


@app.command()
def explain(
    application: Annotated[str | None, typer.Argument(help="All by default.", metavar="[APPLICATION]")] = None,
    lab: Lab = None,
    as_json: Json = False,
) -> None:
    """Tell each decision of the controller in a sentence, the newest last."""
    found = _lab(lab)
    decisions = _ask(found, "GET", "/overlay/decisions")["decisions"]
    if application is not None:
        known = dict.fromkeys(demand["application"] for demand in _ask(found, "GET", "/overlay")["demands"])
        if problems := list(Names("an application", tuple(known)).check("APPLICATION", application)):
            raise InputError("sdwan explain", problems)
        decisions = [each for each in decisions if each["demand"].partition(":")[0] == application]
    if as_json:
        typer.echo(json.dumps(decisions, indent=2))
        return
    for sentence in sentences(decisions):
        typer.echo(sentence)
    if not decisions:
        typer.echo("nothing was moved so far")


@app.command()
def mode(
    wanted: Annotated[Mode, typer.Argument(help="What may be moved when an SLA is broken.", metavar="MODE")],
    lab: Lab = None,
) -> None:
    """Put everything back where it was at first, and go on in another mode."""
    _ask(_lab(lab), "PUT", "/overlay/mode", {"mode": wanted.value})


def _lab(wanted: str | None) -> LabRecord:
    return running_lab("sdwan", wanted, serving=NORTHBOUND)


def _ask(lab: LabRecord, method: str, target: str, body: Any = None) -> Any:
    status, text = ask(lab, CONTROLLER, method, f"/v1{target}", body)
    if status == HTTPStatus.NOT_FOUND:
        raise InputError("sdwan", [Problem("--lab", f"lab {lab.run_id}, without an overlay", "one with `sdwan`")])
    answer: Any = json.loads(text) if text else None
    if status >= HTTPStatus.BAD_REQUEST:
        raise RunInvalidError(f"{CONTROLLER}: {answer['detail']}", process=CONTROLLER)
    return answer
