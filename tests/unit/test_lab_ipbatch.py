from __future__ import annotations

from dataclasses import replace

from testbed.graph import Role
from testbed.lab import ipbatch
from testbed.lab.names import Names
from testbed.links.engine import EmulatedLink
from testbed.links.profile import LinkProfile
from testbed.plan.model import Plan
from tests.support.lab_plans import five_nodes, interface, link, node

NAMES = Names("abcde")
SLOW = LinkProfile(delay_ms=10)


def test_every_veth_pair_is_one_line_with_both_ends_in_place() -> None:
    assert ipbatch.links_script(five_nodes(), NAMES).splitlines() == [
        "link add name r1 netns bl-abcde-h1 address 02:00:00:00:00:01 mtu 1500 type veth"
        " peer name h1 netns bl-abcde-r1 address 02:00:00:00:00:02 mtu 1500",
        "link add name r2 netns bl-abcde-r1 address 02:00:00:00:00:03 mtu 1500 type veth"
        " peer name r1 netns bl-abcde-r2 address 02:00:00:00:00:04 mtu 1500",
        "link add name lan1 netns bl-abcde-r2 address 02:00:00:00:00:05 mtu 1500 type veth"
        " peer name r2 netns bl-abcde-lan1 address 02:00:00:00:00:06 mtu 1500",
        "link add name h2 netns bl-abcde-lan1 address 02:00:00:00:00:07 mtu 1500 type veth"
        " peer name lan1 netns bl-abcde-h2 address 02:00:00:00:00:08 mtu 1500",
    ]


def test_an_emulated_link_is_two_pairs_whose_inner_ends_are_in_the_base_namespace() -> None:
    plan = five_nodes(SLOW)
    assert ipbatch.links_script(plan, NAMES).splitlines()[1:3] == [
        "link add name r2 netns bl-abcde-r1 address 02:00:00:00:00:03 mtu 1500 type veth"
        " peer name w1a netns bl-abcde mtu 1500",
        "link add name r1 netns bl-abcde-r2 address 02:00:00:00:00:04 mtu 1500 type veth"
        " peer name w1b netns bl-abcde mtu 1500",
    ]
    assert ipbatch.base_script(plan, NAMES).splitlines() == [
        "link set dev lo up",
        "link set dev w1a up",
        "link set dev w1b up",
    ]
    assert ipbatch.emulated_links(plan) == (EmulatedLink("r1-r2", "w1a", "w1b", SLOW, SLOW),)


def test_a_router_gets_addresses_then_routes() -> None:
    assert ipbatch.node_script(five_nodes().node("r1")).splitlines() == [
        "link set dev lo up",
        "addr add 10.255.0.1/32 dev lo",
        "addr add fd00:255::1/128 dev lo",
        "link set dev h1 up",
        "addr add 10.1.0.1/24 dev h1",
        "addr add fd00:1::1/64 dev h1 nodad",
        "link set dev r2 up",
        "addr add 10.0.0.0/31 dev r2",
        "addr add fd00::/127 dev r2 nodad",
        "neigh replace 10.0.0.1 lladdr 02:00:00:00:00:04 dev r2 nud permanent",
        "neigh replace fd00::1 lladdr 02:00:00:00:00:04 dev r2 nud permanent",
        "route add 10.2.0.0/24 via 10.0.0.1 dev r2",
        "route add fd00:2::/64 via fd00::1 dev r2",
    ]


def test_routes_on_a_link_come_before_those_through_gateways_there() -> None:
    router = five_nodes().node("r1")
    on_link = replace(router.routes[0], prefix="10.9.0.0/24", via=None)
    through = replace(router.routes[0], prefix="10.8.0.0/24", via="10.9.0.1")
    script = ipbatch.node_script(replace(router, routes=(through, on_link)))
    assert script.splitlines()[-2:] == ["route add 10.9.0.0/24 dev r2", "route add 10.8.0.0/24 via 10.9.0.1 dev r2"]


def test_an_ipv6_default_route_is_spelt_so_that_ip_takes_it_as_ipv6() -> None:
    host = five_nodes().node("h1")
    through = replace(host.routes[0], prefix="default", via="fd00:1::1")
    assert (
        ipbatch.node_script(replace(host, routes=(through,))).splitlines()[-1] == "route add ::/0 via fd00:1::1 dev r1"
    )


def test_a_lan_joins_all_of_its_interfaces_without_spanning_tree() -> None:
    assert ipbatch.node_script(five_nodes().node("lan1")).splitlines() == [
        "link set dev lo up",
        "link set dev r2 up",
        "link set dev h2 up",
        "link add name br0 up type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
        "link set dev r2 master br0",
        "link set dev h2 master br0",
    ]


def test_the_ports_of_a_cpe_are_up_but_not_joined() -> None:
    cpe = node("cpe1", Role.CPE, interface("r1", 1))
    assert ipbatch.node_script(cpe).splitlines() == ["link set dev lo up", "link set dev r1 up"]


def test_managed_nodes_share_a_bridge_in_the_base_namespace_that_has_the_first_address() -> None:
    cpes = tuple(
        replace(node(name, Role.CPE), management=f"172.31.255.{last}/24") for name, last in (("a", 2), ("b", 3))
    )
    assert ipbatch.base_script(Plan("managed", 1, "wire", cpes, ()), NAMES).splitlines() == [
        "link set dev lo up",
        "link add name mgmt up type bridge stp_state 0 forward_delay 0",
        "addr add 172.31.255.1/24 dev mgmt",
        "link add name m0 type veth peer name mgmt netns bl-abcde-a",
        "link set dev m0 up master mgmt",
        "link add name m1 type veth peer name mgmt netns bl-abcde-b",
        "link set dev m1 up master mgmt",
    ]
    assert ipbatch.node_script(cpes[0]).splitlines()[1:] == [
        "link set dev mgmt up",
        "addr add 172.31.255.2/24 dev mgmt",
    ]


def test_routers_forward_and_hosts_do_not() -> None:
    plan = five_nodes()
    for name, forwarding in (("r1", 1), ("h1", 0)):
        settings = ipbatch.sysctls(plan.node(name))
        assert (settings["ipv4/ip_forward"], settings["ipv6/conf/all/forwarding"]) == (forwarding, forwarding)


def test_both_ends_of_what_user_space_carries_lose_their_offloads() -> None:
    nodes = tuple(
        node(name, role)
        for name, role in (("ue1", Role.UE), ("gnb1", Role.GNB), ("cpe1", Role.CPE), ("x", Role.HOST), ("y", Role.HOST))
    )
    links = (
        link("ue1", "gnb1"),
        link("gnb1", "x", SLOW),
        link("x", "cpe1"),
        link("x", "gnb1"),
        link("x", "y", SLOW),
    )
    assert ipbatch.without_offloads(Plan("mixed", 1, "wire", nodes, links)) == {
        "ue1": ("gnb1",),
        "gnb1": ("ue1", "x"),
        "cpe1": ("x",),
        "x": ("gnb1", "cpe1"),
        "y": (),
    }
