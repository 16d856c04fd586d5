"""What a scenario says of an application's flows → the matches that switches get."""

from __future__ import annotations

import copy
from typing import Any

import yaml

from controllers.sdwan.network import Overlay, read_overlay
from testbed.plan.planner import plan
from testbed.scenario.load import validate
from tests.support.scenario import SCENARIOS
from topologies.catalogue import resolve
from topologies.tiers import PRESETS

DATA: dict[str, Any] = yaml.safe_load((SCENARIOS / "sdwan-failover.yml").read_text(encoding="utf-8"))
MACHINE = "203.0.113.10/32"


def overlay(**application: Any) -> Overlay:
    data = copy.deepcopy(DATA)
    data["sdwan"]["applications"] = {"it": {"class": "control"} | application}
    loaded = validate("test.yml", data)
    assert loaded.scenario, loaded.problems
    made = plan(loaded, resolve(loaded.scenario.topology, SCENARIOS), PRESETS)
    controller = next(process for process in made.processes if process.name == "controller")
    return read_overlay(dict(controller.files)["overlay"])


def matches(**application: Any) -> list[tuple[str | None, int | None, str | None, int | None, int | None]]:
    """Source, its port, destination, its port, protocol."""
    (found, *_) = overlay(**application).applications
    return [
        (
            str(each.source) if each.source else None,
            each.source_port,
            str(each.destination) if each.destination else None,
            each.destination_port,
            each.protocol,
        )
        for each in found.matches
    ]


def test_a_five_tuple_is_matched_there_and_back() -> None:
    client = next(str(reach.prefix) for lan in overlay(to="machine").edge["cpe-edge"].lans for reach in lan.reaches)
    five = {"from": "edge", "client_port": 5004, "to": "machine", "port": 862, "protocol": "udp"}
    assert matches(**five) == [(client, 5004, MACHINE, 862, 17), (MACHINE, 862, client, 5004, 17)]


def test_a_server_alone_is_matched_there_and_back() -> None:
    assert matches(to="machine") == [(None, None, MACHINE, None, None), (MACHINE, None, None, None, None)]


def test_a_client_alone_has_both_of_its_addresses() -> None:
    found = matches(**{"from": "edge"})
    assert len(found) == 4
    assert {":" in str(source or destination) for source, _, destination, _, _ in found} == {True, False}


def test_ports_alone_are_matched_at_either_end() -> None:
    assert matches(protocol="tcp", port=80) == [(None, None, None, 80, 6), (None, 80, None, None, 6)]


def test_it_is_expected_between_the_edges_of_client_and_server() -> None:
    found = overlay(**{"from": "edge", "to": "machine"})
    assert {(each.source, each.target) for each in found.demands if each.application == "it" and each.expected} == {
        ("cpe-edge", "cpe-cloud"),
        ("cpe-cloud", "cpe-edge"),
    }
