"""A plan as a running Mininet: `lab(plan, …)` makes it, hands it over, and takes all of it down again.

`BearerNet` is a Mininet whose nodes, links and switches come from a plan and are made in bulk. It keeps Mininet's
habits: `net["ue1"].cmd(…)`, `net.start()`, `net.stop()`, and the CLI.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from mininet.log import output
from mininet.net import Mininet

from testbed import netns
from testbed.errors import HostError, RunInvalidError
from testbed.lab.base import base_namespace, uninterrupted
from testbed.lab.build import build, run_ip
from testbed.lab.ipbatch import emulated_links, restore_script
from testbed.lab.ledger import LABS, Ledger
from testbed.lab.names import Names
from testbed.lab.processes import EventHandler, Supervisor
from testbed.links.engine import EmulatedLink
from testbed.plan.model import LinkEnd, Plan, PlannedInterface
from topologies import iperf
from topologies.nodes import NODE_CLASSES, Cpe, CpeStarter, LabLink, LabNode, LabSwitch


class BearerNet(Mininet):  # type: ignore[misc]
    """A Mininet built from a plan; `ledger` records what it makes before it is there."""

    def __init__(self, plan: Plan, names: Names, ledger: Ledger) -> None:
        self.plan = plan
        self.names = names
        self._ledger = ledger
        # Mininet would raise limits of the whole machine first.
        Mininet.inited = True
        super().__init__(controller=None)

    def build(self) -> None:
        """Make namespaces, links, addresses and routes, and Mininet's nodes and links over them."""
        build(self.plan, self.names, self._ledger)
        for node in self.plan.nodes:
            cls = NODE_CLASSES.get(node.role, LabNode)
            add = self.addSwitch if issubclass(cls, LabSwitch) else self.addHost
            add(node.name, cls)
        for link in self.plan.links:
            self.links.append(LabLink(*self._end(link.a), *self._end(link.b)))
        self.built = True

    def addHost(self, name: str, cls: type[LabNode]) -> LabNode:  # noqa: N802
        """Add a node of the plan that has addresses or will get one."""
        node = self._node(name, cls)
        self.hosts.append(node)
        return node

    def addSwitch(self, name: str, cls: type[LabNode]) -> LabNode:  # noqa: N802
        """Add a node of the plan that bridges."""
        node = self._node(name, cls)
        self.switches.append(node)
        return node

    def use_cpe_starter(self, starter: CpeStarter) -> None:
        """Let `starter` join the ports of each CPE at `start`; without it they are plain bridges."""
        for switch in self.switches:
            if isinstance(switch, Cpe):
                switch.starter = starter

    def pingAll(self, timeout: str | None = None) -> float:  # noqa: N802
        """Ping between all nodes that have an IPv4 address by plan; returns the percentage lost."""
        return float(self.ping([host for host in self.hosts if host.IP()], timeout))

    def iperf(  # noqa: PLR0913, PLR0917 - Mininet's signature
        self,
        hosts: list[LabNode] | None = None,
        l4Type: str = "TCP",  # noqa: N803
        udpBw: str = "10M",  # noqa: N803
        fmt: str | None = None,  # noqa: ARG002
        seconds: int = 5,
        port: int = iperf.PORT,  # noqa: ARG002
    ) -> list[str]:
        """Throughput from the first to the second host, by iperf3: what the one received and the other sent."""
        client, server = hosts or (self.hosts[0], self.hosts[-1])
        udp_rate = udpBw if l4Type == "UDP" else None
        output(f"*** Iperf: testing {l4Type} bandwidth between {client} and {server}\n")
        try:
            speeds = iperf.throughput(client, server, seconds=seconds, udp_rate=udp_rate)
        except RunInvalidError as error:
            # The CLI goes on.
            output(f"*** {error}\n")
            return []
        result = [udp_rate, *speeds] if udp_rate else [*speeds]
        output(f"*** Results: {result}\n")
        return result

    def configLinkStatus(self, src: str, dst: str, status: str) -> None:  # noqa: N802
        """Bring a link down or up; with "up" it gets back the addresses and routes that the kernel took with "down"."""
        super().configLinkStatus(src, dst, status)
        if status == "up":
            for node, peer in ((src, dst), (dst, src)):
                if node in self and peer in self:
                    with netns.entered(self.names.namespace(node)):
                        run_ip(restore_script(self.plan.node(node), peer), where=node)

    def stop(self) -> None:
        """End the nodes' shells and terminals; the namespaces go with the lab."""
        self.stopXterms()
        nodes = [node for node in self.values() if node.shell is not None]
        for node in nodes:
            with suppress(ProcessLookupError):
                os.killpg(node.shell.pid, signal.SIGHUP)
        for node in nodes:
            node.cleanup()

    def stopXterms(self) -> None:  # noqa: N802
        """End the terminals of this network; Mininet's own would end those of others too."""
        for term in self.terms:
            with suppress(ProcessLookupError):
                os.kill(term.pid, signal.SIGKILL)
        self.terms.clear()

    def _node(self, name: str, cls: type[LabNode]) -> LabNode:
        namespace = self.names.namespace(name)
        node = cls(name, planned=self.plan.node(name), netns=namespace, on_shell=self._ledger.process)
        self.nameToNode[name] = node
        return node

    def _end(self, end: LinkEnd) -> tuple[LabNode, PlannedInterface]:
        return self[end.node], self.plan.node(end.node).interface(end.ifname)


@dataclass(frozen=True)
class RunningLab:
    """A lab that is there: its Mininet is built, `net.start()` joins the CPEs, `supervisor` runs processes in it."""

    names: Names
    net: BearerNet
    supervisor: Supervisor
    ledger: Ledger
    emulated: tuple[EmulatedLink, ...]
    """What a link engine in the base namespace has to `add`; until then these links carry nothing."""

    @property
    def run_id(self) -> str:
        """The run's short name."""
        return self.names.run_id

    @property
    def namespaces(self) -> dict[str, str]:
        """Node → its network namespace."""
        return {node.name: self.names.namespace(node.name) for node in self.net.plan.nodes}


@contextmanager
def lab(plan: Plan, *, run_dir: Path, on_event: EventHandler, root: Path = LABS) -> Iterator[RunningLab]:
    """Build a lab, and take all of it down however the body ends.

    The calling thread is in the lab's base namespace meanwhile, so what it starts does not see the host's network.
    Raises HostError without root and RunInvalidError where the plan cannot be built or something stayed behind.
    """
    if os.geteuid() != 0:
        raise HostError("root", "network namespaces need root", "run it with sudo")
    take_down = ExitStack()
    try:
        ledger = take_down.enter_context(base_namespace(root))
        names = ledger.names
        ledger.run(run_dir)
        supervisor = Supervisor(names, ledger, run_dir, on_event)
        take_down.callback(supervisor.close)
        net = BearerNet(plan, names, ledger)
        take_down.callback(net.stop)
        net.build()
        with netns.entered(names.base):
            yield RunningLab(names, net, supervisor, ledger, emulated_links(plan))
    finally:
        with uninterrupted():
            take_down.close()
