"""TCP between two namespaces, by a thread that sends and one that receives, as fast as the way between them takes it.

Both spend their time in system calls that copy, outside the interpreter's lock: by measurement iperf3 is no faster.
"""

from __future__ import annotations

import selectors
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from testbed import netns
from testbed.errors import RunInvalidError

PORT = 9001

_CHUNK = 1 << 20
_CONNECT_WITHIN_S = 5.0
_NOTICE_STOP_S = 0.05


@dataclass
class Bulk:
    """Flows that run: `received` counts payload bytes, of all of them."""

    received: int = 0

    def goodput_bps(self, seconds: float) -> float:
        """Bits of payload per second, over so long; RunInvalidError if nothing arrives."""
        begin, before = time.monotonic(), self.received
        time.sleep(seconds)
        arrived = self.received - before
        if arrived == 0:
            raise RunInvalidError(f"TCP stood still for {seconds:g} s; want a link that works")
        return arrived * 8 / (time.monotonic() - begin)


@contextmanager
def bulk(source: str, sink: str, address: str, *, flows: int = 1, congestion: str = "") -> Iterator[Bulk]:
    """Send from namespace `source` to `address` in `sink` while the body runs; RunInvalidError if none connects.

    `congestion` is a congestion control algorithm, or the host's default.
    """
    with _connected(source, sink, address, flows) as (senders, receivers):
        for sender in senders:
            # Closing discards what has not been sent.
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if congestion:
                sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, congestion.encode())
        running, stop = Bulk(), threading.Event()
        threads = [
            threading.Thread(target=_send, args=(senders, stop), name="bulk-send"),
            threading.Thread(target=_receive, args=(receivers, stop, running), name="bulk-receive"),
        ]
        try:
            for thread in threads:
                thread.start()
            yield running
        finally:
            stop.set()
            for thread in threads:
                if thread.is_alive():
                    thread.join()


@contextmanager
def _connected(
    source: str, sink: str, address: str, flows: int
) -> Iterator[tuple[list[socket.socket], list[socket.socket]]]:
    with ExitStack() as stack:
        with netns.entered(sink):
            listener = stack.enter_context(socket.create_server((address, PORT)))
        with netns.entered(source):
            senders = [stack.enter_context(socket.socket()) for _ in range(flows)]
        listener.settimeout(_CONNECT_WITHIN_S)
        receivers = []
        for sender in senders:
            sender.settimeout(_CONNECT_WITHIN_S)
            try:
                sender.connect((address, PORT))
                receivers.append(stack.enter_context(listener.accept()[0]))
            except OSError as error:
                raise RunInvalidError(f"no TCP connection from {source} to {address}: {error}") from error
        for connection in (*senders, *receivers):
            connection.setblocking(False)
        yield senders, receivers


def _send(senders: list[socket.socket], stop: threading.Event) -> None:
    chunk = bytes(_CHUNK)
    for sender in _ready(senders, selectors.EVENT_WRITE, stop):
        sender.send(chunk)


def _receive(receivers: list[socket.socket], stop: threading.Event, running: Bulk) -> None:
    room = bytearray(_CHUNK)
    for receiver in _ready(receivers, selectors.EVENT_READ, stop):
        running.received += receiver.recv_into(room)


def _ready(sockets: list[socket.socket], event: int, stop: threading.Event) -> Iterator[socket.socket]:
    with selectors.DefaultSelector() as selector:
        for each in sockets:
            selector.register(each, event)
        while not stop.is_set():
            for key, _ in selector.select(timeout=_NOTICE_STOP_S):
                assert isinstance(key.fileobj, socket.socket)
                yield key.fileobj
