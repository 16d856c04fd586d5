"""`python -m traffic.http_probe`: HTTP requests, one at a time, each on a new TCP connection and a line of a file.

A request that fails or takes too long is a sample with an error, and the next one follows in its slot; slots that pass
meanwhile are left out. Runs until SIGTERM, which also ends a request that is under way, unrecorded.

A name is resolved before its request begins, and again when the answer has expired; no resolver is timed along.
"""

from __future__ import annotations

import argparse
import ipaddress
import math
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from types import FrameType
from typing import Never, TextIO
from urllib.parse import urlsplit

from testbed.events import emit
from traffic.process import STOP_SIGNALS, above_zero, open_samples
from traffic.resolver import NoAddressError, Resolver
from traffic.samples import HttpSample, http_line
from traffic.sockets import set_dscp

_CHUNK = 1 << 16


@dataclass(frozen=True)
class Target:
    """Where to and what for; `host` is an IP address, or a name of DNS."""

    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, url: str) -> Target:
        """From `http://203.0.113.10/?bytes=1000`; made to be an argparse `type`."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port or 80
        except ValueError:
            parts, host, port = urlsplit(""), "", 0
        if parts.scheme != "http" or not host:
            raise argparse.ArgumentTypeError(
                f'got "{url}"; want http:// and an IP address or a name, such as http://203.0.113.10/'
            )
        return cls(host, port, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))

    @property
    def by_name(self) -> bool:
        """Whether its address has to be asked for."""
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return True
        return False


class _Stopped(BaseException):
    """A stop signal came."""


class _Stopwatch:
    """Times one request and bounds it."""

    def __init__(self, timeout: float) -> None:
        self._begun = time.perf_counter()
        self._timeout = timeout

    def elapsed_ms(self) -> float:
        return round((time.perf_counter() - self._begun) * 1000, 4)

    def left(self) -> float:
        """Seconds left, for a socket to wait at most; raises TimeoutError where there are none."""
        left = self._timeout - (time.perf_counter() - self._begun)
        if left <= 0:
            raise TimeoutError
        return left


def fetch(
    target: Target, seq: int, timeout: float, dscp: int = 0, address: Callable[[str], str] = lambda host: host
) -> HttpSample:
    """Request `target` once and time it; `timeout` seconds bound the whole of it. `address` resolves its host."""
    try:
        reached = address(target.host)
    except NoAddressError as failure:
        return HttpSample(seq, round(time.time(), 7), error=str(failure))
    sample = HttpSample(seq, round(time.time(), 7))
    watch = _Stopwatch(timeout)
    connection = HTTPConnection(target.host, target.port, timeout=timeout)
    try:
        connection.sock = _connected((reached, target.port), dscp, timeout)
        sample = replace(sample, connect_ms=watch.elapsed_ms())
        transport = connection.sock  # the response takes it over from the connection
        transport.settimeout(watch.left())
        connection.request("GET", target.path, headers={"Connection": "close"})
        with connection.getresponse() as response:
            sample = replace(sample, ttfb_ms=watch.elapsed_ms(), served_by=response.getheader("X-Served-By"))
            while chunk := response.read1(_CHUNK):
                sample = replace(sample, bytes=sample.bytes + len(chunk))
                transport.settimeout(watch.left())
            return replace(sample, total_ms=watch.elapsed_ms(), error=_complaint(response))
    except (OSError, HTTPException) as failure:
        return replace(sample, error=_reason(failure))
    finally:
        connection.close()


def _connected(server: tuple[str, int], dscp: int, timeout: float) -> socket.socket:
    """A connection whose first packet has the DSCP already."""
    connecting = socket.socket(socket.AF_INET6 if ":" in server[0] else socket.AF_INET, socket.SOCK_STREAM)
    try:
        set_dscp(connecting, dscp)
        connecting.settimeout(timeout)
        connecting.connect(server)
    except OSError:
        connecting.close()
        raise
    return connecting


def probe(fetched: Callable[[int], HttpSample], samples: TextIO, *, interval: float) -> Never:
    """Request every `interval` seconds until an exception, such as a stop signal's, ends it."""
    start = time.monotonic()
    seq = 0
    while True:
        samples.write(http_line(fetched(seq)))
        seq += 1
        slot = math.floor((time.monotonic() - start) / interval) + 1
        time.sleep(max(0.0, start + slot * interval - time.monotonic()))


def main(argv: list[str] | None = None) -> None:
    """Probe until SIGTERM."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.url.by_name and arguments.resolver is None:
        parser.error(f'--url: got the name "{arguments.url.host}"; want --resolver, or an IP address')
    try:
        for number in STOP_SIGNALS:
            signal.signal(number, _stop)
        with open_samples(arguments.samples) as samples:
            emit("ready", name=arguments.name)
            probe(_fetching(arguments), samples, interval=arguments.interval)
    except _Stopped:
        emit("stopped", name=arguments.name)


def _fetching(arguments: argparse.Namespace) -> Callable[[int], HttpSample]:
    target, patience = arguments.url, arguments.timeout
    if not target.by_name:
        return lambda seq: fetch(target, seq, patience, arguments.dscp)
    resolver = Resolver(str(arguments.resolver), patience)
    return lambda seq: fetch(target, seq, patience, arguments.dscp, resolver.address)


def _stop(_number: int, _frame: FrameType | None) -> Never:
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # one is enough: a second must not disturb the end
    raise _Stopped


def _complaint(response: HTTPResponse) -> str | None:
    if response.length:
        return "body cut short"
    return None if response.status == 200 else f"status {response.status}"


def _reason(failure: Exception) -> str:
    """A few words that group well in a report: `timed out`, `Connection refused`, …"""
    if isinstance(failure, TimeoutError):
        return "timed out"
    return getattr(failure, "strerror", None) or str(failure) or type(failure).__name__


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m traffic.http_probe", description="Time HTTP requests.")
    parser.add_argument("--name", required=True, help="name of the measurement, repeated in the events")
    parser.add_argument("--url", required=True, type=Target.parse, help="http:// and an IP address or a name")
    parser.add_argument("--resolver", type=ipaddress.ip_address, metavar="ADDRESS", help="the name server to ask")
    parser.add_argument("--samples", required=True, type=Path, metavar="FILE", help="JSON lines, one per request")
    parser.add_argument("--interval", type=above_zero, default=0.5, help="seconds between requests (default: 0.5)")
    parser.add_argument("--dscp", type=int, choices=range(64), default=0, metavar="0..63", help="of its packets")
    parser.add_argument("--timeout", type=above_zero, default=2.0, help="seconds for a whole request (default: 2)")
    return parser


if __name__ == "__main__":
    main()
