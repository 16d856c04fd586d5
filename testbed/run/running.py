"""The running testbed, as the timeline sees it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from testbed.links.engine import LinkEngine
from testbed.plan.model import Plan
from testbed.record import RunRecord
from testbed.run.inbox import Inbox
from testbed.run.management import watched_request
from topologies.network import RunningLab


@dataclass(frozen=True)
class Testbed:
    """What the timeline works on."""

    plan: Plan
    record: RunRecord
    lab: RunningLab
    engine: LinkEngine | None
    """None if no link is emulated."""
    events: Inbox
    ue_addresses: dict[str, str] = field(default_factory=dict)
    """UE → the address that the SMF gave its PDU session."""

    def socket(self, function: str) -> Path:
        """The management socket of a network function."""
        return self.lab.ledger.directory / f"{function}.sock"

    def alive(self) -> None:
        """RunInvalidError if a process has died, or has reported what no run survives."""
        self.lab.supervisor.check()
        self.events.check()

    def ask(self, function: str, method: str, target: str, body: Any = None) -> Any:
        """The answer of a network function's management API; RunInvalidError names the process that is to blame."""
        return watched_request(self.socket(function), method, target, body, alive=self.alive)
