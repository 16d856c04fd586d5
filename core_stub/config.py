"""Configuration files of the network functions: YAML to a pydantic model, all problems at once."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from testbed.errors import InputError, Problem
from testbed.scenario.template import read_data
from testbed.validation import problem


class Section(BaseModel):
    """A mapping of the file: unknown keys are problems, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


_KNOWN = "a key that this network function has"

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
        raise InputError(
            str(path), (problem(detail, known_keys=_KNOWN) for detail in error.errors(include_url=False))
        ) from error
