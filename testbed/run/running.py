"""The running testbed, as the timeline sees it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from testbed.plan.model import Plan
from testbed.record import RunRecord
from testbed.run.inbox import Inbox
from testbed.run.links import Links
from testbed.run.management import watched_request
from topologies.network import RunningLab


@dataclass(frozen=True)
class Testbed:
    """What the timeline works on."""

    plan: Plan
    record: RunRecord
    lab: RunningLab
    links: Links
    """The emulated ones."""
    events: Inbox
    ue_addresses: dict[str, str] = field(default_factory=dict)
    """UE → the address that the SMF gave its PDU session."""

    def socket(self, function: str) -> Path:
        """The management socket of a network function."""
        return self.lab.ledger.directory / f"{function}.sock"

    def alive(self) -> None:
        """RunInvalidError if a process has died or reported what no run survives; LinkEngineError if a trace failed."""
        self.lab.supervisor.check()
        self.events.check()
        self.links.check()

    def ask(self, function: str, method: str, target: str, body: Any = None) -> Any:
        """The answer of a network function's management API; RunInvalidError names the process that is to blame."""
        return watched_request(self.socket(function), method, target, body, alive=self.alive)
