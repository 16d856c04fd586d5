"""What a record tells about its course: windows as phases with a colour, and the steps of the changes.

Read from the record's events:
    window                   {name, start, end}
    step                     {process, procedure, step}    a network function has done a step of a procedure
    n3_path_switched         {process, ue, new}            the gNB sends uplink elsewhere
    pdu_session_established  {ue, ue_ipv4}                 from the gNB
    host                     {busy, steal}                 shares of the processors' time during the timeline
    invalid                  {reason, process, log_tail}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from testbed.record import Event, RunRecord
from testbed.scenario.model import Scenario, StampProbe
from testbed.scenario.steps import InsertUlcl, Measure, RemoveUlcl

COLOURS = 6
"""The stylesheet has this many colours for phases, c0 to c5."""


@dataclass(frozen=True)
class Phase:
    """A window, in seconds since the run's zero; `colour` is a class of the stylesheet, `change` for a change."""

    name: str
    start: float
    end: float
    colour: str

    @property
    def measures(self) -> bool:
        """True if nothing was changed in it."""
        return self.colour != "change"


@dataclass(frozen=True)
class Mark:
    """A step of a change, `t` in seconds since the run's zero; `number` counts within its window."""

    number: int
    t: float
    title: str
    by: str


def zero(record: RunRecord) -> float:
    """The time that the report counts from: the start of the first window, else the first event."""
    windows = record.windows()
    if windows:
        return windows[0].start
    return next((float(event["t"]) for event in record.events()), 0.0)


def phases(record: RunRecord, scenario: Scenario) -> tuple[Phase, ...]:
    """The windows that the run reached, in order."""
    colours = phase_colours(scenario)
    start = zero(record)
    return tuple(Phase(w.name, w.start - start, w.end - start, colours.get(w.name, "change")) for w in record.windows())


def phase_colours(scenario: Scenario) -> dict[str, str]:
    """Window → class of its colour; changes have none of their own."""
    measured = [step.measure for step in scenario.timeline if isinstance(step, Measure)]
    colours = {name: f"c{index % COLOURS}" for index, name in enumerate(measured)}
    return {name: colours.get(name, "change") for name in scenario.windows()}


def marks(events: Iterable[Event], phase: Phase, start: float) -> tuple[Mark, ...]:
    """The steps inside a phase, numbered."""
    steps = [event for event in events if event["kind"] in ("step", "n3_path_switched")]
    inside = [event for event in steps if phase.start <= event["t"] - start < phase.end]
    return tuple(
        Mark(number, event["t"] - start, step_title(event), str(event.get("process", "")))
        for number, event in enumerate(sorted(inside, key=lambda event: float(event["t"])), start=1)
    )


def step_title(event: Event) -> str:
    """A step in words."""
    if event["kind"] == "n3_path_switched":
        return f"{event['ue']} sends uplink to {f_teid_text(event['new'])}"
    return str(event.get("step", event["kind"])).replace("_", " ")


def moved_ues(scenario: Scenario) -> tuple[str, ...]:
    """The UEs whose sessions the timeline changes."""
    ues = [
        step.insert_ulcl.ue if isinstance(step, InsertUlcl) else step.remove_ulcl.ue
        for step in scenario.timeline
        if isinstance(step, InsertUlcl | RemoveUlcl)
    ]
    return tuple(dict.fromkeys(ues))


def leading_probe(scenario: Scenario) -> str | None:
    """The probe that the report follows: the first STAMP probe of a UE that is moved, else the first of all."""
    stamps = {name: probe for name, probe in scenario.probes.items() if isinstance(probe, StampProbe)}
    moved = moved_ues(scenario)
    return next((name for name, probe in stamps.items() if probe.source in moved), next(iter(stamps), None))


def followed_probes(scenario: Scenario) -> tuple[str, ...]:
    """The STAMP probes whose paths are proved: the leading one, then the others of the same UE."""
    leading = leading_probe(scenario)
    if leading is None:
        return ()
    source = scenario.probes[leading].source
    others = (name for name, probe in scenario.probes.items() if isinstance(probe, StampProbe) and name != leading)
    return (leading, *(name for name in others if scenario.probes[name].source == source))


def ue_addresses(record: RunRecord) -> dict[str, str]:
    """UE → the address of its PDU session."""
    return {event["ue"]: event["ue_ipv4"] for event in record.events("pdu_session_established")}


def f_teid_text(f_teid: Mapping[str, Any]) -> str:
    """`TEID 0x11 at 10.1.0.17` from `{"teid", "ipv4"}`."""
    return f"TEID {f_teid['teid']:#x} at {f_teid['ipv4']}"
