"""Networks under the SRv6 controller: as many policies as there can be, a fibre that is cut, two hundred routers."""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any

from controllers.kernel.install import Installer, Report
from controllers.kernel.prepare import prepare
from controllers.srv6.controller import Controller, Program
from controllers.srv6.network import Network, read_network
from testbed.errors import RunInvalidError
from testbed.graph import Graph, Link, Node, Role, Tier
from testbed.lab.engine import NodeEnd, emulate, link_engine
from testbed.links.engine import LinkEngine, choose
from testbed.plan.model import Plan
from testbed.plan.planner import plan
from testbed.plan.processes import CONTROLLER
from testbed.scenario.load import validate
from topologies.backbone import read_map
from topologies.catalogue import resolve
from topologies.network import RunningLab, lab
from topologies.tiers import PRESETS
from traffic.samples import StampSample, read_stamp
from traffic.statistics import stamp_statistics

CUTS = 5
_CHINANET = "topozoo/Chinanet"
_CUT, _CITIES = "lhasa-chengdu", {"edge": "Fuzhou", "cloud": "Lhasa"}
"""Between these cities Chengdu has to send back what comes to it, so only a repair list keeps packets from circling."""

_RATE = 1000
_READY_WITHIN_S = 30.0
_SETTLE_S = 2.0


@dataclass(frozen=True)
class FullMesh:
    """Seconds that it took to compute all policies, and to put them into the kernels; and how many there are."""

    policies: int
    compute_s: float
    install_s: float


@dataclass(frozen=True)
class Cut:
    """`loss_ms` is how long packets are lost or late: late takes three times as long as usual.

    `gap_ms` is the longest time without a reply, which contains what the repair's way is longer, there and back.
    """

    loss_ms: float
    gap_ms: float


def full_mesh() -> FullMesh:
    """A policy from every city of Chinanet to every other, and a VPN that uses them all."""
    cities = sorted(read_map(_CHINANET))
    sites = {f"site{number}": city for number, city in enumerate(cities)}
    drawn = _carrier(sites)
    routers = [node.name for node in drawn.with_role(Role.ROUTER)]
    policies = [
        {"headend": a, "color": 1, "endpoint": b, "dynamic": {"metric": "delay", "bandwidth": "1Mbit"}}
        for a, b in permutations(routers, 2)
    ]
    attach = [link.name for link in drawn.links if link.tier is Tier.DATACENTRE]
    srv6 = {"tenants": {"mesh": {"attach": attach, "color": 1}}, "policies": policies}
    planned = _planned(drawn, {"srv6": srv6})
    with _bare_lab(planned) as running:
        network = _network(planned, running)
        begin = time.perf_counter()
        core = Controller(network)
        computed = time.perf_counter() - begin
        installed = _install(core, running)
    return FullMesh(len(core.policies), computed, installed)


def memory_gb(routers: int = 200) -> float:
    """What so many routers take of the machine's memory: namespaces, links, the IGP's routes, and TI-LFA's beside them.

    With the controller's core in this process.
    """
    planned = _planned(_random_network(routers), {"srv6": {"fast_reroute": "link"}})
    before = _available_kb()
    with _bare_lab(planned) as running:
        _install(Controller(_network(planned, running)), running)
        return (before - _available_kb()) / 1024**2


def cut(*, repaired: bool, cuts: int = CUTS) -> Cut:
    """Cut a fibre so many times under 1,000 packets a second: the medians."""
    services = {"portal": {"address": "203.0.113.10", "hosts": ["cloud"]}}
    probes = {"probe": {"kind": "stamp", "from": "edge", "to": "portal", "rate": _RATE}}
    # The timeline is not played, but its links are emulated.
    timeline = [{"link": {"name": _CUT, "state": "down"}, "as": "cut"}]
    igp = {"srv6": {"igp": {"flooding": "100ms"}, **({"fast_reroute": "link"} if repaired else {})}}
    rest = {"services": services, "probes": probes, "timeline": timeline, "links": {"probe": "off"}}
    planned = _planned(_carrier(_CITIES), igp | rest)
    with _running_lab(planned) as (running, engine, directory):
        began = [_cut(engine) for _ in range(cuts)]
        running.supervisor.stop("probe-probe")
        samples = read_stamp(directory / "samples/probe.jsonl")
    usual = statistics.median(sample.delays.up_ms for sample in samples if sample.delays)
    loss = statistics.median(_suffered(samples, at, usual) for at in began) * 1000 / _RATE
    gap = statistics.median(stamp_statistics(samples, at, at + _SETTLE_S - 0.1)["longest_gap_ms"] or 0 for at in began)
    return Cut(loss, gap)


def _cut(engine: LinkEngine) -> float:
    time.sleep(_SETTLE_S)
    began = time.time()
    engine.set_up(_CUT, up=False)
    time.sleep(_SETTLE_S)
    engine.set_up(_CUT, up=True)
    return began


def _suffered(samples: list[StampSample], began: float, usual_ms: float) -> int:
    """How many probes around a cut did not arrive in time."""
    near = [sample for sample in samples if -0.1 < sample.t - began < _SETTLE_S - 0.1]
    if len(near) < _RATE:
        raise RunInvalidError(f"{len(near)} probes around a cut; want {_RATE} a second")
    return sum(sample.delays is None or sample.delays.up_ms > 3 * usual_ms for sample in near)


def _carrier(sites: Mapping[str, str]) -> Graph:
    """Chinanet with these sites."""
    loaded = validate("bench", {"name": "bench", "topology": {"name": "carrier", "params": {"sites": dict(sites)}}})
    assert loaded.scenario is not None
    return resolve(loaded.scenario.topology, Path())


def _random_network(routers: int) -> Graph:
    """A ring of routers with half as many chords again, and a host, as a tenant has to have one."""
    draw = random.Random(1)
    names = [f"r{number}" for number in range(routers)]
    pairs = {(names[number - 1], names[number]) for number in range(routers)}
    while len(pairs) < routers * 3 // 2:
        pairs.add(tuple(draw.sample(names, 2)))  # type: ignore[arg-type]
    once = {frozenset(pair): pair for pair in sorted(pairs)}.values()
    nodes = (*(Node(name, Role.ROUTER, "backbone") for name in names), Node("host", Role.HOST, "site"))
    links = (*(Link(a, b, Tier.METRO, draw.uniform(10, 100)) for a, b in once), Link("r0", "host", Tier.DATACENTRE))
    return Graph("random", nodes, links)


def _planned(graph: Graph, rest: Mapping[str, Any]) -> Plan:
    loaded = validate("bench", {"name": "bench", "topology": {"name": "carrier"}, **rest})
    return plan(loaded, graph, PRESETS)


def _network(planned: Plan, running: RunningLab) -> Network:
    """What the controller of the plan is given in this lab."""
    text = next(process.config for process in planned.processes if process.name == CONTROLLER)
    return read_network(text.replace("{base}", running.names.base))


def _install(core: Controller, running: RunningLab) -> float:
    """Seconds until all routers have what they need, prepared and read back first as by the controller's process."""
    refused: list[Report] = []
    namespaces = {router.name: running.namespaces[router.name] for router in core.network.routers}
    begin = time.perf_counter()
    prepare(core.network.routers, core.states, core.network.link_mtu)
    installer = Installer(namespaces, refused.append)
    for effect in core.start():
        if isinstance(effect, Program):
            installer.submit(effect.steps).result()
    took = time.perf_counter() - begin
    if refused:
        raise RunInvalidError(f"{len(refused)} lines were refused, the first: {refused[0]}")
    return took


@contextmanager
def _bare_lab(planned: Plan) -> Iterator[RunningLab]:
    with (
        tempfile.TemporaryDirectory() as directory,
        lab(planned, run_dir=Path(directory), on_event=lambda _process, _event: None) as running,
    ):
        yield running


@contextmanager
def _running_lab(planned: Plan) -> Iterator[tuple[RunningLab, LinkEngine, Path]]:
    """The lab with its link engine, and all processes of its plan and its probes."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (directory / "samples").mkdir()
        running = stack.enter_context(lab(planned, run_dir=directory, on_event=lambda _process, _event: None))
        supervisor = running.supervisor
        engine = stack.enter_context(link_engine(choose("auto"), supervisor, running.ledger, planned.seed))
        emulated = [link for link in planned.links if link.emulated]
        ends = (NodeEnd(running.namespaces[end.node], end.ifname) for link in emulated for end in (link.a, link.b))
        emulate(engine, running.emulated, ends)
        for process in (*planned.processes, *planned.probes):
            supervisor.start_planned(process)
            supervisor.wait_ready(process.name, _READY_WITHIN_S)
        yield running, engine, directory


def _available_kb() -> int:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
