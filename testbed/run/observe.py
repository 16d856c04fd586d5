"""What watches a run while its timeline goes on: probes, captures, flow counters."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address
from itertools import groupby

from testbed import netns
from testbed.errors import RunInvalidError
from testbed.lab.processes import Command, Supervisor
from testbed.plan.model import Plan, PlannedCapture, PlannedFlow
from testbed.record import RunRecord
from testbed.run.running import Testbed
from traffic import capture, flowcount
from traffic.linkframes import ETHERTYPE


@contextmanager
def captured(plan: Plan, record: RunRecord, supervisor: Supervisor) -> Iterator[None]:
    """Run the plan's captures for the time of the body."""
    names = [_start_capture(planned, record, supervisor) for planned in plan.captures]
    for name in names:
        supervisor.wait_ready(name)
    yield
    if names:
        # The kernel holds captured packets back for a while.
        time.sleep(capture.HELD_BY_KERNEL_S)
        supervisor.stop(*names)


@contextmanager
def observed(testbed: Testbed) -> Iterator[None]:
    """Run flow counters and probes for the time of the body."""
    supervisor, plan = testbed.lab.supervisor, testbed.plan
    for node, flows in _by_node(plan.flows):
        _nft(testbed, node, ("nft", "-f", "-"), flowcount.ruleset(counted(flows, testbed.ue_addresses)))
    for probe in plan.probes:
        supervisor.start_planned(probe)
    for probe in plan.probes:
        supervisor.wait_ready(probe.name)
    yield
    # They wait for their last replies.
    supervisor.stop(*(probe.name for probe in plan.probes))


def read_flows(testbed: Testbed) -> None:
    """Record what each flow counter says now."""
    for node, flows in _by_node(testbed.plan.flows):
        counts = flowcount.parse_counters(_nft(testbed, node, flowcount.list_counters_argv()))
        for flow in flows:
            seen = total(flow, counts)
            testbed.record.event("flow", flow=flow.name, packets=seen.packets, bytes=seen.bytes)


def counted(flows: Iterable[PlannedFlow], ue_addresses: Mapping[str, str]) -> Iterator[flowcount.CountedFlow]:
    """What the kernel counts of each flow: one pair of counters for each interface."""
    for flow in flows:
        ue, service = IPv4Address(ue_addresses[flow.ue]), IPv4Address(flow.service_address)
        for ifname in flow.ifnames:
            yield flowcount.CountedFlow(_counter(flow, ifname), ifname, ue, service)


def total(flow: PlannedFlow, counts: Mapping[str, flowcount.FlowCount]) -> flowcount.Count:
    """The sum over the flow's interfaces, both ways; what crosses two of them counts at each."""
    found = [counts[_counter(flow, ifname)] for ifname in flow.ifnames]
    ways = [way for count in found for way in (count.up, count.down)]
    return flowcount.Count(sum(way.packets for way in ways), sum(way.bytes for way in ways))


def _counter(flow: PlannedFlow, ifname: str) -> str:
    return f"{flow.name}.{ifname}"


def _start_capture(planned: PlannedCapture, record: RunRecord, supervisor: Supervisor) -> str:
    path = record.directory / "captures" / planned.file
    comment = f"{planned.point} at {planned.node}"
    # The probe of the links is no part of the experiment.
    wanted = planned.filter or f"not ether proto {ETHERTYPE:#06x}"
    argv = capture.dumpcap_argv(planned.ifname, path, capture_filter=wanted, comment=comment)
    name = f"capture-{path.stem}"
    supervisor.start(Command(name, planned.node, argv, is_ready=lambda: capture.ready(path)))
    return name


def _by_node(flows: Sequence[PlannedFlow]) -> Iterator[tuple[str, list[PlannedFlow]]]:
    """The flows of each node: one ruleset holds all of a node's."""
    for node, found in groupby(sorted(flows, key=lambda flow: flow.node), key=lambda flow: flow.node):
        yield node, list(found)


def _nft(testbed: Testbed, node: str, argv: Sequence[str], stdin: str = "") -> str:
    with netns.entered(testbed.lab.namespaces[node]):
        result = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise RunInvalidError(f"flow counters at {node}: {result.stderr.strip()}", process="nft")
    return result.stdout
