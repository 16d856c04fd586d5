"""Random faults of the links to all transports. What has to hold whatever happens is looked for in captures.

The faults are the same each time, unless `BEARERLAB_CHAOS_SEED` gives another seed; it is printed.
"""

from __future__ import annotations

import os
import random
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from controllers import ovs
from testbed import netns
from tests.support.overlay_lab import DETECTED_S, HOSTS, PORTAL, TRANSPORTS, OverlayLab, Stream, overlay_lab

pytestmark = [pytest.mark.netns, pytest.mark.ovs, pytest.mark.slow]

SEED = "BEARERLAB_CHAOS_SEED"
LASTS_S = 30.0
MARGIN_S = 1.0
"""Of a busy host, on top of the time that it takes to find a tunnel dark."""

STREAMS = {
    ("cpe-a", "cpe-b"): ("red-a", "red-b"),
    ("cpe-b", "cpe-a"): ("red-b", "red-a"),
    ("cpe-a", "cpe-c"): ("red-a", "red-c"),
}
FAULTS = ("cut", "slow", "lossy", "reset", "reset")

Stretch = tuple[float, float]


@dataclass
class Faults:
    """When links carried what they were given: stretches in Unix seconds, for each link."""

    lab: OverlayLab
    good_since: dict[str, float | None]
    stretches: list[tuple[str, Stretch]] = field(default_factory=list)

    def apply(self, link: str, fault: str) -> None:
        """A slow link still carries everything."""
        self._worse(link, time.time())
        self.lab.reset(link)
        match fault:
            case "cut":
                self.lab.cut(link)
                return
            case "lossy":
                self.lab.change(link, loss=0.3)
                return
            case "slow":
                self.lab.change(link, delay_ms=40.0)
        self.good_since[link] = time.time()

    def finish(self) -> None:
        """No more of them."""
        for link in self.good_since:
            self._worse(link, time.time())

    def _worse(self, link: str, now: float) -> None:
        if (since := self.good_since[link]) is not None:
            self.stretches.append((link, (since, now)))
        self.good_since[link] = None

    def good(self, transport: str, *edges: str) -> Iterator[Stretch]:
        """When the transport was good at both edges."""
        here, there = ([s for link, s in self.stretches if link == f"{transport}-{edge}"] for edge in edges)
        for a, b in here:
            for c, d in there:
                if max(a, c) < min(b, d):
                    yield max(a, c), min(b, d)


@dataclass(frozen=True)
class Seen:
    """A tenant's packet in VXLAN."""

    source: str
    target: str
    ttl: str
    tcp: bool
    sequence: str


def seen(capture: Path) -> list[Seen]:
    fields = ("ip.src", "ip.dst", "ip.ttl", "tcp.dstport", "data.data")
    argv = ["tshark", "-r", str(capture), "-Y", "vxlan", "-T", "fields", *(w for f in fields for w in ("-e", f))]
    lines = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
    rows = (line.split("\t") for line in lines)
    return [Seen(_inner(src), _inner(dst), _inner(ttl), bool(tcp), data[:16]) for src, dst, ttl, tcp, data in rows]


def _inner(both: str) -> str:
    return both.rpartition(",")[2]


@contextmanager
def knocking(lab: OverlayLab) -> Iterator[None]:
    """TCP that tries again and again to connect from red-a to the portal, which does not listen."""
    over = threading.Event()

    def knock() -> None:
        with netns.entered(lab.namespace("red-a")):
            while not over.wait(0.02):
                with suppress(OSError), socket.create_connection((PORTAL, 7), timeout=0.05):
                    pass

    thread = threading.Thread(target=knock)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OverlayLab]:
    with overlay_lab(tmp_path_factory.mktemp("overlay"), ovs.datapath_type()) as running:
        yield running


def test_whatever_fails_nothing_goes_round_or_where_it_must_not_and_no_hole_lasts(lab: OverlayLab) -> None:
    seed = int(os.environ.get(SEED, "1"))
    print(f"\n{SEED}={seed}")
    chance = random.Random(seed)
    links = [f"{transport}-{edge}" for transport in TRANSPORTS for edge in HOSTS]
    faults = Faults(lab, dict.fromkeys(links, time.time()))
    streams = {
        ends: Stream(lab.traffic(*hosts, lab.address(hosts[1])), per_second=100) for ends, hosts in STREAMS.items()
    }
    with ExitStack() as stack:
        captures = {edge: stack.enter_context(lab.captured(edge)) for edge in HOSTS}
        for stream in streams.values():
            stack.enter_context(stream)
        stack.enter_context(knocking(lab))
        until = time.monotonic() + LASTS_S
        while time.monotonic() < until:
            link, fault = chance.choice(links), chance.choice(FAULTS)
            print(f"{time.time():.3f} {fault} {link}")
            faults.apply(link, fault)
            time.sleep(chance.uniform(0.2, 3.0))
        for link in links:
            faults.apply(link, "reset")
        for stream in streams.values():
            stream.await_sent(200)
        faults.finish()
    for ends, stream in streams.items():
        _no_hole_lasts(faults, ends, stream)
    found = {(edge, name): seen(file) for edge, files in captures.items() for name, file in files.items()}
    _nothing_goes_round(lab, found)
    tcp = {transport for (_, transport), packets in found.items() for packet in packets if packet.tcp}
    assert tcp == {"internet"}, "the only transport that its class allows"


def _no_hole_lasts(faults: Faults, ends: tuple[str, str], stream: Stream) -> None:
    """While one transport is good, packets are missing for no longer than it takes to find the other dark."""
    arrived = sorted((arrival.sequence, arrival.sent_ns / 1e9) for arrival in stream.arrivals)
    longest = 0.0
    for (before, began), (after, ended) in pairwise(arrived):
        for transport in TRANSPORTS if after > before + 1 else ():
            for since, until in faults.good(transport, *ends):
                lasted = min(until, ended) - max(since, began)
                longest = max(longest, lasted)
                assert lasted < DETECTED_S + MARGIN_S, f"{ends}: {lasted:.3f} s without {transport} from {began:.3f} on"
    print(f"{ends}: {stream.lost} of {stream.sent} lost, {longest:.3f} s at most while there was another way")
    assert stream.repeated == 0


def _nothing_goes_round(lab: OverlayLab, found: dict[tuple[str, str], list[Seen]]) -> None:
    at_edges: Counter[tuple[str, str, str, str]] = Counter()
    for (edge, _), all_seen in found.items():
        for packet in all_seen:
            assert packet.ttl == "64", f"{packet} at {edge} was forwarded before it went into a tunnel"
            if packet.sequence:
                at_edges[edge, packet.source, packet.target, packet.sequence] += 1
    assert [entry for entry in at_edges.items() if entry[1] > 1] == []
    allowed = {(lab.address(STREAMS[ends][0]), lab.address(STREAMS[ends][1])): ends for ends in STREAMS}
    for edge, source, target, _ in at_edges:
        assert edge in allowed[source, target]
