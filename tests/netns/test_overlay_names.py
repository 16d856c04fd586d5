"""Applications by name on real switches: answers of DNS and first packets move what follows, and are not held up."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from controllers import ovs
from testbed import netns
from testbed.run.inbox import READY_WITHIN_S
from tests.support.command import events
from tests.support.names import answer, client_hello, request
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


def started_again(lab: OverlayLab) -> None:
    """Start the controller, which changes nothing."""
    before = len(events(lab.directory, "edge_programmed"))
    lab.start_controller()
    again = eventually(
        lambda: events(lab.directory, "edge_programmed")[before:],
        lambda found: {each["edge"] for each in found} == {*HOSTS},
        READY_WITHIN_S,
    )
    assert [each["changes"] for each in again] == [0, 0, 0]


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
    lab.kill_controller()
    assert taken(lab, PORTAL) == {"private"}
    started_again(lab)
    assert {edge: lab.flows(edge).keys() for edge in HOSTS} == before
    assert taken(lab, PORTAL) == {"private"}


@contextmanager
def connection(lab: OverlayLab, port: int) -> Iterator[tuple[socket.socket, socket.socket]]:
    """From red-a to red-b; both ends."""
    with netns.entered(lab.namespace("red-b")):
        listener = socket.create_server((lab.address("red-b"), port))
    with netns.entered(lab.namespace("red-a")):
        client = socket.create_connection((lab.address("red-b"), port), PATIENCE_S)
    with listener, client:
        server, _ = listener.accept()
        with server:
            server.settimeout(PATIENCE_S)
            yield client, server


def passes(sender: socket.socket, receiver: socket.socket, said: bytes) -> None:
    """It comes as it was said."""
    sender.sendall(said)
    heard = b""
    while len(heard) < len(said):
        heard += receiver.recv(65535)
    assert heard == said


def talk_over(lab: OverlayLab, client: socket.socket, server: socket.socket) -> set[str]:
    """The transports that both ways of a connection take."""
    with lab.captured("cpe-a") as files:
        for number in range(50):
            passes(client, server, f"question {number}".encode())
            passes(server, client, f"answer {number}".encode())
    mine = f"tcp.port == {client.getsockname()[1]}"
    found = {transport: inside_vxlan(file, "ip.src", also=mine) for transport, file in files.items()}
    assert sum(map(len, found.values())) == 2, "each way by one transport"
    return {transport for transport, sources in found.items() if sources}


def copied(lab: OverlayLab) -> int:
    """Packets that cpe-a has copied to the controller, or would have."""
    meter = lab.ofctl("cpe-a", "meter-stats")
    return int(re.findall(r"packet_in_count:(\d+)", meter[meter.index("meter:controller") :])[0])


@pytest.mark.parametrize(("port", "first"), [(443, client_hello), (80, request)], ids=["tls", "http"])
def test_the_first_packet_moves_its_connection_and_a_restart_leaves_it_there(
    lab: OverlayLab, port: int, first: Callable[[str], bytes]
) -> None:
    with connection(lab, port) as (client, server):
        passes(client, server, first("www.other.example"))
        eventually(lambda: learned(lab, "cpe-a", f"tp_src={client.getsockname()[1]}"))
        before = copied(lab)
        assert talk_over(lab, client, server) == {"internet"}
        assert copied(lab) == before, "who was looked at is let alone"
    with connection(lab, port) as (client, server):
        passes(client, server, first(WWW))
        (told,) = eventually(lambda: recognised(lab))
        assert (told["application"], told["name"], told["port"]) == ("video", WWW, port)
        ends = f"tp_src={client.getsockname()[1]},tp_dst={port}"
        eventually(lambda: [learned(lab, edge, ends) for edge in HOSTS], all)
        assert talk_over(lab, client, server) == {"private"}
        lab.kill_controller()
        assert talk_over(lab, client, server) == {"private"}
        started_again(lab)
        assert talk_over(lab, client, server) == {"private"}


def test_a_flood_of_answers_passes_and_few_are_copied(lab: OverlayLab) -> None:
    assert tell(lab, "192.0.2.1", times=_FLOOD) == _FLOOD
    meter = lab.ofctl("cpe-a", "meter-stats")
    (dropped,) = re.findall(r"0: packet_count:(\d+)", meter[meter.index("meter:controller") :])
    assert 0 < int(dropped) < _FLOOD
