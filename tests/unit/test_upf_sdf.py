"""Flow descriptions (TS 29.212 §5.4.2): what parses, what matches, what is refused."""

from __future__ import annotations

import socket
import struct
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_stub.flow import Flow, flow_of
from core_stub.sdf import FlowDescriptionError, FlowFilter, parse_flow_description


def ipv4(
    source: str,
    destination: str,
    *,
    protocol: int = 17,
    ports: tuple[int, int] = (1000, 2000),
    fragment: int = 0,
    tos: int = 0,
) -> bytes:
    header = struct.pack("!BBHHHBBH", 0x45, tos, 28, 0, fragment, 64, protocol, 0)
    return header + socket.inet_aton(source) + socket.inet_aton(destination) + struct.pack("!HHHH", *ports, 8, 0)


def ipv6(source: str, destination: str, *, next_header: int, rest: bytes, first_word: int = 6 << 28) -> bytes:
    addresses = ip_address(source).packed + ip_address(destination).packed
    return struct.pack("!IHBB", first_word, len(rest), next_header, 64) + addresses + rest


def matches(description: str, packet: bytes) -> bool:
    flow = flow_of(packet)
    assert flow is not None
    return parse_flow_description(description).compile()(flow)


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("permit out ip from any to assigned", True),
        ("permit out ip from 203.0.113.10/32 to assigned", True),
        ("permit out ip from 203.0.113.10 to assigned", True),
        ("permit out ip from 203.0.113.0/24 to 10.45.0.2", True),
        ("permit out ip from 203.0.113.11/32 to assigned", False),
        ("permit out ip from any to 10.46.0.0/16", False),
        ("permit out 17 from any to any", True),
        ("permit out 6 from any to any", False),
        ("permit out 17 from any 1000 to any", True),
        ("permit out 17 from any 80,900-1100 to any 2000", True),
        ("permit out 17 from any 80,1001-1100 to any", False),
        ("permit out 17 from any to any 1999", False),
        ("permit out ip from ::/0 to assigned", False),
        ("permit out ip from !203.0.113.10 to assigned", False),
        ("permit out ip from !203.0.113.0/24 to assigned", False),
        ("permit out ip from !203.0.114.0/24 to !10.46.0.0/16", True),
        ("permit out ip from any to !10.45.0.0/16", False),
        ("permit out ip from !2001:db8::/32 to any", False),
    ],
)
def test_what_a_description_takes(description: str, expected: bool) -> None:
    assert matches(description, ipv4("203.0.113.10", "10.45.0.2")) is expected


def test_uplink_is_the_description_with_its_sides_swapped() -> None:
    uplink = parse_flow_description("permit out 17 from 203.0.113.10 2000 to assigned 1000").swapped().compile()
    assert uplink(flow_of(ipv4("10.45.0.2", "203.0.113.10")) or pytest.fail())
    assert not uplink(flow_of(ipv4("203.0.113.10", "10.45.0.2")) or pytest.fail())


@pytest.mark.parametrize(
    ("flow_filter", "expected"),
    [
        (FlowFilter(traffic_class=(0xB8, 0xFC)), True),
        (FlowFilter(traffic_class=(0xB8, 0xFF)), False),
        (FlowFilter(traffic_class=(0x28, 0xFC)), False),
        (FlowFilter(spi=0x03E8_07D0), True),
        (FlowFilter(spi=1), False),
        (FlowFilter(protocol=17, spi=0x03E8_07D0), False),
        (FlowFilter(flow_label=0), False),
    ],
)
def test_type_of_service_and_spi(flow_filter: FlowFilter, expected: bool) -> None:
    esp = ipv4("203.0.113.10", "10.45.0.2", protocol=50, tos=0xB9)
    assert flow_filter.compile()(flow_of(esp) or pytest.fail()) is expected


def test_an_authentication_header_has_its_spi_behind_a_word() -> None:
    packet = ipv6("2001:db8::1", "2001:db8::2", next_header=51, rest=struct.pack("!II", 0, 0xABC))
    assert FlowFilter(spi=0xABC).compile()(flow_of(packet) or pytest.fail())


def test_traffic_class_and_flow_label_of_ipv6() -> None:
    packet = ipv6("2001:db8::1", "2001:db8::2", next_header=59, rest=b"", first_word=6 << 28 | 0xB8 << 20 | 0xCAFE)
    flow = flow_of(packet) or pytest.fail()
    assert (flow.traffic_class, flow.flow_label) == (0xB8, 0xCAFE)
    assert FlowFilter(traffic_class=(0xB8, 0xFF), flow_label=0xCAFE).compile()(flow)
    assert not FlowFilter(flow_label=0xCAFF).compile()(flow)


def test_later_fragments_have_no_ports() -> None:
    fragment = ipv4("203.0.113.10", "10.45.0.2", fragment=185)
    assert matches("permit out 17 from 203.0.113.10 to assigned", fragment)
    assert not matches("permit out 17 from 203.0.113.10 1000 to assigned", fragment)


def test_ipv6_behind_extension_headers() -> None:
    hop_by_hop = bytes([60, 0]) + bytes(6)
    options = bytes([17, 1]) + bytes(14)
    packet = ipv6("2001:db8::1", "ff02::2", next_header=0, rest=hop_by_hop + options + struct.pack("!HH", 5, 6))
    assert flow_of(packet) == Flow(6, 17, int(ip_address("2001:db8::1")), int(ip_address("ff02::2")), 5, 6)
    assert matches("permit out 17 from 2001:db8::/32 5 to ff02::2/128 6", packet)
    assert not matches("permit out ip from 0.0.0.0/0 to any", packet)


def test_ipv6_later_fragment() -> None:
    fragment = bytes([17, 0, 0x05, 0xA8, 0, 0, 0, 1])
    flow = flow_of(ipv6("2001:db8::1", "2001:db8::2", next_header=44, rest=fragment + bytes(8)))
    assert flow is not None
    assert (flow.protocol, flow.source_port) == (17, -1)


@pytest.mark.parametrize("packet", [b"", b"\x45", b"\x60" + bytes(38), b"\x10" + bytes(40)])
def test_what_is_no_ip_packet_has_no_flow(packet: bytes) -> None:
    assert flow_of(packet) is None


@given(st.sampled_from([b"\x45", b"\x4f", b"\x60"]), st.binary(max_size=120))
def test_no_packet_is_too_odd_to_look_at(start: bytes, rest: bytes) -> None:
    flow = flow_of(start + rest)
    assert flow is None or flow.version in (4, 6)


@pytest.mark.parametrize(
    ("description", "says"),
    [
        ("", "permit out"),
        ("deny out ip from any to any", "permit out"),
        ("permit in ip from any to any", "permit out"),
        ("permit out tcp from any to any", "protocol"),
        ("permit out 256 from any to any", "protocol"),
        ("permit out ip to any from any", "want"),
        ("permit out ip from any", "want"),
        ("permit out ip from to any", "want"),
        ("permit out ip from !any to any", "address"),
        ("permit out ip from !!10.0.0.1 to any", "address"),
        ("permit out ip from 10.0.0.! to any", "address"),
        ("permit out ip from 10.0.0.1/33 to any", "address"),
        ("permit out ip from 10.0.0.1 to 2001:db8::1", "one IP version"),
        ("permit out 17 from any 80- to any", "ports"),
        ("permit out 17 from any 90-80 to any", "rises"),
        ("permit out 17 from any 65536 to any", "rises"),
        ("permit out 17 from any to any 80 frag", "at most one list"),
        ("permit out 6 from any to any established", "ports"),
        ("permit out 6 from any to any 80 tcpflags syn", "no options"),
    ],
)
def test_what_does_not_parse_is_explained(description: str, says: str) -> None:
    with pytest.raises(FlowDescriptionError, match=says):
        parse_flow_description(description)
