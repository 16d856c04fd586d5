"""The link engine of a lab, in its base namespace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from testbed.lab.ledger import Ledger
from testbed.lab.processes import Command, Supervisor
from testbed.links.engine import LinkEngine
from testbed.links.netem import NetemEngine
from testbed.links.wire import WireEngine, wire_argv


@contextmanager
def link_engine(chosen: str, supervisor: Supervisor, ledger: Ledger, seed: int) -> Iterator[LinkEngine]:
    """The engine that `choose` chose, ready to add links; they carry nothing when the body has ended."""
    with closing(_started(chosen, supervisor, ledger, seed)) as engine:
        yield engine


def _started(chosen: str, supervisor: Supervisor, ledger: Ledger, seed: int) -> LinkEngine:
    if chosen == "netem":
        return NetemEngine(ledger.names.base)
    control = ledger.directory / "wire.sock"
    supervisor.start(Command("wire", None, wire_argv(control, seed)))
    supervisor.wait_ready("wire")
    return WireEngine(control)
