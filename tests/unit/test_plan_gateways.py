"""Encrypted transports in the plan: gateways and NATs, their addresses, and who speaks to whom first."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from testbed.graph import Role
from testbed.plan.model import Plan
from testbed.run import load_plan
from testbed.run.gateways import configuration
from tests.support.scenario import SCENARIOS, problems

DATA: dict[str, Any] = yaml.safe_load((SCENARIOS / "branch-office.yml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def made() -> Plan:
    return load_plan(SCENARIOS / "branch-office.yml")[1]


def test_a_gateway_stands_before_each_edge_on_each_encrypted_transport(made: Plan) -> None:
    gateways = {node.name for node in made.nodes if node.role is Role.GATEWAY}
    assert gateways == {
        f"{edge}.{transport}{nat}"
        for edge, transport, nat in (
            ("cpe-branch", "internet", ""),
            ("cpe-branch", "internet", ".nat"),
            ("cpe-branch", "lte", ""),
            ("cpe-branch", "lte", ".nat"),
            ("cpe-centre", "internet", ""),
            ("cpe-centre", "lte", ""),
        )
    }
    wire = made.link("internet-cpe-branch")
    assert (wire.a.node, wire.b.node) == ("internet", "cpe-branch.internet.nat"), "the link that steps change"
    assert made.link("cpe-branch.internet").b.node == "cpe-branch"
    assert all(not link.emulated for link in made.links if "." in link.name)


def test_tunnels_end_where_only_gateways_reach(made: Plan) -> None:
    edge = made.node("cpe-branch").edge
    assert edge
    secured = {bridge.address for bridge in edge.bridges if bridge.address.startswith("100.64.")}
    assert len(secured) == 2
    ends = {f"{tunnel.local}/31" for tunnel in edge.tunnels}
    assert secured < ends
    there = made.node("cpe-centre").edge
    assert there
    assert {tunnel.remote for tunnel in edge.tunnels} == {tunnel.local for tunnel in there.tunnels}


def test_who_is_behind_a_nat_is_heard_of_and_has_to_speak(made: Plan) -> None:
    hidden, open_ = (made.node(f"{edge}.internet").wireguard for edge in ("cpe-branch", "cpe-centre"))
    assert hidden and open_
    (to_open,), (to_hidden,) = hidden.peers, open_.peers
    public = made.node("cpe-centre.internet").interfaces[0].addresses[0].partition("/")[0]
    assert to_open.endpoint == f"{public}:{hidden.port}"
    assert to_hidden.endpoint is None
    assert (hidden.keepalive_s is not None, open_.keepalive_s) == (True, None)
    edges = (made.node(edge).edge for edge in ("cpe-branch", "cpe-centre"))
    ends = {f"{tunnel.local}/32" for edge in edges if edge for tunnel in edge.tunnels}
    assert {to_hidden.prefix, to_open.prefix} < ends


def test_a_nat_hides_a_private_address(made: Plan) -> None:
    nat = made.node("cpe-branch.internet.nat")
    assert nat.masquerades == nat.interfaces[0].name == "internet"
    gateway = made.node("cpe-branch.internet")
    assert gateway.interfaces[0].addresses[0].startswith("192.168.")
    assert {route.via for route in gateway.routes} == {nat.interfaces[1].addresses[0].partition("/")[0]}
    (route,) = nat.routes
    assert route.dev == "internet"


def test_wireguard_fits_into_the_link_and_vxlan_into_wireguard(made: Plan) -> None:
    link = made.link("internet-cpe-branch").mtu
    gateway = made.node("cpe-branch.internet")
    assert gateway.wireguard
    edge = made.node("cpe-branch")
    assert gateway.wireguard.mtu == link - 60 == edge.interface("internet").mtu == gateway.interface("cpe").mtu
    assert edge.interface("branch").mtu == link - 60 - 56


def test_what_wg_is_given(made: Plan) -> None:
    planned = made.node("cpe-branch.internet").wireguard
    assert planned
    (peer,) = planned.peers
    text = configuration(planned, "PRIVATE", {peer.gateway: "PUBLIC"})
    assert text.splitlines() == [
        "[Interface]",
        "PrivateKey = PRIVATE",
        "ListenPort = 51820",
        "[Peer]",
        "PublicKey = PUBLIC",
        f"AllowedIPs = {peer.prefix}",
        f"Endpoint = {peer.endpoint}",
        "PersistentKeepalive = 5",
    ]
    other = made.node("cpe-centre.internet").wireguard
    assert other
    assert "Endpoint" not in configuration(other, "PRIVATE", {other.peers[0].gateway: "PUBLIC"})


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (
            {"nat": ["cpe-branch", "cpe-centre"]},
            "sdwan.transports.internet.nat: got cpe-branch and cpe-centre, each behind a NAT; want",
        ),
        ({"nat": ["cpe-brunch"]}, 'sdwan.transports.internet.nat[0]: got "cpe-brunch"; want a CPE'),
        ({"encryption": None}, "sdwan.transports.internet: got"),
        ({"colors": {100: 46}}, "sdwan.transports.internet: got"),
        ({"encryption": "ipsec"}, "sdwan.transports.internet.encryption: got"),
    ],
)
def test_what_cannot_be_is_said(change: dict[str, Any], wanted: str) -> None:
    data = copy.deepcopy(DATA)
    data["sdwan"]["transports"]["internet"] |= change
    assert any(str(problem).startswith(wanted) for problem in problems(data)), [str(each) for each in problems(data)]


def test_a_link_that_wireguard_does_not_fit_into_is_said() -> None:
    data = copy.deepcopy(DATA)
    data["links"]["override"][0]["mtu"] = 1395
    (problem,) = problems(data)
    assert str(problem) == (
        "sdwan.transports.internet: got links of MTU 1395; "
        "want 1396 at least: 116 for VXLAN and WireGuard, 1280 for IPv6 (raise their MTU)"
    )
