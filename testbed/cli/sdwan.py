"""`bearerlab sdwan`: the SD-WAN overlay of a running lab, as its controller has it."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Annotated, Any

import typer
from rich.console import Console

from testbed.cli import sdwan_tables
from testbed.cli.options import Json
from testbed.cli.running import Lab, ask, running_lab
from testbed.errors import InputError, Problem, RunInvalidError
from testbed.lab.ledger import LabRecord
from testbed.plan.names import Names
from testbed.plan.processes import CONTROLLER
from testbed.run.control import NAME

app = typer.Typer(help="Show the SD-WAN of a running lab, its decisions and its mode.", no_args_is_help=True)


@app.command()
def show(
    every: Annotated[bool, typer.Option("--all", help="Applications where none is expected, too.")] = False,
    lab: Lab = None,
    as_json: Json = False,
) -> None:
    """Show edges, transports, tunnels with their SLAs, and what each application takes."""
    overlay = _ask(lab, "GET", "/overlay") | _ask(lab, "GET", "/overlay/recognised")
    if as_json:
        typer.echo(json.dumps(overlay, indent=2))
        return
    console = Console()
    for part in sdwan_tables.show(overlay, every=every):
        console.print(part)


@app.command()
def explain(
    application: Annotated[
        str | None, typer.Argument(help="An application; all by default.", metavar="[APPLICATION]")
    ] = None,
    lab: Lab = None,
    as_json: Json = False,
) -> None:
    """Say what was moved and why, a sentence for each decision, the newest last."""
    if application is not None:
        known = tuple(dict.fromkeys(demand["application"] for demand in _ask(lab, "GET", "/overlay")["demands"]))
        if problems := list(Names("an application", known).check("APPLICATION", application)):
            raise InputError("sdwan explain", problems)
    decisions = [each for each in _ask(lab, "GET", "/overlay/decisions")["decisions"] if _concerns(each, application)]
    if as_json:
        typer.echo(json.dumps({"decisions": decisions}, indent=2))
        return
    Console().print(sdwan_tables.sentences(decisions) if decisions else "Nothing was moved.")


@app.command()
def mode(
    wanted: Annotated[str, typer.Argument(help="static, overlay, underlay or joint: what may move.", metavar="MODE")],
    lab: Lab = None,
    as_json: Json = False,
) -> None:
    """Put everything back where it was at first, and go on in another mode."""
    if problems := list(Names("a mode", tuple(sdwan_tables.MODES)).check("MODE", wanted)):
        raise InputError("sdwan mode", problems)
    _ask(lab, "PUT", "/overlay/mode", {"mode": wanted})
    typer.echo(json.dumps({"mode": wanted}) if as_json else f"Mode {wanted}: {sdwan_tables.MODES[wanted]}.")


def _concerns(decision: dict[str, Any], application: str | None) -> bool:
    """Whether a decision moves demands of the application, or what is below them; a mode concerns all."""
    applications = {demand.partition(":")[0] for demand in decision["demands"]}
    return application is None or decision["kind"] == "mode_changed" or application in applications


def _ask(lab: str | None, method: str, target: str, body: Any = None) -> Any:
    found = running_lab("sdwan", lab, serving=NAME)
    # A controller of plain switches has no API.
    if CONTROLLER not in found.ended and not (found.directory / f"{CONTROLLER}.sock").exists():
        raise _without(found)
    status, text = ask(found, CONTROLLER, method, f"/v1{target}", body)
    if status == HTTPStatus.NOT_FOUND:
        raise _without(found)
    answer: Any = json.loads(text) if text else None
    if status >= HTTPStatus.BAD_REQUEST:
        raise RunInvalidError(f"{CONTROLLER}: {answer['detail']}", process=CONTROLLER)
    return answer


def _without(lab: LabRecord) -> InputError:
    want = "a lab whose scenario has `sdwan`, such as scenarios/sdwan-failover.yml"
    return InputError("sdwan", [Problem("--lab", f'"{lab.run_id}", a lab without SD-WAN', want)])
