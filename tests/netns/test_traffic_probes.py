"""Probes and services over a real veth pair."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest

from testbed import netns
from tests.support.polling import eventually
from tests.support.traffic_rig import Node, Running, line, run, running, serving
from traffic.samples import HttpSample, StampSample, read_http, read_stamp
from traffic.statistics import http_statistics, stamp_statistics

pytestmark = pytest.mark.netns

FOR_EVER = 1e12


@pytest.fixture(scope="module")
def nodes() -> Iterator[list[Node]]:
    with line("probes", "ue1", "app1") as nodes:
        yield nodes


def serve(app: Node, *arguments: str) -> AbstractContextManager[Running]:
    http = ("--http", f"{app.address}:80", "--http", f"[{app.address6}]:80")
    stamp = ("--stamp", f"{app.address}:862", "--stamp", f"[{app.address6}]:862")
    return serving(app, "serve", "--name", app.name, *http, *stamp, *arguments)


def probe_stamp(ue: Node, to: str, samples: Path, *arguments: str) -> AbstractContextManager[Running]:
    return serving(ue, "stamp_sender", "--name", "m", "--to", to, "--samples", str(samples), *arguments)


def probe_http(ue: Node, url: str, samples: Path, *arguments: str) -> AbstractContextManager[Running]:
    return serving(ue, "http_probe", "--name", "m", "--url", url, "--samples", str(samples), *arguments)


def octets_waiting(app: Node) -> int:
    """In the receive queue of its STAMP socket, by the kernel's account."""
    return int(run(app, "ss", "-Huan", "src", f"{app.address}:862").split()[1])


def stamp_until(sender: Running, samples: Path, count: int) -> list[StampSample]:
    eventually(lambda: read_stamp(samples), lambda found: len(found) >= count)
    assert sender.end() == 0
    return read_stamp(samples)


def http_until(probe: Running, samples: Path, count: int) -> list[HttpSample]:
    eventually(lambda: read_http(samples), lambda found: len(found) >= count)
    assert probe.end() == 0
    return read_http(samples)


@pytest.mark.parametrize("family", ["address", "address6"])
def test_every_probe_comes_back_with_delays_both_ways(nodes: list[Node], tmp_path: Path, family: str) -> None:
    ue, app = nodes
    samples = tmp_path / "samples.jsonl"
    address = getattr(app, family)
    to = f"[{address}]:862" if ":" in address else f"{address}:862"
    with serve(app) as service:
        with serving(
            ue, "stamp_sender", "--name", "m", "--to", to, "--rate", "200", "--samples", str(samples)
        ) as sender:
            found = stamp_until(sender, samples, 100)
            stopped = sender.event()
        assert service.end() == 0
    statistics = stamp_statistics(found, 0, FOR_EVER)
    assert [sample.seq for sample in found] == list(range(len(found)))
    assert (statistics["sent"], statistics["lost"], statistics["reordered"]) == (len(found), 0, 0)
    assert (stopped["event"], stopped["sent"], stopped["lost"]) == ("stopped", len(found), 0)
    for delays in (sample.delays for sample in found):
        assert delays is not None
        assert min(delays.up_ms, delays.down_ms, delays.dwell_ms) > 0
        assert delays.rtt_ms == pytest.approx(delays.up_ms + delays.down_ms)


def test_probes_keep_to_the_absolute_schedule(nodes: list[Node], tmp_path: Path) -> None:
    ue, app = nodes
    samples = tmp_path / "samples.jsonl"
    arguments = ("--rate", "250", "--timeout", "0.1")
    with probe_stamp(ue, f"{app.address}:862", samples, *arguments) as sender:
        found = stamp_until(sender, samples, 100)
    # No probe is left out and none is early, however late single ones are: the mean distance can only be too long.
    elapsed = found[-1].t - found[0].t
    assert elapsed > (len(found) - 2) / 250


def test_unanswered_probes_are_lost_and_the_service_is_found_when_it_comes(nodes: list[Node], tmp_path: Path) -> None:
    ue, app = nodes
    samples = tmp_path / "samples.jsonl"
    arguments = ("--rate", "100", "--timeout", "0.2")
    with probe_stamp(ue, f"{app.address}:862", samples, *arguments) as sender:
        lost = eventually(lambda: read_stamp(samples), lambda found: len(found) >= 5)
        assert all(sample.delays is None for sample in lost)
        with serve(app):
            eventually(lambda: read_stamp(samples), lambda found: any(sample.delays for sample in found))
        assert sender.end() == 0


def test_destination_without_a_route_only_loses_probes(nodes: list[Node], tmp_path: Path) -> None:
    ue, app = nodes
    samples = tmp_path / "samples.jsonl"
    arguments = ("--rate", "100", "--timeout", "0.2")
    with serve(app):
        run(ue, "ip", "link", "set", app.name, "down")
        try:
            with probe_stamp(ue, f"{app.address}:862", samples, *arguments) as sender:
                lost = eventually(lambda: read_stamp(samples), lambda found: len(found) >= 5)
                assert all(sample.delays is None for sample in lost)
                run(ue, "ip", "link", "set", app.name, "up")
                eventually(lambda: read_stamp(samples), lambda found: any(sample.delays for sample in found))
                assert sender.end() == 0
        finally:
            run(ue, "ip", "link", "set", app.name, "up")
            run(ue, "ip", "route", "replace", "default", "via", app.address)
            run(ue, "ip", "address", "replace", f"{ue.address6}/64", "dev", app.name, "nodad")


def test_probes_under_way_at_the_end_are_written_as_lost(nodes: list[Node], tmp_path: Path) -> None:
    ue, app = nodes
    samples = tmp_path / "samples.jsonl"
    arguments = ("--rate", "20", "--timeout", "60", "--linger", "0.1")
    with probe_stamp(ue, f"{app.address}:862", samples, *arguments) as sender:
        assert sender.end() == 0
        stopped = sender.event()
    found = read_stamp(samples)
    assert len(found) == stopped["sent"] == stopped["lost"]


def test_probe_that_waits_for_the_reflector_counts_as_dwell_and_not_as_delay(nodes: list[Node], tmp_path: Path) -> None:
    ue, app = nodes
    samples = tmp_path / "samples.jsonl"
    with serve(app) as service, probe_stamp(ue, f"{app.address}:862", samples, "--timeout", "60") as sender:
        service.process.send_signal(signal.SIGSTOP)
        eventually(lambda: octets_waiting(app), lambda octets: octets > 20_000)
        service.process.send_signal(signal.SIGCONT)
        found = stamp_until(sender, samples, 20)
    slowest = max((sample.delays for sample in found if sample.delays), key=lambda delays: delays.dwell_ms)
    assert slowest.up_ms < slowest.dwell_ms / 4


def test_replies_are_stamped_when_they_come_and_not_when_they_are_collected(nodes: list[Node], tmp_path: Path) -> None:
    ue, app = nodes
    samples = tmp_path / "samples.jsonl"
    with serve(app), probe_stamp(ue, f"{app.address}:862", samples, "--rate", "200") as sender:
        found = stamp_until(sender, samples, 100)
    arrivals = [sample.received for sample in found if sample.received]
    # Stamped ten at a time, nearly all distances would be next to nothing.
    assert median(later - earlier for earlier, later in pairwise(arrivals)) > 0.5 / 200


def test_reflector_survives_garbage(nodes: list[Node], tmp_path: Path) -> None:
    ue, app = nodes
    samples = tmp_path / "samples.jsonl"
    with serve(app):
        with netns.entered(ue.namespace), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            for length in (0, 1, 43):
                udp.sendto(bytes(length), (app.address, 862))
        with probe_stamp(ue, f"{app.address}:862", samples) as sender:
            assert stamp_until(sender, samples, 1)[0].delays is not None


@pytest.mark.parametrize("family", ["address", "address6"])
def test_http_requests_are_timed_and_name_their_server(nodes: list[Node], tmp_path: Path, family: str) -> None:
    ue, app = nodes
    samples = tmp_path / "samples.jsonl"
    address = getattr(app, family)
    url = f"http://[{address}]/?bytes=200000" if ":" in address else f"http://{address}/?bytes=200000"
    with serve(app), probe_http(ue, url, samples, "--interval", "0.02") as probe:
        found = http_until(probe, samples, 10)
    statistics = http_statistics(found, 0, FOR_EVER)
    assert (statistics["errors"], statistics["served_by"]) == (0, {"app1": len(found)})
    for sample in found:
        assert sample.bytes == 200_000
        assert sample.connect_ms is not None
        assert sample.ttfb_ms is not None
        assert sample.total_ms is not None
        assert 0 < sample.connect_ms < sample.ttfb_ms <= sample.total_ms


@pytest.mark.parametrize("family", ["address", "address6"])
def test_a_name_is_resolved_and_told_to_the_server(nodes: list[Node], tmp_path: Path, family: str) -> None:
    ue, app = nodes
    samples = tmp_path / "samples.jsonl"
    dns = ("--dns", f"{app.address}:53", "--record", f"app1.example={getattr(app, family)}")
    by_name = ("--resolver", app.address, "--interval", "0.02")
    with serve(app, *dns), probe_http(ue, "http://app1.example/", samples, *by_name) as probe:
        found = http_until(probe, samples, 5)
    assert {sample.error for sample in found} == {None}
    with serve(app, *dns), probe_http(ue, "http://app2.example/", samples, *by_name) as probe:
        found = http_until(probe, samples, 2)
    assert {sample.error for sample in found} == {"no address of app2.example"}


def test_the_host_that_is_asked_for_is_in_the_request(nodes: list[Node], tmp_path: Path) -> None:
    ue, app = nodes
    with netns.entered(app.namespace):
        listener = socket.create_server((app.address, 8080))
    dns = ("--dns", f"{app.address}:53", "--record", f"app1.example={app.address}")
    arguments = ("http://app1.example:8080/", tmp_path / "samples.jsonl", "--resolver", app.address)
    with listener, serve(app, *dns), probe_http(ue, *arguments) as probe:
        accepted, _ = listener.accept()
        with accepted:
            assert b"\r\nHost: app1.example:8080\r\n" in accepted.recv(4096)
        assert probe.end() == 0


def test_body_is_as_long_as_the_server_was_told(nodes: list[Node], tmp_path: Path) -> None:
    ue, app = nodes
    samples = tmp_path / "samples.jsonl"
    with serve(app, "--body-bytes", "12345"), probe_http(ue, f"http://{app.address}/", samples) as probe:
        assert http_until(probe, samples, 1)[0].bytes == 12345


def test_http_errors_are_samples(nodes: list[Node], tmp_path: Path) -> None:
    ue, app = nodes
    samples = tmp_path / "samples.jsonl"
    with netns.entered(app.namespace):
        listener = socket.create_server((app.address, 8080))  # the kernel accepts, nobody answers
    cases = {
        f"http://{app.address}:81/": "Connection refused",
        f"http://{app.address}:8080/": "timed out",
        f"http://{app.address}/?bytes=x": "status 400",
    }
    with listener, serve(app):
        for url, error in cases.items():
            arguments = (
                "--name",
                "m",
                "--url",
                url,
                "--interval",
                "0.05",
                "--timeout",
                "0.2",
                "--samples",
                str(samples),
            )
            with serving(ue, "http_probe", *arguments) as probe:
                found = http_until(probe, samples, 2)
            assert {sample.error for sample in found} == {error}
            assert [sample.seq for sample in found] == list(range(len(found)))


def test_body_cut_short_is_an_error(nodes: list[Node], tmp_path: Path) -> None:
    ue, app = nodes
    samples = tmp_path / "samples.jsonl"
    with netns.entered(app.namespace):
        listener = socket.create_server((app.address, 8080))
    with listener, probe_http(ue, f"http://{app.address}:8080/", samples) as probe:
        listener.settimeout(20)
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        (sample, *_) = http_until(probe, samples, 1)
    assert (sample.bytes, sample.error) == (4, "body cut short")


def test_body_that_trickles_is_bounded_as_a_whole(nodes: list[Node], tmp_path: Path) -> None:
    ue, app = nodes
    samples = tmp_path / "samples.jsonl"
    with netns.entered(app.namespace):
        listener = socket.create_server((app.address, 8080))
    url = f"http://{app.address}:8080/"
    with listener, probe_http(ue, url, samples, "--timeout", "0.3", "--interval", "60") as probe:
        listener.settimeout(20)
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
            while not read_http(samples):
                connection.sendall(b"drop")
        (sample,) = http_until(probe, samples, 1)
    assert sample.error == "timed out"
    assert sample.bytes > 0


def test_server_falls_silent_soon_when_the_path_is_cut(nodes: list[Node]) -> None:
    ue, app = nodes
    with serve(app), netns.entered(ue.namespace):
        client = socket.create_connection((app.address, 80), timeout=20)
        half_open = socket.socket()
        half_open.setblocking(False)
        run(app, "nft", "-f", "-", text=_CUT)
        try:
            half_open.connect_ex((app.address, 80))
            half_open.close()  # or it would try again
            client.sendall(b"GET /?bytes=1000000 HTTP/1.1\r\nHost: app1\r\n\r\n")
            connections = eventually(lambda: run(app, "ss", "-Htan", "state", "all"), _only_listening)
        finally:
            run(app, "nft", "delete", "table", "inet", "cut")
            client.close()
    assert "LISTEN" in connections


# What the server sends is lost from here on, as after a path change that its client has made without it.
_CUT = "table inet cut { chain output { type filter hook output priority 0; tcp sport 80 drop; }; }"


def _only_listening(connections: str) -> bool:
    # Those in TIME-WAIT, of earlier requests, send nothing.
    return all(line.startswith(("LISTEN", "TIME-WAIT")) for line in connections.splitlines())


@pytest.mark.parametrize("service", ["--http", "--stamp"])
def test_port_in_use_is_one_clear_message(nodes: list[Node], service: str) -> None:
    _, app = nodes
    address = f"{app.address}:{80 if service == '--http' else 862}"
    with serve(app):
        argv = (sys.executable, "-m", "traffic.serve", "--name", "again", service, address)
        with running(app, argv) as second:
            output, errors = second.process.communicate(timeout=20)
    assert second.process.returncode == 1
    assert output == ""
    assert errors == f"{service[2:].upper()} {address}: Address already in use; want a free port of this host\n"


@pytest.mark.parametrize(
    ("module", "arguments", "message"),
    [
        ("stamp_sender", ("--to", "app1:862", "--samples", "s", "--name", "m"), "want ADDRESS:PORT"),
        ("stamp_sender", ("--to", "10.0.0.1:862", "--rate", "0", "--samples", "s", "--name", "m"), "above zero"),
        ("serve", ("--name", "app1", "--http", "80"), "want ADDRESS:PORT"),
        ("http_probe", ("--url", "ftp://10.0.0.1/", "--samples", "s", "--name", "m"), "want http://"),
        ("http_probe", ("--url", "http://a.example/", "--samples", "s", "--name", "m"), "want --resolver"),
    ],
)
def test_bad_arguments_are_refused(module: str, arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    argv = (sys.executable, "-m", f"traffic.{module}", *arguments)
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr


@pytest.mark.parametrize(
    ("module", "target"), [("stamp_sender", "--to=10.0.0.1:862"), ("http_probe", "--url=http://10.0.0.1/")]
)
def test_samples_file_that_cannot_be_made_is_one_clear_message(module: str, target: str, tmp_path: Path) -> None:
    path = tmp_path / "missing" / "samples.jsonl"
    argv = (sys.executable, "-m", f"traffic.{module}", "--name", "m", target, "--samples", str(path))
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"--samples {path}: No such file or directory; want a file that can be written\n"
