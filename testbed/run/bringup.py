"""A plan as a running testbed: lab, link engine, controller, CPEs, network functions, services, sessions.

Everything is entered under one ExitStack, so that whatever ends the body takes all of it down again, last in first out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from controllers import ovs
from testbed import doctor, netns
from testbed.graph import CPES
from testbed.lab.build import run_ip
from testbed.lab.engine import NodeEnd, emulate, link_engine
from testbed.lab.ipbatch import edge_script
from testbed.lab.processes import Command, Supervisor
from testbed.links.engine import LinkEngine
from testbed.plan.model import Plan, PlannedNode
from testbed.plan.processes import CONTROLLER, CONTROLLER_APP, TUNNEL_PROBE
from testbed.plan.srv6 import VRF, vpns_by, with_vrf
from testbed.record import RunRecord
from testbed.run import gateways, session
from testbed.run.achieved import links_json
from testbed.run.control import control, nodes_json
from testbed.run.inbox import READY_WITHIN_S, Inbox
from testbed.run.links import Links
from testbed.run.observe import captured
from testbed.run.progress import Progress
from testbed.run.running import Testbed
from testbed.units import counted
from topologies.network import RunningLab, lab
from topologies.tiers import PRESETS

NEEDED = ("root", "netns", "veth", "bridge", "mininet", "mnexec")


def require(plan: Plan) -> Plan:
    """The plan with the link engine that it gets here.

    HostError names everything that it needs and the host does not have, before anything starts.
    """
    if plan.engine == "auto":
        plan = replace(plan, engine="netem" if doctor.present("netem") else "wire")
    roles = {node.role for node in plan.nodes}
    needed = list(NEEDED)
    needed += ["ovs"] if roles & CPES else []
    needed += ["tun", "af-packet"] if plan.sessions else []
    # The doctor knows the engines by their names; links are probed by packet sockets whatever carries them.
    needed += [plan.engine, "af-packet"] if any(link.emulated for link in plan.links) else []
    needed += ["nftables"] if plan.flows else []
    needed += ["dumpcap"] if plan.captures else []
    needed += plan.srv6 or ()
    needed += gateways.needs(plan)
    needed += ["stamper"] if any(process.name == TUNNEL_PROBE for process in plan.processes) else []
    doctor.require(dict.fromkeys(needed))
    return with_vrf(plan) if plan.srv6 and doctor.present(VRF) else plan


@contextmanager
def testbed(plan: Plan, record: RunRecord, progress: Progress) -> Iterator[Testbed]:
    """Start all of `plan`, as `require` returned it, but its probes and timeline; afterwards everything is gone."""
    inbox = Inbox(record)
    with ExitStack() as stack:
        emulated = sum(link.emulated for link in plan.links)
        with progress.doing(f"starting {counted(len(plan.nodes), 'namespace')} and {counted(len(plan.links), 'link')}"):
            running = stack.enter_context(lab(plan, run_dir=record.directory, on_event=inbox.put))
            record.event("lab", id=running.run_id, namespaces=running.namespaces)
            engine = _start_engine(stack, plan, running) if emulated else None
        if engine:
            progress.say(f"lab {running.run_id}: {counted(emulated, 'link')} emulated by {engine.name}")
        if plan.srv6:
            vpns = vpns_by(plan)
            record.event("srv6", vpns=vpns)
            progress.say(f"SRv6: VPNs for IPv4 by {vpns}")
        if by := gateways.start_gateways(plan, running):
            record.event("encryption", by=by)
            progress.say(f"WireGuard by {'the kernel' if by == gateways.KERNEL else by}")
        with progress.doing("starting the controller, services and network functions"):
            # Captures come first: how N4 comes up is the first thing that somebody looks for in them.
            stack.enter_context(captured(plan, record, running.supervisor))
            _start_processes(stack, plan, running, inbox)
            if plan.smf:
                inbox.wait(plan.smf, "all_associated", running.supervisor.check)
        links = stack.enter_context(Links(plan, engine, record))
        started = Testbed(plan, record, running, links, inbox)
        if plan.sessions:
            with progress.doing(f"establishing {counted(len(plan.sessions), 'PDU session')}"):
                session.establish(started)
        for ue, address in started.ue_addresses.items():
            progress.say(f"{ue} has {address}")
        nodes = nodes_json(plan, running.namespaces)
        stack.enter_context(control(running.ledger.directory, nodes, started.links, PRESETS))
        stack.callback(running.ledger.taking_down)
        yield started
        if engine:
            record.write_json("links.json", links_json(plan, engine.name, links.counters()))


def _start_engine(stack: ExitStack, plan: Plan, running: RunningLab) -> LinkEngine:
    engine = stack.enter_context(link_engine(plan.engine, running.supervisor, running.ledger, plan.seed))
    emulated = (link for link in plan.links if link.emulated)
    ends = (NodeEnd(running.names.namespace(end.node), end.ifname) for link in emulated for end in (link.a, link.b))
    emulate(engine, running.emulated, ends)
    return engine


def _start_processes(stack: ExitStack, plan: Plan, running: RunningLab, inbox: Inbox) -> None:
    supervisor = running.supervisor
    for process in plan.processes:
        supervisor.start_planned(process)
    for process in plan.processes:
        if process.name in (CONTROLLER, CONTROLLER_APP):
            # The CPEs come after the controller: ovs-vswitchd tries again after 1, 2, 4, 8 s only.
            supervisor.wait_ready(process.name, READY_WITHIN_S)
    running.net.use_cpe_starter(lambda node, _namespace: _start_ovs(stack, plan, node, running))
    running.net.start()
    for process in plan.processes:
        supervisor.wait_ready(process.name, READY_WITHIN_S)
    if any(process.name == TUNNEL_PROBE for process in plan.processes):
        # Otherwise it would see the edges go, and take that for failures.
        stack.callback(supervisor.stop, TUNNEL_PROBE)
        inbox.wait(CONTROLLER, "overlay_ready", supervisor.check)


def _start_ovs(stack: ExitStack, plan: Plan, node: PlannedNode, running: RunningLab) -> None:
    switch = _switch(plan, node, running.ledger.directory / node.name)

    def spawn(name: str, argv: Sequence[str], env: Mapping[str, str]) -> ovs.Daemon:
        command = Command(f"{node.name}-{name}", node.name, tuple(argv), is_ready=lambda: True, env=tuple(env.items()))
        running.supervisor.start(command)
        return _SupervisedDaemon(running.supervisor, command.name)

    stack.enter_context(ovs.private_ovs(switch, spawn))
    if node.edge:
        with netns.entered(running.names.namespace(node.name)):
            run_ip(edge_script(node.edge), where=node.name)


def _switch(plan: Plan, node: PlannedNode, directory: Path) -> ovs.Switch:
    assert node.datapath_id is not None
    # An app of the user's own may speak another version than ours do.
    own_app = any(process.name == CONTROLLER_APP for process in plan.processes)
    return ovs.Switch(
        directory=directory,
        datapath_id=node.datapath_id,
        interfaces=node.edge.lans if node.edge else tuple(port.name for port in node.interfaces),
        controller=plan.controller,
        datapath_type=ovs.datapath_type(),
        edge=node.edge,
        protocols=ovs.ALL_PROTOCOLS if own_app else ovs.Switch.protocols,
    )


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
