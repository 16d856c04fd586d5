"""Bandwidth that a class needs, on real switches: what they count moves it, and brings it back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import Console

from testbed.graph import Graph, Link, Node, Role, Tier
from testbed.plan.planner import plan
from testbed.plan.processes import CONTROLLER
from testbed.record import RunRecord
from testbed.run import bringup, running
from testbed.run.management import exchange
from testbed.run.progress import Progress
from testbed.scenario.load import validate
from tests.support.command import events
from tests.support.polling import eventually
from topologies.tiers import PRESETS

pytestmark = [pytest.mark.netns, pytest.mark.ovs]

SITES = ("a", "b")
GRAPH = Graph(
    "two-ways",
    (
        *(Node(name, Role.ROUTER, name) for name in ("inet", "mpls")),
        *(Node(f"cpe-{site}", Role.CPE, site) for site in SITES),
        *(Node(site, Role.HOST, site) for site in SITES),
    ),
    (
        *(Link(name, f"cpe-{site}", Tier.DATACENTRE) for name in ("inet", "mpls") for site in SITES),
        *(Link(f"cpe-{site}", site, Tier.DATACENTRE) for site in SITES),
    ),
)
SCENARIO: dict[str, Any] = {
    "name": "bandwidth",
    "topology": {"name": "sdwan"},
    "links": {"probe": "off", "override": [{"link": f"inet-cpe-{site}", "rate": "20Mbit"} for site in SITES]},
    "sdwan": {
        "transports": {name: {"links": [f"{name}-cpe-{site}" for site in SITES]} for name in ("inet", "mpls")},
        "classes": {
            "live": {"dscp": 34, "sla": {"bandwidth": "12Mbit"}, "transports": ["inet", "mpls"]},
            "bulk": {"transports": ["inet"]},
        },
        "applications": {"camera": {"class": "live", "to": "camera"}, "files": {"class": "bulk", "to": "files"}},
    },
    "services": {
        "camera": {"address": "203.0.113.10", "hosts": ["b"]},
        "files": {"address": "203.0.113.20", "hosts": ["b"]},
    },
    "probes": {"load": {"kind": "http", "from": "a", "to": "files", "interval": "250ms", "bytes": 400_000}},
}


@pytest.fixture
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[running.Testbed]:
    record = RunRecord.create(tmp_path_factory.mktemp("bandwidth") / "run")
    planned = plan(validate("test", SCENARIO), GRAPH, PRESETS)
    with bringup.testbed(bringup.require(planned), record, Progress(Console(quiet=True))) as started:
        yield started


def overlay(lab: running.Testbed) -> dict[str, Any]:
    _, text = exchange(lab.socket(CONTROLLER), "GET", "/v1/overlay")
    found: dict[str, Any] = json.loads(text)
    return found


def taken(lab: running.Testbed, demand: str) -> str:
    (found,) = (each for each in overlay(lab)["demands"] if each["name"] == demand)
    return str(found["tunnels"][0].rpartition(":")[2])


def free_mbps(lab: running.Testbed, tunnel: str) -> float:
    (found,) = (each for each in overlay(lab)["tunnels"] if each["name"] == tunnel)
    return float(found["free_bps"]) / 1e6


def test_what_needs_room_leaves_a_way_that_others_fill_and_comes_back(lab: running.Testbed) -> None:
    down, up = "cpe-b>cpe-a", "cpe-a>cpe-b"
    assert (taken(lab, f"camera:{down}"), taken(lab, f"camera:{up}")) == ("inet", "inet")
    eventually(lambda: free_mbps(lab, f"{down}:inet"), lambda free: free > 19)
    (load,) = lab.plan.probes
    lab.lab.supervisor.start_planned(load)
    eventually(lambda: taken(lab, f"camera:{down}"), lambda way: way == "mpls", 30)
    assert taken(lab, f"camera:{up}") == "inet", "only answers are large"
    assert 2 < free_mbps(lab, f"{down}:inet") < 12
    (broken,) = events(lab.record.directory, "sla_broken")
    assert (broken["tunnel"], broken["bound"], broken["limit"]) == (f"{down}:inet", "bandwidth_bps", 12_000_000)
    lab.lab.supervisor.stop(load.name)
    eventually(lambda: taken(lab, f"camera:{down}"), lambda way: way == "inet", 30)
