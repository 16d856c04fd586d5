"""The link engine of a lab, in its base namespace."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from testbed import netns
from testbed.lab import kernel
from testbed.lab.ledger import Ledger
from testbed.lab.processes import Command, Supervisor
from testbed.links.engine import EmulatedLink, LinkEngine
from testbed.links.netem import NetemEngine
from testbed.links.wire import WireEngine, wire_argv


@contextmanager
def link_engine(chosen: str, supervisor: Supervisor, ledger: Ledger, seed: int) -> Iterator[LinkEngine]:
    """The engine that `choose` chose, ready to add links; they carry nothing when the body has ended."""
    with closing(_started(chosen, supervisor, ledger, seed)) as engine:
        yield engine


@dataclass(frozen=True)
class NodeEnd:
    """A node's interface at one end of an emulated link; `namespace` is the node's, as `netns.entered` takes it."""

    namespace: str
    ifname: str


def emulate(engine: LinkEngine, links: Iterable[EmulatedLink], ends: Iterable[NodeEnd]) -> None:
    """Let the engine carry links whose nodes' interfaces are `ends`; the errors are those of its `add`."""
    if engine.name == "netem":
        # It cuts no super-packets, and loss and queues have to act on the packets that they stand for.
        for end in ends:
            with netns.entered(end.namespace):
                kernel.disable_offloads([end.ifname])
    engine.add(links)


def _started(chosen: str, supervisor: Supervisor, ledger: Ledger, seed: int) -> LinkEngine:
    if chosen == "netem":
        return NetemEngine(ledger.names.base)
    control = ledger.directory / "wire.sock"
    supervisor.start(Command("wire", None, wire_argv(control, seed)))
    supervisor.wait_ready("wire")
    return WireEngine(control)
