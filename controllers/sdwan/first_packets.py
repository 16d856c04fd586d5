"""Whom the first packet of a connection is for: the server name of TLS, or the host of HTTP/1.1."""

from __future__ import annotations

import re

_HANDSHAKE, _CLIENT_HELLO, _SERVER_NAME, _HOST_NAME = 22, 1, 0, 0

_REQUEST = re.compile(rb"[A-Z]+ [^ \r\n]+ HTTP/1\.[01]\r\n")
_HOST = re.compile(rb"\r\nHost:[ \t]*([^\s:]+)(?::\d*)?[ \t]*(?=\r\n)", re.IGNORECASE)


class _CutShortError(Exception):
    """There is less than what is said to be there."""


class _Reader:
    """Takes octets from the front; what it takes may end before it should, as the rest is in the next packet."""

    def __init__(self, octets: bytes) -> None:
        self._left = octets

    def __bool__(self) -> bool:
        return bool(self._left)

    def take(self, length: int) -> bytes:
        if len(self._left) < length:
            raise _CutShortError
        taken, self._left = self._left[:length], self._left[length:]
        return taken

    def number(self, length: int) -> int:
        return int.from_bytes(self.take(length))

    def vector(self, length: int) -> _Reader:
        """RFC 8446 §3.4: its length in so many octets, and then it."""
        size = self.number(length)
        taken, self._left = self._left[:size], self._left[size:]
        return _Reader(taken)


def asked_for(payload: bytes) -> str | None:
    """The server's name as the client writes it; None where there is none, or it is not in this packet."""
    try:
        return _server_name(_Reader(payload)) if payload[:1] == bytes([_HANDSHAKE]) else _host(payload)
    except (_CutShortError, UnicodeDecodeError):
        return None


def _server_name(record: _Reader) -> str | None:
    """In the ClientHello (RFC 8446 §5.1, §4.1.2, §4.2; RFC 6066 §3)."""
    record.take(3)
    handshake = record.vector(2)
    if handshake.number(1) != _CLIENT_HELLO:
        return None
    hello = handshake.vector(3)
    hello.take(2 + 32)
    for length in (1, 2, 1):  # session, cipher suites, compression methods
        hello.vector(length)
    extensions = hello.vector(2)
    while extensions:
        kind, body = extensions.number(2), extensions.vector(2)
        if kind == _SERVER_NAME:
            names = body.vector(2)
            return names.take(names.number(2)).decode("ascii") if names.number(1) == _HOST_NAME else None
    return None


def _host(request: bytes) -> str | None:
    """RFC 9110 §7.2: one Host, or it is none."""
    if not _REQUEST.match(request):
        return None
    head, end, _ = request.partition(b"\r\n\r\n")
    hosts = _HOST.findall(head + end)
    return bytes(hosts[0]).decode("ascii") if len(hosts) == 1 else None
