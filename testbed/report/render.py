"""Record → Result → files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from testbed.modes import ModeSummary, modes
from testbed.plan.model import Plan
from testbed.record import RunRecord
from testbed.report.html import html_text
from testbed.report.junit import junit_text
from testbed.report.linkprobes import Lateness, probed_lateness, probed_links, with_probes
from testbed.report.overlay import overlay_changes
from testbed.report.paths import prove_paths
from testbed.report.result import Result
from testbed.report.validity import overload
from testbed.scenario.expectation import parse
from testbed.scenario.model import Scenario, StampProbe
from testbed.verdict import judge, measure, stamp_samples

PLAN = TypeAdapter(Plan)
"""Plan ↔ plan.json."""


def render(run_dir: Path) -> Result:
    """Judge a run directory and write result.json, report.html and junit.xml into it; InputError if it is none."""
    record = RunRecord.open(run_dir)
    scenario = Scenario.model_validate(record.read_json("scenario.json"))
    plan = PLAN.validate_python(record.read_json("plan.json"))
    result = conclude(record, scenario, plan)
    files = {
        "result.json": result.model_dump_json(indent=2) + "\n",
        "report.html": html_text(result, record, scenario, plan),
        "junit.xml": junit_text(result, scenario.model_dump_json(by_alias=True)),
    }
    for name, text in files.items():
        (run_dir / name).write_text(text, encoding="utf-8")
    return result


def conclude(record: RunRecord, scenario: Scenario, plan: Plan) -> Result:
    """The result of a run."""
    measurements = measure(record, scenario)
    verdicts = judge(measurements, [parse(expression) for expression in scenario.expect])
    links, probed = record.read_json("links.json") or [], probed_links(record)
    reason = _invalid_reason(record, scenario, links, probed_lateness(links, probed, record, plan))
    data: dict[str, Any] = {
        "scenario": scenario.name,
        "seed": plan.seed,
        "valid": reason is None,
        "passed": reason is None and all(verdict.passed for verdict in verdicts),
        "reason": reason,
        "provenance": record.read_json("provenance.json") or {},
        "links": with_probes(links, probed, record),
        "measurements": measurements,
        "events": record.events(),
        "expectations": [asdict(verdict) for verdict in verdicts],
        "paths": prove_paths(record, scenario, plan),
        "overlay": overlay_changes(record.events(), scenario.sdwan.applications) if scenario.sdwan else [],
        "modes": [asdict(mode) for mode in _modes(record, scenario)],
    }
    return Result.model_validate(data)


def _modes(record: RunRecord, scenario: Scenario) -> Iterator[ModeSummary]:
    if scenario.sdwan:
        stamps = (name for name, probe in scenario.probes.items() if isinstance(probe, StampProbe))
        samples = (sample for name in stamps for sample in stamp_samples(record, name))
        lost_at = (sample.t for sample in samples if sample.delays is None)
        yield from modes(record.events(), lost_at, scenario.sdwan.applications)


def _invalid_reason(
    record: RunRecord, scenario: Scenario, links: list[dict[str, Any]], probed: Lateness | None
) -> str | None:
    """What the run itself said, or that it was cut short, else what its figures say."""
    for event in record.events("invalid"):
        return str(event.get("reason", "the run is invalid"))
    if not record.events("finished"):
        return "the run was cut short"
    return overload(scenario.validity, links, next(iter(record.events("host")), None), probed)
