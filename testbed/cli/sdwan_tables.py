"""What the SD-WAN controller answers, as tables that fit into 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.table import Table

Json = Mapping[str, Any]

_COLOURS = {"up": "green", "meets": "green", "down": "red", "breaks": "red"}


def edge_table(overlay: Json) -> Table:
    """A CPE in each row."""
    table = _table("Edges", ("edge", "datapath", "controller", "transports"))
    for edge in overlay["edges"]:
        connected = "connected" if edge["connected"] else "[red]not connected[/]"
        table.add_row(edge["name"], str(edge["dpid"]), connected, ", ".join(edge["transports"]))
    return table


def tunnel_table(overlay: Json) -> Table:
    """What a tunnel is like for a class in each row."""
    table = _table("Tunnels", ("tunnel", "state", "class", "SLA", "delay", "jitter", "loss"))
    for tunnel in overlay["tunnels"]:
        head = [tunnel["name"], _state("up" if tunnel["up"] else "down")]
        for number, each in enumerate(tunnel["classes"]):
            verdict = _state("meets" if each["meets"] else "breaks")
            table.add_row(
                *(head if number == 0 else ["", ""]),
                each["sla_class"],
                verdict,
                _ms(each["delay_ms"]),
                _ms(each["jitter_ms"]),
                f"{each['loss'] * 100:.1f} %",
            )
    return table


def demand_table(overlay: Json) -> Table:
    """An application from one edge to another in each row, and what carries it."""
    transports = {tunnel["name"]: tunnel["transport"] for tunnel in overlay["tunnels"]}
    table = _table(f"Applications, mode {overlay['mode']}", ("application", "from", "to", "class", "takes"))
    before = None
    for demand in overlay["demands"]:
        # A tunnel may lead to a hub.
        takes = [
            transports[name] + ("" if name.startswith(f"{demand['source']}>{demand['target']}:") else f" ({name})")
            for name in demand["tunnels"]
        ]
        name = demand["application"] if demand["application"] != before else ""
        before = demand["application"]
        carried = ", ".join(takes) or "[red]nothing[/]"
        table.add_row(name, demand["source"], demand["target"], demand["sla_class"], carried)
    return table


def sentences(decisions: Sequence[Json]) -> Iterator[str]:
    """A decision in each line, with its time of day."""
    for each in decisions:
        source, target = (", ".join(each[end]) or "nothing" for end in ("source", "target"))
        at = datetime.fromtimestamp(each["at"], tz=UTC).astimezone()
        time_of_day = f"{at:%H:%M:%S}.{at.microsecond // 1000:03d}"
        yield f"{time_of_day}  {each['demand']}: from {source} to {target}, as {each['why']}"


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column in columns:
        right = column in ("datapath", "delay", "jitter", "loss")
        table.add_column(column, overflow="fold", justify="right" if right else "left")
    return table


def _state(state: str) -> str:
    return f"[{_COLOURS[state]}]{state}[/]"


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} ms"
