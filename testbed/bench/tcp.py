"""TCP throughput between two namespaces by sockets of our own: a thread that sends, and the calling one that receives.

Both spend their time in system calls that copy, outside the interpreter's lock. What counts is what the receiver got
between two reads, so that slow links give exact rates too: neither start-up nor what is left in buffers is in it.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from testbed import netns
from testbed.errors import RunInvalidError

PORT = 9001
ETHERNET_IP_TCP = 14 + 20 + 32
"""Bytes of headers in front of each segment: TCP's have time stamps."""

_BUFFER = bytes(1 << 20)
_CONNECT_WITHIN_S = 5.0
_SILENCE_S = 5.0


@dataclass(frozen=True)
class Throughput:
    """`goodput_bps` of payload, and the largest segment that the connection sends."""

    goodput_bps: float
    segment: int

    @property
    def frames_bps(self) -> float:
        """The rate in whole Ethernet frames, all of them full, as a limited link counts it."""
        return self.goodput_bps * (self.segment + ETHERNET_IP_TCP) / self.segment


@dataclass(frozen=True)
class Window:
    """What is measured of a flow: `seconds`, after a warm-up."""

    warm_up_s: float
    seconds: float


def throughput(source: str, sink: str, address: str, window: Window, *, flows: int = 1) -> Throughput:
    """Send from namespace `source` to `address` in `sink`; RunInvalidError where nothing connects or arrives."""
    with _connected(source, sink, address, flows) as (senders, receivers):
        stop = threading.Event()
        thread = threading.Thread(target=_send, args=(senders, stop), name="tcp-load")
        thread.start()
        try:
            goodput_bps = _receive(receivers, window)
        finally:
            stop.set()
            thread.join()
        return Throughput(goodput_bps, senders[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG))


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
    with selectors.DefaultSelector() as selector:
        for sender in senders:
            selector.register(sender, selectors.EVENT_WRITE)
        while not stop.is_set():
            for key, _ in selector.select(timeout=0.05):
                assert isinstance(key.fileobj, socket.socket)
                key.fileobj.send(_BUFFER)


def _receive(receivers: list[socket.socket], window: Window) -> float:
    """Bits per second between the first read after the warm-up and the first one after the window."""
    room = bytearray(len(_BUFFER))
    begin = counted = 0
    warm = time.monotonic_ns() + round(window.warm_up_s * 1e9)
    with selectors.DefaultSelector() as selector:
        for receiver in receivers:
            selector.register(receiver, selectors.EVENT_READ)
        while ready := selector.select(timeout=_SILENCE_S):
            for key, _ in ready:
                assert isinstance(key.fileobj, socket.socket)
                counted += key.fileobj.recv_into(room)
            now = time.monotonic_ns()
            if begin and now - begin >= window.seconds * 1e9:
                return counted * 8e9 / (now - begin)
            if not begin and now >= warm:
                begin, counted = now, 0
    raise RunInvalidError(f"a TCP flow stood still for {_SILENCE_S:g} s")
