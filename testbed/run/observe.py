"""What watches a run while its timeline goes on: probes, captures, flow counters."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address
from itertools import groupby

from testbed import netns
from testbed.errors import RunInvalidError
from testbed.lab.processes import Command
from testbed.plan.model import PlannedCapture, PlannedFlow
from testbed.run.running import Testbed
from traffic import capture, flowcount


@contextmanager
def observed(testbed: Testbed) -> Iterator[None]:
    """Run captures, flow counters and probes for the time of the body."""
    supervisor, plan = testbed.lab.supervisor, testbed.plan
    captures = [_start_capture(testbed, planned) for planned in plan.captures]
    for node, flows in _by_node(plan.flows):
        _nft(testbed, node, ("nft", "-f", "-"), flowcount.ruleset(_counted(testbed, flow) for flow in flows))
    for name in captures:
        supervisor.wait_ready(name)
    for probe in plan.probes:
        supervisor.start_planned(probe)
    for probe in plan.probes:
        supervisor.wait_ready(probe.name)
    yield
    # Probes wait for their last replies, and the kernel holds captured packets back for a while.
    supervisor.stop(*(probe.name for probe in plan.probes))
    if captures:
        time.sleep(capture.HELD_BY_KERNEL_S)
        supervisor.stop(*captures)


def read_flows(testbed: Testbed) -> None:
    """Record what each flow counter says now."""
    for node, flows in _by_node(testbed.plan.flows):
        counts = flowcount.parse_counters(_nft(testbed, node, flowcount.list_counters_argv()))
        for flow in flows:
            up, down = counts[flow.name].up, counts[flow.name].down
            packets, size = up.packets + down.packets, up.bytes + down.bytes
            testbed.record.event("flow", flow=flow.name, packets=packets, bytes=size)


def _start_capture(testbed: Testbed, planned: PlannedCapture) -> str:
    path = testbed.record.directory / "captures" / f"{planned.node}-{planned.ifname}.pcapng"
    argv = capture.dumpcap_argv(planned.ifname, path, comment=f"{planned.point} at {planned.node}")
    name = f"capture-{planned.node}-{planned.ifname}"
    testbed.lab.supervisor.start(Command(name, planned.node, argv, is_ready=lambda: capture.ready(path)))
    return name


def _by_node(flows: Sequence[PlannedFlow]) -> Iterator[tuple[str, list[PlannedFlow]]]:
    """The flows of each node: one ruleset holds all of a node's."""
    for node, found in groupby(sorted(flows, key=lambda flow: flow.node), key=lambda flow: flow.node):
        yield node, list(found)


def _counted(testbed: Testbed, flow: PlannedFlow) -> flowcount.CountedFlow:
    ue = IPv4Address(testbed.ue_addresses[flow.ue])
    return flowcount.CountedFlow(flow.name, flow.ifname, ue, IPv4Address(flow.service_address))


def _nft(testbed: Testbed, node: str, argv: Sequence[str], stdin: str = "") -> str:
    with netns.entered(testbed.lab.namespaces[node]):
        result = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise RunInvalidError(f"flow counters at {node}: {result.stderr.strip()}", process="nft")
    return result.stdout
