"""The doctor's values: what can be checked, and what was found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

NEEDS_ROOT = "needs root to be tried"
"""The detail of a capability that could not be tried."""


class AbsentError(Exception):
    """A probe found that the host cannot do it; the message is the reason that the host gave."""


@dataclass(frozen=True)
class Capability:
    """What was found about one capability; `detail` is a version or the reason why it is absent."""

    name: str
    present: bool
    detail: str
    needed_by: str
    remedy: str
    required: bool
    """Nothing runs without it."""


@dataclass(frozen=True)
class Check:
    """How to find out about one capability.

    `probe` returns a detail, or raises AbsentError or OSError; either way it leaves nothing behind.
    """

    name: str
    probe: Callable[[], str]
    needed_by: str
    remedy: str
    required: bool

    def found(self, *, present: bool, detail: str) -> Capability:
        """The capability that this check was about."""
        return Capability(self.name, present, detail, self.needed_by, self.remedy, self.required)
