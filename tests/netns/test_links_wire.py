"""The wire process itself: its control socket, interfaces that go away, what it costs, how it ends."""

from __future__ import annotations

import json
import select
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testbed import netns
from testbed.links.engine import EmulatedLink, LinkEngineError
from testbed.links.profile import LinkProfile, Queue
from testbed.links.wire import BINARY, WireEngine
from tests.support.link_rig import Traffic, WireProcess, ip_batch, join, namespaces, wire_process
from tests.support.polling import eventually

pytestmark = pytest.mark.netns

PROFILE = {
    f"{side}.{key}": value
    for side in ("a_to_b", "b_to_a")
    for key, value in (("delay_ms", 1), ("jitter_ms", 0), ("loss", 0), ("rate_bps", None), ("queue.ms", 50))
}
UDP_SEGMENT = 103
CHANGE = {"op": "change", "name": "l0", **PROFILE}


class Bench:
    """Two nodes, an engine's namespace with a wire process, and links 0 and 1 between them, of 1 ms."""

    def __init__(self, wire: WireProcess, a: str, b: str, middle: str) -> None:
        self.wire, self.a, self.b, self.middle = wire, a, b, middle
        self.inner = [join(a, b, middle, number=number) for number in (0, 1)]
        self.engine = WireEngine(wire.control)
        profile = LinkProfile(delay_ms=1)
        self.engine.add(EmulatedLink(f"l{i}", *self.inner[i], profile, profile) for i in (0, 1))

    def traffic(self, number: int) -> Traffic:
        return Traffic(self.a, self.b, f"10.9.{number}.2")

    def carries(self, number: int) -> bool:
        with self.traffic(number) as traffic:
            traffic.blast(10)
            return len(traffic.arrivals(10, quiet_s=0.3)) == 10


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with namespaces("a", "b", "engine") as (a, b, middle), wire_process(middle, tmp_path) as wire:
        bench = Bench(wire, a, b, middle)
        yield bench
        bench.engine.close()


def exchange(wire: WireProcess, data: bytes, *, finish: bool = False) -> list[dict[str, Any]]:
    """Send raw bytes on a connection of its own; the replies until it has as many as lines, or the end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(5)
        client.connect(str(wire.control))
        client.sendall(data)
        if finish:
            client.shutdown(socket.SHUT_WR)
        replies = client.makefile("rb")
        expected = None if finish else data.count(b"\n")
        lines = replies.readlines() if expected is None else [replies.readline() for _ in range(expected)]
        return [json.loads(line) for line in lines]


def line(**request: object) -> bytes:
    return json.dumps(request).encode() + b"\n"


BAD_LINES = {
    b"hello\n": "want one JSON object",
    b"\n": "want one JSON object",
    b"{}\n": "column 1: want a plain key",
    b"\x00\xff\xfe\n": "want text, without NUL",
    b'{"op":"counters"}\x00{"op":"reboot"}\n': "want text, without NUL",
    b"\xff\xfe\n": "want one JSON object",
    b'{"op":' + b"[" * 5000 + b"\n": "want a plain string, a number",
    b'{"op":[' + b"1," * 1_000_001 + b"1]}\n": "an array of up to 1000000 numbers",
    b"{" + b",".join(b'"k%d":1' % i for i in range(500)) + b"}\n": "too many members",
    b'{"op":"counters"} {}\n': "want the end of the line",
    b'{"op":"counters",\n': "want a plain key",
    b'{"op":"counters","op":"counters"}\n': "op: given twice",
    b'{"op":["counters"]}\n': "want a plain string, a number, a boolean, null, or an array",
    b'{"op":[1,2}\n': "want a plain string, a number, a boolean, null, or an array",
    b'{"op":[1,2]}\n': "op: want a name of 1 to 16",
    b'{"op":"count\\u0065rs"}\n': "want a plain string",
    b'{"op":nan}\n': "want a plain string, a number",
    b'{"op":"reboot"}\n': "op: want add, change, remove, down, up or counters",
    b'{"op":"counters","verbose":1}\n': "verbose: not known here",
    b'{"op":"remove"}\n': "name: missing",
    line(op="remove", name="l7"): "there is no link of this name",
    line(op="down", name="l7"): "there is no link of this name",
    line(op="up", name="l0", loud=True): "loud: not known here",
    line(**CHANGE | {"name": "l7"}): "there is no link of this name",
    line(**CHANGE | {"name": ""}): "name: want a name of 1 to 63 characters",
    line(**CHANGE | {"name": "x" * 64}): "name: want a name of 1 to 63 characters",
    line(**CHANGE | {"a_to_b.delay_ms": -1}): "a_to_b.delay_ms: want a number from 0 to 60000",
    line(**CHANGE | {"a_to_b.delay_ms": "1"}): "a_to_b.delay_ms: want a number",
    line(**CHANGE | {"a_to_b.delay_ms": True}): "a_to_b.delay_ms: want a number",
    line(**CHANGE | {"a_to_b.jitter_ms": 1e300}): "a_to_b.jitter_ms: want a number",
    line(**CHANGE).replace(b"50", b"9" * 400): "want a plain string, a number",
    line(**CHANGE).replace(b"50", b"-0x1p3"): "column",
    line(**CHANGE | {"a_to_b.jitter_ms": float("nan")}): "want a plain string, a number",
    line(**CHANGE | {"b_to_a.loss": 1.01}): "b_to_a.loss: want a number from 0 to 1",
    line(**CHANGE | {"b_to_a.rate_bps": 0}): "b_to_a.rate_bps: want a number from 1 to 1e+12",
    line(**CHANGE | {"b_to_a.queue.ms": 1e9}): "b_to_a.queue.ms: want a number",
    line(**CHANGE | {"b_to_a.queue.ms": None, "b_to_a.rate_bps": 1000}): "b_to_a.queue: a limited link has exactly one",
    line(**CHANGE | {"b_to_a.queue.packets": 9}): "b_to_a.queue: a limited link has exactly one",
    line(**CHANGE | {"b_to_a.queue.discipline": "red"}): "want one of tail-drop, codel, codel-ecn",
    line(**CHANGE | {"a_to_b.distribution": "table"}): "a_to_b.jitter_table: the distribution table has one",
    line(**CHANGE | {"a_to_b.jitter_table": [1.5]}): "a_to_b.jitter_table: the distribution table has one",
    line(**CHANGE | {"a_to_b.jitter_table": [1, 1e9]}): "a_to_b.jitter_table: entry 1: want a number",
    line(**CHANGE | {"a_to_b.jitter_table": 3}): "a_to_b.jitter_table: want an array",
    line(**CHANGE | {"a_to_b.reorder": 1}): "a_to_b.reorder: want true or false",
    line(**CHANGE | {"a_to_b.loss": 0.1, "a_to_b.loss_trace": [0, 1]}): "a_to_b: want only one of loss,",
    line(**CHANGE | {"a_to_b.loss_bursts.p": 0.1}): "a_to_b.loss_bursts: want p and r above 0",
    line(**CHANGE | {"a_to_b.loss_bursts.loss_bad": 0.1}): "a_to_b.loss_bursts: want p and r",
    line(**CHANGE | {"a_to_b.loss_trace": [0, 2]}): "a_to_b.loss_trace: entry 1: want a number from 0 to 1",
    line(**CHANGE | {"a_to_b.duplicate": -0.1}): "a_to_b.duplicate: want a number from 0 to 1",
    line(**CHANGE | {"a_to_b.corrupt": 2}): "a_to_b.corrupt: want a number from 0 to 1",
    line(**CHANGE | {"colour": 1}): "colour: not known here",
    line(**{**CHANGE, "op": "add", "a": "wA0", "b": "wB0"}): "a link of this name exists",
    line(**{**CHANGE, "op": "add", "name": "n", "a": "wA0", "b": "lo"}): "wA0: already an end of link l0",
    line(**{**CHANGE, "op": "add", "name": "n", "a": "lo", "b": "lo"}): "a link has two different ends",
    line(**{**CHANGE, "op": "add", "name": "n", "a": "lo", "b": "spare"}): "lo: the interface is down",
    line(**{**CHANGE, "op": "add", "name": "n", "a": "spare", "b": "x" * 16}): "b: want a name of 1 to 15 characters",
}


def test_bad_requests_get_an_error_and_disturb_nothing(bench: Bench) -> None:
    with bench.traffic(0) as traffic:
        for sequence, (request, complaint) in enumerate(BAD_LINES.items()):
            reply = exchange(bench.wire, request)[0]
            assert reply["ok"] is False, request
            assert complaint in reply["error"], request
            traffic.paced(10, per_second=2000)
            assert traffic.sent == 10 * (sequence + 1)
        assert len(traffic.arrivals(traffic.sent)) == traffic.sent
    assert [counters.name for counters in bench.engine.counters()] == ["l0", "l1"]


ENDLESS = {
    "half a line": (b'{"op":"coun', "the line does not end"),
    "a long line": (b"x" * 100_000, "the line does not end"),
    "a huge line": (b"x" * (9 << 20), "the line is too long"),
}


@pytest.mark.parametrize(("data", "complaint"), ENDLESS.values(), ids=ENDLESS)
def test_a_line_that_does_not_end_is_refused(bench: Bench, data: bytes, complaint: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(5)
        client.connect(str(bench.wire.control))
        try:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
        except OSError:
            assert len(data) > 8 << 20, "only the huge line may be cut off while it is still being sent"
        reply = json.loads(client.makefile().readline())
    assert reply == {"ok": False, "error": complaint}
    assert bench.carries(0)


def test_requests_may_come_in_pieces_and_in_one_piece(bench: Bench) -> None:
    assert [reply["ok"] for reply in exchange(bench.wire, line(op="counters") * 3)] == [True] * 3
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(5)
        client.connect(str(bench.wire.control))
        for byte in line(op="counters"):
            client.sendall(bytes([byte]))
        assert json.loads(client.makefile().readline())["ok"] is True


def test_a_client_that_never_reads_does_not_block_others(bench: Bench) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as deaf:
        deaf.connect(str(bench.wire.control))
        deaf.setblocking(False)
        try:
            for _ in range(20_000):
                deaf.send(line(op="counters"))
        except (BlockingIOError, BrokenPipeError):
            pass
        assert len(bench.engine.counters()) == 2
        assert bench.carries(0)


def test_an_interface_that_goes_away_takes_only_its_own_link_down(bench: Bench) -> None:
    ip_batch("link del wA1", namespace=bench.middle)
    event = bench.wire.event()
    assert (event["event"], event["link"]) == ("link_down", "l1")
    assert bench.carries(0)
    profile = LinkProfile(delay_ms=1)
    with pytest.raises(LinkEngineError, match=r"^link l1: the link is down"):
        bench.engine.change("l1", profile, profile)
    assert len(bench.engine.counters()) == 2

    # Its name and its interfaces are free for a new one as soon as it is removed.
    ip_batch("link del wB1", namespace=bench.middle)
    assert exchange(bench.wire, line(op="remove", name="l1")) == [{"ok": True}]
    ends = join(bench.a, bench.b, bench.middle, number=1)
    bench.engine.add([EmulatedLink("l1", *ends, profile, profile)])
    assert bench.carries(1)


def test_an_interface_set_down_under_traffic_leaves_the_process_idle(bench: Bench) -> None:
    with bench.traffic(1) as traffic:
        traffic.blast(1000)
        ip_batch("link set wB1 down", namespace=bench.middle)
        assert bench.wire.event()["event"] == "link_down"
        traffic.blast(1000)
    assert ticks_in_a_quiet_second(bench.wire) <= 3
    assert bench.carries(0)


def ticks_in_a_quiet_second(wire: WireProcess) -> int:
    before = wire.cpu_ticks()
    assert not select.select([wire.stdout], [], [], 1.0)[0], "it has something to say"
    return wire.cpu_ticks() - before


def test_idle_links_cost_nothing(tmp_path: Path) -> None:
    profile = LinkProfile(delay_ms=10, jitter_ms=1, loss=0.1, rate_bps=10**9)
    with namespaces("a", "b", "engine") as (a, b, middle), wire_process(middle, tmp_path) as wire:
        engine = WireEngine(wire.control)
        ends = [join(a, b, middle, number=number) for number in range(10)]
        engine.add(EmulatedLink(f"l{i}", *pair, profile, profile) for i, pair in enumerate(ends))
        assert ticks_in_a_quiet_second(wire) <= 1


def test_what_is_lost_depends_on_the_seed_and_the_link_alone(tmp_path: Path) -> None:
    def survivors(seed: str) -> list[int]:
        with namespaces("a", "b", "engine") as (a, b, middle), wire_process(middle, tmp_path, "--seed", seed) as wire:
            inner = join(a, b, middle)
            WireEngine(wire.control).add([EmulatedLink("l", *inner, LinkProfile(loss=0.2), LinkProfile())])
            with Traffic(a, b, "10.9.0.2") as traffic:
                traffic.paced(200, per_second=5000)
                return [arrival.sequence for arrival in traffic.arrivals(200, quiet_s=0.3)]

    first = survivors("11")
    assert 120 < len(first) < 200
    assert survivors("11") == first
    assert survivors("12") != first


def test_the_histogram_of_lateness_has_every_packet(bench: Bench) -> None:
    with bench.traffic(0) as traffic:
        traffic.paced(500, per_second=2000)
        assert len(traffic.arrivals(500)) == 500
    counters = bench.engine.counters()[0].a_to_b
    assert sum(packets for _, packets in counters.lateness_us) == counters.packets == 500
    assert counters.lateness_us_p50 in dict(counters.lateness_us)


def test_a_change_of_something_else_does_not_begin_the_trace_again(bench: Bench) -> None:
    trace = (False,) * 2000 + (True,) * 98_000
    bench.engine.change("l0", LinkProfile(loss_trace=trace), LinkProfile())
    with bench.traffic(0) as traffic:
        traffic.paced(2000, per_second=10_000)
        bench.engine.change("l0", LinkProfile(delay_ms=1, loss_trace=trace), LinkProfile())
        traffic.paced(100, per_second=10_000)
        bench.engine.change("l0", LinkProfile(loss_trace=trace[:-1]), LinkProfile())
        traffic.paced(100, per_second=10_000)
        arrivals = traffic.arrivals(2200, quiet_s=0.3)
    assert [arrival.sequence for arrival in arrivals] == [*range(2000), *range(2100, 2200)]


def test_a_queue_holds_no_more_memory_than_it_may(bench: Bench) -> None:
    bench.engine.change("l0", LinkProfile(rate_bps=8_000, queue=Queue(bytes=1_000_000)), LinkProfile())
    before = bench.wire.resident_bytes()
    with bench.traffic(0) as traffic:
        traffic.blast(20_000, size=1250)
    assert bench.engine.counters()[0].a_to_b.dropped_queue > 15_000
    assert bench.wire.resident_bytes() - before < 6_000_000


def test_small_frames_take_no_more_memory_than_large_ones(bench: Bench) -> None:
    bench.engine.change("l0", LinkProfile(delay_ms=60_000, duplicate=1.0), LinkProfile())
    before = bench.wire.resident_bytes()
    with bench.traffic(0) as traffic:
        traffic.sender.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 16)
        for _ in range(20_000):
            traffic.sender.send(bytes(60 * 16))
    # Of 2.4 million frames there is room for some two million, in 256 MB of which they themselves are a half.
    assert eventually(lambda: bench.engine.counters()[0].a_to_b.dropped_queue, lambda dropped: dropped > 0)
    assert bench.wire.resident_bytes() - before < 300 << 20


def test_sigterm_ends_it_cleanly_under_traffic(bench: Bench) -> None:
    with bench.traffic(0) as traffic:
        traffic.blast(500)
        bench.wire.process.send_signal(signal.SIGTERM)
        traffic.blast(500)
        assert bench.wire.process.wait(timeout=5) == 0
    assert not bench.wire.control.exists()
    with pytest.raises(LinkEngineError, match=r"link engine: the wire process"):
        bench.engine.counters()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "usage: wire --control PATH"),
        (["--control", "/nonexistent/wire.sock"], "/nonexistent/wire.sock: No such file or directory"),
        (["--control", "/tmp/" + "x" * 108], "want a path of at most 107 characters"),
        (["--control", "/tmp/blt-unused", "--seed", "-1"], '--seed: got "-1"; want a number'),
        (["--control", "/tmp/blt-unused", "more"], "usage: wire"),
    ],
)
def test_bad_arguments_are_said_in_one_line(bench: Bench, arguments: list[str], complaint: str) -> None:
    done = subprocess.run([BINARY, *arguments], capture_output=True, text=True, check=False, timeout=5)
    assert done.returncode == 1
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_namespace_of_a_node_may_vanish(tmp_path: Path) -> None:
    with namespaces("a", "engine") as (a, middle), wire_process(middle, tmp_path) as wire:
        with namespaces("b") as (b,):
            ends = join(a, b, middle)
            WireEngine(wire.control).add([EmulatedLink("l", *ends, LinkProfile(), LinkProfile())])
        assert not netns.exists(b)
        assert wire.event()["link"] == "l"
