"""A link that is up again is reported once the neighbour answers on it, as an IGP's adjacency comes up by hellos.

That a carrier is there says nothing of the other end: it may have no address yet, and what is sent there is lost. Where
the neighbour's MAC address is not known before, discovery may take a second, and traffic waits for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from ipaddress import IPv6Address

from controllers import threads
from controllers.kernel.commands import Command, run
from controllers.srv6.lsdb import LinkId
from controllers.srv6.network import Network

_PATIENCE_S = 1
_PAUSE_S = 0.1
"""Between two attempts on a link on which nothing can be sent at all yet."""


class Adjacencies:
    """`report` is called with a link and whether it is up: at once if it is down, else from a thread of its own."""

    def __init__(self, network: Network, report: Callable[[LinkId, bool], None]) -> None:
        namespaces = {router.name: router.namespace for router in network.routers}
        self._hellos = {
            link: _hello(namespaces[port.node], port.ifname, network.port[port.peer, port.node].address.ip)
            for link, port in network.port.items()
        }
        self._report = report
        self._waiting: set[LinkId] = set()
        self._changed = threading.Condition()
        threads.start("adjacencies", self._run)

    def changed(self, link: LinkId, up: bool) -> None:
        """The interface of `link` is running now, or not any more."""
        with self._changed:
            if up:
                self._waiting.add(link)
                self._changed.notify()
                return
            self._waiting.discard(link)
            self._report(link, False)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                asked = tuple(self._waiting)
            answers = run(self._hellos[link] for link in asked)
            with self._changed:
                answered = {link for link, answer in zip(asked, answers, strict=True) if answer.code == 0}
                for link in answered & self._waiting:
                    self._report(link, True)
                self._waiting -= answered
                if self._waiting:
                    self._changed.wait(_PAUSE_S)


def _hello(namespace: str, ifname: str, neighbour: IPv6Address) -> Command:
    return Command(
        namespace, ("ping", "-6", "-q", "-n", "-c", "1", "-w", str(_PATIENCE_S), "-I", ifname, str(neighbour))
    )
