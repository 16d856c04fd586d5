"""`bearerlab srv6`: the SRv6 underlay of a running lab, as its controller has it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import typer
from rich.console import Console

from testbed.cli import srv6_trace
from testbed.cli.options import Json
from testbed.cli.running import Lab, ask, running_lab
from testbed.cli.srv6_tables import counter_table, path_tables, policy_table, router_table, tenant_table
from testbed.errors import BearerlabError, InputError, Problem, RunInvalidError
from testbed.plan.processes import CONTROLLER
from testbed.scenario.load import assigned

NORTHBOUND = f"{CONTROLLER}.sock"
"""The socket of the controller's API in the lab's directory; a controller of switches has none."""

app = typer.Typer(help="Show the SRv6 underlay of a running lab, and its policies.", no_args_is_help=True)
policy = typer.Typer(help="Add and remove SR Policies.", no_args_is_help=True)
app.add_typer(policy, name="policy")
app.command("trace")(srv6_trace.command)

Name = Annotated[str, typer.Argument(help="The policy, such as pe1/100/pe2.", metavar="HEADEND/COLOR/ENDPOINT")]

_OF_POLICY = {"binding_sid", "candidate_paths", "dynamic", "explicit", "priority"}


class RefusedError(BearerlabError):
    """The controller refused a request; the message is its answer."""

    exit_code = InputError.exit_code


@app.command()
def show(lab: Lab = None, as_json: Json = False) -> None:
    """Show routers, policies and tenants."""
    topology, policies, tenants = (_ask(lab, "GET", f"/{what}") for what in ("topology", "policies", "tenants"))
    if as_json:
        typer.echo(json.dumps(topology | policies | tenants, indent=2))
        return
    _print(router_table(topology), policy_table(policies["policies"]), tenant_table(tenants["tenants"]))


@app.command()
def path(
    headend: Annotated[str, typer.Argument(help="The router where packets come in.")],
    endpoint: Annotated[str, typer.Argument(help="The router where they go.")],
    color: Annotated[int | None, typer.Option("--color", min=1, help="By this policy; else by the IGP.")] = None,
    lab: Lab = None,
    as_json: Json = False,
) -> None:
    """Show the way of packets from one router to another: hops, SIDs and outer header."""
    query = {"headend": headend, "endpoint": endpoint} | ({"color": color} if color is not None else {})
    found = _ask(lab, "GET", f"/path?{urlencode(query)}")
    _print(*path_tables(found), json_of=found if as_json else None)


@app.command()
def counters(
    router: Annotated[str | None, typer.Argument(help="The router; all by default.", metavar="[ROUTER]")] = None,
    every: Annotated[bool, typer.Option("--all", help="SIDs that nothing came for, too.")] = False,
    lab: Lab = None,
    as_json: Json = False,
) -> None:
    """Show packets and bytes for each SID."""
    found = _ask(lab, "GET", "/counters" + (f"?{urlencode({'router': router})}" if router else ""))
    _print(counter_table(found["counters"], every=every), json_of=found if as_json else None)


@policy.command()
def add(
    name: Name,
    settings: Annotated[
        list[str],
        typer.Argument(
            help="metric=delay exclude=[gold] bound=20ms bandwidth=1Gbit, or explicit=[{segments: [p1, p2>p3]}].",
            metavar="KEY=VALUE…",
        ),
    ],
    strict: Annotated[bool, typer.Option("--strict", help="Refuse it if it has no valid path.")] = False,
    lab: Lab = None,
    as_json: Json = False,
) -> None:
    """Add an SR Policy, in place of the one with its name. Keys are those of the controller's API."""
    added = _ask(lab, "POST", "/policies" + ("?strict=true" if strict else ""), policy_body(name, settings))
    _print(policy_table([added]), json_of=added if as_json else None)


@policy.command()
def remove(name: Name, lab: Lab = None) -> None:
    """Remove a policy; its traffic goes by the IGP."""
    headend, color, endpoint = (quote(part, safe="") for part in _parts(name))
    _ask(lab, "DELETE", f"/policies/{headend}/{color}/{endpoint}")


def policy_body(name: str, settings: Sequence[str]) -> dict[str, Any]:
    """The API's body; a key that a policy itself does not have is one of its dynamic path. InputError."""
    headend, color, endpoint = _parts(name)
    given = assigned(settings, "srv6")
    own = {key: value for key, value in given.items() if key in _OF_POLICY}
    dynamic = {key: value for key, value in given.items() if key not in _OF_POLICY}
    return {"headend": headend, "color": color, "endpoint": endpoint} | own | ({"dynamic": dynamic} if dynamic else {})


def _parts(name: str) -> list[str]:
    parts = name.split("/")
    if len(parts) != 3 or not all(parts):
        raise InputError("srv6", [Problem(name, "no policy's name", "HEADEND/COLOR/ENDPOINT, such as pe1/100/pe2")])
    return parts


def _ask(lab: str | None, method: str, target: str, body: Any = None) -> Any:
    status, text = ask(
        running_lab("srv6", lab, serving=NORTHBOUND, needs="`srv6:`"), CONTROLLER, method, f"/v1{target}", body
    )
    answer: Any = json.loads(text) if text else None
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise RunInvalidError(f"{CONTROLLER}: {answer['detail']}", process=CONTROLLER)
    if status >= HTTPStatus.BAD_REQUEST:
        raise RefusedError("\n".join(f"srv6: {problem}" for problem in answer.get("problems") or [answer["detail"]]))
    return answer


def _print(*tables: Any, json_of: Any = None) -> None:
    if json_of is not None:
        typer.echo(json.dumps(json_of, indent=2))
        return
    console = Console()
    for number, table in enumerate(tables):
        console.print(*([""] if number else []), table, sep="\n")
