"""What SRv6 costs a packet: a line of three routers that forward plain IPv6, and IPv4 in SRv6.

The same thread that sends carries each packet through all routers, so the rate at which they arrive is what sending and
forwarding cost together; the sending is alike on both sides.
"""

from __future__ import annotations

import math
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address, ip_network
from itertools import pairwise
from pathlib import Path

from controllers.kernel.prepare import prepare
from controllers.srv6.fib import ANCHOR, Encap, FibRoute, LocalSid, NextHop, RouterState, route_line
from controllers.srv6.network import Router
from controllers.srv6.sids import Behavior
from testbed import netns
from testbed.bench.load import Burst, Generator, received
from testbed.errors import RunInvalidError
from testbed.graph import Role, Tier
from testbed.lab.build import run_ip
from testbed.links.profile import LinkProfile
from testbed.plan.model import LinkEnd, Plan, PlannedInterface, PlannedLink, PlannedNode, Route
from topologies.network import RunningLab, lab

ROUNDS, SECONDS = 7, 1.0

_NODES = ("source", "r1", "r2", "r3", "sink")
_SIZE = 128
"""Bytes of a frame as it is sent."""

_MTU = 1500
_SIDS = {name: IPv6Address(f"fcbb:bb00:{number}::") for number, name in enumerate(_NODES)}
_SERVICE = IPv6Address("fcbb:bb00:3:f000::")


def forward_ratio(rounds: int = ROUNDS, seconds: float = SECONDS) -> tuple[float, float]:
    """Packets a second that arrive through SRv6, and through plain IPv6: the medians of so many rounds in turn."""
    with _line() as running:
        plain, segments = [], []
        for _ in range(rounds):
            plain.append(_rate(running, "fd00:b:3::1", seconds))
            segments.append(_rate(running, "10.9.3.1", seconds))
        return statistics.median(segments), statistics.median(plain)


def _rate(running: RunningLab, address: str, seconds: float) -> float:
    source, sink = running.namespaces["source"], running.namespaces["sink"]
    with Generator(source, ipv6=":" in address) as generator:
        before = received(sink, ["r3"]).packets
        sent = generator.bursts(Burst([address], _SIZE), math.inf, seconds)
        arrived = received(sink, ["r3"]).packets - before
    if arrived < sent.packets / 2:
        raise RunInvalidError(f"{arrived} of {sent.packets} packets to {address} came through; want a line that works")
    return arrived / sent.seconds


@contextmanager
def _line() -> Iterator[RunningLab]:
    plan = Plan("bench-srv6", 1, "wire", tuple(map(_node, range(len(_NODES)))), tuple(_links()))
    with tempfile.TemporaryDirectory() as directory, lab(plan, run_dir=Path(directory), on_event=_ignore) as running:
        for name in ("r1", "r2", "r3"):
            router = Router(name, running.namespaces[name], IPv6Address("fd00::1"))
            prepare([router], {name: RouterState()}, _MTU)
            lines = {version: [route_line("replace", route) for route in _routes(name, version)] for version in (4, 6)}
            with netns.entered(running.namespaces[name]):
                for some in lines.values():
                    run_ip("".join(f"{line}\n" for line in some), where=name)
        yield running


def _ignore(_process: str, _event: object) -> None:
    """Nothing runs there that has anything to say."""


def _links() -> Iterator[PlannedLink]:
    for a, b in pairwise(_NODES):
        ends = LinkEnd(a, b), LinkEnd(b, a)
        yield PlannedLink(f"{a}-{b}", Tier.METRO, *ends, _MTU, 0.0, LinkProfile(), LinkProfile())


def _node(index: int) -> PlannedNode:
    """Link number `n` has fd00:b:n::/64 and 10.9.n.0/24, its first end 0 and its second 1."""
    name = _NODES[index]
    before = [_port(index - 1, 1, _NODES[index - 1])] if index else []
    after = [_port(index, 0, _NODES[index + 1])] if index + 1 < len(_NODES) else []
    ports = (*before, *after)
    host = name in ("source", "sink")
    return PlannedNode(
        name, Role.HOST if host else Role.ROUTER, "bench", name, (0.0, 0.0), not host, (), ports, _default(index)
    )


def _port(link: int, end: int, peer: str) -> PlannedInterface:
    addresses = (f"10.9.{link}.{end}/24", f"fd00:b:{link}::{end}/64")
    return PlannedInterface(peer, f"02:00:00:00:{link:02x}:{end:02x}", _MTU, addresses)


def _default(index: int) -> tuple[Route, ...]:
    """Hosts go to their router; between routers IPv6 only is routed, to the far ends and the locators."""
    if index == 0:
        return Route("0.0.0.0/0", "r1", "10.9.0.1"), Route("::/0", "r1", "fd00:b:0::1")
    if index == len(_NODES) - 1:
        return Route("0.0.0.0/0", "r3", "10.9.3.0"), Route("::/0", "r3", "fd00:b:3::0")
    routes: list[Route] = []
    if index < 3:
        onward = (f"fd00:b:{index}::1", _NODES[index + 1])
        routes += [Route("fd00:b:3::/64", onward[1], onward[0])]
        routes += [Route(f"{_SIDS[name]}/48", onward[1], onward[0]) for name in _NODES[index + 1 : 4]]
    return tuple(routes)


def _routes(name: str, version: int) -> Sequence[FibRoute]:
    """H.Encaps.Red at r1 with an End at r2, and the End.DX4 at r3, in a segment routing header."""
    if version == 4 and name == "r1":
        encap = Encap((_SIDS["r2"], _SERVICE))
        return (FibRoute(ip_network("10.9.3.0/24"), (NextHop(ANCHOR, encap=encap),)),)
    if version == 6 and name == "r2":
        return (FibRoute(ip_network(f"{_SIDS['r2']}/128"), local=LocalSid(Behavior.END)),)
    if version == 6 and name == "r3":
        return (FibRoute(ip_network(_SERVICE), local=LocalSid(Behavior.END_DX4, IPv4Address("10.9.3.1"))),)
    return ()
