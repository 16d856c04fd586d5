"""Configuration files of the network functions: YAML to a pydantic model, all problems at once."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from testbed.errors import InputError, Problem
from testbed.scenario.template import read_data


class Section(BaseModel):
    """A mapping of the file: unknown keys are problems, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


File = TypeVar("File", bound=Section)


def load_config(path: Path, model: type[File]) -> File:
    """The file at `path` (a Jinja2 template if it ends in `.j2`) as a `model`; InputError with all of its problems."""
    data = read_data(path, {})
    if not isinstance(data, dict):
        want = f"a mapping with the key {' and '.join(model.model_fields)}"
        raise InputError(str(path), [Problem("file", type(data).__name__, want)])
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise InputError(str(path), map(_problem, error.errors(include_url=False))) from error


def _problem(detail: ErrorDetails) -> Problem:
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in detail["loc"]).lstrip(".")
    where = where or "file"
    match detail["type"]:
        case "missing":
            return Problem(where, "nothing", "this key, which has to be there")
        case "extra_forbidden":
            return Problem(where, "an unknown key", "a key that this network function has")
        case _:
            got = f'"{detail["input"]}"' if isinstance(detail["input"], str) else repr(detail["input"])
            return Problem(where, got, _want(detail["msg"]))


def _want(message: str) -> str:
    """pydantic's message without what does not go with "want"."""
    for prefix in ("Value error, ", "want ", "Input should be ", "Input is not "):
        message = message.removeprefix(prefix)
    return message
