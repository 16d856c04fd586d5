"""A switch for unit tests: applies OpenFlow 1.3 flow-mods and says where a frame would go, with time as an argument.

It reads each message from its bytes, so that what a builder made has been through the encoder and back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from os_ken.ofproto import ofproto_v1_3 as ofp
from os_ken.ofproto import ofproto_v1_3_parser as parser
from os_ken.ofproto.ofproto_protocol import ProtocolDesc

SWITCH = ProtocolDesc(version=ofp.OFP_VERSION)
"""Stands for a connected switch where a message is built."""


@dataclass(frozen=True)
class Frame:
    """The parts of an Ethernet frame that flows can match."""

    in_port: int
    eth_src: str
    eth_dst: str


@dataclass
class Entry:
    """A flow in a table."""

    priority: int
    match: dict[str, Any]
    instructions: list[Any]
    expires: float | None
    packets: int = field(default=0)


class FlowTable:
    """The tables of one switch."""

    def __init__(self) -> None:
        self._tables: dict[int, list[Entry]] = {}

    def apply(self, message: Any, now: float) -> None:
        """Carry out a flow-mod."""
        message.set_xid(1)
        message.serialize()
        mod = parser.OFPFlowMod.parser(SWITCH, ofp.OFP_VERSION, ofp.OFPT_FLOW_MOD, len(message.buf), 1, message.buf)
        table = self._tables.setdefault(mod.table_id, [])
        match = dict(mod.match.items())
        if mod.command == ofp.OFPFC_DELETE:
            table[:] = [entry for entry in table if not match.items() <= entry.match.items()]
            return
        assert mod.command == ofp.OFPFC_ADD, mod.command
        table[:] = [entry for entry in table if (entry.match, entry.priority) != (match, mod.priority)]
        expires = now + mod.hard_timeout if mod.hard_timeout else None
        table.append(Entry(mod.priority, match, mod.instructions, expires))

    def entries(self, table: int, now: float) -> list[Entry]:
        """The flows of a table that have not timed out, the first to match in front."""
        alive = [entry for entry in self._tables.get(table, []) if entry.expires is None or now < entry.expires]
        return sorted(alive, key=lambda entry: -entry.priority)

    def outputs(self, frame: Frame, now: float) -> list[int]:
        """The ports that a frame leaves by, reserved ones included; none if it is dropped."""
        found: list[int] = []
        table: int | None = 0
        while table is not None:
            entry = next((entry for entry in self.entries(table, now) if _matches(entry.match, frame)), None)
            if entry is None:
                break
            entry.packets += 1
            actions = [action for step in entry.instructions for action in getattr(step, "actions", [])]
            found += [action.port for action in actions if action.port != frame.in_port]
            table = next((step.table_id for step in entry.instructions if hasattr(step, "table_id")), None)
        return found


def _matches(match: dict[str, Any], frame: Frame) -> bool:
    return all(_equal(wanted, getattr(frame, name)) for name, wanted in match.items())


def _equal(wanted: Any, got: Any) -> bool:
    if isinstance(wanted, tuple):
        value, mask = (int(text.replace(":", ""), 16) for text in wanted)
        return int(got.replace(":", ""), 16) & mask == value
    return bool(wanted == got)
