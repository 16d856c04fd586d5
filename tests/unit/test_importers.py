"""Topologies from GraphML and edge lists, as a scenario names them."""

from __future__ import annotations

import re
from pathlib import Path

import networkx as nx
import pytest
import yaml
from typer.testing import CliRunner

from testbed.cli import app
from testbed.errors import InputError
from testbed.graph import Graph, Role, Tier
from testbed.run import load_plan
from testbed.scenario.model import Topology
from tests.support.scenario import SCENARIOS
from topologies.backbone import Demand, UnknownMapError, read_demands, read_map
from topologies.catalogue import resolve

EDGES = """
# the ring
Agg1 agg2  12km metro
agg2, Agg3, metro, 800m   # order is free
Agg3;Agg1
agg2 app1 datacentre
"""

ZOO = """<?xml version="1.0" encoding="utf-8"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
  <key attr.name="label" attr.type="string" for="node" id="l" />
  <key attr.name="Longitude" attr.type="double" for="node" id="x" />
  <key attr.name="Latitude" attr.type="double" for="node" id="y" />
  <key attr.name="distance_km" attr.type="double" for="edge" id="d" />
  <key attr.name="distance" attr.type="string" for="edge" id="t" />
  <key attr.name="tier" attr.type="string" for="edge" id="r" />
  <graph edgedefault="undirected">
    <node id="0"><data key="l">São Paulo</data><data key="x">-46.63</data><data key="y">-23.55</data></node>
    <node id="1"><data key="l">Lisbon</data><data key="x">-9.14</data><data key="y">38.72</data></node>
    <node id="2"><data key="l">Lisbon</data></node>
    <node id="3" />
    {edges}
  </graph>
</graphml>
"""
GOOD = """
    <edge source="0" target="1" />
    <edge source="1" target="2"><data key="d">7.5</data></edge>
    <edge source="2" target="1"><data key="t">900m</data><data key="r">metro</data></edge>
    <edge source="2" target="3" />
"""


def graph(tmp_path: Path, name: str, text: str, **params: object) -> Graph:
    (tmp_path / name).write_text(text)
    return resolve(Topology(file=name, params=params), tmp_path)


def problems(tmp_path: Path, name: str, text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        graph(tmp_path, name, text)
    return [str(problem) for problem in caught.value.problems]


def test_an_edge_list(tmp_path: Path) -> None:
    made = graph(tmp_path, "ring.edges", EDGES, tier="backhaul", roles={"app1": "host"})
    assert made.name == "ring"
    assert [node.name for node in made.nodes] == ["agg1", "agg2", "agg3", "app1"]
    assert made.node("agg1").label == "Agg1"
    assert [node.name for node in made.with_role(Role.HOST)] == ["app1"]
    assert [(link.name, link.tier, link.distance_km) for link in made.links] == [
        ("agg1-agg2", Tier.METRO, 12.0),
        ("agg2-agg3", Tier.METRO, 0.8),
        ("agg3-agg1", Tier.BACKHAUL, 0.0),
        ("agg2-app1", Tier.DATACENTRE, 0.0),
    ]


def test_all_that_is_wrong_with_an_edge_list(tmp_path: Path) -> None:
    text = "a\na b 5\nb c silk\nc c\na d\nd a 1km\na e {'weight': 3}\nf g 1km 2km\n"
    distance, tiers = 'a distance such as "80km"', "a tier: radio, access, backhaul, metro, backbone, datacentre"
    assert problems(tmp_path, "wrong.edges", text) == [
        'line 1: got "a"; want two nodes, then a distance and a tier: "a b 80km metro"',
        f'line 2: got "5"; want {distance}',
        f'line 3: got "silk"; want {tiers}',
        'line 4: got both ends at "c"; want two nodes',
        'line 6: got the link "d" to "a" of line 5; want one link between two nodes',
        f'line 7: got "3}}"; want {distance}',
        'line 8: got "1km 2km"; want one distance and one tier',
    ]


def test_graphml_as_the_topology_zoo_has_it(tmp_path: Path) -> None:
    made = graph(tmp_path, "zoo.graphml", ZOO.format(edges=GOOD))
    assert [(node.name, node.label) for node in made.nodes] == [
        ("sao-paulo", "São Paulo"),
        ("lisbon", "Lisbon"),
        ("lisbon-2", "Lisbon 2"),
        ("p3", "3"),
    ]
    assert made.node("lisbon").position == (-9.14, 38.72)
    first, second, third = made.links
    assert 7900 < first.distance_km < 8000
    assert first.tier is Tier.BACKBONE
    assert (second.distance_km, second.tier) == (0.9, Tier.METRO)
    assert third.distance_km == 0.0


def test_all_that_is_wrong_with_graphml(tmp_path: Path) -> None:
    edges = """
    <edge source="0" target="1"><data key="d">-3</data></edge>
    <edge source="1" target="2"><data key="r">silk</data></edge>
    <edge source="3" target="3" />
    <node id="4"><data key="x">400</data></node>
    """
    assert problems(tmp_path, "wrong.graphml", ZOO.format(edges=edges)) == [
        'node "4": got 400.0 east and None north; want degrees, of both',
        'edge "0" to "1": got "-3.0km"; want a distance such as "80km", not below zero',
        'edge "1" to "2": got "silk"; want a tier: radio, access, backhaul, metro, backbone, datacentre',
        'edge "3" to "3": got both ends at one node; want two nodes',
    ]


@pytest.mark.parametrize("name", ["x.graphml", "x.edges"])
def test_files_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\xff\xfe\x00<")
    assert problems_of(tmp_path, name).startswith("file: got ")
    (tmp_path / name).unlink()
    assert problems_of(tmp_path, name) == "file: got No such file or directory; want a readable file"


@pytest.mark.parametrize(
    "text",
    ["", "<graphml/>", "<html></html>", ZOO.replace("double", "colour")],
)
def test_what_is_not_graphml(tmp_path: Path, text: str) -> None:
    (problem,) = problems(tmp_path, "x.graphml", text)
    assert problem.startswith("file: got ")
    assert problem.endswith("; want GraphML")


def problems_of(tmp_path: Path, name: str) -> str:
    with pytest.raises(InputError) as caught:
        resolve(Topology(file=name), tmp_path)
    return str(caught.value.problems[0])


def test_an_edge_to_nowhere(tmp_path: Path) -> None:
    edges = '<edge source="0" target="9" /><edge source="1" />'
    assert problems(tmp_path, "x.graphml", ZOO.format(edges=edges)) == [
        'edge "0" to "9": got "9"; want nodes of the file',
        'edge "1" to "None": got "None"; want nodes of the file',
    ]


def test_what_networkx_writes(tmp_path: Path) -> None:
    cities = read_map("topozoo/Abilene")
    plain: nx.Graph[str] = nx.Graph()
    plain.add_edges_from((a, b, {"distance_km": data["km"]}) for a, b, data in cities.edges(data=True))
    nx.write_graphml(plain, tmp_path / "abilene.graphml")
    made = resolve(Topology(file="abilene.graphml"), tmp_path)
    assert len(made.nodes) == len(cities)
    assert sum(link.distance_km for link in made.links) == pytest.approx(cities.size(weight="km"))


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ("{colour: red}", "topology.params.colour: got an unknown key; want one of tier, roles"),
        ("{tier: silk}", 'topology.params.tier: got "silk"; want'),
        ("{roles: {app9: host}}", "want names of nodes, which app9 are not: agg1, agg2, agg3, app1"),
        ("{roles: {agg2: lan, app1: lan, agg1: lan, agg3: lan}}", "got a loop of the LANs and CPEs"),
    ],
)
def test_check_says_what_is_wrong(tmp_path: Path, params: str, expected: str) -> None:
    (tmp_path / "ring.edges").write_text(EDGES)
    (tmp_path / "scenario.yml").write_text(f"name: ring\ntopology: {{file: ring.edges, params: {params}}}\n")
    with pytest.raises(InputError, match=expected):
        load_plan(tmp_path / "scenario.yml")


def test_check_of_a_right_one(tmp_path: Path) -> None:
    (tmp_path / "ring.edges").write_text(EDGES)
    (tmp_path / "scenario.yml").write_text("name: ring\ntopology: {file: ring.edges}\n")
    result = CliRunner().invoke(app, ["check", str(tmp_path / "scenario.yml")])
    assert result.exit_code == 0, result.output
    assert "4 nodes, 4 links" in result.output


def test_demands_of_sndlib() -> None:
    demands = read_demands("sndlib/polska")
    assert len(demands) == 66
    assert Demand("Gdansk", "Bydgoszcz", 195.0) in demands or Demand("Bydgoszcz", "Gdansk", 195.0) in demands
    cities = read_map("sndlib/polska")
    assert all(demand.source in cities and demand.target in cities and demand.volume > 0 for demand in demands)
    assert read_demands("topozoo/Chinanet") == ()
    with pytest.raises(UnknownMapError):
        read_demands("sndlib/nowhere")


def test_the_examples_of_the_guide(tmp_path: Path) -> None:
    guide = (SCENARIOS.parent / "docs" / "guides" / "topologies.md").read_text(encoding="utf-8")
    (listing,) = re.findall(r"```\n(# ring.edges.*?)```", guide, re.DOTALL)
    (tmp_path / "ring.edges").write_text(listing)
    blocks = re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL)
    made = [resolve(Topology.model_validate(yaml.safe_load(block)["topology"]), tmp_path) for block in blocks]
    assert [graph.name for graph in made] == ["metro", "sdwan", "ring"]
    assert made[2].node("app1").role is Role.HOST
