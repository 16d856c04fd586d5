"""A Mininet link with delay, loss and rate that also works where the kernel has no netem.

`BearerLink` takes TCLink's parameters. TCLink itself fails silently without netem: it prints an error and goes on with
a link that delays nothing. Here one link engine serves all links of the process, in a namespace of its own; the ledger
lets `bearerlab clean` remove it if Mininet is killed.
"""

from __future__ import annotations

import atexit
import itertools
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from mininet.link import Link
from mininet.node import Node

from testbed import netns
from testbed.lab.base import base_namespace
from testbed.lab.build import run_ip
from testbed.lab.engine import NodeEnd, emulate, link_engine
from testbed.lab.ipbatch import inner_ends
from testbed.lab.processes import Supervisor
from testbed.links.engine import EmulatedLink, choose
from testbed.links.profile import LinkProfile, Queue
from testbed.units import parse_duration_ms

_PARAMETERS = ("bw", "delay", "jitter", "loss", "max_queue_size")


class BearerLink(Link):  # type: ignore[misc]
    """A veth pair, or an emulated link if one of its ends has delay, jitter, loss or bw.

    The parameters are TCLink's: bw in Mbit/s, max_queue_size in packets (of a link with bw), delay and jitter such as
    "10ms", loss in percent; in `params1` and `params2` for one end only, which then act on what this end sends. How
    TCLink limits the rate (use_htb, use_tbf, …) has no meaning here.
    """

    def __init__(self, node1: Node, node2: Node, **options: Any) -> None:
        both = {name: options.pop(name) for name in _PARAMETERS if name in options}
        self._profiles = tuple(tc_profile(**{**both, **options.pop(end, {})}) for end in ("params1", "params2"))
        super().__init__(node1, node2, **options)

    def makeIntfPair(  # noqa: N802, PLR0913, PLR0917 - Mininet's signature
        self, name1: str, name2: str, addr1: str, addr2: str, node1: Node, node2: Node, **_options: Any
    ) -> None:
        """Make the link's interfaces in their nodes' namespaces."""
        ends = [
            f"{name} netns {node.pid} address {mac}"
            for name, mac, node in ((name1, addr1, node1), (name2, addr2, node2))
        ]
        if all(profile.transparent for profile in self._profiles):
            run_ip(f"link add name {ends[0]} type veth peer name {ends[1]}\n", where=f"{node1}-{node2}")
        else:
            node_ends = (NodeEnd(f"/proc/{node1.pid}/ns/net", name1), NodeEnd(f"/proc/{node2.pid}/ns/net", name2))
            _Emulation.running().join(f"{node1}-{node2}", ends, node_ends, self._profiles)

    def delete(self) -> None:
        """Delete this link; the engine ends with the last one."""
        super().delete()
        if not all(profile.transparent for profile in self._profiles):
            _Emulation.running().release()


class _Emulation:
    """The link engine of this process, with its namespace and ledger; there while there are emulated links."""

    _instance: _Emulation | None = None

    @classmethod
    def running(cls) -> _Emulation:
        if cls._instance is None:
            cls._instance = cls()
        return cls._instance

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._links = 0
        self._stack = ExitStack()
        atexit.register(self._stack.close)
        ledger = self._stack.enter_context(base_namespace())
        self._namespace = ledger.names.base
        supervisor = Supervisor(ledger.names, ledger, ledger.directory, lambda _process, _event: None)
        self._stack.callback(supervisor.close)
        self._engine = self._stack.enter_context(link_engine(choose("auto"), supervisor, ledger, seed=1))

    def join(
        self, name: str, ends: Sequence[str], node_ends: Iterable[NodeEnd], profiles: tuple[LinkProfile, ...]
    ) -> None:
        """Make a pair for each end (interface, namespace and address in `ip`'s words) and join the inner ends."""
        inner = inner_ends(next(self._numbers))
        pairs = (f"link add name {end} type veth peer name {port}\n" for end, port in zip(ends, inner, strict=True))
        with netns.entered(self._namespace):
            run_ip("".join((*pairs, *(f"link set dev {port} mtu 9000 up\n" for port in inner))), where=name)
        emulate(self._engine, [EmulatedLink(name, *inner, *profiles)], node_ends)
        self._links += 1

    def release(self) -> None:
        """One link less; everything goes with the last one."""
        self._links -= 1
        if self._links == 0:
            self._stack.close()
            _Emulation._instance = None


def tc_profile(
    bw: float | None = None,
    delay: str = "0ms",
    jitter: str = "0ms",
    loss: float = 0.0,
    max_queue_size: int | None = None,
    **_others: Any,
) -> LinkProfile:
    """What TCLink's parameters say of one direction; TCLink's other parameters are left out."""
    profile = LinkProfile(delay_ms=parse_duration_ms(delay), jitter_ms=parse_duration_ms(jitter), loss=loss / 100)
    if not bw:
        return profile
    queue = Queue(packets=max_queue_size) if max_queue_size else profile.queue
    return replace(profile, rate_bps=round(bw * 1e6), queue=queue)
