"""Captures by dumpcap of STAMP probes between two nodes."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from tests.support.polling import PATIENCE_S, eventually
from tests.support.traffic_rig import Node, line, run, running, serving
from traffic.capture import HELD_BY_KERNEL_S, dumpcap_argv, ready
from traffic.pathproof import CapturePoint, ProbeId, hops
from traffic.pcapng import read
from traffic.samples import read_stamp

pytestmark = pytest.mark.netns


@pytest.fixture(scope="module")
def nodes() -> Iterator[list[Node]]:
    with line("captures", "ue1", "app1") as nodes:
        yield nodes


def tshark(path: Path, *arguments: str) -> str:
    done = subprocess.run(("tshark", "-r", str(path), *arguments), capture_output=True, text=True, check=True)
    assert "cut short" not in done.stderr
    return done.stdout


def ping(ue: Node, app: Node, count: int) -> None:
    run(ue, "ping", "-q", "-c", str(count), "-i", "0.01", app.address)


def let_kernel_hand_over(path: Path, packets: int) -> None:
    eventually(lambda: len(list(read(path))), lambda found: found >= packets)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_file_is_complete_after_either_signal(nodes: list[Node], tmp_path: Path, number: signal.Signals) -> None:
    ue, app = nodes
    path = tmp_path / "captures" / "n6.pcapng"
    path.parent.mkdir()
    before = set(Path("/tmp").glob("wireshark*"))
    argv = dumpcap_argv(ue.name, path, capture_filter="icmp", comment="N6 of app1")
    with running(app, argv) as capture:
        eventually(lambda: ready(path), bool)
        ping(ue, app, 20)
        time.sleep(HELD_BY_KERNEL_S)  # what the module tells its users to do, and what this test is about
        capture.process.send_signal(number)
        assert capture.process.wait(PATIENCE_S) == 0
    assert len(list(read(path))) == 40
    assert len(tshark(path).splitlines()) == 40
    assert tshark(path, "-Y", "_ws.malformed || _ws.expert.severity >= error") == ""
    assert [file.name for file in path.parent.iterdir()] == ["n6.pcapng"]
    assert set(Path("/tmp").glob("wireshark*")) <= before


def test_file_says_what_it_captured_and_counts_nanoseconds(nodes: list[Node], tmp_path: Path) -> None:
    ue, app = nodes
    path = tmp_path / "n6.pcapng"
    with running(app, dumpcap_argv(ue.name, path, capture_filter="icmp", snaplen=60, comment="N6 of app1")) as capture:
        eventually(lambda: ready(path), bool)
        ping(ue, app, 2)
        let_kernel_hand_over(path, 4)
        capture.end()
    described = subprocess.run(("capinfos", str(path)), capture_output=True, text=True, check=True).stdout
    for line_of_it in ("Capture comment:     N6 of app1", "Name = ue1", "Filter string = icmp", "nanoseconds (9)"):
        assert line_of_it in described
    assert any(packet.at % 1000 for packet in read(path))
    assert {len(packet.frame) for packet in read(path)} == {60}


def test_reader_and_tshark_see_the_same_packets(nodes: list[Node], tmp_path: Path) -> None:
    ue, app = nodes
    path = tmp_path / "n6.pcapng"
    with running(app, dumpcap_argv(ue.name, path, capture_filter="icmp")) as capture:
        eventually(lambda: ready(path), bool)
        ping(ue, app, 10)
        let_kernel_hand_over(path, 20)
        capture.end()
    rows = tshark(path, "-T", "fields", "-e", "frame.time_epoch", "-e", "frame.len").splitlines()
    seen = [(int(at.replace(".", "")), int(length)) for at, length in map(str.split, rows)]
    assert [(packet.at, len(packet.frame)) for packet in read(path)] == seen


def test_a_probe_of_the_samples_file_is_found_in_the_captures(nodes: list[Node], tmp_path: Path) -> None:
    ue, app = nodes
    samples = tmp_path / "samples.jsonl"
    points = {CapturePoint("UE ue1", "ue1"): (ue, app), CapturePoint("N6 app1", "app1"): (app, ue)}
    paths = {point: tmp_path / f"{point.node}.pcapng" for point in points}
    (first, second) = (dumpcap_argv(peer.name, paths[point], snaplen=256) for point, (_, peer) in points.items())
    service = ("--name", "app1", "--stamp", f"{app.address}:862")
    sender = ("--name", "m", "--to", f"{app.address}:862", "--samples", str(samples))
    with running(ue, first) as one, running(app, second) as two:
        eventually(lambda: all(map(ready, paths.values())), bool)
        with serving(app, "serve", *service), serving(ue, "stamp_sender", *sender) as probes:
            eventually(lambda: read_stamp(samples), lambda found: len(found) > 20)
            assert probes.end() == 0
        for path in paths.values():
            let_kernel_hand_over(path, 2 * len(read_stamp(samples)))
        assert (one.end(), two.end()) == (0, 0)
    for sample in read_stamp(samples):
        probe = ProbeId(ip_address(ue.address), ip_address(app.address), sample.seq)
        path_taken = hops(probe, [(point, read(path)) for point, path in paths.items()])
        assert [(hop.node, hop.direction) for hop in path_taken] == [
            ("ue1", "up"),
            ("app1", "up"),
            ("app1", "down"),
            ("ue1", "down"),
        ]
        assert sample.received
        assert sample.t - 1e-5 <= path_taken[0].t <= path_taken[-1].t <= sample.received + 1e-5
