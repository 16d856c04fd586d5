"""Names that a scenario may refer to, and what is said of others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches

from testbed.errors import Problem


@dataclass(frozen=True)
class Names:
    """Names of one kind that may be referred to. `left_out` existed but did not validate: no second complaint."""

    kind: str
    known: tuple[str, ...]
    left_out: frozenset[str] = frozenset()
    in_graph: bool = False
    """Whether `bearerlab graph` shows them, so that many need not be listed."""
    incomplete: bool = False
    """Whether all that existed did not validate: any name may have been one of them."""

    def check(self, where: str, name: str) -> Iterator[Problem]:
        """A problem if there is no such name, with the nearest one as a hint."""
        if self.incomplete or name in self.known or name in self.left_out:
            return
        close = get_close_matches(name, self.known, n=1)
        want = f"{self.kind}: {', '.join(self.known) or 'there is none'}"
        if self.in_graph and len(self.known) > 12:
            want = f"{self.kind} ({len(self.known)} of them; `bearerlab graph` lists them)"
        yield Problem(where, f'"{name}"', want, f'did you mean "{close[0]}"?' if close else "")
