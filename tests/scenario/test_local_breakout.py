"""The shipped experiment as a user runs it: every expectation, every hop, every file."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import BEARERLAB, bearerlab, events, leftovers
from tests.support.scenario import LOCAL_BREAKOUT

pytestmark = [pytest.mark.scenario, pytest.mark.slow]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("run") / "local-breakout"
    done = bearerlab("run", LOCAL_BREAKOUT, "--out", directory, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "report.html" in done.stdout
    return directory


@pytest.fixture(scope="module")
def result(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "result.json").read_text())
    return found


def points(result: dict[str, Any], window: str, probe: str, direction: str) -> list[tuple[str, str]]:
    """Where a probe of the window was seen on its way, in order."""
    path = next(path for path in result["paths"] if (path["window"], path["probe"]) == (window, probe))
    return [(hop["node"], hop["point"]) for hop in path["hops"] if hop["direction"] == direction]


CENTRAL = [("gnb1", "N3"), ("upf-cloud", "N3"), ("upf-cloud", "N6 cloud")]
LOCAL = [("gnb1", "N3"), ("upf-edge", "N3"), ("upf-edge", "N6 edge")]
# The UL CL's own interface is passed twice: in on N3, out on N9.
REMOTE = [("gnb1", "N3"), ("upf-edge", "N3"), ("upf-edge", "N9"), ("upf-cloud", "N9"), ("upf-cloud", "N6 cloud")]
PATHS = [
    ("before", "ue1-portal", CENTRAL),
    ("edge", "ue1-portal", LOCAL),
    ("after", "ue1-portal", CENTRAL),
    ("before", "ue1-archive", CENTRAL),
    ("edge", "ue1-archive", REMOTE),
    ("after", "ue1-archive", CENTRAL),
]


def test_every_expectation_holds(result: dict[str, Any]) -> None:
    assert result["valid"]
    assert result["passed"]
    assert len(result["expectations"]) == 17
    assert all(expectation["passed"] for expectation in result["expectations"])


@pytest.mark.parametrize(("window", "probe", "up"), PATHS)
def test_each_hop_of_a_probe(result: dict[str, Any], window: str, probe: str, up: list[tuple[str, str]]) -> None:
    assert points(result, window, probe, "up") == up
    assert points(result, window, probe, "down") == up[::-1]


def test_the_tunnels_of_a_probe(result: dict[str, Any]) -> None:
    for path in result["paths"]:
        tunnelled = {hop["point"] for hop in path["hops"] if hop["tunnel"]}
        assert tunnelled == {hop["point"] for hop in path["hops"]} & {"N3", "N9"}


def test_http_was_served_where_the_path_led(result: dict[str, Any]) -> None:
    served = {window: result["measurements"][f"{window}.ue1-portal-http"]["served_by"] for window in ("before", "edge")}
    assert served["before"].keys() == {"app1"}
    assert served["edge"].keys() == {"mec1"}
    assert result["measurements"]["edge.ue1-archive-http"]["served_by"].keys() == {"app2"}


def test_links_report_what_they_did(result: dict[str, Any]) -> None:
    links = {link["name"]: link for link in result["links"]}
    assert links["pe1-guangzhou"]["configured"]["a_to_b"]["delay_ms"] == pytest.approx(6.08275)
    assert links["pe1-guangzhou"]["achieved"]["a_to_b"]["packets"] > 1000


def test_every_emulated_link_was_probed_both_ways(result: dict[str, Any]) -> None:
    assert len(result["links"]) == 14
    for link in result["links"]:
        for way in ("a_to_b", "b_to_a"):
            probe, configured = link["achieved"][way]["probe"], link["configured"][way]
            assert probe["sent"] > 100, link["name"]
            assert probe["lost"] < probe["sent"] / 2, link["name"]
            jitter_ms = 5 * configured["jitter_ms"]
            assert probe["delay_ms"]["p50"] >= configured["delay_ms"] - jitter_ms, link["name"]
            assert probe["windows"].keys() == {"before", "insertion", "edge", "removal", "after"}


def test_captures_hold_the_experiment_only(run: Path) -> None:
    argv = ["tshark", "-r", str(run / "captures" / "gnb1-csr1.pcapng"), "-Y", "eth.type == 0x88b5"]
    assert subprocess.run(argv, capture_output=True, text=True, check=True).stdout == ""


def test_captures_dissect_cleanly(run: Path) -> None:
    captures = sorted((run / "captures").glob("*.pcapng"))
    assert len(captures) == 8
    for capture in captures:
        argv = ["tshark", "-r", str(capture), "-Y", "_ws.malformed || _ws.expert.severity == error"]
        found = subprocess.run(argv, capture_output=True, text=True, check=True)
        assert found.stdout == "", capture.name


def test_n4_is_captured_from_its_first_message(run: Path) -> None:
    argv = [
        "tshark",
        "-r",
        str(run / "captures" / "smf-lan-cloud.pcapng"),
        "-Y",
        "pfcp",
        "-T",
        "fields",
        "-e",
        "pfcp.msg_type",
    ]
    kinds = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()
    assert kinds[0] == "5", "an Association Setup Request comes first"
    assert set(kinds) >= {"5", "6", "50", "51", "52", "53", "54", "55"}


def test_junit_and_report(run: Path) -> None:
    assert (run / "junit.xml").read_text().count("<testcase") == 17
    assert "<svg" in (run / "report.html").read_text()


def test_nothing_is_left(run: Path) -> None:
    assert leftovers(events(run, "lab")[0]["id"]) == []


def test_the_report_can_be_made_again(run: Path) -> None:
    before = json.loads((run / "result.json").read_text())
    done = subprocess.run([BEARERLAB, "report", str(run)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads((run / "result.json").read_text()) == before
