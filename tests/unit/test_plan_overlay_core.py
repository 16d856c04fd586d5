"""A 5G core behind an SD-WAN: what its edges reach, and which SLAs have to hold where."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from controllers.sdwan.accounting import violated
from controllers.sdwan.network import Overlay, read_overlay
from controllers.sdwan.steering import Placement
from controllers.sdwan.telemetry import ClassWindow
from testbed.graph import Role
from testbed.lab import ipbatch
from testbed.plan.model import Neighbour, Plan
from testbed.run import load_plan
from tests.support.scenario import SCENARIOS


@pytest.fixture(scope="module")
def made() -> Plan:
    return load_plan(SCENARIOS / "breakout-failover.yml")[1]


@pytest.fixture(scope="module")
def overlay(made: Plan) -> Overlay:
    controller = next(process for process in made.processes if process.name == "controller")
    return read_overlay(dict(controller.files)["overlay"])


def reached(overlay: Overlay, edge: str) -> dict[str, set[str]]:
    """Tenant → what is reached on its LANs at the edge."""
    found: dict[str, set[str]] = {}
    for lan in overlay.edge[edge].lans:
        found.setdefault(lan.tenant, set()).update(str(reach.prefix) for reach in lan.reaches)
    return found


def test_users_are_reached_behind_their_anchor_and_on_n6_only(overlay: Overlay) -> None:
    pool = "10.45.0.0/16"
    assert pool in reached(overlay, "cpe-cloud")["data"]
    assert pool not in reached(overlay, "cpe-cloud")["bearer"]
    assert all(
        pool not in reaches for edge in ("cpe-edge", "cpe-access") for reaches in reached(overlay, edge).values()
    )


def test_an_anycast_service_is_reached_at_both_sites(overlay: Overlay) -> None:
    for edge in ("cpe-edge", "cpe-cloud"):
        assert "203.0.113.10/32" in reached(overlay, edge)["data"]


def test_hosts_are_reached_by_both_of_their_addresses(made: Plan, overlay: Overlay) -> None:
    mec = made.node("mec1")
    there = reached(overlay, "cpe-edge")["data"]
    assert {str(ip_network(mec.address(version))) for version in (4, 6)} <= there


def test_an_application_to_a_node_has_both_of_its_addresses(made: Plan, overlay: Overlay) -> None:
    (edge_plane,) = (each for each in overlay.applications if each.name == "edge-plane")
    own = [ip_network(made.node("upf-edge").address(version)) for version in (4, 6)]
    ends = [(match.destination, match.destination_port) for match in edge_plane.matches]
    assert all((prefix, 2152) in ends for prefix in own)


def test_hosts_know_the_gateway_that_answers_no_neighbour_solicitation(made: Plan) -> None:
    for edge in (node for node in made.nodes if node.role is Role.EDGE):
        assert edge.edge is not None
        for lan in edge.edge.lans:
            mac = edge.interface(lan).mac
            behind = [
                (route.via, port.neighbours)
                for node in made.nodes
                for port in node.interfaces
                for route in node.routes
                if route.prefix == "::/0" and route.dev == port.name
                if any(known.mac == mac for known in port.neighbours)
            ]
            assert behind
            assert all(known == (Neighbour(via or "", mac),) for via, known in behind)


def expected(overlay: Overlay, application: str) -> set[tuple[str, str]]:
    demands = (demand for demand in overlay.demands if demand.application == application and demand.expected)
    return {(demand.source, demand.target) for demand in demands}


def test_an_application_is_expected_where_the_file_lists_it(overlay: Overlay) -> None:
    assert expected(overlay, "edge-plane") == {("cpe-access", "cpe-edge"), ("cpe-edge", "cpe-access")}


def test_an_application_that_is_not_listed_is_expected_wherever_its_server_is(overlay: Overlay) -> None:
    assert expected(overlay, "cloud-plane") == {
        (a, b) for a, b in (("cpe-access", "cpe-cloud"), ("cpe-edge", "cpe-cloud")) for a, b in ((a, b), (b, a))
    }


@pytest.mark.parametrize(("source", "target", "broken"), [("access", "edge", True), ("edge", "cloud", False)])
def test_an_sla_is_violated_only_where_it_has_to_hold(overlay: Overlay, source: str, target: str, broken: bool) -> None:
    tunnel = f"cpe-{source}>cpe-{target}:private"
    name = f"edge-plane:cpe-{source}>cpe-{target}"
    placements = {demand.name: Placement() for demand in overlay.demands} | {name: Placement(((tunnel, 1),))}
    slow = ClassWindow(tunnel, overlay.class_of["edge-plane"].dscp, 5, 5, 0, 11.0, 0.1)
    assert list(violated(overlay, placements, [slow])) == ([name] if broken else [])


def test_the_kernel_of_an_edge_does_not_answer_what_its_switch_takes(made: Plan) -> None:
    """With a datapath in user space the kernel sees the packets, too: they come by a way that does not lead back."""
    for node in made.nodes:
        settings = ipbatch.sysctls(node)
        strict = int(node.role is Role.EDGE)
        assert (settings["ipv4/conf/all/rp_filter"], settings["ipv4/conf/all/arp_ignore"]) == (strict, strict)
        assert settings.get("ipv6/conf/all/disable_ipv6", 0) == int(node.role in {Role.EDGE, Role.LAN})
