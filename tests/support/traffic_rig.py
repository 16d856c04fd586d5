"""Nodes in a line, joined by plain veth pairs, and the traffic processes that run in them."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from testbed import netns
from tests.support.polling import PATIENCE_S


@dataclass(frozen=True)
class Node:
    """A namespace, its interfaces named after the peers, and its own address on the first link."""

    name: str
    namespace: str
    address: str
    address6: str


@contextmanager
def line(part: str, *names: str) -> Iterator[list[Node]]:
    """Nodes from left to right; link i has 10.99.i.0/24 and fd99:i::/64; those between the ends forward."""
    nodes = [
        Node(name, f"blt-traffic-{part}-{name}", f"10.99.{max(0, i - 1)}.{min(i, 1) + 1}", _address6(i))
        for i, name in enumerate(names)
    ]
    made: list[Node] = []
    try:
        for node in nodes:
            netns.create(node.namespace)
            made.append(node)
            run(node, "ip", "link", "set", "lo", "up")
        for i, (left, right) in enumerate(pairwise(nodes)):
            _join(i, left, right)
        run(nodes[0], "ip", "route", "add", "default", "via", "10.99.0.2")
        run(nodes[-1], "ip", "route", "add", "default", "via", f"10.99.{len(nodes) - 2}.1")
        for router in nodes[1:-1]:
            run(router, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        yield nodes
    finally:
        for node in made:
            netns.delete(node.namespace)


def run(node: Node, *argv: str, text: str | None = None) -> str:
    """What a command prints that runs in the node."""
    with netns.entered(node.namespace):
        return subprocess.run(argv, check=True, text=True, capture_output=True, input=text, timeout=PATIENCE_S).stdout


class Running:
    """A process in a node, until the test ends it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def event(self) -> dict[str, Any]:
        """The next event that it writes."""
        assert self.process.stdout
        if not select.select([self.process.stdout], [], [], PATIENCE_S)[0]:
            raise TimeoutError("no event")
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        return found

    def end(self) -> int:
        """Ask it to end with SIGTERM; its exit code."""
        self.process.terminate()
        return self.process.wait(PATIENCE_S)


@contextmanager
def running(node: Node, argv: Sequence[str]) -> Iterator[Running]:
    """Start a command in a node; killed at the end if it still runs then."""
    with netns.entered(node.namespace):
        process = subprocess.Popen(argv, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with process:
        try:
            yield Running(process)
        finally:
            process.kill()


@contextmanager
def serving(node: Node, module: str, *arguments: str) -> Iterator[Running]:
    """Run `python -m traffic.<module>` in a node, from its ready event on."""
    with running(node, (sys.executable, "-m", f"traffic.{module}", *arguments)) as process:
        ready = process.event()
        assert ready["event"] == "ready", ready
        yield process


def _address6(i: int) -> str:
    return f"fd99:{max(0, i - 1)}::{min(i, 1) + 1}"


def _join(i: int, left: Node, right: Node) -> None:
    run(left, "ip", "link", "add", right.name, "type", "veth", "peer", "name", left.name, "netns", right.namespace)
    for host, (node, peer) in enumerate(((left, right), (right, left)), start=1):
        run(node, "ip", "address", "add", f"10.99.{i}.{host}/24", "dev", peer.name)
        run(node, "ip", "address", "add", f"fd99:{i}::{host}/64", "dev", peer.name, "nodad")
        run(node, "ip", "link", "set", peer.name, "up")
