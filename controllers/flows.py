"""What is to be in a flow table, as frozen values that neither os-ken nor a socket is needed for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class ReservedPort(IntEnum):
    """Ports that stand for more than a number (OpenFlow 1.3.5 §4.5)."""

    FLOOD = 0xFFFF_FFFB
    CONTROLLER = 0xFFFF_FFFD


@dataclass(frozen=True)
class Match:
    """What a packet must have; None matches everything. A MAC address may carry a mask: `01:00:…/01:00:…`."""

    in_port: int | None = None
    eth_src: str | None = None
    eth_dst: str | None = None


@dataclass(frozen=True)
class AddFlow:
    """Put a flow into a table, in place of one with the same match and priority.

    A packet that matches goes out of every port in `outputs` and then on to table `goto`; with neither it is dropped.
    The flow goes away `hard_timeout_s` after it was added, 0 for never.
    """

    table: int
    match: Match
    outputs: tuple[int, ...] = ()
    goto: int | None = None
    priority: int = 1
    hard_timeout_s: int = 0


@dataclass(frozen=True)
class RemoveFlows:
    """Remove every flow of a table that is at least as specific as `match`."""

    table: int
    match: Match


FlowChange = AddFlow | RemoveFlows
