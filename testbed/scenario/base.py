"""What every part of a scenario's shape is made of."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, WithJsonSchema

_NAME, _LABEL = r"^[a-z][a-z0-9-]{0,14}$", r"^[a-z][a-z0-9-]{0,39}$"
_LETTERS = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST_NAME, _DOMAIN = rf"^{_LETTERS}(\.{_LETTERS})+$", rf"^(\*\.)?{_LETTERS}(\.{_LETTERS})+$"
_LONGEST_NAME = 253
_HOST_NAME_SAID = 'a name of two labels or more of a-z, 0-9 and "-" (RFC 1123 §2.1)'
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


def _host_name(text: str) -> str:
    if len(text) > _LONGEST_NAME or not re.fullmatch(_HOST_NAME, text):
        raise ValueError(f"want {_HOST_NAME_SAID}, such as portal.example")
    return text


def _domain(text: str) -> str:
    if len(text) > _LONGEST_NAME or not re.fullmatch(_DOMAIN, text):
        raise ValueError(f"want {_HOST_NAME_SAID}, such as portal.example, or all below one, such as *.video.example")
    return text


HostName = Annotated[str, AfterValidator(_host_name), WithJsonSchema({"type": "string", "pattern": _HOST_NAME})]
"""A name in DNS."""

Domain = Annotated[str, AfterValidator(_domain), WithJsonSchema({"type": "string", "pattern": _DOMAIN})]
"""A name in DNS, or `*.` and the one that all are below (RFC 4592 §2.1.1)."""


class Strict(BaseModel):
    """A part whose unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)
