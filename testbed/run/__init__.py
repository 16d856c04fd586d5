"""The straight line: file → Scenario → Plan → testbed → RunRecord → verdicts → report.

bringup.py     a plan as a running testbed     session.py     PDU sessions from the lab's side
timeline.py    the steps of a scenario         observe.py     probes, captures, flow counters
inbox.py       events of all processes         running.py     the running testbed as the timeline sees it
links.py       what links do now, traces       control.py     `lab.sock`, for `bearerlab impair`
management.py  requests to network functions   provenance.py  where a result comes from
hostload.py    how busy the host was           achieved.py    what links did, counted
progress.py    what a person sees meanwhile    underlay.py    what path computation says of a plan
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, count
from pathlib import Path

from pydantic import TypeAdapter

from testbed.errors import BearerlabError, InputError, RunInvalidError
from testbed.plan.model import Plan
from testbed.plan.planner import check, plan
from testbed.record import RunRecord
from testbed.report import render
from testbed.report.result import Result
from testbed.run.bringup import require, testbed
from testbed.run.hostload import load_between, read_host
from testbed.run.progress import Progress
from testbed.run.provenance import provenance
from testbed.run.timeline import play
from testbed.run.underlay import policy_problems
from testbed.scenario.load import load
from testbed.scenario.model import Scenario
from topologies import shell
from topologies.catalogue import TopologyError, resolve
from topologies.tiers import PRESETS


def load_plan(file: Path, settings: Sequence[str] = (), *, seed: int | None = None) -> tuple[Scenario, Plan]:
    """The scenario in `file` and what it makes; InputError with all of its problems. Needs no root, touches nothing."""
    loaded = load(file, settings)
    if loaded.scenario is None:
        raise InputError(loaded.source, loaded.problems)
    try:
        graph = resolve(loaded.scenario.topology, file.parent)
    except TopologyError as error:
        raise InputError(loaded.source, (*check(loaded, None, PRESETS), *error.problems)) from error
    try:
        planned = plan(loaded, graph, PRESETS, seed=seed)
    except InputError as error:
        more = policy_problems(loaded, graph, PRESETS, error.problems)
        raise InputError(loaded.source, (*error.problems, *more)) from error
    if problems := tuple(policy_problems(loaded, graph, PRESETS)):
        raise InputError(loaded.source, problems)
    return loaded.scenario, planned


def run(
    file: Path, *, out: Path | None, settings: Sequence[str], seed: int | None, progress: Progress
) -> tuple[Result, Path]:
    """Run a scenario; its result and run directory. RunInvalidError if the run cannot be believed."""
    scenario, planned = load_plan(file, settings, seed=seed)
    planned = require(planned)
    with _record(file, scenario, planned, out) as record:
        try:
            with testbed(planned, record, progress) as running:
                before = read_host(running.lab.supervisor)
                play(scenario, running, progress)
                record.event("host", **load_between(before, read_host(running.lab.supervisor)))
            progress.say("everything is taken down; writing the report")
            # A record without this event is that of a run that was cut short.
            record.event("finished")
        except BearerlabError as error:
            _record_invalid(record, error)
            render(record.directory)
            raise
        return render(record.directory), record.directory


def _record_invalid(record: RunRecord, error: BearerlabError) -> None:
    blame = {"process": error.process, "log_tail": error.log_tail} if isinstance(error, RunInvalidError) else {}
    record.event("invalid", reason=str(error).partition("\n")[0], **blame)


def up(file: Path, *, out: Path | None, settings: Sequence[str], seed: int | None, progress: Progress) -> None:
    """Start a scenario's testbed without probes and timeline, open Mininet's CLI, take it down when that is left."""
    scenario, planned = load_plan(file, settings, seed=seed)
    planned = require(planned)
    with _record(file, scenario, planned, out) as record, testbed(planned, record, progress) as running:
        progress.say(f"record: {record.directory}")
        running.links.begin()
        shell.open_cli(running.lab.net)


@contextmanager
def _record(file: Path, scenario: Scenario, planned: Plan, out: Path | None) -> Iterator[RunRecord]:
    record = RunRecord.create((out or _new_directory(scenario.name)).absolute())
    try:
        record.write_json("scenario.json", scenario.model_dump(mode="json", by_alias=True))
        if scenario.controller:
            shutil.copyfile(file.parent / scenario.controller.app, record.app(scenario.controller.app))
        record.write_json("plan.json", TypeAdapter(Plan).dump_python(planned, mode="json"))
        record.write_json("provenance.json", provenance(engine=planned.engine, seed=planned.seed, scenario_file=file))
        yield record
    finally:
        record.hand_over()


def _new_directory(scenario: str) -> Path:
    """`runs/<name>-<time>`, numbered if several runs start in one second."""
    first = Path("runs") / f"{scenario}-{time.strftime('%Y%m%d-%H%M%S')}"
    numbered = (first.with_name(f"{first.name}-{number}") for number in count(2))
    return next(path for path in chain([first], numbered) if not path.exists())
