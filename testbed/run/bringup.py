"""A plan as a running testbed: lab, link engine, controller, CPEs, network functions, services, sessions.

Everything is entered under one ExitStack, so that whatever ends the body takes all of it down again, last in first out.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controllers import ovs
from testbed import doctor
from testbed.errors import RunInvalidError
from testbed.graph import Role
from testbed.lab.build import send_finished_packets
from testbed.lab.processes import Command, Supervisor
from testbed.links.engine import LinkEngine, choose
from testbed.links.netem import NetemEngine
from testbed.links.wire import WireEngine, wire_argv
from testbed.plan.model import Plan, PlannedNode
from testbed.record import RunRecord
from testbed.run import session
from testbed.run.achieved import links_json
from testbed.run.control import control
from testbed.run.links import Links
from testbed.run.progress import Progress
from topologies.network import RunningLab, lab
from topologies.tiers import PRESETS

NEEDED = ("root", "netns", "veth", "bridge", "mininet", "mnexec")
READY_WITHIN_S = 20.0
POLL_S = 0.05


@dataclass(frozen=True)
class Testbed:
    """What the timeline works on."""

    plan: Plan
    record: RunRecord
    lab: RunningLab
    links: Links
    """The emulated ones."""
    events: Inbox
    ue_addresses: Mapping[str, str]
    """UE → the address that the SMF gave its PDU session."""

    def socket(self, function: str) -> Path:
        """The management socket of a network function."""
        return self.lab.ledger.directory / f"{function}.sock"

    def alive(self) -> None:
        """RunInvalidError if a process has died, LinkEngineError if a link could not follow its trace."""
        self.lab.supervisor.check()
        self.links.check()


class Inbox:
    """Takes the events of all processes: writes them to the record, and lets the run wait for one."""

    def __init__(self, record: RunRecord) -> None:
        self._record = record
        self._seen: set[tuple[str, str]] = set()
        self._changed = threading.Condition()

    def put(self, process: str, event: dict[str, Any]) -> None:
        """Take an event; called in the supervisor's thread."""
        fields = {name: value for name, value in event.items() if name not in ("event", "process")}
        self._record.event(event["event"], process=process, **fields)
        with self._changed:
            self._seen.add((process, event["event"]))
            self._changed.notify_all()

    def wait(self, process: str, kind: str, alive: Callable[[], None]) -> None:
        """Return once that process has sent an event of that kind; RunInvalidError if none comes, or `alive` raises."""
        deadline = time.monotonic() + READY_WITHIN_S
        with self._changed:
            while not self._has(process, kind):
                alive()
                if time.monotonic() > deadline:
                    text = f"{process} did not say `{kind}` within {READY_WITHIN_S:g} s"
                    raise RunInvalidError(text, process=process)
                self._changed.wait(POLL_S)

    def _has(self, process: str, kind: str) -> bool:
        return (process, kind) in self._seen


def require(plan: Plan) -> None:
    """HostError naming everything that this plan needs and the host does not have, before anything starts."""
    roles = {node.role for node in plan.nodes}
    needed = list(NEEDED)
    needed += ["ovs"] if Role.CPE in roles else []
    needed += ["tun", "af-packet"] if plan.sessions else []
    needed += ["nftables"] if plan.flows else []
    needed += ["dumpcap"] if plan.captures else []
    doctor.require(needed)
    if choose(plan.engine) == "wire" and any(link.emulated for link in plan.links):
        doctor.require(["wire", "af-packet"])


@contextmanager
def testbed(plan: Plan, record: RunRecord, progress: Progress) -> Iterator[Testbed]:
    """Start all of `plan` but its probes and timeline; everything is gone when the body has ended."""
    require(plan)
    inbox = Inbox(record)
    with ExitStack() as stack:
        emulated = sum(link.emulated for link in plan.links)
        with progress.doing(f"starting {len(plan.nodes)} namespaces and {len(plan.links)} links"):
            running = stack.enter_context(lab(plan, run_dir=record.directory, on_event=inbox.put))
            record.event("lab", id=running.run_id, namespaces=running.namespaces)
            engine = _start_engine(stack, plan, running) if emulated else None
        if engine:
            progress.say(f"lab {running.run_id}: {emulated} links emulated by {engine.name}")
        with progress.doing("starting the controller, services and network functions"):
            _start_processes(stack, plan, running)
            if plan.sessions:
                smf = next(node.name for node in plan.nodes if node.role is Role.SMF)
                inbox.wait(smf, "all_associated", running.supervisor.check)
        with progress.doing(f"establishing {len(plan.sessions)} PDU sessions"):
            addresses = session.establish(plan, running, record)
        for ue, address in addresses.items():
            progress.say(f"{ue} has {address}")
        links = stack.enter_context(Links(plan, engine, record))
        stack.enter_context(control(running.ledger.directory, links, PRESETS))
        yield Testbed(plan, record, running, links, inbox, addresses)
        if engine:
            record.write_json("links.json", links_json(plan, engine.name, links.counters()))


def _start_engine(stack: ExitStack, plan: Plan, running: RunningLab) -> LinkEngine:
    engine: LinkEngine
    if choose(plan.engine) == "netem":
        send_finished_packets(plan, running.names)
        engine = NetemEngine(running.names.base)
    else:
        control = running.ledger.directory / "wire.sock"
        running.supervisor.start(Command("wire", None, wire_argv(control, plan.seed)))
        running.supervisor.wait_ready("wire")
        engine = WireEngine(control)
    stack.callback(engine.close)
    engine.add(running.emulated)
    return engine


def _start_processes(stack: ExitStack, plan: Plan, running: RunningLab) -> None:
    supervisor = running.supervisor
    for process in plan.processes:
        supervisor.start_planned(process)
    if plan.controller:
        # The CPEs come after the controller: ovs-vswitchd tries again after 1, 2, 4, 8 s only.
        supervisor.wait_ready("controller", READY_WITHIN_S)
    running.net.use_cpe_starter(lambda node, _namespace: _start_ovs(stack, plan, node, running))
    running.net.start()
    for process in plan.processes:
        supervisor.wait_ready(process.name, READY_WITHIN_S)


def _start_ovs(stack: ExitStack, plan: Plan, node: PlannedNode, running: RunningLab) -> None:
    assert node.datapath_id is not None
    switch = ovs.Switch(
        directory=running.ledger.directory / node.name,
        datapath_id=node.datapath_id,
        interfaces=tuple(port.name for port in node.interfaces),
        controller=plan.controller,
        datapath_type=ovs.datapath_type(),
    )

    def spawn(name: str, argv: Sequence[str], env: Mapping[str, str]) -> ovs.Daemon:
        command = Command(f"{node.name}-{name}", node.name, tuple(argv), is_ready=lambda: True, env=tuple(env.items()))
        running.supervisor.start(command)
        return _SupervisedDaemon(running.supervisor, command.name)

    stack.enter_context(ovs.private_ovs(switch, spawn))


class _SupervisedDaemon:
    """A daemon of a private Open vSwitch that the lab's supervisor watches and ends."""

    def __init__(self, supervisor: Supervisor, name: str) -> None:
        self._supervisor = supervisor
        self._name = name
        self._exit_code: int | None = None

    def poll(self) -> int | None:
        return self._exit_code if self._exit_code is not None else self._supervisor.exit_code(self._name)

    def terminate(self) -> None:
        self._supervisor.stop(self._name)
        self._exit_code = 0

    def kill(self) -> None:
        self.terminate()

    def wait(self, timeout: float | None = None) -> int:  # noqa: ARG002
        if self._exit_code is None:
            self.terminate()
        return self._exit_code or 0
