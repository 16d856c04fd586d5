"""Segment routing headers as scapy writes them; what is cut off or arbitrary raises nothing but HeaderError."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrSegmentRouting
from scapy.layers.l2 import Dot1Q, Ether

from traffic.srheader import HeaderError, SrHeader, decode

SIDS = ["fcbb:bb00:3:f000::", "fcbb:bb00:2::"]
INNER = {4: IP(src="10.0.0.1", dst="10.0.0.2"), 6: IPv6(src="fd00::1", dst="fd00::2")}


def frame(version: int) -> bytes:
    srh = IPv6ExtHdrSegmentRouting(addresses=SIDS, segleft=1, lastentry=1)
    outer = Ether() / Dot1Q(vlan=7) / IPv6(src="fcbb:bb00:1::1", dst=SIDS[1]) / srh
    return bytes(outer / INNER[version] / UDP(sport=1, dport=2) / b"token")


@pytest.mark.parametrize("version", [4, 6])
def test_the_srh_and_the_inner_packet_are_those_that_scapy_wrote(version: int) -> None:
    headers = decode(frame(version))
    outer, inner = headers.ip
    assert (str(outer.dst), outer.srh) == (SIDS[1], SrHeader(1, tuple(map(IPv6Address, SIDS))))
    assert (str(inner.src), str(inner.dst)) == (INNER[version].src, INNER[version].dst)
    assert inner.protocol == 17 and headers.payload.endswith(b"token")


@pytest.mark.parametrize("version", [4, 6])
def test_every_truncation_is_a_header_error(version: int) -> None:
    whole = frame(version)
    for end in range(len(whole)):
        with pytest.raises(HeaderError):
            decode(whole[:end])


@given(st.binary(max_size=120), st.sampled_from([b"\x86\xdd\x60", b"\x08\x00\x45", b"\x81\x00"]))
def test_arbitrary_octets_raise_nothing_else(octets: bytes, start: bytes) -> None:
    with suppress(HeaderError):
        decode(bytes(12) + start + octets)
