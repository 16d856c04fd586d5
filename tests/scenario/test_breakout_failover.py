"""The local breakout over an SD-WAN, one of whose transports goes dark: both stay in force."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import bearerlab, events, leftovers
from tests.support.scenario import SCENARIOS

pytestmark = [pytest.mark.scenario, pytest.mark.slow]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("run") / "breakout-failover"
    done = bearerlab("run", SCENARIOS / "breakout-failover.yml", "--out", directory, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    assert leftovers(events(directory, "lab")[0]["id"]) == []
    return directory


@pytest.fixture(scope="module")
def result(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "result.json").read_text())
    return found


def hops(result: dict[str, Any], window: str, probe: str, direction: str) -> list[tuple[str, str, int | None]]:
    """Where a probe of the window was seen on its way, in order, and in which network of the overlay."""
    path = next(path for path in result["paths"] if (path["window"], path["probe"]) == (window, probe))
    return [(hop["node"], hop["point"], hop["vni"]) for hop in path["hops"] if hop["direction"] == direction]


def central(transport: str) -> list[tuple[str, str, int | None]]:
    n3 = ("gnb1", "N3", None), ("cpe-access", transport, 10), ("upf-cloud", "N3", None)
    return [*n3, ("upf-cloud", "N6 cloud", None)]


def local(transport: str) -> list[tuple[str, str, int | None]]:
    n3 = ("gnb1", "N3", None), ("cpe-access", transport, 10), ("upf-edge", "N3", None)
    return [*n3, ("upf-edge", "N6 edge", None)]


PATHS = [
    ("cloud", central("private")),
    ("edge", local("private")),
    ("on-internet", local("internet")),
    ("edge-again", local("private")),
    ("cloud-again", central("private")),
]


@pytest.mark.parametrize(("window", "up"), PATHS)
def test_each_hop_of_a_probe(result: dict[str, Any], window: str, up: list[tuple[str, str, int | None]]) -> None:
    assert hops(result, window, "ue1-portal", "up") == up
    assert hops(result, window, "ue1-portal", "down") == up[::-1]


def test_what_is_only_in_the_cloud_crosses_n9_whatever_n3_takes(result: dict[str, Any]) -> None:
    n9 = [("upf-edge", "N9", None), ("upf-cloud", "N9", None), ("upf-cloud", "N6 cloud", None)]
    for window, transport in (("edge", "private"), ("on-internet", "internet")):
        assert hops(result, window, "ue1-archive", "up") == [*local(transport)[:-1], *n9]


def test_the_associations_of_n4_outlive_the_transport(run: Path) -> None:
    assert {event["state"] for event in events(run, "association")} == {"up"}
