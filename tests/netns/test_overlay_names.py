"""Applications by name on real switches: an answer of DNS that passes a CPE moves what follows, and is not held up."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from controllers import ovs
from testbed import netns
from testbed.run.inbox import READY_WITHIN_S
from tests.support.command import events
from tests.support.names import answer
from tests.support.overlay_lab import HOSTS, PORTAL, VNI, OverlayLab, Stream, inside_vxlan, overlay_lab
from tests.support.polling import PATIENCE_S, eventually

pytestmark = [pytest.mark.netns, pytest.mark.ovs]

WWW = "www.video.example"
BY_NAME = "cookie=0x5da"
APPLICATIONS = {"video": {"class": "control", "domain": "*.video.example", "tenant": "red"}}
_FLOOD = 3000


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[OverlayLab]:
    """One in which video takes the private transport, and what has no name the internet."""
    with overlay_lab(tmp_path, ovs.datapath_type(), applications=APPLICATIONS) as running:
        yield running


def tell(lab: OverlayLab, address: str, *, name: str = WWW, times: int = 1) -> int:
    """Let red-b answer red-a; how many of the answers have come."""
    message = answer(name, f"{name}. 300 IN A {address}")
    with netns.entered(lab.namespace("red-a")):
        asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with netns.entered(lab.namespace("red-b")):
        answering = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with asking, answering:
        asking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
        asking.bind((lab.address("red-a"), 0))
        asking.settimeout(PATIENCE_S)
        answering.bind((lab.address("red-b"), 53))
        come = 0
        for _ in range(times):
            answering.sendto(message, asking.getsockname())
            come += asking.recv(65535) == message
    return come


def recognised(lab: OverlayLab) -> list[dict[str, Any]]:
    return events(lab.directory, "recognised")


def learned(lab: OverlayLab, edge: str, address: str) -> set[str]:
    return {flow for flow in lab.flows(edge) if BY_NAME in flow and address in flow}


def taken(lab: OverlayLab, address: str) -> set[str]:
    """The transports that packets from red-a to an address at red-b take."""
    with lab.captured("cpe-a") as files, Stream(lab.traffic("red-a", "red-b", address), per_second=200) as stream:
        stream.await_sent(100)
    assert stream.lost == 0
    source = lab.address("red-a")
    return {
        transport
        for transport, file in files.items()
        if inside_vxlan(file, "ip.dst", also=f"vxlan.vni == {VNI['red']} and ip.src == {source}")
    }


def test_an_answer_moves_the_servers_traffic_and_a_restart_leaves_it_there(lab: OverlayLab) -> None:
    assert taken(lab, PORTAL) == {"internet"}
    assert tell(lab, PORTAL, name="www.other.example") == 1
    assert tell(lab, PORTAL) == 1
    (told,) = eventually(lambda: recognised(lab))
    assert (told["application"], told["name"], told["address"]) == ("video", WWW, PORTAL)
    for edge in HOSTS:
        eventually(lambda edge=edge: learned(lab, edge, PORTAL), lambda found: len(found) == 2)  # type: ignore[misc]
    assert taken(lab, PORTAL) == {"private"}
    (shown,) = lab.running.ask("controller", "GET", "/v1/overlay/recognised")["recognised"]
    assert (shown["application"], shown["address"]) == ("video", PORTAL)

    before = {edge: lab.flows(edge).keys() for edge in HOSTS}
    programmed = len(events(lab.directory, "edge_programmed"))
    lab.kill_controller()
    assert taken(lab, PORTAL) == {"private"}
    lab.start_controller()
    again = eventually(
        lambda: events(lab.directory, "edge_programmed")[programmed:],
        lambda found: {each["edge"] for each in found} == {*HOSTS},
        READY_WITHIN_S,
    )
    assert [each["changes"] for each in again] == [0, 0, 0]
    assert {edge: lab.flows(edge).keys() for edge in HOSTS} == before
    assert taken(lab, PORTAL) == {"private"}


def test_a_flood_of_answers_passes_and_few_are_copied(lab: OverlayLab) -> None:
    assert tell(lab, "192.0.2.1", times=_FLOOD) == _FLOOD
    meter = lab.ofctl("cpe-a", "meter-stats")
    (dropped,) = re.findall(r"0: packet_count:(\d+)", meter[meter.index("meter:controller") :])
    assert 0 < int(dropped) < _FLOOD
