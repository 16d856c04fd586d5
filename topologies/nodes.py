"""Mininet's nodes, interfaces and links over namespaces that the lab has made already.

Mininet's habit of one shell for each node costs most of its start; here a node's shell starts with the first command.
What Mininet would configure by commands is a fact of the plan, so interfaces and links only say what is there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mininet.clean
from mininet.link import Intf, Link
from mininet.node import Node

from testbed import netns
from testbed.graph import Role
from testbed.lab.build import run_ip
from testbed.lab.ipbatch import bridge_script
from testbed.plan.model import PlannedInterface, PlannedNode


def cleanup(*_args: object, **_kwargs: object) -> None:
    """Do nothing, in place of `mininet.clean.cleanup`, which ends processes by name and deletes all bridges there are.

    A `--custom` file that imports this name disarms `mn` itself, whose error path would call Mininet's.
    """


mininet.clean.cleanup = cleanup

CpeStarter = Callable[[PlannedNode, str], None]
"""Starts what joins a CPE's ports: gets the node and its namespace, whose interfaces are up."""


class LabNode(Node):  # type: ignore[misc]
    """A node in a named network namespace, whose shell starts when it is first needed."""

    def __init__(self, name: str, *, planned: PlannedNode, netns: str, on_shell: Callable[[str, int], None]) -> None:
        self.planned = planned
        self.netns = netns
        self._on_shell = on_shell
        # Not "in namespace" to Mininet: mnexec is not to make one, the shell inherits the one that `wake` enters.
        super().__init__(name, inNamespace=False)

    _pid: int

    def startShell(self, mnopts: str | None = None) -> None:  # noqa: N802
        """Do nothing yet: `wake` starts the shell. Mininet calls this for every node that it makes."""

    def wake(self) -> None:
        """Start the node's shell if it has none."""
        if self.shell is None:
            with netns.entered(self.netns):
                super().startShell()
            self._on_shell(self.name, self._pid)

    @property
    def pid(self) -> int:
        """The pid of the node's shell, which starts if there is none yet: `popen` and `dump` work on any node."""
        self.wake()
        return self._pid

    @pid.setter
    def pid(self, pid: int) -> None:
        self._pid = pid

    def sendCmd(self, *args: Any, **kwargs: Any) -> None:  # noqa: N802
        """Send a command to the node's shell."""
        self.wake()
        super().sendCmd(*args, **kwargs)

    def cmd(self, *args: Any, **kwargs: Any) -> str:
        """Run a command in the node's shell and return what it prints."""
        self.wake()
        return str(super().cmd(*args, **kwargs))

    def IP(self, intf: Any = None) -> str | None:  # noqa: N802
        """The IPv4 address of an interface, by default the one by which the plan knows the node."""
        return super().IP(intf) if intf else planned_ipv4(self.planned)


class Router(LabNode):
    """A node that forwards between its interfaces."""


class LabSwitch(LabNode):
    """What Mininet's CLI asks of a switch."""

    def start(self, _controllers: list[Any]) -> None:
        """Begin to forward."""

    def connected(self) -> bool:
        """True: whether a CPE's controller answers is told by the run, not by Mininet."""
        return True

    def dpctl(self, *args: str) -> str:
        """Mininet's `dpctl` for a kernel bridge: the iproute2 command of that name."""
        return self.cmd("bridge", *args)


class KernelBridge(LabSwitch):
    """A LAN: one kernel bridge over all interfaces, made with the namespace."""


class Cpe(LabSwitch):
    """A site's edge; `starter` puts OVS there, and without one it is a plain bridge between its ports."""

    starter: CpeStarter | None = None

    def start(self, _controllers: list[Any]) -> None:
        """Join the ports."""
        if self.starter is not None:
            self.starter(self.planned, self.netns)
            return
        with netns.entered(self.netns):
            run_ip(bridge_script(self.planned), where=self.netns)


NODE_CLASSES: dict[Role, type[LabNode]] = {
    Role.ROUTER: Router,
    Role.LAN: KernelBridge,
    Role.CPE: Cpe,
    Role.EDGE: Cpe,
}
"""Role → class; nodes of other roles are plain `LabNode`s."""


class LabIntf(Intf):  # type: ignore[misc]
    """An interface that exists and is configured already."""

    def __init__(self, planned: PlannedInterface, node: Node, link: LabLink) -> None:
        super().__init__(planned.name, node=node, link=link, mac=planned.mac, moveIntfFn=lambda *_: None)
        address = next((address for address in planned.addresses if ":" not in address), None)
        if address:
            self.ip, _, self.prefixLen = address.partition("/")

    def config(self, **_params: Any) -> dict[str, Any]:
        """Nothing is left to configure."""
        return {}

    def updateIP(self) -> str | None:  # noqa: N802
        """The interface's IPv4 address now, or else the node's own, so that `ue1 ping pe1` finds one."""
        address: str | None = super().updateIP() or self.node.IP()
        return address


class LabLink(Link):  # type: ignore[misc]
    """Two interfaces that are joined already, by a veth pair or by a link engine."""

    def __init__(self, node1: Node, intf1: PlannedInterface, node2: Node, intf2: PlannedInterface) -> None:
        # Link's own constructor would make the pair.
        self.intf1 = LabIntf(intf1, node1, self)
        self.intf2 = LabIntf(intf2, node2, self)


def planned_ipv4(node: PlannedNode) -> str | None:
    """The IPv4 address by which the plan knows the node; None for bridges, and for UEs, whose SMF picks one."""
    try:
        return node.address()
    except StopIteration:
        return None
