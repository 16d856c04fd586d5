"""Sends one packet from a namespace, and looks for it on all interfaces of all nodes meanwhile; needs root."""

from __future__ import annotations

import secrets
import selectors
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from testbed import netns
from traffic.dissect import Address
from traffic.ring import PacketRing
from traffic.sockets import set_dscp
from traffic.srheader import HeaderError, decode
from traffic.trail import Sighting

TOKEN_BYTES = 8
SMALLEST = TOKEN_BYTES

_PATIENCE_S, _STRAGGLERS_S = 2.0, 0.1


@dataclass(frozen=True)
class Probe:
    """A UDP datagram; `size` is its payload in octets, at least `SMALLEST`."""

    destination: Address
    port: int = 33434
    dscp: int = 0
    size: int = 64


@dataclass(frozen=True)
class _Tap:
    node: str
    names: Mapping[int, str]
    ring: PacketRing


def sightings(namespaces: Mapping[str, str], source: str, probe: Probe, destinations: frozenset[str]) -> list[Sighting]:
    """Where `probe` was seen after `source` has sent it, in any order; `namespaces` is node → namespace.

    It is over soon after one of `destinations` has it, or after two seconds. OSError if it cannot be sent.
    """
    token = secrets.token_bytes(TOKEN_BYTES)
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        for node, namespace in namespaces.items():
            with netns.entered(namespace):
                tap = _Tap(node, dict(socket.if_nameindex()), stack.enter_context(PacketRing(None, ending=token)))
            selector.register(tap.ring.socket, selectors.EVENT_READ, tap)
        with netns.entered(namespaces[source]):
            _send(probe, token)
        return list(_seen(selector, destinations))


def _seen(selector: selectors.BaseSelector, destinations: frozenset[str]) -> Iterator[Sighting]:
    deadline = time.monotonic() + _PATIENCE_S
    while (left := deadline - time.monotonic()) > 0:
        for key, _ in selector.select(left):
            for sighting in _of_tap(key.data):
                yield sighting
                if not sighting.is_outgoing and sighting.node in destinations:
                    deadline = min(deadline, time.monotonic() + _STRAGGLERS_S)


def _of_tap(tap: _Tap) -> Iterator[Sighting]:
    for frame in tap.ring.frames():
        try:
            headers = decode(frame.octets)
        except HeaderError:
            continue
        # An error that quotes the packet ends like it.
        if headers.ip[-1].protocol != socket.IPPROTO_UDP:
            continue
        yield Sighting(frame.at, tap.node, tap.names.get(frame.ifindex, "?"), frame.outgoing, headers)


def _send(probe: Probe, token: bytes) -> None:
    family = socket.AF_INET6 if probe.destination.version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sending:
        set_dscp(sending, probe.dscp)
        sending.sendto(bytes(probe.size - TOKEN_BYTES) + token, (str(probe.destination), probe.port))
