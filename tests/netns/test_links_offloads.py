"""Super-packets and unfinished checksums across a link of wire: whole where they may be, cut where they must be."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed import netns
from testbed.links.profile import LinkProfile, Queue
from tests.support.link_frames import Frames, Offload, TaggedFrames, tagged, transfer, udp_super_packet
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


def test_a_super_packet_counts_as_the_packets_it_stands_for(tmp_path: Path) -> None:
    # Without IPv6, which reports its multicast groups when it likes.
    with rig("wire", tmp_path) as link:
        link.add(LinkProfile())
        with link.traffic() as traffic:
            traffic.sender.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 100)
            traffic.sender.send(bytes(1950))
            traffic.receiver.settimeout(2)
            for _ in range(20):
                traffic.receiver.recv(2000)
        counters = link.engine.counters()[0].a_to_b
    assert (counters.packets, counters.bytes) == (20, 1950 + 20 * 42)


TAGS = {"802.1Q": (0x8100, 0x600A), "802.1ad": (0x88A8, 0x0FFE), "priority": (0x8100, 0xE000)}
TAGGED = {"whole": (LinkProfile(delay_ms=1), [4000]), "cut": (PER_PACKET["rate"], [1000] * 4)}


@pytest.mark.parametrize("tag", TAGS.values(), ids=TAGS)
@pytest.mark.parametrize("profile", [LinkProfile(delay_ms=1), PER_PACKET["rate"]], ids=["delay", "rate"])
def test_a_tagged_frame_arrives_with_its_tag(link: Rig, tag: tuple[int, int], profile: LinkProfile) -> None:
    link.add(profile)
    # Packet sockets do not let an 802.1ad tag exceed the MTU, only one of 802.1Q.
    size = FULL_FRAME - 14 - (0 if tag[0] == 0x8100 else 4)
    data = b"\x88\xb5" + bytes(i % 251 for i in range(size))
    frames = [tagged(*tag, data[:50]), tagged(*tag, data)]
    with TaggedFrames(link.a) as source, TaggedFrames(link.b) as sink:
        for frame in frames:
            source.send(frame)
        assert [frame for _, frame in sink.received()] == frames
    assert link.engine.counters()[0].a_to_b.dropped_error == 0


def test_a_tag_below_a_tag_stays_there(link: Rig) -> None:
    link.add(LinkProfile(delay_ms=1))
    frame = tagged(0x88A8, 7, bytes.fromhex("8100 0005 88b5") + bytes(range(100)))
    with TaggedFrames(link.a) as source, TaggedFrames(link.b) as sink:
        source.send(frame)
        assert [frame for _, frame in sink.received()] == [frame]


@pytest.mark.parametrize(("profile", "sizes"), TAGGED.values(), ids=TAGGED)
def test_a_tagged_super_packet_keeps_its_tag_and_its_layout(link: Rig, profile: LinkProfile, sizes: list[int]) -> None:
    link.add(profile)
    payload = bytes(i % 251 for i in range(4000))
    with TaggedFrames(link.a) as source, TaggedFrames(link.b) as sink:
        source.send(*udp_super_packet(bytes.fromhex("8100 000a"), payload, 1000))
        received = sink.received()
    headers = 14 + 4 + 20 + 8
    assert [len(frame) - headers for _, frame in received] == sizes
    assert b"".join(frame[headers:] for _, frame in received) == payload
    for offload, frame in received:
        assert frame[12:18] == bytes.fromhex("8100 000a 0800")
        # Where UDP begins in the frame without its tag, as the kernel hands it over.
        assert offload == Offload(checksum_start=34, checksum_offset=6)
