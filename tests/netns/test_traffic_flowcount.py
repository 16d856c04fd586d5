"""Counted flows on a router: real G-PDUs and plain packets, exactly."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import Any

import pytest

from testbed import netns
from tests.support.traffic_frames import g_pdu, user_packet
from tests.support.traffic_rig import Node, line, run
from traffic.flowcount import Count, CountedFlow, FlowCount, list_counters_argv, parse_counters, ruleset

pytestmark = pytest.mark.netns

UE, OTHER_UE = "10.60.0.1", "10.60.0.2"
SERVICE, OTHER_SERVICE = "203.0.113.10", "203.0.113.20"
NOTHING = Count(0, 0)


@pytest.fixture(scope="module")
def nodes() -> Iterator[list[Node]]:
    """gnb1 and the users are on the left, upf1 and the services on the right of the router."""
    with line("flowcount", "gnb1", "m1", "upf1") as nodes:
        gnb, router, upf = nodes
        run(router, "ip", "route", "add", "10.60.0.0/24", "via", gnb.address)
        run(router, "ip", "route", "add", "203.0.113.0/24", "via", upf.address)
        for forward in ("all", gnb.name, upf.name):
            run(router, "sysctl", "-qw", f"net.ipv4.conf.{forward}.rp_filter=0")
        yield nodes


@pytest.fixture(params=["gnb1", "upf1"], ids=["link on the users' side", "link on the services' side"])
def counted(nodes: list[Node], request: pytest.FixtureRequest) -> str:
    flow = CountedFlow("anycast", request.param, IPv4Address(UE), IPv4Address(SERVICE))
    run(nodes[1], "nft", "-f", "-", text=ruleset([flow]))
    return str(request.param)


def send(node: Node, *packets: Any) -> None:
    """Each packet on a raw socket, which the kernel routes by its destination."""
    with netns.entered(node.namespace), socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        for packet in packets:
            raw.sendto(bytes(packet), (packet.dst, 0))


def counts(nodes: list[Node]) -> FlowCount:
    return parse_counters(run(nodes[1], *list_counters_argv()))["anycast"]


def up(ue: str = UE, service: str = SERVICE, size: int = 100) -> Any:
    return user_packet(ue, service, 5000, 862, bytes(size))


def down(ue: str = UE, service: str = SERVICE, size: int = 100) -> Any:
    return user_packet(service, ue, 862, 5000, bytes(size))


def to_upf(nodes: list[Node], user: Any, **options: Any) -> Any:
    return g_pdu(nodes[0].address, nodes[2].address, 0x1234, user, **options)


def to_gnb(nodes: list[Node], user: Any, **options: Any) -> Any:
    return g_pdu(nodes[2].address, nodes[0].address, 0x4321, user, uplink=False, **options)


def total(packets: list[Any]) -> Count:
    return Count(len(packets), sum(len(bytes(packet)) for packet in packets))


def test_tunnelled_flow_is_counted_exactly_in_each_direction(nodes: list[Node], counted: str) -> None:
    ups = [to_upf(nodes, up(size=size), qfi=size % 64) for size in range(0, 1400, 100)]
    downs = [to_gnb(nodes, down(size=size), qfi=9) for size in (0, 1, 1000)]
    send(nodes[0], *ups)
    send(nodes[2], *downs)
    assert counts(nodes) == FlowCount(total(ups), total(downs))


def test_plain_flow_is_counted_exactly_in_each_direction(nodes: list[Node], counted: str) -> None:
    ups = [up(size=size) for size in (0, 1, 1400)]
    downs = [down(size=size) for size in (10, 20)]
    send(nodes[0], *ups)
    send(nodes[2], *downs)
    assert counts(nodes) == FlowCount(total(ups), total(downs))


def test_tcp_in_the_tunnel_counts_as_well(nodes: list[Node], counted: str) -> None:
    tcp = user_packet(UE, SERVICE, 5000, 80)
    tcp.proto = 6
    packet = to_upf(nodes, tcp)
    send(nodes[0], packet)
    assert counts(nodes) == FlowCount(total([packet]), NOTHING)


def test_other_users_services_and_messages_are_not_counted(nodes: list[Node], counted: str) -> None:
    send(nodes[0], up(ue=OTHER_UE), up(service=OTHER_SERVICE), to_upf(nodes, up(ue=OTHER_UE)))
    send(nodes[0], to_upf(nodes, up(service=OTHER_SERVICE)), to_upf(nodes, user_packet(SERVICE, UE, 1, 1), qfi=None))
    send(nodes[2], down(ue=OTHER_UE), to_gnb(nodes, down(service=OTHER_SERVICE)))
    end_marker = to_upf(nodes, up())
    end_marker["GTP-U Header"].gtp_type = 254
    elsewhere = to_upf(nodes, up())
    elsewhere["UDP"].dport = 2153
    send(nodes[0], end_marker, elsewhere)
    assert counts(nodes) == FlowCount(NOTHING, NOTHING)


def test_new_ruleset_begins_at_zero(nodes: list[Node], counted: str) -> None:
    send(nodes[0], up())
    assert counts(nodes).up.packets == 1
    flow = CountedFlow("anycast", counted, IPv4Address(UE), IPv4Address(SERVICE))
    run(nodes[1], "nft", "-f", "-", text=ruleset([flow]))
    assert counts(nodes) == FlowCount(NOTHING, NOTHING)


def test_flow_over_another_interface_is_not_counted(nodes: list[Node]) -> None:
    flow = CountedFlow("anycast", "m2", IPv4Address(UE), IPv4Address(SERVICE))
    run(nodes[1], "nft", "-f", "-", text=ruleset([flow]))
    send(nodes[0], up(), to_upf(nodes, up()))
    assert counts(nodes) == FlowCount(NOTHING, NOTHING)
