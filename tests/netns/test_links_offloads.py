"""Super-packets and unfinished checksums across a link of wire: whole where they may be, cut where they must be."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed import netns
from testbed.links.profile import LinkProfile, Queue
from tests.support.link_frames import Frames, transfer
from tests.support.link_rig import Rig, ip_batch, rig

pytestmark = pytest.mark.netns

FULL_FRAME = 1514
ADDRESSES = {"IPv4": "10.9.0.2", "IPv6": "fd09::2", "SRv6": "fd0a::2"}
PER_PACKET = {
    "loss": LinkProfile(loss=0.002),
    "rate": LinkProfile(rate_bps=300_000_000, queue=Queue(ms=50)),
    "duplicate": LinkProfile(duplicate=0.05),
    "corrupt": LinkProfile(corrupt=0.002),
    "reorder": LinkProfile(delay_ms=1, jitter_ms=0.1, reorder=True),
}
UDP_SEGMENT = 103


@pytest.fixture
def link(tmp_path: Path) -> Iterator[Rig]:
    with rig("wire", tmp_path) as running:
        for node, own, other in ((running.a, 1, 2), (running.b, 2, 1)):
            with netns.entered(node):
                Path("/proc/sys/net/ipv6/conf/link0/disable_ipv6").write_text("0")
                Path("/proc/sys/net/ipv6/conf/lo/disable_ipv6").write_text("0")
            ip_batch(
                f"addr add fd09::{own}/64 dev link0 nodad",
                f"neigh add fd09::{other} lladdr 02:00:00:00:00:{other:02x} dev link0",
                "link set lo up",
                f"addr add fd0a::{own}/128 dev lo nodad",
                f"route add fd0a::{other}/128 src fd0a::{own} encap seg6 mode encap segs fc00::{other} dev link0",
                f"route add fc00::{other}/128 via fd09::{other} dev link0",
                f"route add fc00::{own}/128 encap seg6local action End.DT6 table 255 dev link0",
                namespace=node,
            )
        yield running


def longest(frames: Frames) -> int:
    return max(len(frame) for frame in frames.received(quiet_s=0.1))


@pytest.mark.parametrize("address", ADDRESSES.values(), ids=ADDRESSES)
def test_tcp_crosses_a_delay(link: Rig, address: str) -> None:
    link.add(LinkProfile(delay_ms=1), LinkProfile(delay_ms=1))
    with Frames(link.b) as sink:
        assert transfer(link.a, link.b, address, 4 << 20)
        whole = longest(sink) > 4 * FULL_FRAME
    # A virtio-net header has no room for two IP headers, so those below an SRv6 header are cut.
    assert whole is (address != ADDRESSES["SRv6"])
    counters = link.engine.counters()[0].a_to_b
    assert counters.packets > (4 << 20) / 1500
    assert counters.dropped_error == 0


@pytest.mark.parametrize("address", ADDRESSES.values(), ids=ADDRESSES)
@pytest.mark.parametrize("profile", PER_PACKET.values(), ids=PER_PACKET)
def test_what_acts_on_packets_meets_packets(link: Rig, address: str, profile: LinkProfile) -> None:
    link.add(profile)
    with Frames(link.b) as sink:
        assert transfer(link.a, link.b, address, 1 << 20)
        assert longest(sink) <= FULL_FRAME
    assert link.engine.counters()[0].a_to_b.dropped_error == 0


def test_segments_of_udp_are_datagrams(link: Rig) -> None:
    link.add(LinkProfile(duplicate=0.001))
    with link.traffic() as traffic:
        traffic.sender.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 100)
        payload = bytes(i // 100 for i in range(1950))
        traffic.sender.send(payload)
        traffic.receiver.settimeout(2)
        assert [traffic.receiver.recv(2000) for _ in range(20)] == [payload[i : i + 100] for i in range(0, 1950, 100)]


def test_a_super_packet_counts_as_the_packets_it_stands_for(link: Rig) -> None:
    link.add(LinkProfile())
    with link.traffic() as traffic:
        traffic.sender.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 100)
        traffic.sender.send(bytes(1950))
        traffic.receiver.settimeout(2)
        for _ in range(20):
            traffic.receiver.recv(2000)
    counters = link.engine.counters()[0].a_to_b
    assert (counters.packets, counters.bytes) == (20, 1950 + 20 * 42)
