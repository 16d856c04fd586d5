"""`python -m traffic.serve`: the services of one host: HTTP, STAMP reflectors and DNS on the addresses given.

HTTP answers any GET with a body of `?bytes=N` octets and the host's name in `X-Served-By`. A thread per socket: each
reflector blocks in recvmsg, so a probe is answered as soon as the kernel has it.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from testbed.events import emit
from traffic import nameserver
from traffic.process import STOP_SIGNALS, Endpoint, hold_stop_signals
from traffic.sockets import receive, stamped_udp
from traffic.stamp import MalformedPacketError, ReflectorMode, SessionReflector, stamp_departure

_MAX_BODY = 1 << 30
_CHUNK = bytes(1 << 16)
_SILENT_AFTER_MS = 1000


class _Handler(BaseHTTPRequestHandler):
    """One connection; `server` is the HttpService that took it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or the last part of a body would wait for an acknowledgement
    server: HttpService
    timeout = 30.0  # a client that goes silent does not hold its thread for ever

    def do_GET(self) -> None:
        """Answer with as many octets as the query wants."""
        query = parse_qs(urlsplit(self.path).query)
        wanted = query.get("bytes", [str(self.server.body_bytes)])[-1]
        if not wanted.isascii() or not wanted.isdigit() or int(wanted) > _MAX_BODY:
            self.send_error(400, f"bytes: want a number from 0 to {_MAX_BODY}")
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", wanted)
        self.end_headers()
        left = int(wanted)
        while left:
            left -= self.wfile.write(_CHUNK[:left])

    def end_headers(self) -> None:
        """Every answer, errors too, says who gave it."""
        self.send_header("X-Served-By", self.server.name)
        super().end_headers()

    def log_message(self, *args: object) -> None:
        """No access log: the client measures."""


class HttpService(ThreadingHTTPServer):
    """HTTP on one address; OSError if it can't be bound."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, local: Endpoint, *, name: str, body_bytes: int) -> None:
        self.name = name
        self.body_bytes = body_bytes
        self.address_family = socket.AF_INET6 if local.is_ipv6 else socket.AF_INET
        super().__init__((local.address, local.port), _Handler)

    def server_bind(self) -> None:
        """Bind without the reverse DNS look-up of HTTPServer, which hangs where there is no resolver."""
        # Behind an anycast address a path change cuts connections, and the client's reset goes to the new host. The
        # old one has to fall silent soon (accepted sockets inherit both), or it retransmits into later measurements.
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _SILENT_AFTER_MS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, 1)
        socketserver.TCPServer.server_bind(self)

    def handle_error(self, *args: object) -> None:
        """A client that hangs up is no news."""


def reflect_for_ever(udp: socket.socket, reflector: SessionReflector) -> None:
    """Answer every probe that comes to `udp`."""
    while True:
        probe = receive(udp)
        try:
            reply = reflector.reflect(probe.data, probe.peer, received=probe.at, ttl=probe.ttl)
            stamp_departure(reply, time.time_ns())
            udp.sendto(reply, probe.peer)
        except MalformedPacketError as error:
            print(f"{probe.peer}: {error}", file=sys.stderr)
        except OSError as error:  # no way back to the sender just now: it counts the probe as lost
            print(f"{probe.peer}: {error}", file=sys.stderr)


def main(argv: list[str] | None = None) -> None:
    """Serve until SIGTERM; SystemExit with a message if an address can't be bound."""
    arguments = _parser().parse_args(argv)
    hold_stop_signals()
    threading.excepthook = _end_the_process
    loops = [*_http_loops(arguments), *_stamp_loops(arguments), *_dns_loops(arguments)]
    for loop in loops:
        threading.Thread(target=loop, daemon=True).start()
    emit("ready", name=arguments.name, services=len(loops))
    signal.sigwait(STOP_SIGNALS)


def _http_loops(arguments: argparse.Namespace) -> Iterator[Callable[[], None]]:
    for local in arguments.http:
        with _bind_errors("HTTP", local):
            yield HttpService(local, name=arguments.name, body_bytes=arguments.body_bytes).serve_forever


def _stamp_loops(arguments: argparse.Namespace) -> Iterator[Callable[[], None]]:
    mode = ReflectorMode.STATELESS if arguments.stateless else ReflectorMode.STATEFUL
    for local in arguments.stamp:
        with _bind_errors("STAMP", local):
            yield partial(reflect_for_ever, stamped_udp(local, ipv6=local.is_ipv6), SessionReflector(mode))


def _dns_loops(arguments: argparse.Namespace) -> Iterator[Callable[[], None]]:
    known = nameserver.zone(arguments.record)
    for local in arguments.dns:
        with _bind_errors("DNS", local):
            udp = socket.socket(socket.AF_INET6 if local.is_ipv6 else socket.AF_INET, socket.SOCK_DGRAM)
            udp.bind((local.address, local.port))
            yield partial(nameserver.answer_for_ever, udp, known)


@contextmanager
def _bind_errors(service: str, local: Endpoint) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SystemExit(f"{service} {local}: {error.strerror}; want a free port of this host") from error


def _end_the_process(failure: threading.ExceptHookArgs) -> None:
    """A service that died must not look alive: the thread's traceback, then exit code 1."""
    threading.__excepthook__(failure)
    os._exit(1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m traffic.serve", description="Serve HTTP, STAMP and DNS.")
    parser.add_argument("--name", required=True, help="what X-Served-By says")
    for service in ("--http", "--stamp", "--dns"):
        parser.add_argument(
            service, type=Endpoint.parse, action="append", default=[], metavar="ADDRESS:PORT", help="may be repeated"
        )
    parser.add_argument(
        "--record", type=nameserver.record, action="append", default=[], metavar="NAME=ADDRESS", help="what DNS answers"
    )
    parser.add_argument("--body-bytes", type=int, default=10_000, help="of a body without ?bytes=N (default: 10000)")
    parser.add_argument("--stateless", action="store_true", help="reflect the sender's sequence numbers (RFC 8762 §4)")
    return parser


if __name__ == "__main__":
    main()
