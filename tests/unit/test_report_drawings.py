"""Charts, the map, drawings of a plan, and numbers as they are shown."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from testbed.report import formats, summary_table
from testbed.report.charts import Point, change_chart, rtt_chart
from testbed.report.cities import city_labels
from testbed.report.graph import draw
from testbed.report.layout import WIDTH, layout
from testbed.report.map import DrawnPath, topology_map
from testbed.report.render import conclude
from testbed.report.result import Result
from testbed.report.svg import Scale, dots, tag, text
from testbed.report.timeline import Mark, Phase
from tests.support.record import local_breakout, shipped
from tests.support.scenario import SCENARIOS

SCENARIO, PLAN = shipped()
PHASES = (Phase("before", 0.0, 5.0, "c0"), Phase("change", 5.0, 10.0, "change"))


def elements(svg: str, class_: str) -> list[ET.Element]:
    return [element for element in ET.fromstring(svg).iter() if class_ in element.get("class", "").split()]


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "–"), (0.0314, "0.031"), (2.345, "2.35"), (24.94, "24.9"), (1234.5, "1234")]
)
def test_milliseconds(value: float | None, shown: str) -> None:
    assert formats.ms(value) == shown


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (None, "ms", "not measured"),
        (0.0, "%", "0 %"),
        (0.25, "%", "0.25 %"),
        (1_234_567, "B", "1.23 MB"),
        (12345, "", "12,345"),
    ],
)
def test_quantities(value: float | None, unit: str, shown: str) -> None:
    assert formats.quantity(value, unit) == shown


def test_scale_and_its_ticks() -> None:
    scale = Scale(0.0, 8.0, 100.0, 0.0)
    assert (scale(0.0), scale(4.0), scale(8.0)) == (100.0, 50.0, 0.0)
    assert scale.ticks(4) == [0, 2, 4, 6, 8]


def test_text_is_escaped_and_dots_on_the_same_spot_are_drawn_once() -> None:
    assert (
        text(0, 0, '<a "b">', "tick")
        == '<text x="0" y="0" class="tick" text-anchor="start">&lt;a &#34;b&#34;&gt;</text>'
    )
    assert tag("g", class_='"') == '<g class="&#34;"/>'
    assert dots([(1.0, 2.0), (1.1, 2.1), (9.0, 2.0)], "dot").count("M") == 2


def test_chart_shades_windows_marks_steps_and_counts_lost_probes() -> None:
    probes = [Point(t / 10, 20.0) for t in range(99)] + [Point(9.9, None), Point(9.95, None), Point(9.97, 500.0)]
    svg = rtt_chart("p", probes, PHASES, [Mark(1, 5.5, "switch", "smf")])
    assert len(elements(svg, "bg-c0")) == len(elements(svg, "bg-change")) == len(elements(svg, "step")) == 1
    assert elements(svg, "lost")[0].get("d", "").count("v9") == 2
    assert len(elements(svg, "peak")) == 1
    assert "1 above 30 ms, up to 500 ms" in svg


def test_chart_of_a_probe_that_lost_everything() -> None:
    svg = rtt_chart("p", [Point(1.0, None)], PHASES, [])
    assert elements(svg, "dot") == []
    assert len(elements(svg, "lost")) == 1


def test_close_up_numbers_steps_and_counts_time_from_the_first() -> None:
    steps = [Mark(1, 6.0, "a", "smf"), Mark(2, 6.001, "b", "smf"), Mark(3, 6.2, "c", "gnb1")]
    svg = change_chart("p", [Point(5.9 + i / 100, 3.0) for i in range(40)], steps, PHASES[1])
    badges = elements(svg, "badge")
    places = [float(badge.get("cx", "")) for badge in badges]
    assert len(places) == 3
    assert places[1] - places[0] >= 14, "numbers do not cover each other"
    assert ">0</text>" in svg


def test_places_are_apart_and_inside() -> None:
    places = layout(PLAN)
    assert places.places.keys() == {node.name for node in PLAN.nodes}
    spots = list(places.places.values())
    assert all(0 < x < WIDTH and 0 < y < places.height for x, y in spots)
    assert min(abs(x - u) + abs(y - v) for i, (x, y) in enumerate(spots) for u, v in spots[:i]) > 20


def test_backbone_is_north_up_and_to_scale() -> None:
    places = layout(PLAN)
    shanghai, guiyang, chengdu, guangzhou = (places.places[name] for name in ("pe1", "pe2", "chengdu", "guangzhou"))
    assert guangzhou[1] > guiyang[1] > chengdu[1] > shanghai[1]
    assert chengdu[0] < guiyang[0] < guangzhou[0] < shanghai[0]
    assert places.km_per_px is not None
    distance = ((shanghai[0] - guangzhou[0]) ** 2 + (shanghai[1] - guangzhou[1]) ** 2) ** 0.5 * places.km_per_px
    assert distance == pytest.approx(PLAN.link("pe1-guangzhou").distance_km, rel=0.03)


def test_a_plan_without_a_backbone_is_drawn_too() -> None:
    nodes = tuple(replace(node, position=(0.0, 0.0)) for node in PLAN.nodes)
    places = layout(replace(PLAN, nodes=nodes))
    assert places.km_per_px is None
    assert places.places.keys() == {node.name for node in nodes}


def test_transports_beside_the_backbone_have_a_frame_of_their_own() -> None:
    places = layout(shipped(SCENARIOS / "sdwan-failover.yml")[1])
    frame = next(box for box in places.boxes if box.caption == "other transports")
    x, y = places.places["internet"]
    assert frame.x < x < frame.x + frame.width
    assert frame.y < y < frame.y + frame.height
    others = [box for box in places.boxes if box is not frame]
    assert all(box.y + box.height <= frame.y or box.x + box.width <= frame.x for box in others)


def test_paths_lie_beside_each_other() -> None:
    link = frozenset({frozenset({"gnb1", "csr1"})})
    svg = topology_map(PLAN, [DrawnPath("before", "c0", link), DrawnPath("edge", "c1", link)])
    (first,), (second,) = elements(svg, "stroke-c0"), elements(svg, "stroke-c1")
    assert float(second.get("y1", "")) - float(first.get("y1", "")) == pytest.approx(5.0)


def test_drawing_of_a_plan_as_svg_stands_alone() -> None:
    svg = draw(PLAN, "svg")
    ET.fromstring(svg)
    assert "prefers-color-scheme" in svg


def test_drawing_of_a_plan_as_text_names_every_node_and_link() -> None:
    assert len(re.findall(r" -- ", draw(PLAN, "dot"))) == len(PLAN.links)
    mermaid = draw(PLAN, "mermaid")
    assert mermaid.startswith("graph LR\n")
    assert mermaid.count("---") == len(PLAN.links)
    assert "  pe1 ---|6.08 ms| guangzhou" in mermaid
    data = json.loads(draw(PLAN, "json"))
    assert [node["name"] for node in data["nodes"]] == [node.name for node in PLAN.nodes]
    assert data["links"][0] == {
        "name": "ue1-gnb1",
        "a": "ue1",
        "b": "gnb1",
        "tier": "radio",
        "delay_ms": 1.0,
        "distance_km": 0.0,
    }


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return conclude(local_breakout(tmp_path_factory.mktemp("runs") / "table"), SCENARIO, PLAN)


def printed(result: Result) -> str:
    console = Console(width=100, force_terminal=False)
    with console.capture() as capture:
        console.print(summary_table(result))
    return capture.get()


def test_terminal_table_fits_100_columns_without_colour(result: Result) -> None:
    lines = printed(result).splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[-1] == "PASSED: 17 of 17 expectations hold"
    (row,) = (line.split() for line in lines if line.startswith(" pass  edge.ue1-portal.rtt_ms.p50"))
    assert row == ["pass", "edge.ue1-portal.rtt_ms.p50", "2.66", "ms", "<", "8", "ms"]


def test_terminal_table_says_what_failed_or_was_invalid(result: Result) -> None:
    failing = result.expectations[0].model_copy(update={"passed": False, "value": None})
    failed = result.model_copy(update={"passed": False, "expectations": [failing]})
    assert "FAIL  before.ue1-portal.rtt_ms.p50  not measured  > 20 ms" in printed(failed)
    assert printed(failed).rstrip().endswith("FAILED: 0 of 1 expectations hold")
    dead = result.model_copy(update={"valid": False, "passed": False, "reason": "smf died"})
    assert printed(dead).rstrip().endswith("INVALID: smf died")


def test_city_names_keep_clear_of_links_and_of_each_other() -> None:
    places = {"a": (100.0, 100.0), "b": (300.0, 100.0), "c": (100.0, 20.0)}
    (label, *_) = city_labels({"a": "Aachen", "b": "Bonn"}, places, {"a": ["b", "c"], "b": ["a"]})
    assert label.anchor == "end" or label.y > 100, "links leave to the right and upwards"


def test_a_city_without_room_for_its_name_has_none_and_the_first_comes_first() -> None:
    crowd = {f"c{i}": (100.0 + i % 4 * 16, 100.0 + i // 4 * 16) for i in range(16)}
    labels = city_labels({name: "Chongqing" + name for name in crowd}, crowd, {name: [] for name in crowd})
    assert 0 < len(labels) < len(crowd)
    assert labels[0].text == "Chongqingc0"
