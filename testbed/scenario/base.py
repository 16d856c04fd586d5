"""What every part of a scenario's shape is made of."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, WithJsonSchema

_NAME, _LABEL = r"^[a-z][a-z0-9-]{0,14}$", r"^[a-z][a-z0-9-]{0,39}$"
_ALPHABET = 'of a-z, 0-9 and "-" that begins with a letter'


def _name(text: str) -> str:
    if not re.fullmatch(_NAME, text):
        raise ValueError(f"want a name of at most 15 characters {_ALPHABET}")
    return text


def _label(text: str) -> str:
    if not re.fullmatch(_LABEL, text):
        raise ValueError(f"want a name of at most 40 characters {_ALPHABET}")
    return text


Name = Annotated[str, AfterValidator(_name), WithJsonSchema({"type": "string", "pattern": _NAME})]
"""A node's name: it is an interface's name too, so at most 15 characters."""

Label = Annotated[str, AfterValidator(_label), WithJsonSchema({"type": "string", "pattern": _LABEL})]
"""The name of a probe, a counter or a window."""


class Strict(BaseModel):
    """A part whose unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)
