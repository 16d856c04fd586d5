"""A stream of numbered UDP packets from one node of a rig to another, and which of them came."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from testbed import netns
from tests.support.polling import eventually
from tests.support.srv6_rig import Rig

PORT = 7001
INTERVAL_S = 0.001

_NUMBER = struct.Struct("!Q")
_BYTES = 64


class Flow:
    """`sent` and `received` are numbers of packets so far."""

    def __init__(self, sender: socket.socket, receiver: socket.socket, address: str) -> None:
        self._sender, self._receiver, self._address = sender, receiver, address
        self._ended = threading.Event()
        self.sent: int = 0
        self.received: set[int] = set()

    def send(self) -> None:
        due = time.monotonic()
        while not self._ended.is_set():
            self._sender.sendto(_NUMBER.pack(self.sent).ljust(_BYTES, b"\0"), (self._address, PORT))
            self.sent += 1
            due += INTERVAL_S
            time.sleep(max(0.0, due - time.monotonic()))

    def receive(self) -> None:
        self._receiver.settimeout(0.2)
        while not self._ended.is_set():
            try:
                self.received.add(_NUMBER.unpack_from(self._receiver.recv(_BYTES))[0])
            except TimeoutError:
                continue

    def more(self, packets: int = 100) -> None:
        """Wait until so many more have come."""
        wanted = len(self.received) + packets
        eventually(lambda: len(self.received), lambda received: received >= wanted)

    def lost(self, start: int = 0) -> list[int]:
        """The packets from `start` on that have not come, once a later one has."""
        end = self.sent
        eventually(lambda: max(self.received, default=-1), lambda last: last >= end)
        return [number for number in range(start, end) if number not in self.received]

    def end(self) -> None:
        self._ended.set()


@contextmanager
def flow(rig: Rig, source: str, target: str, address: str) -> Iterator[Flow]:
    """A flow to `address` at `target`, of which packets are already coming."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with ExitStack() as stack:
        ends = []
        for node in (source, target):
            with netns.entered(rig.namespaces[node]):
                ends.append(stack.enter_context(socket.socket(family, socket.SOCK_DGRAM)))
        ends[1].bind((address, PORT))
        running = Flow(ends[0], ends[1], address)
        threads = [threading.Thread(target=work) for work in (running.send, running.receive)]
        for thread in threads:
            thread.start()
            stack.callback(thread.join)
        stack.callback(running.end)
        running.more(10)
        yield running
