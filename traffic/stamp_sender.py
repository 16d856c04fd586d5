"""`python -m traffic.stamp_sender`: STAMP probes on an absolute schedule, one line of a samples file for each.

One thread and one wake-up per probe. Replies, stamped by the kernel, wait in the socket and are taken out ten times a
second: at 100 probes/s handling each on its own costs twice the CPU, since all caches are cold every time.
Runs until SIGTERM, then waits up to `--linger` for late replies. A destination that can't be reached only loses probes.
"""

from __future__ import annotations

import argparse
import errno
import gc
import select
import socket
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from testbed.events import emit
from traffic.process import Endpoint, above_zero, hold_stop_signals, open_samples, sleep_unless_stopped
from traffic.samples import StampSample, stamp_line
from traffic.sockets import receive, set_dscp, stamped_udp
from traffic.stamp import Lost, MalformedPacketError, Sample, SessionSender

_SPIN_NS = 100_000
"""Waking up takes some 60 µs: sleep until this long before a probe is due, then spin."""

_COLLECT_EVERY_S = 0.1

_LOSES_THE_PROBE = frozenset(
    {
        errno.ENETUNREACH,
        errno.EHOSTUNREACH,
        errno.ECONNREFUSED,
        errno.ENETDOWN,
        errno.EADDRNOTAVAIL,
        errno.EPERM,  # a filter dropped it
        errno.EACCES,  # a prohibit route
        errno.EINVAL,  # a blackhole route
        errno.ENOBUFS,
        errno.EAGAIN,
    }
)


class ProbeLoop:
    """A SessionSender on a socket, its outcomes written to a file."""

    def __init__(self, udp: socket.socket, destination: Endpoint, session: SessionSender, samples: TextIO) -> None:
        self._udp = udp
        self._destination = (destination.address, destination.port)
        self._session = session
        self._samples = samples
        self._collected = 0.0
        self.sent = 0
        self.lost = 0
        udp.setblocking(False)

    def run(self, rate: float) -> None:
        """Send `rate` probes a second until a stop signal comes."""
        start = time.monotonic_ns()
        while True:
            due = start + round(self.sent * 1e9 / rate)
            if sleep_unless_stopped((due - _SPIN_NS - time.monotonic_ns()) / 1e9):
                return
            packet = self._session.prepare()
            while time.monotonic_ns() < due:
                pass
            self._send(packet)
            if time.monotonic() - self._collected > _COLLECT_EVERY_S:
                self._collect()

    def linger(self, seconds: float) -> None:
        """Wait up to `seconds` for the replies that are under way, then give up the rest."""
        deadline = time.monotonic() + seconds
        while self._session.under_way and (left := deadline - time.monotonic()) > 0:
            select.select([self._udp], [], [], left)
            self._collect()
        self._write(self._session.abandon())

    def _send(self, packet: bytearray) -> None:
        self.sent += 1
        try:
            self._session.depart(packet, time.time_ns())
            self._udp.sendto(packet, self._destination)
        except OSError as error:
            if error.errno not in _LOSES_THE_PROBE:
                raise

    def _collect(self) -> None:
        self._collected = time.monotonic()
        outcomes: list[Sample | Lost] = []
        while (outcome := self._next_reply()) is not None:
            outcomes.extend(outcome)
        outcomes.extend(self._session.expire(time.time_ns()))
        self._write(outcomes)

    def _next_reply(self) -> list[Sample] | None:
        """What the next waiting datagram completes; None if none is waiting."""
        try:
            datagram = receive(self._udp)
        except BlockingIOError:
            return None
        try:
            sample = self._session.receive(datagram.data, datagram.at)
        except MalformedPacketError as error:
            print(f"{datagram.peer}: {error}", file=sys.stderr)
            return []
        return [] if sample is None else [sample]

    def _write(self, outcomes: Iterable[Sample | Lost]) -> None:
        lines = []
        for outcome in outcomes:
            self.lost += isinstance(outcome, Lost)
            lines.append(stamp_line(StampSample.of(outcome)))
        if lines:
            self._samples.write("".join(lines))


def main(argv: list[str] | None = None) -> None:
    """Probe until SIGTERM."""
    arguments = _parser().parse_args(argv)
    hold_stop_signals()
    session = SessionSender(timeout=round(arguments.timeout * 1e9))
    gc.disable()  # nothing here makes cycles, and a collection would delay a probe
    with open_samples(arguments.samples) as samples, stamped_udp(None, ipv6=arguments.to.is_ipv6) as udp:
        set_dscp(udp, arguments.dscp)
        loop = ProbeLoop(udp, arguments.to, session, samples)
        emit("ready", name=arguments.name, to=str(arguments.to), rate=arguments.rate)
        loop.run(arguments.rate)
        loop.linger(arguments.linger)
    emit("stopped", name=arguments.name, sent=loop.sent, lost=loop.lost)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m traffic.stamp_sender", description="Send STAMP probes (RFC 8762).")
    parser.add_argument("--name", required=True, help="name of the measurement, repeated in the events")
    parser.add_argument("--to", required=True, type=Endpoint.parse, metavar="ADDRESS:PORT", help="the reflector")
    parser.add_argument("--samples", required=True, type=Path, metavar="FILE", help="JSON lines, one per probe")
    parser.add_argument("--rate", type=above_zero, default=100.0, help="probes per second (default: 100)")
    parser.add_argument("--dscp", type=int, choices=range(64), default=0, metavar="0..63", help="of the probes")
    parser.add_argument("--timeout", type=above_zero, default=2.0, help="seconds until a probe is lost (default: 2)")
    parser.add_argument("--linger", type=above_zero, default=1.0, help="seconds to wait at the end (default: 1)")
    return parser


if __name__ == "__main__":
    main()
