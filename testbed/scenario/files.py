"""The files that a scenario names: for its links jitter tables, loss traces and profile traces, and a controller."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from testbed.errors import Problem
from testbed.links.trace import TracePoint, parse_jitter_table, parse_loss_trace, parse_trace
from testbed.scenario.impairment import Change, Parameters, TraceLoss
from testbed.scenario.model import Scenario
from testbed.scenario.steps import Impair

T = TypeVar("T")


@dataclass(frozen=True)
class Files:
    """What the files hold, by the names that the scenario gives them; a file that is wrong is missing."""

    jitter_tables: dict[str, tuple[float, ...]] = field(default_factory=dict)
    loss_traces: dict[str, tuple[bool, ...]] = field(default_factory=dict)
    traces: dict[str, tuple[TracePoint, ...]] = field(default_factory=dict)
    controller_app: str = ""
    """The whole path of the controller's application."""


def read_files(scenario: Scenario, beside: Path) -> tuple[Files, tuple[Problem, ...]]:
    """Every file that the scenario names, looked up in the folder `beside`, and what is wrong with them."""
    files, problems = read_parameters(parameters_of(scenario), beside)
    if scenario.controller:
        path = (beside / scenario.controller.app).absolute()
        files = replace(files, controller_app=str(path))
        problems += tuple(_app_problems(scenario.controller.app, path))
    return files, problems


def read_parameters(wanted: Iterator[tuple[str, Parameters]], beside: Path) -> tuple[Files, tuple[Problem, ...]]:
    """The files of `wanted`, which are pairs of a path into the scenario and what is written there."""
    files, problems = Files(), list[Problem]()
    for where, parameters in wanted:
        if name := parameters.jitter_table:
            problems += _read(f"{where}jitter_table", name, files.jitter_tables, parse_jitter_table, beside)
        if isinstance(parameters.loss, TraceLoss):
            name = parameters.loss.trace
            problems += _read(f"{where}loss.trace", name, files.loss_traces, parse_loss_trace, beside)
        if parameters.trace:
            problems += _read(f"{where}trace.file", parameters.trace.file, files.traces, parse_trace, beside)
    return files, tuple(problems)


def parameters_of(scenario: Scenario) -> Iterator[tuple[str, Parameters]]:
    """Everything that may name files: the path of its parent, ending in a dot, and the parameters."""
    for tier, impairment in scenario.links.tiers.items():
        yield from directions(f"links.tiers.{tier}.", impairment)
    for index, override in enumerate(scenario.links.override):
        yield from directions(f"links.override[{index}].", override)
    for index, step in enumerate(scenario.timeline):
        if isinstance(step, Impair):
            yield from directions(f"timeline[{index}].impair.", step.impair)


def directions(where: str, change: Change) -> Iterator[tuple[str, Parameters]]:
    """A change, and each of its directions that is given by itself."""
    yield where, change
    if change.up:
        yield f"{where}up.", change.up
    if change.down:
        yield f"{where}down.", change.down


def _app_problems(name: str, path: Path) -> Iterator[Problem]:
    """Only what can be seen without running it."""
    where = "controller.app"
    try:
        compile(path.read_bytes(), path, "exec", dont_inherit=True)
    except OSError as error:
        yield Problem(where, f'"{name}": {error.strerror}', "a readable file", f"looked up in {path.parent}")
    except SyntaxError as error:
        yield Problem(where, f'"{name}", line {error.lineno}: {error.msg}', "Python 3 code")
    except ValueError as error:
        yield Problem(where, f'"{name}": {error}', "Python 3 code")


def _read(
    where: str, name: str, known: dict[str, tuple[T, ...]], parse: Callable[[str], tuple[T, ...]], beside: Path
) -> Iterator[Problem]:
    if name in known:
        return
    try:
        known[name] = parse((beside / name).read_text(encoding="utf-8"))
    except OSError as error:
        yield Problem(where, f'"{name}": {error.strerror}', "a readable file", f"looked up in {beside.absolute()}")
    except UnicodeDecodeError:
        yield Problem(where, f'"{name}": bytes that are not UTF-8', "a text file")
    except ValueError as error:
        got, _, want = str(error).partition(": want ")
        yield Problem(where, f'"{name}", {got}', want)
