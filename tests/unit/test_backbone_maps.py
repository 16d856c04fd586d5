"""Real maps as backbones: their cities become nodes with valid names of their own, whatever the map calls them."""

from __future__ import annotations

from importlib.resources import files

import pytest
import topohub
from pydantic import TypeAdapter

from testbed.plan.addressing import RESERVED_NAMES
from testbed.plan.planner import plan
from testbed.scenario.base import Name
from testbed.scenario.load import validate
from topologies.backbone import node_names, read_map
from topologies.catalogue import named
from topologies.tiers import PRESETS

DATA = files(topohub) / "data"
MAPS = sorted(
    [
        f"{group}/{file.name.removesuffix('.json')}"
        for group in ("topozoo", "sndlib")
        for file in (DATA / group).iterdir()
    ]
    + [f"caida/2024-08/{file.name.removesuffix('.json')}" for file in (DATA / "caida" / "2024-08").iterdir()]
)
NAMES = TypeAdapter(list[Name])


def whole_map(name: str, source: str = "", target: str = "") -> dict[str, str]:
    cities = list(read_map(name))
    ends = {"metro_city": source or cities[0], "cloud_city": target or cities[-1]}
    return {"backbone_map": name, "backbone_scope": "map", **ends}


def test_nodes_and_links_of_every_map_have_names_of_their_own() -> None:
    assert len(MAPS) > 300
    for name in MAPS:
        graph = named("metro", whole_map(name))
        nodes, links = [node.name for node in graph.nodes], [link.name for link in graph.links]
        NAMES.validate_python(nodes)
        assert len(set(nodes)) == len(nodes), name
        assert sum(node.site == "backbone" for node in graph.nodes) == len(read_map(name)), name
        assert len(set(links)) == len(links), name
        assert not RESERVED_NAMES & set(nodes), name


@pytest.mark.parametrize(
    "name",
    ["topozoo/Garr199904", "topozoo/Bellsouth", "sndlib/india35", "caida/2024-08/2119", "caida/2024-08/3209"],
)
def test_a_whole_map_with_odd_names_makes_a_plan(name: str) -> None:
    loaded = validate(name, {"name": "odd", "topology": {"name": "metro", "params": whole_map(name)}})
    graph = named("metro", whole_map(name))
    planned = plan(loaded, graph, PRESETS)
    assert {node.name for node in planned.nodes} == {node.name for node in graph.nodes}


def test_names_of_chinanet() -> None:
    names = node_names(read_map("topozoo/Chinanet"), ())
    assert names["Shanghai"] == "shanghai"
    assert len({*names.values()}) == 38
    assert not [name for name in names.values() if name[-1].isdigit()]


def test_cities_of_one_name_can_be_told_apart() -> None:
    cities = read_map("topozoo/Cernet")
    twice = [city for city in cities if city.endswith(" 2")]
    assert twice
    for city in twice:
        assert cities.nodes[city]["city"].name == city.removesuffix(" 2")
        assert node_names(cities, ())[city] == f"{node_names(cities, ())[city.removesuffix(' 2')]}2"


def test_what_a_name_becomes() -> None:
    cities = ["São Paulo", "1", "東京", "Lo", "New Brunswick", "New Brunswick City", "Smf", "lo2"]
    assert node_names(cities, {"smf", "lo"}) == {
        "São Paulo": "sao-paulo",
        "1": "p1",
        "東京": "p",
        "Lo": "lo2",
        "New Brunswick": "new-brunswic",
        "New Brunswick City": "new-brunswic2",
        "Smf": "smf2",
        "lo2": "lo22",
    }


def test_a_map_without_names_goes_by_its_ids() -> None:
    graph = named("metro", whole_map("backbone/africa"))
    assert len({node.name for node in graph.nodes}) == len(graph.nodes)
