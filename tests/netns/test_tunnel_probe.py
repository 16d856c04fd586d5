"""The probe of tunnels, between two CPEs joined by a veth pair."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from testbed import netns
from tests.support.northbound import FakeNorthbound, FakeOverlay, northbound
from tests.support.polling import eventually
from tests.support.traffic_rig import Node, line, run, running
from traffic.sockets import udp_port_packets
from traffic.stamp import PORT

pytestmark = pytest.mark.netns

TUNNEL = "mpls/a>b"
LATE_S = 0.1
"""What a busy host may add to a time."""


@pytest.fixture(scope="module")
def cpes() -> Iterator[list[Node]]:
    with line("tunnel", "cpe1", "cpe2") as nodes:
        yield nodes


@contextmanager
def probing(path: Path, cpes: list[Node], **rules: float) -> Iterator[FakeNorthbound]:
    a, b = cpes
    tunnel: dict[str, Any] = {"id": TUNNEL, "namespace": a.namespace, "source": a.address, "target": b.address}
    tunnel |= {"target_namespace": b.namespace, "classes": [46, 0]}
    wanted = {"interval_ms": 100, "timeout_ms": 100, "lost": 3, "window_ms": 500} | rules | {"tunnels": [tunnel]}
    argv = (sys.executable, "-m", "traffic.tunnel_probe", "--name", "t", "--northbound", str(path))
    base = Node("base", "/proc/self/ns/net", "", "")
    with northbound(path, wanted, FakeOverlay) as served, running(base, argv) as process:
        assert process.event()["event"] == "ready"
        assert process.event() | {"t": 0} == {"event": "measuring", "t": 0, "name": "t", "subjects": 1, "missing": []}
        eventually(lambda: served.liveness)
        yield served
        assert process.end() == 0


@contextmanager
def dropping(at: Node, condition: str) -> Iterator[None]:
    """What comes in and meets the condition is lost."""
    chain = "chain inet cut in { type filter hook prerouting priority -300; }"
    run(at, "nft", "-f", "-", text=f"add table inet cut\nadd {chain}\nadd rule inet cut in {condition} drop\n")
    try:
        yield
    finally:
        run(at, "nft", "delete", "table", "inet", "cut")


@pytest.mark.parametrize(("interval_ms", "timeout_ms"), [(100, 100), (20, 30), (10, 20)])
def test_a_blackout_is_told_within_its_time(
    cpes: list[Node], tmp_path: Path, interval_ms: int, timeout_ms: int
) -> None:
    with probing(tmp_path / "northbound", cpes, interval_ms=interval_ms, timeout_ms=timeout_ms) as served:
        with dropping(cpes[1], "udp dport 862"):
            cut = time.time()
            eventually(lambda: [each["up"] for each in served.liveness], lambda found: found == [True, False])
            took_s = served.liveness[-1]["t"] - cut
            print(f"\nfound down after {took_s * 1000:.1f} ms")
            assert took_s < (3 * interval_ms + timeout_ms) / 1000 + LATE_S
        eventually(lambda: [each["up"] for each in served.liveness], lambda found: found == [True, False, True])


@pytest.mark.parametrize(
    ("lossy", "condition", "directions"),
    [
        (1, "udp dport 862", ("lost_forward", "lost_back")),
        (0, "udp sport 862", ("lost_back", "lost_forward")),
    ],
)
def test_loss_is_told_apart_by_direction_and_class(
    cpes: list[Node], tmp_path: Path, lossy: int, condition: str, directions: tuple[str, str]
) -> None:
    counted, other = directions
    drop = f"{condition} ip dscp ef numgen inc mod 3 0"
    with dropping(cpes[lossy], drop), probing(tmp_path / "northbound", cpes, interval_ms=10) as served:
        eventually(lambda: len(served.windows) >= 8)
        voice = [window for window in served.windows if window["dscp"] == 46]
        assert sum(window[counted] for window in voice) >= sum(window["sent"] for window in voice) / 4
        assert not sum(window[other] for window in voice)
        rest = [window for window in served.windows if window["dscp"] == 0]
        assert all(window["received"] == window["sent"] for window in rest)
        answered = [window["forward"] for window in served.windows if window["received"]]
        assert all(0 < forward["min_us"] <= forward["p95_us"] for forward in answered)


def test_probes_and_replies_have_the_dscp_of_the_class(cpes: list[Node], tmp_path: Path) -> None:
    with netns.entered(cpes[0].namespace):
        packets = udp_port_packets(PORT)
    packets.settimeout(20)
    seen: set[tuple[str, int]] = set()
    with packets, probing(tmp_path / "northbound", cpes):
        while len(seen) < 4:
            header = packets.recv(2048)
            seen.add((socket.inet_ntoa(header[12:16]), header[1]))
    assert seen == {(cpe.address, dscp << 2) for cpe in cpes for dscp in (46, 0)}
