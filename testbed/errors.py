"""Errors that reach the user, and the exit code that each one means.

Exit codes: 0 the expectations hold, 1 some do not, 2 the input is wrong, 3 this host cannot, 4 the run is invalid.
Every message says where, what was got, what is wanted, and, where it helps, what to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Problem:
    """One thing wrong with an input: `where` is a path into the file, such as `links[3].rate`."""

    where: str
    got: str
    want: str
    hint: str = ""

    def __str__(self) -> str:
        """`links[3].rate: got "10gb"; want a rate such as "10Gbit"`."""
        text = f"{self.where}: got {self.got}; want {self.want}"
        return f"{text} ({self.hint})" if self.hint else text


class BearerlabError(Exception):
    """The base of all errors that end a command with a message instead of a traceback."""

    exit_code: ClassVar[int] = 4


class InputError(BearerlabError):
    """The input is wrong; carries all of its problems, not only the first."""

    exit_code = 2

    def __init__(self, source: str, problems: Iterable[Problem]) -> None:
        self.source = source
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{source}: {problem}" for problem in self.problems))


class HostError(BearerlabError):
    """This host cannot do it: `capability` is the name that `bearerlab doctor` prints."""

    exit_code = 3

    def __init__(self, capability: str, detail: str, remedy: str = "") -> None:
        self.capability = capability
        self.remedy = remedy
        super().__init__(f"{capability}: {detail}" + (f"; {remedy}" if remedy else ""))


class RunInvalidError(BearerlabError):
    """The run cannot be believed: a process died, a step failed, or the host was overloaded."""

    exit_code = 4

    def __init__(self, reason: str, *, process: str = "", log_tail: tuple[str, ...] = ()) -> None:
        self.reason = reason
        self.process = process
        self.log_tail = log_tail
        super().__init__("\n  ".join((reason, *log_tail)))
