"""The probe of links and segment lists, among three routers that the kernel's SRv6 joins."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any

import pytest

from tests.support.northbound import FakeNorthbound, northbound
from tests.support.polling import eventually
from tests.support.traffic_rig import Node, Running, running
from tests.support.triangle import TABLE, loopback, packets, triangle

pytestmark = pytest.mark.netns

DIRECT, LINK, DETOUR = "a-c", "link a-b", "a-b-c"


@pytest.fixture(scope="module")
def routers() -> Iterator[dict[str, Node]]:
    with triangle("pprobe") as nodes:
        yield nodes


def subject(
    routers: dict[str, Node], name: str, headend: str, reflector: str, *segments: IPv6Address
) -> dict[str, Any]:
    ends = [{"namespace": routers[end].namespace, "address": str(loopback(end))} for end in (headend, reflector)]
    return {"id": name, "headend": ends[0], "segments": list(map(str, segments)), "reflector": ends[1]}


def subjects(routers: dict[str, Node]) -> dict[str, Any]:
    wanted = [
        subject(routers, DIRECT, "a", "c", TABLE.end_x("a", "c").address),
        subject(routers, LINK, "a", "b", TABLE.end_x("a", "b").address),
        subject(routers, DETOUR, "a", "c", TABLE.end_x("a", "b").address, TABLE.end("b").address),
    ]
    return {"interval_ms": 10, "window_ms": 200, "subjects": wanted}


@contextmanager
def probing(path: Path) -> Iterator[Running]:
    base = Node("base", "/proc/self/ns/net", "", "")
    with running(
        base, (sys.executable, "-m", "traffic.policy_probe", "--name", "p", "--northbound", str(path))
    ) as process:
        assert process.event()["event"] == "ready"
        yield process


def next_windows(served: FakeNorthbound, name: str, *, received: bool) -> dict[str, Any]:
    """The next window, of those that are not known yet, in which all probes were answered, or none."""
    known = len(served.of(name))
    found = eventually(
        lambda: [
            window
            for window in served.of(name)[known:]
            if window["received"] == (window["sent"] if received else 0) and window["sent"] >= 10
        ]
    )
    return found[0]


def test_each_list_is_measured_along_its_segments(routers: dict[str, Node], tmp_path: Path) -> None:
    sids = [("a", TABLE.end_x("a", "b")), ("b", TABLE.end("b")), ("a", TABLE.end_x("a", "c"))]
    before = [packets(routers[node], sid) for node, sid in sids]
    path = tmp_path / "northbound"
    with northbound(path, subjects(routers)) as served, probing(path) as probe:
        assert probe.event() | {"t": 0} == {"event": "measuring", "t": 0, "name": "p", "subjects": 3, "missing": []}
        for name in (DIRECT, LINK, DETOUR):
            window = next_windows(served, name, received=True)
            assert 0 < window["least_us"] <= window["mean_us"]
        assert probe.end() == 0
        # The first may be lost while routers look for their neighbours.
        received = {name: sum(window["received"] for window in served.of(name)) for name in (DIRECT, LINK, DETOUR)}
    counted = [packets(routers[node], sid) - had for (node, sid), had in zip(sids, before, strict=True)]
    assert counted[0] >= received[LINK] + received[DETOUR]
    assert counted[1] >= received[DETOUR]
    assert counted[2] >= received[DIRECT]
