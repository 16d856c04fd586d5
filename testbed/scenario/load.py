"""File → Scenario, with all problems at once.

A part that does not validate is left out and the rest is validated again, so that later checks (names, addresses) still
see everything that is right and their problems are reported together with these.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from testbed.errors import InputError, Problem
from testbed.scenario.files import Files, directions, read_files, read_parameters
from testbed.scenario.impairment import LOSS_MODELS, Change
from testbed.scenario.model import Scenario
from testbed.scenario.steps import STEPS
from testbed.scenario.template import read_data
from testbed.validation import Location, meant_key, path_text, problem, unknown_key

_SET = "--set"

_ELEMENT = re.compile(r"(?P<list>[a-z0-9_.]+)\[(?P<index>\d+)\]")


@dataclass(frozen=True)
class Loaded:
    """What could be validated, and what could not.

    `scenario` is None if not even the topology is usable. `left_out` are the paths of the parts that are missing in
    `scenario`, so that later checks do not complain about names that were there.
    """

    source: str
    scenario: Scenario | None
    problems: tuple[Problem, ...] = ()
    left_out: tuple[str, ...] = ()
    files: Files = field(default_factory=Files)
    """What the files that the scenario names hold."""


def load(path: Path, settings: Sequence[str] = ()) -> Loaded:
    """The scenario in the file at `path` with `--set` settings `key.path=value`; InputError if it is not even YAML."""
    assignments = [_assignment(setting, _SET) for setting in settings]
    data = read_data(path, {keys[0]: value for keys, value in assignments if len(keys) == 1})
    if not isinstance(data, dict):
        raise InputError(str(path), [Problem("file", f"a {type(data).__name__}", "a mapping with the key `topology`")])
    # A template takes plain names as variables; every other setting changes the data.
    for keys, value in assignments:
        if len(keys) > 1 or path.suffix != ".j2" or keys[0] in Scenario.model_fields:
            _assign(data, keys, value, _SET)
    return _with_files(validate(str(path), data), path.parent)


def validate(source: str, data: Mapping[str, Any]) -> Loaded:
    """`data` as a scenario; parts that do not validate are left out and their problems kept."""
    rest: Any = copy.deepcopy(dict(data))
    problems: list[Problem] = []
    left_out: list[str] = []
    while True:
        try:
            return Loaded(source, Scenario.model_validate(rest), tuple(problems), tuple(left_out))
        except ValidationError as error:
            # A key that was left out is missing now, but that is not the user's fault.
            errors = [detail for detail in error.errors(include_url=False) if not _was_left_out(detail, left_out)]
        if not errors:
            return Loaded(source, None, tuple(problems), tuple(left_out))
        misspelt = [e for e in errors if e["type"] == "extra_forbidden" and _correct(rest, _location(e))]
        # The rest is looked at again: the key that was meant is not missing.
        problems += [
            replace(problem, where=in_the_file(problem.where, left_out))
            for problem in map(_problem, misspelt or errors)
        ]
        if misspelt:
            continue
        known = tuple(left_out)
        # Later elements first, so that the indices of earlier ones stay right.
        for location in sorted({_removable(detail) for detail in errors}, key=_sort_key, reverse=True):
            if not _remove(rest, location):
                return Loaded(source, None, tuple(problems), tuple(left_out))
            left_out.append(in_the_file(path_text(location), known))


def _correct(data: Any, location: Location) -> bool:
    """Put what is under a misspelt key under the one that was meant, for what refers to it; False if there is none."""
    for part in location[:-1]:
        data = data[part]
    meant = _meant(location)
    if meant is None or meant in data:
        return False
    data[meant] = data.pop(location[-1])
    return True


def _was_left_out(detail: ErrorDetails, left_out: Sequence[str]) -> bool:
    return detail["type"] == "missing" and path_text(_location(detail)) in left_out


def _with_files(loaded: Loaded, beside: Path) -> Loaded:
    if loaded.scenario is None:
        return loaded
    files, problems = read_files(loaded.scenario, beside)
    found = (replace(problem, where=in_the_file(problem.where, loaded.left_out)) for problem in problems)
    return replace(loaded, files=files, problems=(*loaded.problems, *found))


def change_from(source: str, data: Mapping[str, Any], beside: Path, presets: Collection[str]) -> tuple[Change, Files]:
    """A change of a link that somebody asks for while it runs, and its files; InputError with all problems."""
    try:
        change = Change.model_validate(data)
    except ValidationError as error:
        known = f"one of {', '.join(Change.model_fields)}"
        details = error.errors(include_url=False)
        raise InputError(
            source, [problem(detail, _location(detail), known_keys=known) for detail in details]
        ) from error
    files, problems = read_parameters(directions("", change), beside)
    if change.preset and change.preset not in presets:
        problems += (Problem("preset", f'"{change.preset}"', f"a preset: {', '.join(presets)}"),)
    if problems:
        raise InputError(source, problems)
    return change, files


def assigned(settings: Sequence[str], source: str) -> dict[str, Any]:
    """The data that settings `key.path=value` make; InputError, of `source`, for what is none."""
    data: dict[str, Any] = {}
    for setting in settings:
        _assign(data, *_assignment(setting, source), source)
    return data


def in_the_file(where: str, left_out: Sequence[str]) -> str:
    """`where` with the index that its list element has in the file, where elements before it were left out."""
    match = _ELEMENT.match(where)
    if match is None:
        return where
    index = int(match["index"])
    gone = [
        int(other["index"])
        for path in left_out
        if (other := _ELEMENT.fullmatch(path)) and other["list"] == match["list"]
    ]
    for missing in sorted(gone):
        index += missing <= index
    return f"{match['list']}[{index}]{where[match.end() :]}"


def _assignment(setting: str, source: str) -> tuple[list[str], Any]:
    key, equals, value = setting.partition("=")
    if not equals or not key:
        raise InputError(source, [Problem(setting, "no `=`", "KEY=VALUE")])
    try:
        return key.split("."), yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise InputError(source, [Problem(key, value, "a YAML value")]) from error


def _assign(data: Any, keys: list[str], value: Any, source: str) -> None:
    where = ".".join(keys)
    for key in keys[:-1]:
        data = _child(data, key, where, source)
    if isinstance(data, list):
        data[_index(data, keys[-1], where, source)] = value
    else:
        data[keys[-1]] = value


def _child(data: Any, key: str, where: str, source: str) -> Any:
    if isinstance(data, list):
        return data[_index(data, key, where, source)]
    child = data.setdefault(key, {})
    if not isinstance(child, dict | list):
        raise InputError(source, [Problem(where, f"`{key}` is {child!r}", "a path through mappings and lists")])
    return child


def _index(data: list[Any], key: str, where: str, source: str) -> int:
    if not key.isdigit() or int(key) >= len(data):
        raise InputError(source, [Problem(where, f"`{key}`", f"an index from 0 to {len(data) - 1}")])
    return int(key)


def _location(detail: ErrorDetails) -> Location:
    """pydantic puts the tag of a union's member into the path: the user's file has no such key."""
    location, tags = detail["loc"], {*STEPS, "stamp", "http"}
    return tuple(
        part
        for position, part in enumerate(location)
        if not (part in tags and position == 2 and location[0] in ("timeline", "probes"))
        and not (part in LOSS_MODELS and location[position - 1] == "loss")
    )


def _problem(detail: ErrorDetails) -> Problem:
    location = _location(detail)
    if detail["type"] == "extra_forbidden":
        return unknown_key(Scenario.model_json_schema(), location)
    return problem(detail, location)


def _meant(location: Location) -> str | None:
    """The known key that an unknown one at `location` looks like."""
    return meant_key(Scenario.model_json_schema(), location)


def _removable(detail: ErrorDetails) -> Location:
    """The smallest part that can be left out: an unknown key itself, an element of a collection, or a whole section."""
    location = _location(detail)
    if detail["type"] == "extra_forbidden":
        return location
    if location and location[0] in ("topology", "controller"):
        return location[:1]
    if location and location[0] in ("links", "core", "srv6"):
        return location[:3]
    return location[:2]


def _sort_key(location: Location) -> tuple[tuple[int, str], ...]:
    return tuple((part, "") if isinstance(part, int) else (-1, part) for part in location)


def _remove(data: Any, location: Location) -> bool:
    """Take the part at `location` out of `data`; False if there is none, as with a required key that is missing."""
    if not location:
        return False
    for part in location[:-1]:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return False
    try:
        del data[location[-1]]
    except (KeyError, IndexError, TypeError):
        return False
    return True
