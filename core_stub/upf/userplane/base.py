"""What control asks of a user plane."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import Protocol

from core_stub.upf.rules import Counter, Reading, Rules


class UserPlane(Protocol):
    """Packets are its own business, on its own thread or in the kernel; these calls come from control's thread.

    Whoever makes one gives it what to call with each `UserPlaneEvent`, from whatever thread.
    """

    def apply(self, rules: Rules) -> Mapping[int, Reading]:
        """Replace all rules of the session `rules.seid`; each packet sees the old ones or the new.

        Counters of PDRs and meters of URRs that stay go on, others are dropped. Returns the last readings of the
        meters that were dropped, by URR ID.
        """

    def counters(self, seid: int) -> Mapping[int, Counter]:
        """PDR ID → counter, for the rules that the session has now."""

    def readings(self, seid: int) -> Mapping[int, Reading]:
        """URR ID → reading, for the meters that the session has now."""

    def buffered(self, seid: int) -> Mapping[int, Counter]:
        """FAR ID → what its queue holds."""

    def echo(self, peer: IPv4Address) -> None:
        """Send an Echo Request to GTP-U at `peer`; `EchoAnswered` follows, if anything does."""

    def close(self) -> None:
        """Stop forwarding and give back what it made: sockets, devices, threads."""
