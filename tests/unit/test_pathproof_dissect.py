"""UDP datagrams out of frames, plain and inside GTP-U."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import ARP
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet

from tests.support.traffic_frames import frame, g_pdu, user_packet
from traffic.dissect import Datagram, Tunnel, dissect

UE, SERVICE = "10.60.0.1", "203.0.113.10"
USER = user_packet(UE, SERVICE, 5000, 862, b"probe")
PLAIN = Datagram(ip_address(UE), ip_address(SERVICE), 5000, 862, b"probe")

# TS 29.281 §5.1 and §5.2, TS 38.415 §5.5.2: flags E, G-PDU, length 41, TEID, no sequence and N-PDU number, next 0x85;
# one unit: uplink, QFI 9, no next extension; then IPv4 and UDP.
G_PDU = bytes.fromhex(
    "020000000002 020000000001 0800"
    "4500004d 00010000 4011 0000 0a010000 0a010009"
    "0868 0868 0039 0000"
    "34ff0029 00001234 0000 00 85"
    "01 1009 00"
    "45000021 00010000 4011 0000 0a3c0001 cb00710a"
    "1388 035e 000d 0000" + b"probe".hex()
)


def test_plain_datagram() -> None:
    assert dissect(frame(USER)) == PLAIN


@pytest.mark.parametrize("carried", [USER, g_pdu("10.1.0.0", "10.1.0.9", 7, USER, qfi=1)])
def test_a_datagram_in_an_overlay_is_that_of_its_tenant(carried: Packet) -> None:
    outer = IP(src="10.1.0.133", dst="10.1.0.135") / UDP(sport=50000, dport=4789) / VXLAN(flags="Instance", vni=10)
    inner = dissect(frame(carried))
    assert inner is not None
    assert dissect(frame(outer / frame(carried))) == replace(inner, vni=10)


def test_plain_datagram_over_ipv6() -> None:
    datagram = dissect(frame(user_packet("2001:db8::1", "2001:db8::2", 5000, 862, b"probe")))
    assert datagram == Datagram(ip_address("2001:db8::1"), ip_address("2001:db8::2"), 5000, 862, b"probe")


def test_ethernet_padding_is_no_payload() -> None:
    assert dissect(frame(USER) + bytes(20)) == PLAIN


def test_g_pdu_octet_by_octet() -> None:
    datagram = dissect(G_PDU)
    assert datagram is not None
    assert (datagram.src, datagram.dst, datagram.payload) == (PLAIN.src, PLAIN.dst, b"probe")
    assert datagram.tunnel == Tunnel(ip_address("10.1.0.0"), ip_address("10.1.0.9"), 0x1234, 9)


@pytest.mark.parametrize("qfi", [None, 1, 63])
@pytest.mark.parametrize("uplink", [True, False])
def test_g_pdu_that_scapy_made(qfi: int | None, uplink: bool) -> None:
    datagram = dissect(frame(g_pdu("10.1.0.0", "10.1.0.9", 0xFFFFFFFF, USER, qfi=qfi, uplink=uplink)))
    tunnel = Tunnel(ip_address("10.1.0.0"), ip_address("10.1.0.9"), 0xFFFFFFFF, qfi)
    assert datagram == Datagram(PLAIN.src, PLAIN.dst, 5000, 862, b"probe", tunnel)


def with_gtpu_header(header: str) -> bytes:
    """A frame with this header, but for its length field, before the user's packet."""
    message = bytes.fromhex(header) + bytes(USER)
    message = message[:2] + (len(message) - 8).to_bytes(2) + message[4:]
    return frame(user_packet("10.1.0.0", "10.1.0.9", 2152, 2152, message))


def test_sequence_number_without_extension_header() -> None:
    datagram = dissect(with_gtpu_header("32ff0000 00000001 0007 00 00"))
    assert datagram is not None
    assert datagram.tunnel == Tunnel(ip_address("10.1.0.0"), ip_address("10.1.0.9"), 1, None)


def test_container_behind_another_extension_header() -> None:
    # UDP Port (0x40, TS 29.281 §5.2.2.1) first, then a container of two units.
    datagram = dissect(with_gtpu_header("34ff0000 00000001 0000 00 4001 1388 8502 1005 00000000 00"))
    assert datagram is not None
    assert datagram.tunnel is not None
    assert datagram.tunnel.qfi == 5
    assert datagram.payload == b"probe"


@pytest.mark.parametrize(
    "header",
    [
        "14ff0000 00000001",  # version 0
        "20ff0000 00000001",  # GTP'
        "34010000 00000000 0000 00 00",  # echo request
        "34ff0000 00000001 0000 00 85 00 1001 00",  # an extension header of no length
    ],
)
def test_what_is_no_g_pdu_has_no_datagram(header: str) -> None:
    assert dissect(with_gtpu_header(header)) is None


@pytest.mark.parametrize(
    "packet", [ARP(), IP(src=UE, dst=SERVICE) / TCP(), IP(src=UE, dst=SERVICE, frag=10) / USER[UDP]]
)
def test_other_packets_have_no_datagram(packet: object) -> None:
    assert dissect(frame(packet)) is None


def test_frame_cut_anywhere_has_no_datagram() -> None:
    for whole in (frame(USER), G_PDU):
        assert all(dissect(whole[:length]) is None for length in range(len(whole)))


@given(st.binary(max_size=120), st.sampled_from([0, 14, 34, 42, 50, 54]))
def test_garbage_never_raises(garbage: bytes, at: int) -> None:
    dissect(G_PDU[:at] + garbage)
