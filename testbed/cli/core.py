"""`bearerlab core`: the 5G core of a running lab, its sessions and what is said on N4."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import Annotated, Any

import typer
from rich.console import Console

from core_stub.pfcp.trace import Traced, Tracer, as_json, ie_lines
from core_stub.pfcp.transactions import Address
from testbed.cli.core_tables import TABLES
from testbed.cli.options import Json
from testbed.cli.running import Lab, running_lab
from testbed.errors import InputError, Problem
from testbed.graph import Role
from testbed.lab.ledger import LabRecord
from testbed.run.control import NAME
from testbed.run.management import request
from traffic.tap import Tapped, udp_tap

PFCP_PORT = 8805

app = typer.Typer(help="Show the 5G core of a running lab, and trace its N4.", no_args_is_help=True)
Node = dict[str, Any]
"""As `GET /nodes` of the lab's socket gives it."""


@app.command()
def show(
    functions: Annotated[
        list[str] | None, typer.Argument(help="Network functions; all by default.", metavar="[NAME]…")
    ] = None,
    lab: Lab = None,
    as_json: Json = False,
) -> None:
    """Show the sessions of SMF, UPFs and gNBs, with rules and counters."""
    found = running_lab("core", lab, serving=NAME)
    chosen = _chosen(_nodes(found), functions, (Role.SMF, Role.UPF, Role.GNB))
    answers = {node["name"]: request(found.directory / f"{node['name']}.sock", "GET", "/sessions") for node in chosen}
    if as_json:
        typer.echo(json.dumps(answers, indent=2))
        return
    console = Console()
    for node in chosen:
        console.print(TABLES[node["role"]](node["name"], answers[node["name"]]))


@app.command()
def trace(
    function: Annotated[
        str | None, typer.Argument(help="Where to listen: an SMF or a UPF; the SMF by default.", metavar="[NAME]")
    ] = None,
    lab: Lab = None,
    brief: Annotated[bool, typer.Option("--brief", help="One line a message, without its IEs.")] = False,
    count: Annotated[int | None, typer.Option("--count", min=1, help="End after so many messages.")] = None,
    as_lines: Annotated[bool, typer.Option("--json", help="Print a JSON object a line.")] = False,
) -> None:
    """Print the PFCP messages of N4 as they are sent, until Ctrl-C."""
    nodes = _nodes(running_lab("core", lab, serving=NAME))
    node = _chosen(nodes, [function] if function else None, (Role.SMF, Role.UPF))[0]
    names = {address: each["name"] for each in nodes for address in each["addresses"]}
    # Ctrl-C is how it ends, and the lab goes on.
    with suppress(KeyboardInterrupt), udp_tap(node["namespace"], PFCP_PORT) as tapped:
        typer.echo(f"N4 at {node['name']}; Ctrl-C ends", err=True)
        for message in islice(_messages(tapped), count):
            if as_lines:
                typer.echo(json.dumps(as_json(message)))
            else:
                typer.echo("\n".join(_text(message, names, brief=brief)))


def _nodes(lab: LabRecord) -> list[Node]:
    nodes: list[Node] = request(lab.directory / NAME, "GET", "/nodes")["nodes"]
    return nodes


def _chosen(nodes: Sequence[Node], wanted: Sequence[str] | None, roles: Sequence[Role]) -> list[Node]:
    """The nodes that are wanted, or all, of these roles, in the roles' order; InputError if there is none."""
    known = {node["name"]: node for role in roles for node in nodes if node["role"] == role}
    names = wanted or list(known) or ["NAME"]
    want = f"one of {', '.join(known)}" if known else f"a lab with a 5G core ({', '.join(roles)})"
    if problems := [Problem(name, "no such network function", want) for name in names if name not in known]:
        raise InputError("core", problems)
    return [known[name] for name in names]


def _messages(tapped: Iterator[Tapped]) -> Iterator[Traced]:
    tracer = Tracer()
    for each in tapped:
        datagram = each.datagram
        source, destination = (str(datagram.src), datagram.src_port), (str(datagram.dst), datagram.dst_port)
        yield from tracer.take(datagram.payload, source, destination, each.t)


def _text(message: Traced, names: Mapping[str, str], *, brief: bool) -> Iterator[str]:
    clock = f"{time.strftime('%H:%M:%S', time.localtime(message.t))}.{int(message.t % 1 * 1e6):06}"
    ends = f"{_end(message.source, names)} → {_end(message.destination, names)}"
    seid = "" if message.seid is None else f" seid {message.seid:#x}"
    took = "" if message.took_ms is None else f", after {message.took_ms:.2f} ms"
    again = ", again" if message.is_repeated else ""
    yield f"{clock}  {ends}  {message.name}  seq {message.sequence}{seid}  ({message.octets} octets{took}{again})"
    if message.problem:
        yield f"    cannot be decoded: {message.problem}"
    if message.message and not brief:
        yield from (f"    {name:<18} {value}" for name, value in ie_lines(message.message))


def _end(address: Address, names: Mapping[str, str]) -> str:
    return names.get(address[0], f"{address[0]}:{address[1]}")
