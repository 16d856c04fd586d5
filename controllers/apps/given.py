"""Files that an app is given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from controllers import osken
from testbed.validation import problem

Given = TypeVar("Given")


def read_given(file: Path, read: Callable[[str], Given]) -> Given:
    """What `read` makes of the text in `file`; StartError with all that pydantic finds wrong with it."""
    try:
        return read(file.read_text())
    except ValidationError as error:
        problems = "\n".join(f"{file}: {problem(detail)}" for detail in error.errors(include_url=False))
        raise osken.StartError(problems) from error
