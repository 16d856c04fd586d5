"""`bearerlab impair`: show and change what the links of a running lab do to packets."""

from __future__ import annotations

import json
from collections.abc import Iterable
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Console
from rich.table import Table

from testbed.cli.options import Json
from testbed.cli.running import Lab, running_lab
from testbed.errors import InputError, Problem, RunInvalidError
from testbed.run.control import NAME
from testbed.run.management import exchange
from testbed.scenario.load import assigned

app = typer.Typer(help="Show and change what the links of a running lab do.", no_args_is_help=True)


@app.command()
def show(
    links: Annotated[list[str] | None, typer.Argument(help="Links; all by default.", metavar="[LINK]…")] = None,
    lab: Lab = None,
    as_json: Json = False,
) -> None:
    """Show what each emulated link does now."""
    found = _ask(lab, "GET", "/links")["links"]
    names = [link["name"] for link in found]
    if unknown := [name for name in links or () if name not in names]:
        want = f"an emulated link: {', '.join(names) or 'there is none'}"
        raise InputError("impair", [Problem(name, "no such link", want) for name in unknown])
    _print([link for link in found if not links or link["name"] in links], as_json=as_json)


@app.command("set")
def set_(
    link: Annotated[str, typer.Argument(help="The link, such as m1-m2.")],
    changes: Annotated[
        list[str],
        typer.Argument(help="What changes, as in a scenario: delay=20ms loss=1% up.rate=5Mbit.", metavar="KEY=VALUE…"),
    ],
    lab: Lab = None,
    as_json: Json = False,
) -> None:
    """Change a link; what is not named stays as it is."""
    body = {"change": assigned(changes, "impair"), "beside": str(Path.cwd())}
    _print([_ask(lab, "POST", f"/links/{quote(link, safe='')}", body)], as_json=as_json)


@app.command()
def reset(
    links: Annotated[list[str] | None, typer.Argument(help="Links; all by default.", metavar="[LINK]…")] = None,
    lab: Lab = None,
    as_json: Json = False,
) -> None:
    """Put links back to what the scenario says, and up."""
    names = links or [link["name"] for link in _ask(lab, "GET", "/links")["links"]]
    _print([_ask(lab, "POST", f"/links/{quote(name, safe='')}/reset") for name in names], as_json=as_json)


def _ask(lab: str | None, method: str, target: str, body: Any = None) -> Any:
    status, text = exchange(running_lab("impair", lab, serving=NAME).directory / NAME, method, target, body)
    answer = json.loads(text)
    if status == HTTPStatus.BAD_REQUEST:
        raise InputError("impair", [Problem(**problem) for problem in answer["problems"]])
    if status != HTTPStatus.OK:
        raise RunInvalidError(answer["detail"])
    return answer


def _print(links: Iterable[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(list(links), indent=2))
        return
    table = Table("link", "tier", "state", "", "what it does")
    for link in links:
        table.add_row(link["name"], link["tier"], link["state"], "changed" if link["changed"] else "", link["text"])
    Console().print(table)
