"""Two hosts joined by a plain veth pair and, beside it, by many emulated links: a lab, built as any lab is.

Whatever the lab does to the ends of emulated links (offloads, MTU) it therefore does here.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from testbed import netns
from testbed.errors import RunInvalidError
from testbed.graph import Role, Tier
from testbed.lab import kernel
from testbed.lab.build import run_ip
from testbed.lab.processes import Command
from testbed.links.engine import LinkEngine, choose
from testbed.links.netem import NetemEngine
from testbed.links.profile import LinkProfile
from testbed.links.wire import WireEngine, wire_argv
from testbed.plan.model import LinkEnd, Plan, PlannedInterface, PlannedLink, PlannedNode
from topologies.network import RunningLab, lab

VETH = "veth"
LINK = "link0"
"""The emulated link that is measured on its own; the others are called link1, link2, …"""

_MTU = 1500
# Windows that a flow of 10 Gbit/s fills over 50 ms each way, so that the link is what limits it.
_TCP_MEMORY = "4096 131072 268435456"


@dataclass(frozen=True)
class Pairs:
    """The running lab. All emulated links are planned, but the engine has only those that were given to it."""

    running: RunningLab
    engine: LinkEngine
    source: str
    sink: str

    def address(self, link: str) -> str:
        """The sink's address on a link."""
        return _address(self.running.net.plan.node("b").interface(link))

    def local_address(self, link: str) -> str:
        """The source's address on a link."""
        return _address(self.running.net.plan.node("a").interface(link))

    def numbered(self, count: int) -> tuple[str, ...]:
        """The names of the first so many emulated links."""
        return tuple(link.name for link in self.running.emulated[:count])

    def join(self, first: int, last: int) -> None:
        """Give links number `first` to `last` - 1 to the engine."""
        self.engine.add(self.running.emulated[first:last])

    def impair(self, profile: LinkProfile) -> None:
        """Give both directions of the measured link a profile."""
        self.engine.change(LINK, profile, profile)

    def require(self, arrived: int) -> None:
        """RunInvalidError where next to nothing has arrived: the link does not work, and why if that is known."""
        if arrived < 2:
            self.running.supervisor.check()
            raise RunInvalidError(f"{arrived} packets came through; want a link that works")

    def engine_cpu_s(self) -> float:
        """Processor time that the engine's process has used; 0 for one in the kernel, whose senders pay for it."""
        if self.engine.name == "netem":
            return 0.0
        # clock_getcpuclockid(3): the clock of all threads of another process.
        return time.clock_gettime(~self.running.supervisor.pid("wire") << 3 | 2)

    def engine_memory_mb(self) -> float:
        """Resident memory of the engine's process; 0 for one in the kernel."""
        if self.engine.name == "netem":
            return 0.0
        status = Path(f"/proc/{self.running.supervisor.pid('wire')}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024


@contextmanager
def pairs(links: int, engine: str = "auto") -> Iterator[Pairs]:
    """The lab with its veth pair and `links` emulated links, the first of them joined; taken down afterwards."""
    plan = two_hosts(links)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        running = stack.enter_context(lab(plan, run_dir=directory, on_event=lambda _process, _event: None))
        source, sink = (running.namespaces[name] for name in ("a", "b"))
        for here, there in ("ab", "ba"):
            _prepare(running.namespaces[here], plan.node(there))
        joined = Pairs(running, _start(stack, running, choose(engine)), source, sink)
        joined.join(0, 1)
        yield joined


def two_hosts(links: int) -> Plan:
    """Hosts `a` and `b`, a veth pair and emulated links, which get 1 ms until they are changed."""
    names = (VETH, *(f"link{number}" for number in range(links)))
    nodes = tuple(_host(name, host, names) for host, name in enumerate("ab"))
    profiles = {name: LinkProfile() if name == VETH else LinkProfile(delay_ms=1.0) for name in names}
    planned = (
        PlannedLink(name, Tier.METRO, LinkEnd("a", name), LinkEnd("b", name), _MTU, 0.0, profile, profile)
        for name, profile in profiles.items()
    )
    return Plan("bench-link", 1, "auto", nodes, tuple(planned))


def _host(name: str, host: int, links: tuple[str, ...]) -> PlannedNode:
    ports = (
        PlannedInterface(link, f"02:00:00:00:{number:02x}:{host:02x}", _MTU, (f"10.1.{number}.{host}/31",))
        for number, link in enumerate(links)
    )
    return PlannedNode(name, Role.HOST, "bench", name, (0.0, 0.0), False, (), tuple(ports))


def _address(interface: PlannedInterface) -> str:
    return interface.addresses[0].partition("/")[0]


def _prepare(namespace: str, peer: PlannedNode) -> None:
    # Neighbour discovery and ARP would be traffic on idle links.
    neighbours = (f"neigh add {_address(port)} lladdr {port.mac} dev {port.name}\n" for port in peer.interfaces)
    with netns.entered(namespace):
        kernel.write_sysctls({"ipv6/conf/all/disable_ipv6": 1})
        run_ip("".join(neighbours), where=namespace)
        for name in ("rmem", "wmem"):
            Path(f"/proc/sys/net/ipv4/tcp_{name}").write_text(_TCP_MEMORY)


def _start(stack: ExitStack, running: RunningLab, name: str) -> LinkEngine:
    engine: LinkEngine
    if name == "netem":
        engine = NetemEngine(running.names.base)
    else:
        control = running.ledger.directory / "wire.sock"
        running.supervisor.start(Command("wire", None, wire_argv(control, seed=1)))
        running.supervisor.wait_ready("wire")
        engine = WireEngine(control)
    stack.callback(engine.close)
    return engine
