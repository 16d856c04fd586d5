"""Well-formed files that make no testbed: each gets a problem with its place, none a traceback."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from testbed.errors import InputError
from testbed.plan.model import Plan
from testbed.run import load_plan

Data = dict[str, Any]
SCENARIO = """
name: small
topology: {file: small.yml}
core:
  dnns: {internet: {pool: 10.45.0.0/16, psa: upf1}}
  sessions: [{ue: ue1, dnn: internet}]
services: {portal: {address: 203.0.113.10, hosts: [app1]}}
probes: {ping: {kind: stamp, from: ue1, to: portal}}
timeline: [{measure: window, for: 1s}]
"""
ROLES = {
    "ue1": "ue",
    "gnb1": "gnb",
    "r1": "router",
    "r2": "router",
    "upf1": "upf",
    "smf1": "smf",
    "cpe1": "cpe",
    "lan1": "lan",
    "app1": "host",
}
LINKS = ["ue1-gnb1", "gnb1-r1", "r1-r2", "r2-upf1", "r2-smf1", "r2-cpe1", "cpe1-lan1", "lan1-upf1", "lan1-app1"]


def topology(roles: dict[str, str], links: list[str]) -> Data:
    ends = [link.split("-") for link in links]
    return {
        "name": "small",
        "nodes": [{"name": name, "role": role} for name, role in roles.items()],
        "links": [{"a": a, "b": b, "tier": "datacentre"} for a, b in ends],
    }


def planned(directory: Path, shape: object, change: Callable[[Data], object] = lambda data: None) -> Plan:
    scenario = yaml.safe_load(SCENARIO)
    change(scenario)
    (directory / "small.yml").write_text(yaml.safe_dump(shape))
    (directory / "scenario.yml").write_text(yaml.safe_dump(scenario))
    return load_plan(directory / "scenario.yml")[1]


def found(directory: Path, shape: object, change: Callable[[Data], object] = lambda data: None) -> list[str]:
    with pytest.raises(InputError) as caught:
        planned(directory, shape, change)
    return [str(problem) for problem in caught.value.problems]


def without(*links: str, also: tuple[str, ...] = (), **roles: str) -> Data:
    """The small topology without some links, with others and with other nodes."""
    return topology(ROLES | roles, [*(link for link in LINKS if link not in links), *also])


def test_the_small_topology_is_right(tmp_path: Path) -> None:
    small = planned(tmp_path, without())
    assert small.smf == "smf1"
    assert not [route for node in small.nodes for route in node.routes if node.routes.count(route) > 1]


def test_a_network_function_without_an_address(tmp_path: Path) -> None:
    cut = without("gnb1-r1", "r2-upf1", "lan1-upf1", "r2-smf1")
    assert found(tmp_path, cut) == [
        f'small.yml: nodes[{index}]: got "{name}" ({role}), which has no address; '
        "want a link from it to a router or a LAN"
        for index, name, role in ((1, "gnb1", "gnb"), (4, "upf1", "upf"), (5, "smf1", "smf"))
    ]


def test_a_link_to_a_ue_gives_no_address(tmp_path: Path) -> None:
    (problem,) = found(tmp_path, without("r2-smf1", also=("smf1-ue1",)))
    assert problem.startswith('small.yml: nodes[5]: got "smf1" (smf), which has no address')


def test_no_smf(tmp_path: Path) -> None:
    shape = topology(
        {name: role for name, role in ROLES.items() if role != "smf"}, [x for x in LINKS if "smf" not in x]
    )
    assert found(tmp_path, shape) == ["core.dnns: got no SMF; want one smf in the topology"]


def test_two_smfs(tmp_path: Path) -> None:
    assert found(tmp_path, without(also=("smf2-r1",), smf2="smf")) == [
        "core.dnns: got the SMFs smf1, smf2; want one smf in the topology"
    ]


def test_a_user_away_from_every_gnb(tmp_path: Path) -> None:
    for elsewhere in ("ue1-r1", "lan1-ue1"):
        assert found(tmp_path, without("ue1-gnb1", also=(elsewhere,))) == [
            'core.sessions[0].ue: got "ue1", which has no link to a gNB; want a UE at a gNB'
        ]


def test_routers_that_nothing_joins(tmp_path: Path) -> None:
    assert found(tmp_path, without("r1-r2")) == [
        'small.yml: nodes[1]: got "gnb1", which cannot reach smf1; want a way over routers'
    ]


def test_islands_that_nobody_needs_are_fine(tmp_path: Path) -> None:
    islands = planned(tmp_path, without(also=("r8-r9",), r7="router", r8="router", r9="router"))
    assert islands.node("r7").routes == ()
    assert len(islands.node("r8").routes) == len(islands.node("r9").loopback)


def test_a_cpe_without_a_link(tmp_path: Path) -> None:
    assert found(tmp_path, without(cpe2="cpe")) == [
        'small.yml: nodes[9]: got "cpe2" (cpe), which has no link; want a link from it'
    ]


def test_probes_that_cannot_arrive(tmp_path: Path) -> None:
    def change(data: Data) -> None:
        data["probes"] |= {
            "a-lan": {"kind": "stamp", "from": "lan1", "to": "portal"},
            "an-island": {"kind": "http", "from": "app9", "to": "portal"},
        }

    assert found(tmp_path, without(also=("r9-app9",), r9="router", app9="host"), change) == [
        'probes.a-lan.from: got "lan1", which has no address; want a node that has one',
        'probes.an-island.to: got "portal", served by app1; want a service that app9 can reach',
    ]


def test_a_service_on_another_island_than_the_user_s_psa(tmp_path: Path) -> None:
    assert found(tmp_path, without("lan1-app1")) == [
        'probes.ping.to: got "portal", served by app1; want a service that upf1 can reach'
    ]


def test_a_capture_of_packets_to_a_node_without_an_address(tmp_path: Path) -> None:
    def change(data: Data) -> None:
        data["captures"] = [{"at": "r1", "link": "r1-r2", "point": "N6", "peer": "app9"}]

    (problem,) = found(tmp_path, without(app9="host"), change)
    assert problem.startswith('captures[0].peer: got "app9"; want a node with an address of the plan: gnb1, r1, r2')


def test_all_of_it_at_once(tmp_path: Path) -> None:
    def change(data: Data) -> None:
        data["core"]["dnns"]["internet"]["pool"] = "10.45.0.0/32"
        data["expect"] = ["nonsense"]

    places = [text.split(":")[0] for text in found(tmp_path, without("ue1-gnb1", "gnb1-r1"), change)]
    assert places == ["expect[0]", "small.yml", "core.sessions[0].ue", "core.dnns.internet.pool"]


def test_one_route_to_a_service_that_two_neighbours_serve(tmp_path: Path) -> None:
    def change(data: Data) -> None:
        data["services"]["portal"]["hosts"] = ["app1", "app2", "app3"]

    shape = without(also=("r1-app2", "r1-app3"), app2="host", app3="host")
    prefixes = [route.prefix for route in planned(tmp_path, shape, change).node("r1").routes]
    assert prefixes.count("203.0.113.10/32") == 1


def test_one_route_to_users_from_a_host_on_two_lans(tmp_path: Path) -> None:
    shape = without(also=("lan2-app1", "lan2-upf2", "r1-lan2", "r1-upf2"), lan2="lan", upf2="upf")
    prefixes = [route.prefix for route in planned(tmp_path, shape).node("app1").routes]
    assert prefixes.count("10.45.0.0/16") == 1


FILES: list[tuple[str, object, str]] = [
    ("a list", [1, 2], "file: got [1, 2]"),
    ("a name that a lab needs", without(also=("lo-r1",), lo="router"), 'nodes[9].name: got "lo"; want none of all, '),
    (
        "links of one name",
        {
            **topology({"a-b": "router", "c": "router", "a": "router", "b-c": "router"}, []),
            "links": [{"a": "a-b", "b": "c", "tier": "metro"}, {"a": "a", "b": "b-c", "tier": "metro"}],
        },
        'links[1]: got the name "a-b-c" of another link',
    ),
    ("a second link", without(also=("r1-gnb1",)), 'links[9]: got a second link "r1-gnb1"; want one link between two'),
    ("a link to itself", without(also=("r1-r1",)), 'links[9]: got both ends at "r1"; want two nodes'),
    (
        "a loop of bridges",
        without(also=("lan1-lan2", "lan2-cpe1"), lan2="lan"),
        "links: got a loop of the LANs and CPEs cpe1, lan1, lan2; want a tree",
    ),
    (
        "too many on a LAN",
        without(also=tuple(f"lan1-h{n}" for n in range(300)), **{f"h{n}": "host" for n in range(300)}),
        "links: got 303 nodes on the LAN of cpe1, lan1; want at most 250",
    ),
    (
        "too many CPEs",
        without(also=tuple(f"r1-cpe{n}" for n in range(2, 300)), **{f"cpe{n}": "cpe" for n in range(2, 300)}),
        "nodes: got 300 LANs and CPEs; want at most 250",
    ),
    (
        "nowhere",
        {"name": "x", "nodes": [{"name": "r1", "role": "router", "position": [float("nan"), 0]}], "links": []},
        "nodes[0].position[0]: got nan; want a finite number",
    ),
]


@pytest.mark.parametrize(("shape", "expected"), [case[1:] for case in FILES], ids=[case[0] for case in FILES])
def test_a_wrong_topology_file(tmp_path: Path, shape: object, expected: str) -> None:
    assert any(text.startswith(expected) for text in found(tmp_path, shape))


def test_a_topology_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "nothing.yml").write_text("name: nothing\nnodes: []\nlinks: []\n")
    (tmp_path / "scenario.yml").write_text("name: nothing\ntopology: {file: nothing.yml}\n")
    assert load_plan(tmp_path / "scenario.yml")[1].nodes == ()


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("t.yml", "name: 2024-99-99\n", "file: got month must be in 1..12; want values that can be read"),
        ("t.yml", "name: !!int x\n", "file: got invalid literal for int() with base 10: 'x'"),
        ("t.yml", "name: " + "[" * 1000, "file: got maximum recursion depth exceeded"),
        ("t.yml.j2", "name: x\nnodes: {{ 1 / 0 }}\n", "line 2: got ZeroDivisionError: division by zero"),
        ("t.yml.j2", "name: {{ 'r' + 1 }}\n", "line 1: got TypeError: can only concatenate str"),
        (
            "t.yml.j2",
            "name: {{ title }}\n",
            "line 1: got 'title' is undefined; want every variable given (give it in topology.params)",
        ),
    ],
)
def test_text_that_has_no_value(tmp_path: Path, name: str, text: str, expected: str) -> None:
    (tmp_path / name).write_text(text)
    (tmp_path / "scenario.yml").write_text(f"name: x\ntopology: {{file: {name}}}\n")
    with pytest.raises(InputError) as caught:
        load_plan(tmp_path / "scenario.yml")
    assert str(caught.value.problems[0]).startswith(expected)
