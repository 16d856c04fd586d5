"""What the packet threads of UPF and gNB share: an epoll loop, a GTP-U socket, a tally of what went wrong.

Packets never touch asyncio: its timers and callbacks cost more than the packet itself.
"""

from __future__ import annotations

import errno
import gc
import logging
import os
import select
import socket
import sys
import threading
from collections import Counter, deque
from collections.abc import Callable
from ipaddress import IPv4Address

from core_stub.gtpu import (
    PORT,
    EchoRequest,
    EchoResponse,
    EndMarker,
    ErrorIndication,
    GPdu,
    GtpuError,
    GtpuMessage,
    decapsulate,
    echo_response,
    error_indication,
)

log = logging.getLogger(__name__)

BURST = 32
"""Packets taken from one descriptor before the others get their turn."""

LARGEST = 65535
"""Octets of the largest IP packet."""

_SWITCH_INTERVAL_S = 0.0002
_COLLECT_AFTER = (20_000, 20, 20)
_PRIORITY = 1
"""The lowest of the real-time priorities: link engines go first."""

RECEIVE_BUFFER = 8 << 20
SO_RCVBUFFORCE = 33
_IP_MTU_DISCOVER, _IP_PMTUDISC_DONT = 10, 0


class _DescriptorError(Exception):
    """A socket or device from which nothing can be read any more."""


class PacketLoop:
    """A thread that calls a handler while its descriptor has packets, and runs what other threads hand to it."""

    def __init__(self, name: str) -> None:
        self.faults: Counter[str] = Counter()
        self._epoll = select.epoll()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._wake, select.EPOLLIN)
        self._handlers: dict[int, Callable[[], None]] = {}
        self._names: dict[int, str] = {}
        self._calls: deque[Callable[[], None]] = deque()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def add(self, fd: int, take: Callable[[], None], *, name: str) -> None:
        """Have `take` called for every packet; it raises BlockingIOError when there is none left.

        Any other failure ends the process with a message that calls the descriptor `name`.
        """
        self._handlers[fd] = take
        self._names[fd] = name
        self._epoll.register(fd, select.EPOLLIN)

    def start(self) -> None:
        """Start the thread, and keep the rest of the process from holding the interpreter for long.

        A full garbage collection walks every object of every import for tens of milliseconds: those are set aside. And
        those that come, such as the values of sessions, make no cycles: they need not be walked at every turn.
        """
        sys.setswitchinterval(_SWITCH_INTERVAL_S)
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_COLLECT_AFTER)
        self._thread.start()

    def call_soon(self, call: Callable[[], None]) -> None:
        """Run `call` on the thread, between packets."""
        self._calls.append(call)
        os.eventfd_write(self._wake, 1)

    def stop(self) -> None:
        """End the thread; descriptors that were added stay their owners'."""
        self._stopping = True
        os.eventfd_write(self._wake, 1)
        self._thread.join()
        self._epoll.close()
        os.close(self._wake)

    def _run(self) -> None:
        try:
            _wake_first()
            self._serve()
        # A process that cannot carry packets any more would look alive.
        except _DescriptorError as error:
            log.error("%s; no packets can be carried any more", error)
            os._exit(1)
        except Exception:
            log.exception("the packet thread failed")
            os._exit(1)

    def _serve(self) -> None:
        while not self._stopping:
            for fd, _ in self._epoll.poll():
                if fd == self._wake:
                    self._run_calls()
                else:
                    self._take_burst(fd)

    def _run_calls(self) -> None:
        os.eventfd_read(self._wake)
        while self._calls:
            self._calls.popleft()()

    def _take_burst(self, fd: int) -> None:
        take = self._handlers[fd]
        try:
            for _ in range(BURST):
                take()
        except BlockingIOError:
            return
        except OSError as error:
            # ENETDOWN is told once, and the interface may come back.
            if error.errno not in (errno.ENETDOWN, errno.EMSGSIZE):
                raise _DescriptorError(f"{self._names[fd]}: {error}") from error
            self.count_error("receive", error)

    def count_error(self, doing: str, error: OSError) -> None:
        """Tally `error` under what we were doing, such as `send ENETUNREACH`."""
        self.faults[f"{doing} {errno.errorcode.get(error.errno or 0, 'error')}"] += 1


def _wake_first() -> None:
    """Let this thread run as soon as a packet is there: on a busy host it would wait milliseconds for its turn."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(_PRIORITY))
    except PermissionError:
        log.warning("no real-time priority (CAP_SYS_NICE): packets will wait when the host is busy")


class GtpuSocket:
    """GTP-U at one address: G-PDUs go to `on_g_pdu`, which says if it knows the TEID; requests are answered here.

    `on_signalling` gets error indications, echo responses and end markers, with the address that they came from.
    """

    def __init__(
        self,
        address: IPv4Address,
        loop: PacketLoop,
        on_g_pdu: Callable[[GPdu], bool],
        on_signalling: Callable[[GtpuMessage, str], None] = lambda _message, _peer: None,
    ) -> None:
        self._address = address
        self._faults = loop.faults
        self._loop = loop
        self._on_g_pdu = on_g_pdu
        self._on_signalling = on_signalling
        self._socket = _bound(address)
        loop.add(self._socket.fileno(), self._take, name=f"GTP-U at {address}")

    def send(self, datagram: bytes, peer: str) -> None:
        """Send to GTP-U of `peer`; what the kernel refuses is tallied, as a router would."""
        try:
            self._socket.sendto(datagram, (peer, PORT))
        except OSError as error:
            self._loop.count_error("send", error)

    def close(self) -> None:
        """Close the socket, once the loop has stopped."""
        self._socket.close()

    def _take(self) -> None:
        datagram, peer = self._socket.recvfrom(LARGEST)
        try:
            message = decapsulate(datagram)
        except GtpuError:
            self._faults["malformed GTP-U"] += 1
            return
        if type(message) is not GPdu:
            self._answer(message, peer)
        elif not self._on_g_pdu(message):
            self._faults["unknown TEID"] += 1
            self.send(error_indication(message.teid, self._address), peer[0])

    def _answer(self, message: GtpuMessage, peer: tuple[str, int]) -> None:
        match message:
            case EchoRequest(sequence):
                # §4.4.2.2: an answer goes to the port that the request came from.
                try:
                    self._socket.sendto(echo_response(sequence), peer)
                except OSError as error:
                    self._loop.count_error("send", error)
            case ErrorIndication(teid, address):
                self._faults["error indication"] += 1
                count = self._faults["error indication"]
                # Every packet into a lost tunnel brings one: a line for the 1st, 2nd, 4th, 8th, …
                if count & (count - 1) == 0:
                    log.warning("%s has no tunnel %d at %s (error indication %d)", peer[0], teid, address, count)
                self._on_signalling(message, peer[0])
            case EchoResponse():
                self._on_signalling(message, peer[0])
            case EndMarker():
                self._faults["end marker"] += 1
                self._on_signalling(message, peer[0])


def _bound(address: IPv4Address) -> socket.socket:
    gtpu = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        gtpu.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
        # TS 29.281 §4.4.2: outer packets may be fragmented. The default would refuse those above the link's MTU.
        gtpu.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _IP_PMTUDISC_DONT)
        gtpu.bind((str(address), PORT))
    except OSError as error:
        gtpu.close()
        raise OSError(error.errno, error.strerror, f"GTP-U at {address}") from error
    return gtpu
