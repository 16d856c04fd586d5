"""The interfaces of all routers as they come and go, and the routers themselves."""

from __future__ import annotations

import errno
import os
import selectors
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from controllers import threads
from controllers.kernel.rtnetlink import NamespaceEnd, News, NewsSocket, Requests


@dataclass(frozen=True)
class InterfaceChange:
    """An interface of a router is running now, or not any more."""

    node: str
    ifname: str
    up: bool


@dataclass(frozen=True)
class NodeGone:
    """A router's namespace is gone, and all interfaces with it."""

    node: str


Change = InterfaceChange | NodeGone


class Monitor:
    """Sees what is down already, and once it is started reports what changes, from a thread of its own.

    `namespaces` is node → its namespace, `interfaces` those that are watched. OSError where the kernel refuses.
    """

    def __init__(self, namespaces: Mapping[str, str], interfaces: Collection[tuple[str, str]]) -> None:
        self._news, self._requests = NewsSocket(), Requests()
        self._ended = os.eventfd(0, os.EFD_CLOEXEC)
        self._up = dict.fromkeys(interfaces, True)
        self._nodes: dict[int, str] = {}
        self.found: list[Change] = []
        self._report: Callable[[Change], None] = self.found.append
        self._thread: threading.Thread | None = None
        for node, namespace in namespaces.items():
            try:
                self._nodes[self._requests.nsid(namespace)] = node
            except FileNotFoundError:
                self._report(NodeGone(node))
        self._read_all()

    def start(self, report: Callable[[Change], None]) -> None:
        """Report what has changed since `found`, and what will."""
        self._report = report
        self._thread = threads.start("monitor", self._run)

    def close(self) -> None:
        """Stop reporting."""
        if self._thread is not None:
            os.eventfd_write(self._ended, 1)
            self._thread.join()
        for each in (self._news, self._requests):
            each.close()
        os.close(self._ended)

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._news, selectors.EVENT_READ)
            selector.register(self._ended, selectors.EVENT_READ)
            while all(key.fileobj is self._news for key, _ in selector.select()):
                self._receive()

    def _receive(self) -> None:
        try:
            for news in self._news.receive():
                self._take(news)
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            self._read_all()

    def _take(self, news: News) -> None:
        if news.nsid not in self._nodes:
            return
        if isinstance(news, NamespaceEnd):
            self._report(NodeGone(self._nodes.pop(news.nsid)))
        else:
            self._is(self._nodes[news.nsid], news.ifname, news.running)

    def _read_all(self) -> None:
        for nsid, node in self._nodes.items():
            links = self._requests.links(nsid)
            for each, ifname in self._up:
                if each == node:
                    self._is(node, ifname, links.get(ifname, False))

    def _is(self, node: str, ifname: str, running: bool) -> None:
        if self._up.get((node, ifname), running) == running:
            return
        self._up[node, ifname] = running
        self._report(InterfaceChange(node, ifname, running))
