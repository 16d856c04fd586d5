"""What the SRv6 controller answers, as tables that fit into 80 columns, where names are not longer than is usual."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

Json = Mapping[str, Any]


def router_table(topology: Json) -> Table:
    """A router in each row, with the links that it has and those that it has lost."""
    table = _table("Routers", ("router", "state", "locator", "loopback", "links", "down"))
    for router in topology["routers"]:
        links = [link for link in topology["links"] if link["source"] == router["name"]]
        down = [link["target"] for link in links if link["state"] == "down"]
        name, state, locator, loopback = (router[key] for key in ("name", "state", "locator", "loopback"))
        table.add_row(name, _state(state), locator, loopback, str(len(links)), " ".join(down))
    return table


def policy_table(policies: Sequence[Json]) -> RenderableType:
    """A segment list in each row; below, each reason why a path cannot be used."""
    table = _table("SR Policies", ("policy", "state", "path", "share", "segments", "SIDs"))
    for policy in policies:
        head = [_name(policy), _state(policy["state"])]
        rows = [*_paths(policy)] or [["", "", "", ""]]
        for number, row in enumerate(rows):
            table.add_row(*(head if number == 0 else ["", ""]), *row, end_section=number == len(rows) - 1)
    return Group(
        _with_whole(table, "policy", "segments", "SIDs"),
        *(reason for policy in policies for reason in _reasons(policy)),
    )


def tenant_table(tenants: Sequence[Json]) -> Table:
    """A tenant's attachment in each row."""
    table = _table("Tenants", ("tenant", "color", "router", "interface", "subnets", "behind it"))
    for tenant in tenants:
        color = str(tenant["color"] or "")
        for number, at in enumerate(tenant["attachments"]):
            table.add_row(
                *((tenant["name"], color) if number == 0 else ("", "")),
                at["router"],
                at["ifname"],
                "\n".join(at["subnets"]),
                "\n".join(f"{reach['prefix']} via {reach['via']}" for reach in at["reaches"]),
            )
    return _with_whole(table, "tenant", "router", "interface", "subnets")


def path_tables(found: Json) -> Iterator[RenderableType]:
    """A table for each segment list: its hops, and below them the packet as it leaves the headend."""
    color = f" color {found['color']}" if found["color"] is not None else ""
    title = f"{found['headend']}→{found['endpoint']}{color}, by {found['by']}"
    why = f" ({found['reason']})" if found["reason"] else ""
    if not found["ways"]:
        yield Text(f"{title}{why}: cannot be reached", style="italic")
    for way in found["ways"]:
        share = f", {way['share']:.0%}" if len(found["ways"]) > 1 else ""
        segments = f": {' '.join(way['segments'])}" if way["segments"] else ""
        columns = ("hop", "leaves by", "after", "equal ways", "SID", "behaviour")
        table = _table("", columns)
        for hop in way["hops"]:
            ways = str(hop["ways"]) if hop["ifname"] else ""
            table.add_row(
                hop["node"], hop["ifname"] or "", _ms(hop["delay_us"]), ways, hop["sid"] or "", hop["behavior"] or ""
            )
        heading = Text(f"{title}{why}{share}{segments}", style="italic")
        yield Group(heading, _with_whole(table, "hop", "SID", "behaviour"), Text(_packet(way["packet"])))


def counter_table(counters: Sequence[Json], *, every: bool) -> Table:
    """A SID in each row; unless `every`, those that something came for."""
    table = _table("SIDs", ("router", "SID", "behaviour", "of", "packets", "bytes", "errors"))
    for each in counters:
        if every or each["packets"] or each["errors"]:
            table.add_row(
                *(each[key] for key in ("router", "sid", "behavior", "context")),
                *(str(each[key]) for key in ("packets", "bytes", "errors")),
            )
    return _with_whole(table, "router", "SID", "behaviour")


def _table(title: str, columns: Sequence[str]) -> Table:
    """Where the terminal is too narrow, values are folded: of a cut address nothing is left."""
    table = Table(
        title=title or None,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=0,
        pad_edge=False,
        show_edge=False,
    )
    for column in columns:
        right = column in ("share", "links", "after", "packets", "bytes", "errors", "color")
        table.add_column(column, overflow="fold", justify="right" if right else "left")
    return table


def _with_whole(table: Table, *columns: str) -> Table:
    """`table`, of which these columns keep their width: others give way first."""
    for column in table.columns:
        if column.header in columns:
            lines = (line for cell in column.cells for line in str(cell).splitlines())
            column.min_width = max(map(len, lines), default=0)
            column.no_wrap = True
    return table


def _paths(policy: Json) -> Iterator[list[str]]:
    for role in ("active", "standby"):
        path = policy[role]
        for number, list_ in enumerate(path["lists"] if path else ()):
            kind = f"{path['preference']} {path['origin']}" + (" (standby)" if role == "standby" else "")
            sids = "\n".join(list_["sids"])
            yield ["" if number else kind, f"{list_['share']:.0%}", "\n".join(list_["segments"]), sids]


def _reasons(policy: Json) -> Iterator[Text]:
    for path in policy["invalid"]:
        yield Text(f"{_name(policy)}: its path {path['preference']} is not valid: {path['reason']}")


def _name(policy: Json) -> str:
    """As the commands take it."""
    return f"{policy['headend']}/{policy['color']}/{policy['endpoint']}"


def _state(state: str) -> str:
    colour = {"up": "green", "down": "red"}.get(state, "yellow")
    return f"[{colour}]{state}[/]"


def _packet(packet: Json) -> str:
    srh = f", SRH {', '.join(packet['srh'])}" if packet["srh"] else ", no SRH"
    return f"IPv6 {packet['source']} → {packet['destination']}{srh}: {packet['bytes_added']} bytes added"


def _ms(delay_us: int) -> str:
    return f"{delay_us / 1000:g} ms"
