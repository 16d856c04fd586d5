"""A transport encrypted by WireGuard, and a CPE behind a NAT: what is on the wire, and that it works."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from testbed import doctor, netns
from testbed.graph import Graph, Link, Node, Role, Tier
from testbed.plan.planner import plan
from testbed.record import RunRecord
from testbed.run import bringup, running
from testbed.run.progress import Progress
from testbed.scenario.load import validate
from tests.support.command import events, leftovers
from tests.support.polling import eventually
from topologies.tiers import PRESETS
from traffic.samples import StampSample, read_stamp
from traffic.sockets import stamped_packets

pytestmark = [pytest.mark.netns, pytest.mark.ovs]

SERVICE = "203.0.113.10"
WIREGUARD, VXLAN = 51820, 4789
IPV4 = 0x0800
GRAPH = Graph(
    "branch",
    (
        Node("isp", Role.ROUTER, "isp"),
        *(Node(f"cpe-{site}", Role.CPE, site) for site in ("a", "b")),
        *(Node(site, Role.HOST, site) for site in ("a", "b")),
    ),
    (
        *(Link("isp", f"cpe-{site}", Tier.ACCESS) for site in ("a", "b")),
        *(Link(f"cpe-{site}", site, Tier.DATACENTRE) for site in ("a", "b")),
    ),
)
SCENARIO: dict[str, Any] = {
    "name": "encrypted",
    "topology": {"name": "sdwan"},
    "links": {"probe": "off", "override": [{"link": f"isp-cpe-{site}", "delay": "1ms"} for site in ("a", "b")]},
    "sdwan": {
        "transports": {"isp": {"links": ["isp-cpe-a", "isp-cpe-b"], "encryption": "wireguard", "nat": ["cpe-a"]}}
    },
    "services": {"portal": {"address": SERVICE, "hosts": ["b"]}},
    "probes": {"flow": {"kind": "stamp", "from": "a", "to": "portal", "rate": 100}},
    "timeline": [{"link": {"name": "isp-cpe-a", "state": "down"}, "as": "cut"}],
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[running.Testbed]:
    record = RunRecord.create(tmp_path_factory.mktemp("encrypted") / "run")
    planned = plan(validate("test", SCENARIO), GRAPH, PRESETS)
    with bringup.testbed(bringup.require(planned), record, Progress(Console(quiet=True))) as started:
        (probe,) = planned.probes
        started.lab.supervisor.start_planned(probe)
        started.lab.supervisor.wait_ready(probe.name)
        yield started
    assert leftovers(started.lab.run_id) == []
    assert not list(Path("/var/run/wireguard").glob(f"wg{started.lab.run_id}*"))


def at(lab: running.Testbed, node: str, command: str) -> str:
    with netns.entered(lab.lab.names.namespace(node)):
        return subprocess.run(command.split(), capture_output=True, text=True, check=False).stdout


def answered(lab: running.Testbed, since: float) -> list[StampSample]:
    samples = read_stamp(lab.record.directory / "samples/flow.jsonl")
    return [sample for sample in samples if sample.t >= since and sample.delays]


def seen_on_the_wire(lab: running.Testbed, ifname: str, packets: int) -> list[bytes]:
    """IPv4 packets that come to the transport's router by an interface of it."""
    with netns.entered(lab.lab.names.namespace("isp")):
        wire = stamped_packets(ifname, IPV4)
    wire.settimeout(20)
    with wire:
        return [wire.recv(2048)[14:] for _ in range(packets)]


def test_nobody_on_the_way_sees_more_than_wireguard(lab: running.Testbed) -> None:
    """In both directions, while probes and a flow go through."""
    eventually(lambda: answered(lab, time.time() - 1))
    for ifname in ("cpe-a", "cpe-b"):
        for packet in seen_on_the_wire(lab, ifname, 50):
            assert packet[9] == 17, "UDP"
            ports = {int.from_bytes(packet[20:22]), int.from_bytes(packet[22:24])}
            assert WIREGUARD in ports
            assert VXLAN not in ports
            assert bytes(map(int, SERVICE.split("."))) not in packet


def test_what_is_behind_the_nat_is_never_seen_outside(lab: running.Testbed) -> None:
    private = lab.plan.node("cpe-a.isp").interfaces[0].addresses[0].partition("/")[0]
    public = lab.plan.node("cpe-a.isp.nat").interfaces[0].addresses[0].partition("/")[0]
    sources = {".".join(map(str, packet[12:16])) for packet in seen_on_the_wire(lab, "cpe-a", 50)}
    assert sources == {public}
    assert private != public


def test_nobody_gets_through_the_nat_uninvited(lab: running.Testbed) -> None:
    gateway = lab.plan.node("cpe-a.isp").interfaces[0].addresses[0].partition("/")[0]
    public = lab.plan.node("cpe-a.isp.nat").interfaces[0].addresses[0].partition("/")[0]
    at(lab, "isp", f"ip route add {gateway}/32 via {public}")
    assert "100% packet loss" in at(lab, "isp", f"ping -c 2 -i 0.2 -W 1 {gateway}")


def test_it_comes_back_after_the_link_was_down_for_longer_than_a_handshake_waits(lab: running.Testbed) -> None:
    lab.links.set_up("isp-cpe-a", up=False, by="test")
    cut = time.time()
    eventually(lambda: time.time() > cut + 2)
    assert not answered(lab, cut + 0.5)
    lab.links.set_up("isp-cpe-a", up=True, by="test")
    mended = time.time()
    eventually(lambda: len(answered(lab, mended)) > 100)


def test_a_full_packet_goes_through_unbroken(lab: running.Testbed) -> None:
    mtu = lab.plan.node("a").interface("cpe-a").mtu
    answer = at(lab, "a", f"ping -M do -c 3 -i 0.2 -W 2 -s {mtu - 28} {SERVICE}")
    assert " 0% packet loss" in answer, answer


def test_what_encrypts_is_told(lab: running.Testbed) -> None:
    (event,) = events(lab.record.directory, "encryption")
    assert event["by"] == ("wireguard" if doctor.present("wireguard") else "wireguard-go")
