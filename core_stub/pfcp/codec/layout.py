"""How the tables of clause 7 of TS 29.244 are written down: a row is an IE and the attribute that it stands for.

"required" is the M of the tables; conditional IEs are left to those who know the condition.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntFlag
from typing import Any

from core_stub.pfcp.ies import IeType


@dataclass(frozen=True)
class Field:
    """One row: the attribute that the IE stands for, or several of one IE, or "" for the group itself."""

    names: str | tuple[str, ...]
    ie: IeType
    required: bool = field(default=False, kw_only=True)
    many: bool = field(default=False, kw_only=True)
    switch: IntFlag | None = field(default=None, kw_only=True)
    """The attribute is a bool: whether the IE has this flag."""

    @property
    def attributes(self) -> tuple[str, ...]:
        """The names as a tuple, of one if there is one."""
        return self.names if isinstance(self.names, tuple) else (self.names,)


@dataclass(frozen=True)
class Layout:
    """The rows of a message or group; without `build` the group is nothing but its only row.

    In a `removable` one the attribute `removed` has the names of the rows whose IE has a null length (§5.6.3).
    """

    build: Callable[..., Any] | None
    fields: tuple[Field, ...]
    removable: bool = False
