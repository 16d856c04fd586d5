"""What every part of a scenario's shape is made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,14}$")]
"""A node's name: it is an interface's name too, so at most 15 characters."""

Label = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
"""The name of a probe, a counter or a window."""


class Strict(BaseModel):
    """A part whose unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)
