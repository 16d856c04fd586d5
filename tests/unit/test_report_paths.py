"""Path proofs out of captures, and the way between two sightings."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.plan.model import Plan
from testbed.record import RunRecord, Window
from testbed.report.paths import middle_sample, prove_paths
from testbed.report.routes import Routes
from tests.support.record import PORTAL, UE1, local_breakout, shipped
from traffic.samples import Delays, StampSample

SCENARIO, PLAN = shipped()


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    return local_breakout(tmp_path_factory.mktemp("runs") / "paths")


def test_each_measured_window_has_a_proof_from_its_middle(record: RunRecord) -> None:
    paths = prove_paths(record, SCENARIO, PLAN)
    assert [(path.window, path.probe, path.sequence) for path in paths] == [
        ("before", "ue1-portal", 400),
        ("edge", "ue1-portal", 1450),
        ("after", "ue1-portal", 2500),
        ("before", "ue1-archive", 80),
        ("edge", "ue1-archive", 290),
        ("after", "ue1-archive", 500),
    ]


def test_hops_name_the_interface_that_the_tunnel_is_on(record: RunRecord) -> None:
    before, edge, *_ = prove_paths(record, SCENARIO, PLAN)
    assert [(hop.point, hop.node, hop.direction) for hop in before.hops] == [
        ("N3", "gnb1", "up"),
        ("N3", "upf-cloud", "up"),
        ("N6 cloud", "upf-cloud", "up"),
        ("N6 cloud", "upf-cloud", "down"),
        ("N3", "upf-cloud", "down"),
        ("N3", "gnb1", "down"),
    ]
    assert {hop.node for hop in edge.hops} == {"gnb1", "upf-edge"}
    assert edge.hops[0].tunnel is not None
    assert (edge.hops[0].tunnel.dst, edge.hops[0].tunnel.teid, edge.hops[0].tunnel.qfi) == ("10.1.0.17", 0x11, 1)


def test_no_proof_without_a_session(tmp_path: Path) -> None:
    record = local_breakout(tmp_path)
    (record.directory / "events.jsonl").write_text("")
    assert prove_paths(record, SCENARIO, PLAN) == []


def test_no_proof_without_captures(tmp_path: Path) -> None:
    record = local_breakout(tmp_path)
    for capture in (record.directory / "captures").iterdir():
        capture.unlink()
    assert prove_paths(record, SCENARIO, PLAN) == []


def back(sequence: int, t: float) -> StampSample:
    return StampSample(sequence, t, Delays(1, 1, 2, 0))


@pytest.mark.parametrize(
    ("samples", "wanted"),
    [
        ([back(0, 1.0), back(1, 5.1), back(2, 9.0)], 1),
        ([back(0, 1.0), StampSample(1, 5.1, None), back(2, 8.0)], 2),
        ([StampSample(0, 1.0, None), StampSample(1, 5.1, None)], 1),
        ([back(0, 11.0)], None),
    ],
    ids=["nearest", "answered", "none answered", "none inside"],
)
def test_middle_sample(samples: list[StampSample], wanted: int | None) -> None:
    found = middle_sample(samples, Window("w", 0.0, 10.0))
    assert (found and found.seq) == wanted


@pytest.mark.parametrize(
    ("start", "address", "way"),
    [
        ("gnb1", "10.1.0.17", "gnb1 csr1 agg1 upf-edge"),
        ("upf-edge", PORTAL, "upf-edge lan-edge mec1"),
        ("app1", UE1, "app1 lan-cloud upf-cloud"),
        ("gnb1", "10.1.0.0", "gnb1"),
        ("gnb1", "2001:db8::1", "gnb1 csr1"),
    ],
)
def test_routes_are_followed_through_bridges_as_far_as_they_go(start: str, address: str, way: str) -> None:
    assert " ".join(Routes(PLAN).walk(start, address)) == way


def links(plan: Plan, record: RunRecord, window: int) -> set[str]:
    path = prove_paths(record, SCENARIO, plan)[window]
    found = Routes(plan).probe_links("ue1", PORTAL, UE1, path.hops)
    return {link.name for link in plan.links if frozenset((link.a.node, link.b.node)) in found}


def test_path_passes_the_backbone_before_and_not_at_the_edge(record: RunRecord) -> None:
    before, edge = links(PLAN, record, 0), links(PLAN, record, 1)
    assert {"ue1-gnb1", "m3-pe1", "pe1-guangzhou", "pe2-guangzhou", "lan-cloud-app1"} < before
    assert edge == {
        "ue1-gnb1",
        "gnb1-csr1",
        "csr1-agg1",
        "agg1-upf-edge",
        "lan-edge-upf-edge",
        "lan-edge-mec1",
    }
