"""A whole scenario over the kernel's own link engine, where the kernel has it."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from tests.support.command import events, leftovers, started
from tests.support.link_rig import netem_available
from tests.support.polling import eventually

pytestmark = [pytest.mark.scenario]

TOPOLOGY = {
    "name": "hosts and a router",
    "nodes": [{"name": "h1", "role": "host"}, {"name": "r1", "role": "router"}, {"name": "h2", "role": "host"}],
    "links": [{"a": "h1", "b": "r1", "tier": "access"}, {"a": "r1", "b": "h2", "tier": "metro"}],
}
SCENARIO = {
    "name": "netem",
    "topology": {"file": "topology.yml"},
    "links": {
        "engine": "netem",
        "override": [{"link": "h1-r1", "delay": "20ms"}, {"link": "r1-h2", "delay": "30ms", "rate": "10Mbit"}],
    },
    "services": {"web": {"address": "203.0.113.10", "hosts": ["h2"]}},
    "probes": {"p": {"kind": "stamp", "from": "h1", "to": "web", "rate": 50}},
    "timeline": [
        {"measure": "before", "for": "2s"},
        {"impair": {"links": ["h1-r1"], "delay": "100ms", "up": {"loss": "20%"}}, "as": "change", "settle": "1s"},
        {"measure": "worse", "for": "3s"},
        {"reset": {"links": ["h1-r1"]}, "as": "reset", "settle": "1s"},
        {"measure": "after", "for": "2s"},
    ],
    "expect": [
        "before.p.rtt_ms.min >= 100 ms",
        "before.p.rtt_ms.min < 130 ms",
        "before.p.loss == 0 %",
        "worse.p.rtt_ms.p50 >= 260 ms",
        "worse.p.rtt_ms.p50 < 325 ms",
        # 30 of 150 are expected; the standard deviation is 5.
        "worse.p.loss > 3 %",
        "after.p.rtt_ms.min within 20% of before.p.rtt_ms.min",
        "after.p.loss == 0 %",
    ],
    # This kernel may be a guest's, on an emulated processor: what is late here is late for a known reason.
    "validity": {"lateness_p99": "1s", "steal": "100%", "run_delay": "1s"},
}


@dataclass(frozen=True)
class Finished:
    """A run that has ended, and what `ethtool -k` said meanwhile of an interface to each link."""

    exit_code: int
    output: str
    lab: str
    result: dict[str, Any]
    offloads: tuple[str, ...]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    if not netem_available():
        pytest.skip("netem: this kernel cannot create a netem qdisc")
    folder = tmp_path_factory.mktemp("netem")
    (folder / "topology.yml").write_text(yaml.safe_dump(TOPOLOGY))
    (folder / "scenario.yml").write_text(yaml.safe_dump(SCENARIO))
    run = folder / "run"
    with started("run", folder / "scenario.yml", "--out", run) as process:
        eventually(lambda: events(run, "link_changed") or process.poll() is not None, within=180)
        (entry,) = events(run, "lab")
        offloads = tuple(features(entry["namespaces"]["r1"], peer) for peer in ("h1", "h2"))
        output, _ = process.communicate(timeout=180)
    result = json.loads((run / "result.json").read_text())
    return Finished(process.returncode, output, entry["id"], result, offloads)


def features(namespace: str, ifname: str) -> str:
    argv = ("ip", "netns", "exec", namespace, "ethtool", "-k", ifname)
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout


def test_every_expectation_holds_and_nothing_is_left(finished: Finished) -> None:
    assert finished.exit_code == 0, finished.output
    assert (finished.result["valid"], finished.result["passed"]) == (True, True)
    assert len(finished.result["expectations"]) == len(SCENARIO["expect"])
    assert leftovers(finished.lab) == []


def test_each_link_tells_what_was_configured_and_achieved(finished: Finished) -> None:
    first, second = finished.result["links"]
    assert [(link["name"], link["engine"]) for link in (first, second)] == [("h1-r1", "netem"), ("r1-h2", "netem")]
    assert [link["configured"]["a_to_b"]["delay_ms"] for link in (first, second)] == [20.0, 30.0]
    assert second["configured"]["b_to_a"]["rate_bps"] == 10_000_000
    sent = sum(finished.result["measurements"][f"{window}.p"]["sent"] for window in ("before", "worse", "after"))
    lost = finished.result["measurements"]["worse.p"]["lost"]
    for link in (first, second):
        for way in link["achieved"].values():
            assert way["packets"] >= sent - lost
            assert way["bytes"] > 60 * way["packets"]
            assert way["dropped_error"] == way["dropped_queue"] == 0
    assert first["achieved"]["a_to_b"]["dropped_loss"] >= lost > 0
    assert first["achieved"]["a_to_b"]["loss"] > 0
    assert second["achieved"]["a_to_b"]["dropped_loss"] == 0


def test_nodes_send_the_packets_that_netem_counts(finished: Finished) -> None:
    for offloads in finished.offloads:
        assert "tx-tcp-segmentation: off" in offloads
        assert "generic-segmentation-offload: off" in offloads
