"""Connections by their first packets: whom they are for, and which flows follow from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.flows import IPV4, IPV6, TCP, AddFlow
from controllers.sdwan.first_packets import asked_for
from controllers.sdwan.network import Application, Named
from controllers.sdwan.pipeline import BY_NAME, CLASSIFY, INGRESS
from controllers.sdwan.recognition import CONNECTIONS_PER_S, IDLE_S, Recognition
from tests.support.names import answer, client_hello, datagram, request, segment
from tests.support.overlays import APPLICATIONS, OverlayLab, host, host6, make_overlay

BOTH = ("mpls", "internet")
VIDEO = Application("video", "bulk", named=Named("*.video.example"))
PORTAL = Application("portal", "voice", named=Named("portal.example", TCP, 8443))
CALLS = Application("meetings", "voice", named=Named("meet.example", 17))
BY_NAMES = (APPLICATIONS[0], VIDEO, PORTAL, CALLS, APPLICATIONS[2])
OVERLAY = make_overlay({"a": BOTH, "b": BOTH}, applications=BY_NAMES)
WWW = "www.video.example"
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
LAN = OVERLAY.edge["a"].lans[0]


@pytest.mark.parametrize(
    ("payload", "name"),
    [
        (client_hello(WWW), WWW),
        (client_hello(None), None),
        (request(WWW), WWW),
        (request(f"{WWW}:8080"), WWW),
        (request(WWW).replace(b"Host: ", b"hOsT:"), WWW),
        (request(WWW).replace(b"Host", b"Hosts"), None),
        (request(WWW).replace(b"Accept: */*", b"Host: a.example"), None),
        (request(WWW).replace(b"HTTP/1.1", b"HTTP/2"), None),
        (b"POST / HTTP/1.1\r\nA: b\r\n\r\nx\r\nHost: www.video.example\r\n\r\n", None),
        (b"GET / HTTP/1.1\r\nHost: www.vid", None),
        (b"SSH-2.0-OpenSSH_9.2\r\n", None),
        (b"", None),
    ],
    ids=["tls", "anonymous", "http", "port", "case", "other field", "two", "http2", "body", "cut", "ssh", "nothing"],
)
def test_whom_a_first_packet_is_for(payload: bytes, name: str | None) -> None:
    assert asked_for(payload) == name


def test_a_client_hello_that_goes_on_in_the_next_packet_has_a_name_if_it_is_in_the_first() -> None:
    hello = client_hello(WWW)
    end = hello.index(WWW.encode()) + len(WWW)
    assert [asked_for(hello[:length]) for length in range(end)] == [None] * end
    assert asked_for(hello[:end]) == WWW


@given(st.binary(max_size=200))
def test_garbage_is_for_nobody(octets: bytes) -> None:
    for payload in (octets, b"\x16\x03\x01" + octets, b"GET / HTTP/1.1\r\n" + octets):
        asked_for(payload)


@given(st.data())
def test_a_client_hello_with_octets_that_are_wrong_breaks_nothing(data: st.DataObject) -> None:
    hello = bytearray(client_hello(WWW))
    for place in data.draw(st.lists(st.integers(0, len(hello) - 1), max_size=8)):
        hello[place] = data.draw(st.integers(0, 255))
    frame = segment(bytes(hello), "192.0.2.1", "192.0.2.2")
    Recognition(OVERLAY).first("acme", "a", LAN.port, frame, now=0)


@pytest.fixture
def lab() -> OverlayLab:
    return OverlayLab(OVERLAY)


def sends(lab: OverlayLab, payload: bytes, port: int = 443, source_port: int = 40000, eth_type: int = IPV4) -> None:
    """The host behind a says that first to the one behind b; the edge copies it."""
    client, server = (str((host if eth_type == IPV4 else host6)(OVERLAY, edge)) for edge in ("a", "b"))
    frame = segment(payload, client, server, source_port, port)
    lab.run(lab.controller.copied(OVERLAY.edge["a"].dpid, LAN.port, 0, frame, lab.now))


def takes(lab: OverlayLab, port: int = 443, source_port: int = 40000, eth_type: int = IPV4) -> tuple[str, str]:
    """By what a packet of a connection goes, and one back."""
    there = lab.send("a", "b", ip_proto=TCP, eth_type=eth_type, source_port=source_port, destination_port=port)
    back = lab.send("b", "a", ip_proto=TCP, eth_type=eth_type, source_port=port, destination_port=source_port)
    return there.tunnels[0].partition(":")[2], back.tunnels[0].partition(":")[2]


def by_name(flows: Iterable[AddFlow]) -> list[AddFlow]:
    return [flow for flow in flows if flow.cookie == BY_NAME]


@pytest.mark.parametrize("eth_type", [IPV4, IPV6])
@pytest.mark.parametrize(("payload", "port"), [(client_hello(WWW), 443), (request(WWW), 80)], ids=["tls", "http"])
def test_a_connection_takes_what_its_name_wants_both_ways_and_others_do_not(
    lab: OverlayLab, payload: bytes, port: int, eth_type: int
) -> None:
    assert takes(lab, port, eth_type=eth_type) == ("mpls", "mpls")
    sends(lab, payload, port, eth_type=eth_type)
    assert takes(lab, port, eth_type=eth_type) == ("internet", "internet")
    assert takes(lab, port, source_port=40001, eth_type=eth_type) == ("mpls", "mpls")
    (told,) = [event.fields for event in lab.events if event.kind == "recognised"]
    assert (told["application"], told["name"], told["port"]) == ("video", WWW, port)


@pytest.mark.parametrize(
    ("name", "port", "application"),
    [
        ("portal.example", 8443, "portal"),
        ("Portal.Example", 8443, "portal"),
        ("portal.example", 443, None),
        ("meet.example", 443, None),
        ("other.example", 443, None),
        ("..", 443, None),
    ],
)
def test_port_and_protocol_have_to_fit_too(lab: OverlayLab, name: str, port: int, application: str | None) -> None:
    sends(lab, request(name), port)
    told = [event.fields["application"] for event in lab.events if event.kind == "recognised"]
    assert told == ([application] if application else [])


def test_the_first_data_of_a_connection_is_copied_and_goes_on(lab: OverlayLab) -> None:
    for flags in (SYN, FIN | ACK, RST | ACK):
        assert lab.send("a", "b", ip_proto=TCP, destination_port=443, tcp_flags=flags).lan
    assert lab.copies == []
    for flags in (ACK, PSH | ACK):
        assert lab.send("a", "b", ip_proto=TCP, destination_port=443, tcp_flags=flags).lan
    assert [(edge, copied.metadata) for edge, copied in lab.copies] == [("a", 0)] * 2
    lab.send("a", "b", ip_proto=TCP, destination_port=22, tcp_flags=PSH | ACK)
    lab.send("b", "a", ip_proto=TCP, source_port=443, tcp_flags=PSH | ACK)
    lab.send("a", "b", destination_port=443)
    assert len(lab.copies) == 2


@pytest.mark.parametrize("name", [WWW, "other.example"])
def test_a_connection_that_was_looked_at_is_not_copied_any_more(lab: OverlayLab, name: str) -> None:
    sends(lab, client_hello(name))
    lab.send("a", "b", ip_proto=TCP, source_port=40000, destination_port=443, tcp_flags=PSH | ACK)
    assert lab.copies == []
    lab.send("a", "b", ip_proto=TCP, source_port=40001, destination_port=443, tcp_flags=PSH | ACK)
    assert len(lab.copies) == 1


def test_the_name_in_a_connection_counts_before_the_address() -> None:
    applications = (replace(PORTAL, named=Named("portal.example")), VIDEO, APPLICATIONS[2])
    lab = OverlayLab(
        replace(
            OVERLAY,
            applications=applications,
            demands=make_overlay({"a": BOTH, "b": BOTH}, applications=applications).demands,
        )
    )
    told = datagram(answer("portal.example", f"portal.example. 300 IN A {host(OVERLAY, 'b')}"))
    lab.run(lab.controller.copied(1, 1001, 1 << 16, told, lab.now))
    assert lab.send("a", "b", ip_proto=TCP, source_port=40000, destination_port=443).packet.ip_dscp == 46
    sends(lab, client_hello(WWW))
    assert lab.send("a", "b", ip_proto=TCP, source_port=40000, destination_port=443).packet.ip_dscp == 10


def test_a_packet_without_data_says_nothing_and_the_next_one_is_looked_at(lab: OverlayLab) -> None:
    sends(lab, b"")
    assert by_name(lab.switches["a"].state.flows) == []
    sends(lab, client_hello(WWW))
    assert takes(lab) == ("internet", "internet")


def test_a_connection_to_an_address_that_is_known_is_no_news(lab: OverlayLab) -> None:
    told = datagram(answer(WWW, f"{WWW}. 300 IN A {host(OVERLAY, 'b')}"))
    lab.run(lab.controller.copied(1, 1001, 1 << 16, told, lab.now))
    sends(lab, client_hello(WWW))
    assert len([event for event in lab.events if event.kind == "recognised"]) == 1


def test_what_is_said_twice_in_a_moment_is_looked_at_once(lab: OverlayLab) -> None:
    for _ in range(2):
        sends(lab, client_hello(WWW))
    assert len([event for event in lab.events if event.kind == "recognised"]) == 1
    lab.now += 1
    sends(lab, client_hello(WWW))
    assert len([event for event in lab.events if event.kind == "recognised"]) == 2


def test_no_more_connections_are_looked_at_than_the_switches_can_bear(lab: OverlayLab) -> None:
    for number in range(2 * CONNECTIONS_PER_S):
        sends(lab, client_hello(WWW), source_port=40000 + number)
    assert len(by_name(lab.switches["b"].state.flows)) == 2 * CONNECTIONS_PER_S
    lab.now += 1
    sends(lab, client_hello(WWW), source_port=50000)
    assert takes(lab, source_port=50000) == ("internet", "internet")


def test_flows_of_connections_go_away_by_themselves_and_the_next_controller_leaves_them(lab: OverlayLab) -> None:
    for eth_type in (IPV4, IPV6):
        sends(lab, client_hello(WWW), eth_type=eth_type)
        sends(lab, client_hello("other.example"), source_port=40001, eth_type=eth_type)
    flows = {edge: by_name(switch.state.flows) for edge, switch in lab.switches.items()}
    tables = {edge: sorted(flow.table for flow in there) for edge, there in flows.items()}
    assert tables == {"a": [INGRESS] * 4 + [CLASSIFY] * 4, "b": [CLASSIFY] * 4}
    assert {(flow.idle_timeout_s, flow.watched) for there in flows.values() for flow in there} == {(IDLE_S, False)}
    before = {edge: switch.changes for edge, switch in lab.switches.items()}
    lab.restart()
    assert {edge: switch.changes for edge, switch in lab.switches.items()} == before
    sends(lab, b"in the middle of it")
    assert takes(lab) == ("internet", "internet")


def test_nobody_behind_a_port_that_is_no_lan_is_listened_to(lab: OverlayLab) -> None:
    frame = segment(client_hello(WWW), "192.0.2.1", "192.0.2.2")
    assert lab.controller.copied(1, 77, 0, frame, lab.now) == []
