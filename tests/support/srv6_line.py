"""h1 – ra – rb – rc – h2: three routers in a line, with what SRv6 is to do given as routes.

Link number n has 10.9.n.0/24 and fd00:b:n::/64, .1 at its left end and .2 at its right. Interfaces are named after the
peers. IPv6 is routed to both ends and to the locators fcbb:bb00:a::/48, b and c; IPv4 only if a route says so.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise

from controllers.srv6.fib import ANCHOR, FibRoute, route_line
from testbed import netns
from testbed.lab import kernel
from testbed.lab.build import run_ip
from traffic.ring import PacketRing
from traffic.srheader import Headers, decode

NODES = ("h1", "ra", "rb", "rc", "h2")
LOCATORS = {"ra": "fcbb:bb00:a::/48", "rb": "fcbb:bb00:b::/48", "rc": "fcbb:bb00:c::/48"}
PORT = 9999
_FORWARDING = ("ipv4/ip_forward", "ipv6/conf/all/forwarding")
_SYSCTLS = {
    # Neighbours are looked for at once.
    "ipv6/conf/default/accept_dad": 0,
    "ipv6/conf/all/seg6_enabled": 1,
    "ipv6/conf/default/seg6_enabled": 1,
    "ipv4/fib_multipath_hash_policy": 1,
    "ipv6/fib_multipath_hash_policy": 1,
}


@dataclass
class Line:
    """The namespaces of the nodes, and a tap where packets come in at each from the left."""

    namespaces: Mapping[str, str]
    taps: dict[str, PacketRing] = field(default_factory=dict)

    def carry(self, version: int, *, source_port: int = 0, size: int = 16) -> dict[str, Headers]:
        """Send a UDP packet from h1 to h2, which gets it; node → headers of what came in there."""
        token = os.urandom(size)
        with self.receiver(version) as receiver, self.sender(version, source_port) as sender:
            sender.sendto(token, (address(version, 3, 2), PORT))
            assert receiver.recv(65536) == token
        return self.seen(token)

    @contextmanager
    def receiver(self, version: int) -> Iterator[socket.socket]:
        with netns.entered(self.namespaces["h2"]), _udp(version) as receiver:
            receiver.bind((address(version, 3, 2), PORT))
            receiver.settimeout(2)
            yield receiver

    @contextmanager
    def sender(self, version: int, port: int = 0) -> Iterator[socket.socket]:
        with netns.entered(self.namespaces["h1"]), _udp(version) as sender:
            sender.bind((address(version, 0, 1), port))
            yield sender

    def seen(self, token: bytes) -> dict[str, Headers]:
        """Node → headers of the frame with this payload."""
        found = {}
        for node in self.taps:
            for frame in self.frames(node):
                if token in frame:
                    found[node] = decode(frame)
        return found

    def frames(self, node: str) -> list[bytes]:
        """What came in at a node since this was asked."""
        return [frame.octets for frame in self.taps[node].frames() if not frame.outgoing]


def address(version: int, link: int, end: int) -> str:
    return f"10.9.{link}.{end}" if version == 4 else f"fd00:b:{link}::{end}"


@contextmanager
def line(part: str, routes: Mapping[str, Iterable[FibRoute | str]], *, core_mtu: int = 9000) -> Iterator[Line]:
    """The line with `routes` at its routers: values, or lines for `ip -batch`."""
    namespaces = {node: f"blt-{part}-{node}" for node in NODES}
    with ExitStack() as stack:
        for node, namespace in namespaces.items():
            netns.create(namespace)
            stack.callback(netns.delete, namespace)
            with netns.entered(namespace):
                kernel.write_sysctls(_SYSCTLS | dict.fromkeys(_FORWARDING, int(node in LOCATORS)))
        for number, (left, right) in enumerate(pairwise(NODES)):
            mtu = core_mtu if number in (1, 2) else 1500
            with netns.entered(namespaces[left]):
                run_ip(
                    f"link add name {right} mtu {mtu} type veth peer name {left} mtu {mtu} netns {namespaces[right]}\n",
                    where=left,
                )
        for index, node in enumerate(NODES):
            with netns.entered(namespaces[node]):
                _configure(node, index, routes.get(node, ()), core_mtu)
        made = Line(namespaces)
        for left, right in pairwise(NODES):
            with netns.entered(namespaces[right]):
                made.taps[right] = stack.enter_context(PacketRing(left))
        yield made


def _configure(node: str, index: int, routes: Iterable[FibRoute | str], core_mtu: int) -> None:
    lines = ["link set lo up", f"link add name {ANCHOR} type bridge", f"link set {ANCHOR} mtu {core_mtu} up"]
    for link, end, peer in ((index - 1, 2, NODES[index - 1]), (index, 1, NODES[(index + 1) % len(NODES)])):
        if 0 <= link < len(NODES) - 1:
            lines += [f"addr add {address(4, link, end)}/24 dev {peer}"]
            lines += [f"addr add {address(6, link, end)}/64 dev {peer} nodad", f"link set {peer} up"]
    if node == "h1":
        lines += [f"route add default via {address(4, 0, 2)}", f"route add ::/0 via {address(6, 0, 2)}"]
    elif node == "h2":
        lines += [f"route add default via {address(4, 3, 1)}", f"route add ::/0 via {address(6, 3, 1)}"]
    else:
        lines += _underlay(node, index)
    lines += [route if isinstance(route, str) else route_line("replace", route) for route in routes]
    run_ip("".join(f"{each}\n" for each in lines), where=node)


def _underlay(node: str, index: int) -> Iterator[str]:
    for other, locator in LOCATORS.items():
        position = NODES.index(other)
        if position != index:
            via = address(6, index, 2) if position > index else address(6, index - 1, 1)
            yield f"route add {locator} via {via}"
    if index < 3:
        yield f"route add fd00:b:3::/64 via {address(6, index, 2)}"
    if index > 1:
        yield f"route add fd00:b:0::/64 via {address(6, index - 1, 1)}"


def _udp(version: int) -> socket.socket:
    return socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
