"""Listening to a UDP port: both ways, nothing else, stamped by the kernel."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from itertools import islice
from uuid import uuid4

import pytest

from testbed import netns
from testbed.lab.build import run_ip
from traffic.tap import udp_tap

pytestmark = pytest.mark.netns


@pytest.fixture
def namespace() -> Iterator[str]:
    name = f"bl-test-{uuid4().hex[:6]}"
    netns.create(name)
    try:
        with netns.entered(name):
            run_ip("link set lo up\n", where=name)
        yield name
    finally:
        netns.delete(name)


def test_datagrams_from_and_to_the_port_and_no_others(namespace: str) -> None:
    with netns.entered(namespace):
        node = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with node, peer, udp_tap(namespace, 8805) as tapped:
        node.bind(("127.0.0.1", 8805))
        peer.bind(("127.0.0.1", 9999))
        before = time.time()
        peer.sendto(b"to another port", ("127.0.0.1", 9999))
        peer.sendto(b"request", ("127.0.0.1", 8805))
        node.sendto(b"response", ("127.0.0.1", 9999))
        # The loopback shows each packet where it leaves and where it arrives.
        seen = list(islice(tapped, 4))
    ends = [(each.datagram.payload, each.datagram.src_port, each.datagram.dst_port) for each in seen]
    assert sorted(set(ends)) == [(b"request", 9999, 8805), (b"response", 8805, 9999)]
    assert all(before <= each.t <= time.time() for each in seen)
