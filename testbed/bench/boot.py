"""Start and stop of topologies of 10, 50 and 100 nodes, against stock Mininet building the same graph.

The graph is a line of routers, each with a host. Both sides give every node its addresses, hosts a default route and
routers forwarding. "Stop" ends when the call returns; the kernel frees namespaces and links in the background on both
sides, and "gone" includes that.
"""

from __future__ import annotations

import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from testbed import netns
from testbed.bench.figures import Bench, Figure, watched_host
from testbed.graph import Role, Tier
from testbed.lab.base import base_namespace
from testbed.lab.build import run_ip
from testbed.links.profile import LinkProfile
from testbed.plan.model import LinkEnd, Plan, PlannedInterface, PlannedLink, PlannedNode, Route
from topologies.network import lab
from topologies.stock import plain_mininet

SIZES = (10, 50, 100)
REPETITIONS = 3
_SETTLE_WITHIN_S = 30.0


@dataclass(frozen=True)
class Boot:
    """Seconds that one start and stop took; `gone_s` is from the call of stop until the kernel has freed everything."""

    start_s: float
    stop_s: float
    gone_s: float


def bench_boot(sizes: Sequence[int] = SIZES, repetitions: int = REPETITIONS) -> Bench:
    """Measure both sides in turn and report medians; needs root. The last size gives the ratios."""
    with watched_host() as watch, _scratch_namespace() as settled:
        figures = [figure for size in sizes for figure in _figures(size, repetitions, settled)]
    ratios = {figure.name: figure.ratio or 0.0 for figure in figures}
    largest = f"nodes{sizes[-1]}"
    summary = (Figure(f"stock_{name}_ratio", ratios[f"{largest}_{name}_s"], "ratio") for name in ("start", "stop"))
    return Bench("boot", watch.host, (*figures, *summary))


def line(size: int) -> Plan:
    """`size` nodes: a line of routers, each with a host."""
    routers = range(size // 2)
    last = len(routers) - 1
    nodes = [node for number in routers for node in (_router(number, last), _host(number))]
    links = [_link(f"r{number}", f"h{number}") for number in routers]
    links += [_link(f"r{number}", f"r{number + 1}") for number in routers[:-1]]
    return Plan(f"line{size}", 1, "wire", tuple(nodes), tuple(links))


def _figures(size: int, repetitions: int, settled: Callable[[], None]) -> Iterator[Figure]:
    plan = line(size)
    boots = [(_boot(_ours(plan), settled), _boot(_stock(plan), settled)) for _ in range(repetitions)]
    for name in ("start_s", "stop_s", "gone_s"):
        ours, stock = (statistics.median(getattr(boot, name) for boot in side) for side in zip(*boots, strict=True))
        yield Figure(f"nodes{size}_{name}", round(ours, 4), "s", round(stock, 4))


def _boot(network: AbstractContextManager[None], settled: Callable[[], None]) -> Boot:
    begin = time.perf_counter()
    with network:
        started = stopping = time.perf_counter()
    stopped = time.perf_counter()
    settled()
    return Boot(started - begin, stopped - stopping, time.perf_counter() - stopping)


@contextmanager
def _ours(plan: Plan) -> Iterator[None]:
    with (
        tempfile.TemporaryDirectory() as directory,
        lab(plan, run_dir=Path(directory), on_event=lambda _name, _event: None) as running,
    ):
        running.net.start()
        yield


@contextmanager
def _stock(plan: Plan) -> Iterator[None]:
    net = plain_mininet(plan)
    net.start()
    yield
    net.stop()


@contextmanager
def _scratch_namespace() -> Iterator[Callable[[], None]]:
    """Stand in a namespace of our own; yields a function that waits until the kernel has freed all deleted ones.

    The kernel frees namespaces in the order of their deletion: when the peer of a last one's interface is gone, so are
    those before it.
    """
    with base_namespace() as ledger, netns.entered(ledger.names.base):
        last = ledger.names.namespace("last")
        ledger.namespace(last)
        yield lambda: _settle(last)


def _settle(last: str) -> None:
    netns.create(last)
    run_ip(f"link add settling type veth peer name settling netns {last}\n", where="bench")
    netns.delete(last)
    deadline = time.monotonic() + _SETTLE_WITHIN_S
    while "settling" in (name for _, name in socket.if_nameindex()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"the kernel has not freed the namespaces within {_SETTLE_WITHIN_S:g} s")
        time.sleep(0.002)


def _router(number: int, last: int) -> PlannedNode:
    ports = [_interface(f"h{number}", 1, number, f"10.1.{number}.1/24")]
    if number > 0:
        ports.append(_interface(f"r{number - 1}", 2, number, f"10.0.{number - 1}.1/31"))
    if number < last:
        ports.append(_interface(f"r{number + 1}", 3, number, f"10.0.{number}.0/31"))
    return _node(f"r{number}", Role.ROUTER, ports, ())


def _host(number: int) -> PlannedNode:
    port = _interface(f"r{number}", 4, number, f"10.1.{number}.2/24")
    return _node(f"h{number}", Role.HOST, [port], (Route("default", port.name, f"10.1.{number}.1"),))


def _node(name: str, role: Role, ports: list[PlannedInterface], routes: tuple[Route, ...]) -> PlannedNode:
    return PlannedNode(name, role, "line", name, (0.0, 0.0), role is Role.ROUTER, (), tuple(ports), routes)


def _interface(name: str, kind: int, number: int, address: str) -> PlannedInterface:
    return PlannedInterface(name, f"02:00:00:00:{kind:02x}:{number:02x}", 1500, (address,))


def _link(a: str, b: str) -> PlannedLink:
    return PlannedLink(f"{a}-{b}", Tier.METRO, LinkEnd(a, b), LinkEnd(b, a), 1500, 0.0, LinkProfile(), LinkProfile())
