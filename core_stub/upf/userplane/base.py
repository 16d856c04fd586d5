"""What control asks of a user plane."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from core_stub.upf.rules import Counter, Rules


class UserPlane(Protocol):
    """Packets are its own business, on its own thread or in the kernel; these calls come from control's thread."""

    def apply(self, rules: Rules) -> None:
        """Replace all rules of the session `rules.seid`. Counters of PDRs that stay are kept, others are dropped."""

    def counters(self, seid: int) -> Mapping[int, Counter]:
        """PDR ID → counter, for the rules that the session has now."""

    def close(self) -> None:
        """Stop forwarding and give back what it made: sockets, devices, threads."""
