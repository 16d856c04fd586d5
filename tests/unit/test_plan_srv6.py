"""What a scenario with `srv6` plans, and what is said of one that is wrong."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from controllers.northbound.bodies import PolicyBody
from controllers.srv6.controller import Controller
from controllers.srv6.network import Network, Tenant, read_network
from controllers.srv6.policy import DisjointFrom, Diversity, DynamicPath, PolicyId
from testbed.errors import InputError
from testbed.graph import Role
from testbed.plan.model import Plan
from testbed.plan.planner import plan
from testbed.plan.srv6 import policy_body
from testbed.run import load_plan
from testbed.scenario.load import validate
from testbed.scenario.srv6 import Policy
from tests.support.scenario import SCENARIOS, changed, problems
from topologies.catalogue import resolve
from topologies.tiers import PRESETS

POLICY = {"headend": "csr1", "color": 100, "endpoint": "pe2", "dynamic": {"metric": "delay"}}


def planned(data: dict[str, Any]) -> Plan:
    loaded = validate("test.yml", data)
    assert loaded.scenario is not None
    return plan(loaded, resolve(loaded.scenario.topology, SCENARIOS), PRESETS)


def network_of(made: Plan) -> Network:
    return read_network(next(process.config for process in made.processes if process.name == "controller"))


def over_srv6(srv6: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """The local breakout over SRv6."""
    return changed(lambda data: data.update(srv6=srv6 or {}, **changes))


def tenant(network: Network, name: str) -> Tenant:
    return next(tenant for tenant in network.tenants if tenant.name == name)


@pytest.mark.parametrize("file", sorted(SCENARIOS.glob("srv6-*")), ids=lambda path: path.name)
def test_shipped_scenarios_plan_networks_whose_policies_are_up(file: Path) -> None:
    _, made = load_plan(file)
    core = Controller(network_of(made))
    assert core.states.keys() == {node.name for node in made.nodes if node.role == "router"}
    assert all(state.active for state in core.selection.states.values())


def test_routers_know_each_other_and_nobody_else() -> None:
    made = planned(over_srv6())
    roles = {node.name: node.role for node in made.nodes}
    for node in made.nodes:
        for port in node.interfaces:
            known = {(each.address, each.mac) for each in port.neighbours}
            if {node.role, roles[port.name]} != {Role.ROUTER}:
                assert known == set()
                continue
            peer = made.node(port.name).interface(node.name)
            assert known == {(address.split("/")[0], peer.mac) for address in peer.addresses}


def test_routers_have_no_static_routes_and_others_keep_theirs() -> None:
    plain, made = planned(changed(lambda _: None)), planned(over_srv6())
    for node in made.nodes:
        if node.role == "router":
            assert node.routes == ()
        else:
            assert node.routes == plain.node(node.name).routes


def test_everything_attached_is_in_the_default_tenant_with_what_is_behind_it() -> None:
    network = network_of(planned(over_srv6()))
    (default,) = network.tenants
    reached = {str(reach.prefix): reach.via for each in default.attachments for reach in each.reaches}
    hosts = {host for each in default.attachments for host in each.hosts}
    assert reached.keys() == {"203.0.113.10/32", "203.0.113.20/32", "10.45.0.0/16"}
    assert set(reached.values()) <= hosts
    assert {each.router for each in default.attachments} == {"csr1", "agg1", "pe2"}


def test_customers_leave_room_for_srv6_on_the_routers_links() -> None:
    made = planned(over_srv6())
    network = network_of(made)
    assert (network.link_mtu, network.inner_mtu) == (9000, 8744)
    assert {link.mtu for link in made.links if link.name == "csr1-agg1"} == {9000}
    assert {link.mtu for link in made.links if link.name == "gnb1-csr1"} == {8744}


def test_metrics_delays_and_what_is_said_of_links() -> None:
    link = {"te_metric": 7, "affinities": ["gold"], "srlgs": ["duct"], "bandwidth": "2Gbit"}
    network = network_of(planned(over_srv6({"links": {"pe1-guangzhou": link}})))
    there = next(each for each in network.links if each.id == ("pe1", "guangzhou"))
    assert there.te_metric == 7
    assert there.affinities == {"gold"}
    assert there.srlgs == {"duct"}
    assert there.bandwidth_bps == 2 * 10**9
    assert there.igp_metric == pytest.approx(there.delay_us / 10, abs=1)
    by_hops = network_of(planned(over_srv6({"metric": "hops"})))
    assert {each.igp_metric for each in by_hops.links} == {1}


def test_interfaces_of_the_5g_system_have_tenants_and_colors() -> None:
    mobile = {name: {"tenant": "ran", "color": color} for name, color in (("n3", 1), ("n4", 2), ("n9", 3))}
    made = planned(over_srv6({"mobile": mobile}))
    ran = tenant(network_of(made), "ran")
    gnb, edge, cloud = (ip_address(made.node(name).address()) for name in ("gnb1", "upf-edge", "upf-cloud"))

    def color(source: Any, destination: Any, port: int) -> int | None:
        for steering in ran.steering:
            match = steering.match
            ends = ((match.source, source), (match.destination, destination))
            meant = match.destination_port == port
            if meant and all(prefix is None or address in prefix for prefix, address in ends):
                return steering.color
        return None

    assert color(gnb, cloud, 2152) == color(edge, gnb, 2152) == 1
    assert color(edge, cloud, 2152) == 3
    assert color(cloud, edge, 8805) == 2


def test_tenants_have_tables_of_their_own_and_steer_by_name() -> None:
    blue = {"attach": ["pe2-cpe-cloud"], "steering": [{"protocol": "udp", "to": "archive", "port": 862, "color": 9}]}
    network = network_of(planned(over_srv6({"tenants": {"blue": blue}})))
    assert [(each.name, each.table) for each in network.tenants] == [("blue", 1001), ("default", 1002)]
    (steering,) = network.tenants[0].steering
    assert steering.match.destination == ip_network("203.0.113.20/32")
    assert (steering.match.protocol, steering.match.destination_port, steering.color) == (17, 862, 9)


def test_flex_algos_and_policies_as_the_controller_has_them() -> None:
    srv6 = {
        "links": {"pe1-chengdu": {"affinities": ["leased"]}},
        "flex_algos": {128: {"metric": "delay", "exclude": ["leased"], "colors": [300]}},
        "policies": [POLICY, POLICY | {"color": 101, "dynamic": {"disjoint_from": {**KEY, "diversity": "srlg"}}}],
    }
    network = network_of(planned(over_srv6(srv6)))
    assert network.colors == {300: 128}
    assert network.flex_algos[0].constraints.exclude_any == {"leased"}
    assert [policy.id for policy in network.policies] == [PolicyId("csr1", color, "pe2") for color in (100, 101)]


KEY = {"headend": "csr1", "color": 100, "endpoint": "pe2"}


@pytest.mark.parametrize("diversity", Diversity)
def test_a_policy_of_a_timeline_is_one_that_the_northbound_takes(diversity: Diversity) -> None:
    policy = Policy.model_validate(POLICY | {"dynamic": {"disjoint_from": {**KEY, "diversity": diversity}}})
    dynamic = PolicyBody.model_validate(policy_body(policy)).path()
    assert isinstance(dynamic, DynamicPath)
    assert dynamic.disjoint_from == DisjointFrom(PolicyId("csr1", 100, "pe2"), diversity)


WRONG: list[tuple[str, Callable[[], dict[str, Any]], list[str]]] = [
    (
        "no such link",
        lambda: over_srv6({"links": {"pe1-guangzhuo": {}}}),
        ['srv6.links.pe1-guangzhuo: got "pe1-guangzhuo"; want a link between routers'],
    ),
    (
        "a circuit in two tenants",
        lambda: over_srv6({"tenants": {name: {"attach": ["pe2-cpe-cloud"]} for name in ("blue", "red")}}),
        ['srv6.tenants.red.attach[0]: got "red" for pe2-cpe-cloud; want "blue", as srv6.tenants.blue has it'],
    ),
    (
        "all that is wrong with a policy",
        lambda: over_srv6(
            {
                "policies": [
                    {"headend": "csr2", "color": 1, "endpoint": "pe2", "explicit": [{"segments": ["pe1>pe2", "pe2"]}]},
                    POLICY | {"dynamic": {"exclude": ["gold"], "disjoint_from": KEY | {"color": 7}}},
                ]
            }
        ),
        [
            'srv6.policies[0].headend: got "csr2"; want a router',
            'srv6.policies[0].explicit[0].segments[0]: got "pe1>pe2"; want a link of pe1 to another router',
            'srv6.policies[1].dynamic.exclude[0]: got "gold"; want an affinity of srv6.links',
            "srv6.policies[1].dynamic.disjoint_from: got csr1, 7, pe2; want headend, color and endpoint of a policy",
        ],
    ),
    (
        "the same policy twice",
        lambda: over_srv6({"policies": [POLICY, POLICY]}),
        ["srv6.policies[1]: got csr1, 100, pe2 a second time"],
    ),
    (
        "a color in two flex-algos",
        lambda: over_srv6({"flex_algos": {number: {"colors": [5]} for number in (128, 129)}}),
        ["srv6.flex_algos.129.colors[0]: got 5, which 128 has; want each color in one algorithm"],
    ),
    (
        "steps of a controller that is not there",
        lambda: changed(lambda data: data["timeline"].append({"restart": "controller", "as": "again"})),
        ["timeline[5].restart: got a scenario without `srv6`; want a controller of the underlay"],
    ),
    (
        "a policy removed that is not there",
        lambda: over_srv6(timeline=[{"policy": {"remove": KEY}, "as": "gone"}], expect=[], flows={}),
        ["timeline[0].policy.remove: got a policy that is not there by then; want one that is"],
    ),
    (
        "customers' packets too large for the routers' links",
        lambda: over_srv6(links={"override": [{"link": "gnb1-csr1", "mtu": 9000}]}),
        ["links.override[0].mtu: got 9000 for gnb1-csr1; want 8744 at most"],
    ),
    (
        "a block that is no F3216",
        lambda: over_srv6({"block": "fcbb::/16"}),
        ['srv6.block: got "fcbb::/16"; want a /32 such as "fcbb:bb00::/32"'],
    ),
    *(
        (
            f"a block in {special}",
            lambda block=block: over_srv6({"block": block}),
            [f'srv6.block: got "{block}"; want a block of unicast addresses outside {special}, such as'],
        )
        for block, special in (("ff02::/32", "ff00::/8"), ("fe80::/32", "fe80::/10"), ("::/32", "::/8"))
    ),
    *(
        (
            f"a block over the {use}",
            lambda block=block: over_srv6({"block": block}),
            [f'srv6.block: got "{block}"; want an address clear of {prefix} ({use} of the plan)'],
        )
        for block, prefix, use in (
            ("fd00:255::/32", "fd00:255::/64", "router loopbacks"),
            ("fd00:1::/32", "fd00:1::/48", "point-to-point links"),
        )
    ),
]


@pytest.mark.parametrize(("data", "expected"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_problem(data: Callable[[], dict[str, Any]], expected: list[str]) -> None:
    found = [str(problem) for problem in problems(data())]
    for start in expected:
        assert any(text.startswith(start) for text in found), found
    assert len(found) == len(expected), found


def test_a_policy_that_nothing_meets_is_an_error_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "test.yml"
    impossible = POLICY | {"dynamic": {"metric": "delay", "bound": "1ms"}}
    file.write_text(yaml.safe_dump(over_srv6({"policies": [impossible]})))
    with pytest.raises(InputError) as caught:
        load_plan(file)
    (problem,) = caught.value.problems
    assert str(problem).startswith(
        "srv6.policies[0]: got no path: nothing meets: a delay of at most 1 ms (the least is 10.571 ms); want"
    )


def test_policies_without_a_path_are_told_together_with_all_other_problems(tmp_path: Path) -> None:
    file = tmp_path / "test.yml"
    bound = {"dynamic": {"metric": "delay", "bound": "1ms"}}
    apart = {"dynamic": {"disjoint_from": {"headend": POLICY["headend"], "color": 2, "endpoint": POLICY["endpoint"]}}}
    policies = [
        POLICY | {"color": 1, "colour": 1} | bound,
        POLICY | {"color": 2, "endpoint": "nowhere"},
        POLICY | {"color": 2} | {"dynamic": {"metric": "beauty"}},
        POLICY | {"color": 3} | bound,
        POLICY | {"color": 4} | apart,
    ]
    data = over_srv6({"policies": policies}) | {"expect": ["nonsense"]}
    file.write_text(yaml.safe_dump(data))
    with pytest.raises(InputError) as caught:
        load_plan(file)
    found = {problem.where: problem.got for problem in caught.value.problems}
    assert found["srv6.policies[3]"].startswith("no path: nothing meets: a delay of at most 1 ms")
    assert found["srv6.policies[1].endpoint"] == '"nowhere"'
    assert {*found} > {"srv6.policies[0].colour", "srv6.policies[2].dynamic.metric", "expect[0]"}
    assert "srv6.policies[4]" not in found
