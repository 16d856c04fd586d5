"""`bearerlab srv6 trace`: one packet through a running lab, hop by hop, with what is around it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from testbed.cli.options import Json
from testbed.cli.running import Lab, running_lab
from testbed.errors import InputError, Problem, RunInvalidError
from testbed.graph import Role
from testbed.plan.names import Names
from testbed.plan.processes import CONTROLLER
from testbed.run.control import NAME
from testbed.run.management import exchange, request
from traffic.dissect import Address
from traffic.srheader import IpHeader
from traffic.tracer import SMALLEST, Probe, sightings
from traffic.trail import Hop, Trail, follow

LOST = 1
"""The exit code where the packet does not arrive."""


def command(  # noqa: PLR0913, PLR0917 - a command's options
    source: Annotated[str, typer.Argument(help="The node that sends.")],
    destination: Annotated[str, typer.Argument(help="An address, or a node.")],
    dscp: Annotated[int, typer.Option("--dscp", min=0, max=63, help="DSCP of the packet.")] = 0,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="UDP port it is for.")] = 33434,
    size: Annotated[int, typer.Option("--size", min=SMALLEST, max=1400, help="Octets of its payload.")] = 64,
    lab: Lab = None,
    as_json: Json = False,
) -> None:
    """Follow a UDP packet hop by hop, and show its segment routing header at each."""
    directory = running_lab("srv6", lab, serving=NAME).directory
    nodes = {node["name"]: node for node in request(directory / NAME, "GET", "/nodes")["nodes"]}
    to = _address(nodes, source, destination)
    holders = frozenset(name for name, node in nodes.items() if str(to) in node["addresses"])
    namespaces = {name: node["namespace"] for name, node in nodes.items()}
    try:
        seen = sightings(namespaces, source, Probe(to, port, dscp, size), holders)
    except OSError as error:
        raise RunInvalidError(f"{source} cannot send to {to}: {error.strerror or error}") from error
    trail = follow(seen, _destinations(nodes, holders))
    names = _Names.of(directory / f"{CONTROLLER}.sock")
    if as_json:
        typer.echo(json.dumps(_json(trail, names), indent=2))
    else:
        console = Console()
        console.print(_table(trail, names))
        console.print(_ending(trail, "" if holders else f": no node of the plan has the address {to}"))
    raise typer.Exit(0 if trail.arrived else LOST)


@dataclass(frozen=True)
class _Names:
    """What the controller calls its SIDs; nothing where none answers."""

    sids: Mapping[IPv6Network, str]

    @classmethod
    def of(cls, socket: Any) -> _Names:
        try:
            status, text = exchange(socket, "GET", "/v1/topology", timeout=5)
        except RunInvalidError:
            return cls({})
        if status != HTTPStatus.OK:
            return cls({})
        routers = json.loads(text)["routers"]
        found = {
            IPv6Network((sid["sid"], _bits(sid))): f"{sid['behavior']} {sid['context']}".strip() + f" @{router['name']}"
            for router in routers
            for sid in router["sids"]
        }
        return cls(found | {IPv6Network(router["loopback"]): router["name"] for router in routers})

    def name(self, address: Address) -> str:
        matching = [prefix for prefix in self.sids if address in prefix]
        return self.sids[max(matching, key=lambda prefix: prefix.prefixlen)] if matching else ""


def _bits(sid: Mapping[str, Any]) -> int:
    """What the SID matches: what follows it in a container is behind that."""
    if "NEXT-CSID" not in sid["flavors"]:
        return 128
    return 48 if sid["behavior"] == "End" else 64


def _address(nodes: Mapping[str, Any], source: str, destination: str) -> Address:
    names = Names("a node", tuple(nodes), in_graph=True)
    problems = list(names.check("SOURCE", source))
    if destination in nodes and not nodes[destination]["addresses"]:
        want = "a node that has addresses of the plan, or an address"
        raise InputError("srv6 trace", [*problems, Problem("DESTINATION", f'"{destination}"', want)])
    try:
        address = ip_address(nodes[destination]["addresses"][0] if destination in nodes else destination)
    except ValueError:
        problems += Names("an address or a node", tuple(nodes), in_graph=True).check("DESTINATION", destination)
    if problems:
        raise InputError("srv6 trace", problems)
    return address


def _table(trail: Trail, names: _Names) -> Table:
    table = Table(title="One packet", title_justify="left", show_edge=False, pad_edge=False)
    for column in ("", "node", "by", "ms", "to", "SRH", "inside"):
        table.add_column(column, justify="right" if column in ("", "ms") else "left", overflow="fold")
    shown: tuple[IPv6Address, ...] = ()
    for number, hop in enumerate(trail.hops, 1):
        first, *inside = hop.on_the_wire.headers.ip
        table.add_row(
            str(number),
            hop.node,
            hop.on_the_wire.ifname if hop.departure else "",
            f"{(hop.at - trail.hops[0].at) / 1e6:.2f}",
            "\n".join(filter(None, (str(first.dst), names.name(first.dst)))),
            _srh(first, names, shown),
            "\n".join(f"{header.src} → {header.dst}" for header in inside),
        )
        shown = first.srh.segments if first.srh else ()
    return table


def _srh(header: IpHeader, names: _Names, shown: tuple[IPv6Address, ...]) -> str:
    """Segments left, and the list, unless it is `shown`, as it is visited; the last is first on the wire."""
    if header.srh is None:
        return ""
    lines = [f"{header.srh.segments_left} left"]
    if header.srh.segments == shown:
        return lines[0]
    lines += [f"{segment} {names.name(segment)}".rstrip() for segment in reversed(header.srh.segments)]
    return "\n".join(lines)


def _destinations(nodes: Mapping[str, Any], holders: frozenset[str]) -> frozenset[str]:
    """Where the packet may arrive. The plan does not know UEs' addresses, which the SMF picks."""
    return holders or frozenset(name for name, node in nodes.items() if node["role"] == Role.UE)


def _ending(trail: Trail, why_lost: str) -> str:
    if not trail.arrived:
        return f"{trail.end}{why_lost}"
    took = (trail.hops[-1].at - trail.hops[0].at) / 1e6
    return f"{trail.end} after {took:.2f} ms"


def _json(trail: Trail, names: _Names) -> dict[str, Any]:
    return {
        "arrived": trail.arrived,
        "end": trail.end,
        "hops": [_hop(hop, trail.hops[0].at, names) for hop in trail.hops],
    }


def _hop(hop: Hop, began: int, names: _Names) -> dict[str, Any]:
    return {
        "node": hop.node,
        "in": hop.arrival.ifname if hop.arrival else None,
        "out": hop.departure.ifname if hop.departure else None,
        "ms": round((hop.at - began) / 1e6, 3),
        "headers": [_header(header, names) for header in hop.on_the_wire.headers.ip],
    }


def _header(header: IpHeader, names: _Names) -> dict[str, Any]:
    srh = header.srh
    found: dict[str, Any] = {"src": str(header.src), "dst": str(header.dst), "sid": names.name(header.dst) or None}
    if srh is not None:
        found["srh"] = {"segments_left": srh.segments_left, "segments": _texts(srh.segments)}
    return found


def _texts(addresses: Iterable[IPv6Address]) -> list[str]:
    return [str(address) for address in addresses]
