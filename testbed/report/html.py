"""report.html: one file that needs no network, made of report.html.j2, the stylesheets and the drawings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from testbed.plan.model import Plan
from testbed.record import Event, RunRecord
from testbed.report import formats
from testbed.report.charts import Point, change_chart, points, rtt_chart
from testbed.report.lanes import lanes_chart, way_colours
from testbed.report.linkprobes import LINK_EVENTS
from testbed.report.map import DrawnPath, topology_map
from testbed.report.overlay import found_rows, lanes, moved_rows
from testbed.report.result import PathResult, Result
from testbed.report.routes import Routes
from testbed.report.styles import stylesheet
from testbed.report.terminal import headline
from testbed.report.timeline import (
    Mark,
    Phase,
    f_teid_text,
    leading_probe,
    marks,
    phase_colours,
    phases,
    step_title,
    ue_addresses,
    zero,
)
from testbed.report.wanted import wanted
from testbed.scenario.model import Scenario, StampProbe
from testbed.units import format_rate
from testbed.verdict import stamp_samples

_NOT_LISTED = frozenset({"flow", "sla_violated", "overlay_cost"})
"""Kinds of events that are readings; the tables show what they add up to."""


@dataclass(frozen=True)
class Change:
    """A change, close up."""

    phase: Phase
    marks: tuple[Mark, ...]
    chart: Markup


def html_text(result: Result, record: RunRecord, scenario: Scenario, plan: Plan) -> str:
    """The page."""
    view = _View(result, record, scenario, plan)
    environment = Environment(
        loader=PackageLoader("testbed.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "ms": formats.ms,
        "count": formats.count,
        "percent": formats.percent,
        "share": formats.share,
        "size": formats.size,
        "quantity": formats.quantity,
        "rate": lambda bps: format_rate(bps) if bps else formats.NONE,
        "wanted": wanted,
    }
    return environment.get_template("report.html.j2").render(view.context())


class _View:
    """What the template shows, put together from the result and the record."""

    def __init__(self, result: Result, record: RunRecord, scenario: Scenario, plan: Plan) -> None:
        self._result, self._scenario, self._plan = result, scenario, plan
        self._zero = zero(record)
        self._events = record.events()
        self._phases = phases(record, scenario)
        self._end = max((phase.end for phase in self._phases), default=0.0)
        applications = scenario.sdwan.applications if scenario.sdwan else {}
        self._lanes = lanes(self._events, applications, self._zero, self._end)
        self._leading = leading_probe(scenario)
        self._ue_addresses = ue_addresses(record)
        stamps = [name for name, probe in scenario.probes.items() if isinstance(probe, StampProbe)]
        self._points: dict[str, list[Point]] = {
            name: points(stamp_samples(record, name), self._zero) for name in stamps
        }

    def context(self) -> dict[str, Any]:
        """The template's variables."""
        routes = Routes(self._plan)
        drawn = tuple(self._paths(routes))
        return {
            "result": self._result,
            "scenario": self._scenario,
            "plan": self._plan,
            "css": stylesheet("colours", "report", "drawing"),
            "headline": headline(self._result).plain,
            "started": datetime.fromtimestamp(self._zero).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z"),
            "zero": self._zero,
            "phases": self._phases,
            "colours": phase_colours(self._scenario),
            "leading": self._leading,
            "owner": routes.owner,
            "paths": drawn,
            "map": topology_map(self._plan, drawn),
            "charts": dict(self._charts()),
            "changes": tuple(self._changes()),
            "overlay": tuple((change, found_rows(change), moved_rows(change)) for change in self._result.overlay),
            "ways": way_colours(self._lanes),
            "lanes": lanes_chart(self._lanes, self._phases, self._end) if self._lanes else None,
            "events": tuple(self._listed()),
            "invalid": self._first("invalid"),
            "host": self._first("host"),
            "changed_links": {event["link"] for event in self._events if event["kind"] in LINK_EVENTS},
        }

    def _first(self, kind: str) -> Event | None:
        return next((event for event in self._events if event["kind"] == kind), None)

    def _paths(self, routes: Routes) -> Iterator[DrawnPath]:
        colours = phase_colours(self._scenario)
        for path in self._result.paths:
            leads = path.probe == self._leading
            # Other probes of the UE go the leading one's way, but for what a UL CL sends on to the remote PSA.
            if leads or any(hop.point == "N9" for hop in path.hops):
                name = path.window if leads else f"{path.window}, {path.probe} over N9"
                yield DrawnPath(name, colours[path.window], frozenset(self._links_of(path, routes)), dashed=not leads)

    def _links_of(self, path: PathResult, routes: Routes) -> set[frozenset[str]]:
        probe = self._scenario.probes[path.probe]
        service = str(self._scenario.services[probe.to].address)
        return routes.probe_links(probe.source, service, self._ue_addresses[probe.source], path.hops)

    def _charts(self) -> Iterator[tuple[str, Markup]]:
        steps = [mark for phase in self._phases for mark in marks(self._events, phase, self._zero)]
        for name, probe in self._points.items():
            if probe:
                yield name, rtt_chart(name, probe, self._phases, steps)

    def _changes(self) -> Iterator[Change]:
        probe = self._points.get(self._leading or "", [])
        for phase in self._phases:
            steps = marks(self._events, phase, self._zero)
            if steps and probe and not phase.measures:
                yield Change(phase, steps, change_chart(str(self._leading), probe, steps, phase))

    def _listed(self) -> Iterator[tuple[Event, str]]:
        """Events with what is worth reading of them."""
        for event in self._events:
            if event["kind"] not in _NOT_LISTED:
                yield event, _details(event)


def _details(event: Event) -> str:
    if event["kind"] in ("step", "n3_path_switched"):
        procedure = str(event.get("procedure", "")).replace("_", " ")
        return f"{procedure}: {step_title(event)}" if procedure else step_title(event)
    fields = {key: value for key, value in event.items() if key not in ("t", "kind", "process", "log_tail")}
    return ", ".join(f"{key} {_short(value)}" for key, value in fields.items() if value not in ("", None, []))


def _short(value: object) -> str:
    match value:
        case float():
            return f"{value:.3f}".rstrip("0").rstrip(".")
        case {"teid": int() as teid, "ipv4": ipv4}:
            return f_teid_text({"teid": teid, "ipv4": ipv4})
        case dict():
            return f"({len(value)})"
        case list():
            return ", ".join(map(_short, value))
    return str(value)
