"""`python -m traffic.link_probe`: small frames over each emulated link, both ways, and a line of a file for each.

They start and end at the outer ends of the links, where the nodes' own packets do. One thread sends, one link after the
other, spread evenly over the interval; both ways of a link at once, since waking up costs as much as a probe. What
arrives is stamped by the kernel and waits in the sockets, to be taken out ten times a second. Runs until SIGTERM, then
waits up to `--linger` for late ones. A link that is cut only loses probes.
"""

from __future__ import annotations

import argparse
import gc
import json
import select
import socket
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, TextIO

from testbed import netns
from testbed.events import emit
from traffic.linkframes import ETHERTYPE, ProbedDirection
from traffic.process import above_zero, hold_stop_signals, open_samples, raise_descriptor_limit, sleep_unless_stopped
from traffic.samples import LinkSample, link_line
from traffic.sockets import mac, receive, stamped_packets

_COLLECT_EVERY_NS = 100_000_000


@dataclass(frozen=True)
class Way:
    """One direction of a link with its sockets."""

    direction: ProbedDirection
    source: socket.socket
    sink: socket.socket


Link = tuple[Way, ...]
"""Its two ways; none of a link that cannot be probed."""


class LinkProbing:
    """Sends and receives on all links, and writes what became of the probes."""

    def __init__(self, links: Sequence[Link], samples: TextIO) -> None:
        self._links, self._samples = links, samples
        self._ways = [way for link in links for way in link]
        self._arriving = {way.sink.fileno(): way for way in self._ways}
        self._epoll = select.epoll()
        for descriptor in self._arriving:
            self._epoll.register(descriptor, select.EPOLLIN)
        self._collected = 0

    def run(self, interval: float) -> None:
        """Send on every link each `interval` seconds until a stop signal comes."""
        start = time.monotonic_ns()
        for number in count():
            due = start + round(number * interval * 1e9 / len(self._links))
            if sleep_unless_stopped((due - time.monotonic_ns()) / 1e9):
                return
            turn, index = divmod(number, len(self._links))
            # The second of the two finds warm caches and leaves sooner: each way is it every other time.
            ways = self._links[index]
            for way in reversed(ways) if turn % 2 else ways:
                _send(way)
            if time.monotonic_ns() - self._collected > _COLLECT_EVERY_NS:
                self._collect(0)

    def linger(self, seconds: float) -> None:
        """Wait up to `seconds` for the probes that are under way, then give up the rest."""
        deadline = time.monotonic() + seconds
        while any(way.direction.under_way for way in self._ways) and (left := deadline - time.monotonic()) > 0:
            self._collect(left)
        self._write(sample for way in self._ways for sample in way.direction.abandon())
        self._epoll.close()

    def _collect(self, wait: float) -> None:
        found: list[LinkSample] = []
        for descriptor, _ in self._epoll.poll(wait):
            found.extend(_arrived(self._arriving[descriptor]))
        self._collected = time.monotonic_ns()
        now = time.time_ns()
        for way in self._ways:
            found.extend(way.direction.expire(now))
        self._write(found)

    def _write(self, samples: Iterable[LinkSample]) -> None:
        if lines := "".join(map(link_line, samples)):
            self._samples.write(lines)


def _send(way: Way) -> None:
    frame = way.direction.depart(time.time_ns())
    with suppress(OSError):  # the link is cut, or its interface has gone: the probe is lost
        way.source.send(frame)
    way.direction.departed(time.time_ns())


def _arrived(way: Way) -> Iterator[LinkSample]:
    with suppress(OSError):  # nothing more is there, or the interface has just gone down
        while True:
            frame = receive(way.sink)
            if (sample := way.direction.receive(frame.data, frame.at)) is not None:
                yield sample


def open_link(number: int, link: Mapping[str, Any], stack: ExitStack) -> Link:
    """Both ways of a link, as the file of `--links` has it; none if an interface has gone already."""
    try:
        a, b = (stack.enter_context(_open(link[end])) for end in ("a", "b"))
    except OSError:
        return ()
    there = Way(ProbedDirection(2 * number, link["name"], "a_to_b", mac(a)), a, b)
    return there, Way(ProbedDirection(2 * number + 1, link["name"], "b_to_a", mac(b)), b, a)


def _open(end: Mapping[str, str]) -> socket.socket:
    with netns.entered(end["namespace"]):
        return stamped_packets(end["ifname"], ETHERTYPE)


def main(argv: list[str] | None = None) -> None:
    """Probe until SIGTERM."""
    arguments = _parser().parse_args(argv)
    hold_stop_signals()
    links = json.loads(arguments.links.read_text(encoding="utf-8"))
    raise_descriptor_limit()
    gc.disable()  # nothing here makes cycles, and a collection would delay a probe
    with open_samples(arguments.samples) as samples, ExitStack() as stack:
        opened = [open_link(number, link, stack) for number, link in enumerate(links)]
        missing = [link["name"] for link, ways in zip(links, opened, strict=True) if not ways]
        probing = LinkProbing(opened, samples)
        emit("ready", name=arguments.name, links=len(links), missing=missing, interval=arguments.interval)
        probing.run(arguments.interval)
        probing.linger(arguments.linger)
    emit("stopped", name=arguments.name)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m traffic.link_probe", description="Probe links, end to end.")
    parser.add_argument("--name", required=True, help="name of the probe, repeated in the events")
    want = 'JSON: [{"name", "a": {"namespace", "ifname"}, "b": {…}}, …]'
    parser.add_argument("--links", required=True, type=Path, metavar="FILE", help=want)
    parser.add_argument("--samples", required=True, type=Path, metavar="FILE", help="JSON lines, one per probe")
    parser.add_argument("--interval", type=above_zero, default=0.1, help="seconds between probes (default: 0.1)")
    parser.add_argument("--linger", type=above_zero, default=1.0, help="seconds to wait at the end (default: 1)")
    return parser


if __name__ == "__main__":
    main()
