"""What the overlay made of each thing that was done to it: what was found, what was moved, and how soon. Pure.

Read from the record's events:
    link_state       {link, state, by}              a cut, or its end; `by` is the window
    link_changed     {link, to, by}                 an impairment, or its end
    mode_changed     {mode, placements}             everything is where it was at first; demand → tunnels
    overlay_ready    {placements}
    killed           {process}
    tunnel_down, tunnel_up {tunnel}
    sla_broken       {tunnel, class, bound, value, limit}
    sla_met          {tunnel, class}
    demand_moved     {demand, from, to, why}
    policy_rerouted  {policy, to, why}
    sla_violated     {demand, seconds}              until then
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from testbed.record import Event
from testbed.report.formats import ms, percent
from testbed.report.result import OverlayChange

FOUND = {"tunnel_down": "blackout", "sla_broken": "brownout", "tunnel_up": "up again", "sla_met": "good again"}
"""Kind of event → what it says of a tunnel."""


@dataclass
class _Step:
    t: float
    by: str
    what: dict[str, str]
    findings: list[dict[str, Any]] = field(default_factory=list)
    moves: list[dict[str, Any]] = field(default_factory=list)
    reroutes: list[dict[str, Any]] = field(default_factory=list)


def overlay_changes(events: Sequence[Event], applications: Container[str]) -> list[OverlayChange]:
    """Each step that was followed by findings or moves, in turn; what comes before the first step is left out."""
    steps: list[_Step] = []
    for event in sorted(events, key=lambda event: float(event["t"])):
        if what := _what(event):
            by = str(event.get("by", ""))
            if not (steps and by and steps[-1].by == by):
                steps.append(_Step(event["t"], by, {}))
            steps[-1].what |= what
        elif steps:
            _take(steps[-1], event, applications)
    windows = [event for event in events if event["kind"] == "window"]
    return [_change(step, windows) for step in steps if step.findings or step.moves or step.reroutes]


def _what(event: Event) -> dict[str, str]:
    """What was done: subject → what it became. Nothing if the event is none of those that are done to an overlay."""
    match event["kind"]:
        case "link_state":
            return {event["link"]: event["state"]}
        case "link_changed":
            return {event["link"]: event["to"]}
        case "mode_changed":
            return {"mode": event["mode"]}
        case "killed":
            return {event["process"]: "killed"}
    return {}


def _take(step: _Step, event: Event, applications: Container[str]) -> None:
    after = (event["t"] - step.t) * 1000
    match event["kind"]:
        case "demand_moved":
            application, _, ends = event["demand"].partition(":")
            if application in applications:
                ways = {"source": _ways(event["from"]), "target": _ways(event["to"])}
                step.moves.append(
                    {"application": application, "ends": ends, **ways, "after_ms": after, "why": event["why"]}
                )
        case "policy_rerouted":
            step.reroutes.append({key: event[key] for key in ("policy", "to", "why")} | {"after_ms": after})
        case kind if kind in FOUND:
            tunnel = {"tunnel": event["tunnel"], "found": FOUND[kind], "after_ms": after}
            step.findings.append(tunnel | {"sla_class": event.get("class"), "measured": _measured(event)})


def _change(step: _Step, windows: Iterable[Event]) -> OverlayChange:
    inside = (str(window["name"]) for window in windows if window["start"] <= step.t < window["end"])
    return OverlayChange.model_validate(
        {
            "window": next(inside, step.by),
            "t": step.t,
            "what": ", ".join(f"{subject} {state}" for subject, state in step.what.items()),
            "findings": step.findings,
            "moves": step.moves,
            "reroutes": step.reroutes,
        }
    )


def _measured(event: Event) -> str | None:
    if event["kind"] != "sla_broken":
        return None
    name, _, unit = event["bound"].partition("_")
    value, limit = event["value"], event["limit"]
    if unit:
        return f"{name} {ms(value)} {unit} of {limit:g}"
    return f"{name} {percent(value * 100)} % of {percent(limit * 100)}"


def _ways(tunnels: Iterable[str]) -> str:
    """`private`, or `private and internet`: the tunnels without their ends."""
    return " and ".join(_way(name) for name in tunnels) or "nowhere"


def _way(tunnel: str) -> str:
    return tunnel.partition(":")[2]


@dataclass(frozen=True)
class Row:
    """What several tunnels or demands have in common: in words, and when for the first and the last of them, in ms."""

    said: str
    first_ms: float
    last_ms: float
    hint: str = ""

    @property
    def when(self) -> str:
        """`213 ms`, or `213–232 ms`."""
        first, last = f"{self.first_ms:,.0f}", f"{self.last_ms:,.0f}"
        return f"{first} ms" if first == last else f"{first}–{last} ms"


def found_rows(change: OverlayChange) -> list[Row]:
    """`internet: brownout for video (delay 42.6 ms of 40)`, whichever CPEs it joins."""
    groups: dict[tuple[str, str], list[int]] = {}
    for number, finding in enumerate(change.findings):
        groups.setdefault((_way(finding.tunnel), finding.found), []).append(number)
    rows = []
    for (way, found), numbers in groups.items():
        of = [change.findings[number] for number in numbers]
        classes = dict.fromkeys(finding.sla_class for finding in of if finding.sla_class)
        measured = next((f" ({finding.measured})" for finding in of if finding.measured), "")
        said = f"{way}: {found}{' for ' + ', '.join(classes) if classes else ''}{measured}"
        hint = ", ".join(dict.fromkeys(finding.tunnel for finding in of))
        rows.append(_row(said, [finding.after_ms for finding in of], hint))
    return rows


def moved_rows(change: OverlayChange) -> list[Row]:
    """`cameras: internet → private`, whichever way its traffic goes; then policies with where they go."""
    groups: dict[str, list[tuple[float, str]]] = {}
    for move in change.moves:
        said = f"{move.application}: {move.source} → {move.target}"
        groups.setdefault(said, []).append((move.after_ms, move.why))
    for reroute in change.reroutes:
        groups.setdefault(f"{reroute.policy}: {reroute.to}", []).append((reroute.after_ms, reroute.why))
    return [
        _row(said, [after for after, _ in of], "\n".join(dict.fromkeys(why for _, why in of)))
        for said, of in groups.items()
    ]


def _row(said: str, after: Sequence[float], hint: str) -> Row:
    return Row(said, min(after), max(after), hint)


@dataclass(frozen=True)
class Lane:
    """What a demand took, and when its SLA did not hold: pieces of time in seconds since the run's zero."""

    name: str
    taken: tuple[tuple[float, float, str], ...]
    violated: tuple[tuple[float, float], ...]


def lanes(events: Sequence[Event], applications: Container[str], zero: float, end: float) -> list[Lane]:
    """A lane for each demand of the applications, from 0 to `end`."""
    placed: dict[str, list[tuple[float, str]]] = {}
    violated: dict[str, list[tuple[float, float]]] = {}
    for event in sorted(events, key=lambda event: float(event["t"])):
        for demand, way in _placements(event):
            if demand.partition(":")[0] in applications:
                placed.setdefault(demand, []).append((max(event["t"] - zero, 0.0), way))
        if event["kind"] == "sla_violated":
            until = event["t"] - zero
            violated.setdefault(event["demand"], []).append((max(until - event["seconds"], 0.0), until))
    return [
        Lane(name, tuple(_pieces(of, end)), tuple(span for span in violated.get(name, ()) if 0.0 < span[1] <= end))
        for name, of in placed.items()
    ]


def _placements(event: Event) -> Iterator[tuple[str, str]]:
    if event["kind"] == "demand_moved":
        yield event["demand"], _ways(event["to"])
    placements: Mapping[str, Sequence[str]] = event.get("placements", {})
    yield from ((demand, _ways(tunnels)) for demand, tunnels in placements.items())


def _pieces(placed: Sequence[tuple[float, str]], end: float) -> Iterator[tuple[float, float, str]]:
    """Neighbours that are the same way are one piece; what is over in no time is none."""
    until = [*(t for t, _ in placed[1:]), end]
    pieces: list[tuple[float, float, str]] = []
    for (start, way), stop in zip(placed, until, strict=True):
        if pieces and pieces[-1][2] == way:
            pieces[-1] = (pieces[-1][0], min(stop, end), way)
        elif min(stop, end) > start:
            pieces.append((start, min(stop, end), way))
    return iter(pieces)
