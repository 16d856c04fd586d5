"""What the overlay's controller answers, as tables and sentences that fit into 80 columns."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from testbed.report.formats import ms, share
from testbed.units import format_rate

Json = Mapping[str, Any]

MODES = {
    "static": "nothing moves",
    "overlay": "flows move between tunnels",
    "underlay": "SR Policies move below the tunnels",
    "joint": "flows and SR Policies move together",
}
"""Mode → what may move when an SLA is broken."""

_RIGHT = frozenset({"price", "delay", "RTT", "jitter", "loss %", "rate", "for s"})


def show(overlay: Json, *, every: bool) -> Iterator[Table | Text]:
    """All of the overlay; demands that nobody said were expected only with `every`."""
    yield Text(f"Mode {overlay['mode']}: {MODES[overlay['mode']]}.\n")
    yield _edges(overlay)
    yield _transports(overlay)
    yield _tunnels(overlay)
    demands = [demand for demand in overlay["demands"] if every or demand["expected"]]
    yield _demands(overlay, demands)
    if overlay["recognised"]:
        yield _recognised(overlay)
    yield from (Text(f"{each['name']}: {each['trouble']}.") for each in demands if each["trouble"])


def sentences(decisions: Iterable[Json]) -> Table:
    """A sentence for each decision, in their order, after the time of day."""
    table = Table.grid("", "", padding=(0, 2, 0, 0))
    for decision in decisions:
        table.add_row(_clock(decision["at"]), Text(f"{_SAID[decision['kind']](decision)}."))
    return table


def _edges(overlay: Json) -> Table:
    table = _table("Edges", ("edge", "switch", "transports"))
    for edge in overlay["edges"]:
        state = _good("connected") if edge["connected"] else _bad("gone")
        table.add_row(edge["name"], state, ", ".join(edge["transports"]))
    return table


def _transports(overlay: Json) -> Table:
    table = _table("Transports", ("transport", "price", "colors", "edges"))
    for each in overlay["transports"]:
        attached = [edge["name"] for edge in overlay["edges"] if each["name"] in edge["transports"]]
        colors = ", ".join(map(str, each["colors"]))
        table.add_row(each["name"], f"{each['price']:g}", colors, ", ".join(attached))
    return table


def _tunnels(overlay: Json) -> Table:
    """A row for each tunnel, and below one that is up a row for each class that may take it."""
    table = _table(
        "Tunnels: delay and jitter one way, in ms", ("tunnel, class", "", "delay", "RTT", "jitter", "loss %")
    )
    delays = {
        (*_ends(tunnel), each["sla_class"]): each["delay_ms"]
        for tunnel in overlay["tunnels"]
        for each in tunnel["classes"]
    }
    for tunnel in overlay["tunnels"]:
        free = "" if tunnel["free_bps"] is None else f", {tunnel['free_bps'] / 1e6:.0f} Mbit/s free"
        table.add_row(f"{tunnel['name']}{free}", _good("up") if tunnel["up"] else _bad("down"))
        source, target, by = _ends(tunnel)
        for each in tunnel["classes"] if tunnel["up"] else ():
            there, back = each["delay_ms"], delays.get((target, source, by, each["sla_class"]))
            table.add_row(
                f"  {each['sla_class']}",
                _good("meets") if each["meets"] else _bad("breaks"),
                ms(there),
                ms(there + back if there is not None and back is not None else None),
                ms(each["jitter_ms"]),
                share(each["loss"]),
            )
    return table


def _ends(tunnel: Json) -> tuple[str, str, str]:
    """Source, target, and what both directions have in common."""
    return tunnel["source"], tunnel["target"], tunnel["name"].partition(":")[2]


def _demands(overlay: Json, demands: Iterable[Json]) -> Table:
    table = _table("Applications", ("application", "from", "to", "class", "rate", "takes", "SLA"))
    tunnels = {tunnel["name"]: tunnel for tunnel in overlay["tunnels"]}
    for demand in demands:
        table.add_row(
            demand["application"],
            demand["source"],
            demand["target"],
            demand["sla_class"],
            format_rate(demand["rate_bps"]) if demand["rate_bps"] else "",
            ", ".join(_way(tunnels[name], demand) for name in demand["tunnels"]) or "nothing",
            _sla(demand),
        )
    return table


def _recognised(overlay: Json) -> Table:
    table = _table("Recognised by name", ("name", "address", "application", "tenant", "for s"))
    for each in overlay["recognised"]:
        seconds = f"{each['seconds']:.0f}"
        table.add_row(each["name"], each["address"], each["application"], each["tenant"], seconds)
    return table


def _way(tunnel: Json, demand: Json) -> str:
    """The transport, and the hub if the tunnel leads to one."""
    way = str(tunnel["transport"]) if tunnel["color"] is None else f"{tunnel['transport']} color {tunnel['color']}"
    return way if tunnel["target"] == demand["target"] else f"{way} by {tunnel['target']}"


def _sla(demand: Json) -> Text:
    if not demand["expected"]:
        return Text("–")
    return _bad("broken") if demand["trouble"] else _good("holds")


def _mode(decision: Json) -> str:
    mode = decision["target"][0]
    return f"Mode {mode} begins, with everything where it was at first: {MODES[mode]}"


def _reroute(decision: Json) -> str:
    carries = f"; it carries {' and '.join(decision['demands'])}" if decision["demands"] else ""
    return f"{_upper(decision['why'])}{carries}"


def _move(decision: Json) -> str:
    """The planner's sentences are whole; those of the overlay alone say only why."""
    (demand,), why = decision["demands"], decision["why"]
    if why.startswith(f"{demand} "):
        return _upper(why)
    source, target = (_transport_names(decision[end]) for end in ("source", "target"))
    return f"{_upper(demand)} moved from {source} to {target}: {why}; {_price(decision)}"


def _price(decision: Json) -> str:
    before, after = decision["price_before"], decision["price_after"]
    if before == after:
        return "it costs the same"
    said = f"a Mbit/s costs {after:g} instead of {before:g}"
    if not decision["rate_bps"]:
        return said
    mbps = decision["rate_bps"] / 1e6
    return f"{said}, {abs(after - before) * mbps:g} {'more' if after > before else 'less'} in all"


def _transport_names(tunnels: Sequence[str]) -> str:
    return " and ".join(name.partition(":")[2] for name in tunnels) or "nowhere"


_SAID = {"mode_changed": _mode, "policy_rerouted": _reroute, "demand_moved": _move}


def _upper(text: str) -> str:
    """Names begin as they are written: only words of ours have a capital."""
    return text[:1].upper() + text[1:] if text.startswith(("policy ", "tunnel ")) else text


def _clock(t: float) -> str:
    return f"{time.strftime('%H:%M:%S', time.localtime(t))}.{int(t % 1 * 1000):03}"


def _good(text: str) -> Text:
    return Text(text, style="green")


def _bad(text: str) -> Text:
    return Text(text, style="red")


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold", justify="right" if column in _RIGHT else "left")
    return table
