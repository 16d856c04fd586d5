"""`python -m traffic.replication`: sequence numbers for what an SD-WAN sends over two tunnels, and one of each again.

An edge's switch sends here what is to be replicated: it comes back with a redundancy tag (`traffic.frer`), and the
switch sends it into both tunnels. What comes out of tunnels with a tag is sent here, too: the first of each number
goes back without its tag. A stream is whoever has its source address. One thread has the ports of all edges.
"""

from __future__ import annotations

import argparse
import json
import select
import socket
import time
from collections import defaultdict
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from testbed import netns
from testbed.events import emit
from traffic.frer import Recovery, is_tagged, tagged, untagged
from traffic.process import hold_stop_signals, sleep_unless_stopped

_ETH_P_ALL = 0x0003
_LARGEST = 1 << 16
_AT_ONCE = 64
"""Frames of one port before the others have their turn."""

_PATIENCE_S = 0.1
"""Between two looks for ports that are not there yet, and for a stop signal."""


@dataclass(frozen=True)
class Port:
    """Where an edge's switch and this process meet."""

    edge: str
    namespace: str
    ifname: str


class Replicator:
    """One edge's streams: those that it sends, by what it has numbered, and those that it receives."""

    def __init__(self) -> None:
        self._next: defaultdict[bytes, int] = defaultdict(int)
        self.streams: defaultdict[bytes, Recovery] = defaultdict(Recovery)

    def take(self, frame: bytes, now: float) -> bytes | None:
        """What the switch gets back for a frame; None for a copy of what came before."""
        stream = frame[6:12]
        if not is_tagged(frame):
            number = self._next[stream]
            self._next[stream] = number + 1
            return tagged(frame, number)
        sequence, plain = untagged(frame)
        return plain if self.streams[stream].accept(sequence, now) else None


class Replication:
    """The ports of all edges; those that are not there yet are opened when they are."""

    def __init__(self, name: str, ports: Iterable[Port]) -> None:
        self._name = name
        self._missing = list(ports)
        self._epoll = select.epoll()
        self._open: dict[int, tuple[Port, socket.socket, Replicator]] = {}

    def run(self) -> None:
        """Until a stop signal comes."""
        with ExitStack() as opened:
            while not sleep_unless_stopped(0.0):
                if self._missing:
                    self._look(opened)
                for descriptor, _ in self._epoll.poll(_PATIENCE_S):
                    self._serve(descriptor)

    def counters(self) -> dict[str, dict[str, int]]:
        """Edge → frames passed and discarded, over all streams that it receives."""
        found = {}
        for port, _, replicator in self._open.values():
            streams = replicator.streams.values()
            found[port.edge] = {
                "passed": sum(each.passed for each in streams),
                "discarded": sum(each.discarded for each in streams),
                "rogue": sum(each.rogue for each in streams),
            }
        return found

    def _look(self, opened: ExitStack) -> None:
        for port in list(self._missing):
            with suppress(OSError):
                found = opened.enter_context(_packet_socket(port))
                self._epoll.register(found, select.EPOLLIN)
                self._open[found.fileno()] = port, found, Replicator()
                self._missing.remove(port)
        if not self._missing:
            emit("replicating", name=self._name, edges=len(self._open))

    def _serve(self, descriptor: int) -> None:
        _, found, replicator = self._open[descriptor]
        with suppress(OSError):  # nothing is left, or the interface goes
            for _ in range(_AT_ONCE):
                frame, (_, _, kind, *_) = found.recvfrom(_LARGEST)
                if kind == socket.PACKET_OUTGOING:
                    continue
                answer = replicator.take(frame, time.monotonic())
                if answer is not None:
                    found.send(answer)


def _packet_socket(port: Port) -> socket.socket:
    """OSError if there is no such interface, or it is not up."""
    with netns.entered(port.namespace):
        found = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)  # until it is bound it gets nothing
    try:
        found.bind((port.ifname, _ETH_P_ALL))
        found.setblocking(False)
    except OSError:
        found.close()
        raise
    return found


def main(argv: list[str] | None = None) -> None:
    """Replicate and eliminate until SIGTERM."""
    arguments = _parser().parse_args(argv)
    ports = [Port(**each) for each in json.loads(arguments.ports.read_text())]
    hold_stop_signals()
    replication = Replication(arguments.name, ports)
    emit("ready", name=arguments.name, ports=len(ports))
    replication.run()
    emit("stopped", name=arguments.name, edges=replication.counters())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m traffic.replication", description="Replicate and eliminate frames.")
    parser.add_argument("--name", required=True, help="name of the process, repeated in the events")
    parser.add_argument("--ports", required=True, type=Path, metavar="FILE", help="list of edge, namespace, ifname")
    return parser


if __name__ == "__main__":
    main()
