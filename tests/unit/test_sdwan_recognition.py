"""Applications by name: what answers of DNS say, how long that counts, and which flows follow from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, ip_address

import dns.name
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.flows import CONTROLLER_METER, IPV6, TCP, AddFlow, Match
from controllers.sdwan.network import Application, Named, Reach
from controllers.sdwan.pipeline import BY_NAME, CLASSIFY
from controllers.sdwan.recognition import MOST, Recognition, fits, read_answer
from tests.support.names import answer, datagram
from tests.support.overlays import APPLICATIONS, OverlayLab, host, host6, make_overlay

BOTH = ("mpls", "internet")
VIDEO = Application("video", "bulk", named=Named("*.video.example"))
PORTAL = Application("portal", "voice", named=Named("portal.example", TCP, 443))
BY_NAMES = (APPLICATIONS[0], VIDEO, PORTAL, *APPLICATIONS[1:])
OVERLAY = make_overlay({"a": BOTH, "b": BOTH}, applications=BY_NAMES)
ACME = 1 << 16
"""The metadata of the only tenant's packets."""

WWW = "www.video.example"
HERE = str(host(OVERLAY, "b"))


@pytest.fixture
def recognition() -> Recognition:
    return Recognition(OVERLAY)


def asked(name: str, *records: str, kind: str = "A", **fields: object) -> bytes:
    return datagram(answer(name, *records, kind=kind), **fields)  # type: ignore[arg-type]


def known(recognition: Recognition, now: float = 0) -> set[tuple[str, str, str]]:
    return {(each.application, str(each.address), each.name) for each in recognition.current(now)}


def test_an_address_is_of_the_application_that_wants_its_name(recognition: Recognition) -> None:
    learned = recognition.answered("acme", asked(WWW, f"{WWW}. 300 IN A 192.0.2.1"), now=0)
    assert [each.idle_s for each in learned.new] == [300]
    assert known(recognition) == {("video", "192.0.2.1", WWW)}


def test_an_answer_over_ipv6_may_have_several_addresses(recognition: Recognition) -> None:
    records = [f"{WWW}. 300 IN AAAA 2001:db8::{number}" for number in (1, 2)]
    recognition.answered("acme", asked(WWW, *records, kind="AAAA", version=6), now=0)
    assert known(recognition) == {("video", f"2001:db8::{number}", WWW) for number in (1, 2)}


@pytest.mark.parametrize("asked_for", ["portal.example", "PORTAL.example", "my.example", "our.example"])
def test_every_name_on_the_way_to_an_address_counts(recognition: Recognition, asked_for: str) -> None:
    ways = {
        "my.example": ["my.example. 300 IN CNAME portal.example."],
        "our.example": ["our.example. 9 IN CNAME my.example.", "my.example. 300 IN CNAME portal.example."],
    }
    records = [*ways.get(asked_for, []), "portal.example. 600 IN CNAME x.cdn.", "x.cdn. 90 IN A 192.0.2.1"]
    learned = recognition.answered("acme", asked(asked_for, *records), now=0)
    assert known(recognition) == {("portal", "192.0.2.1", "portal.example")}
    assert learned.new[0].idle_s == (60 if asked_for == "our.example" else 90)


@pytest.mark.parametrize(
    ("domain", "name", "wanted"),
    [
        ("portal.example", "portal.example", True),
        ("portal.example", "Portal.EXAMPLE", True),
        ("portal.example", "my.portal.example", False),
        ("*.video.example", "www.video.example", True),
        ("*.video.example", "a.b.video.example", True),
        ("*.video.example", "video.example", False),
        ("*.video.example", "myvideo.example", False),
        ("*.video.example", r"www\.video.example", False),
    ],
)
def test_a_name_is_the_one_that_is_wanted_or_below_it(domain: str, name: str, wanted: bool) -> None:
    assert fits(dns.name.from_text(name), domain) is wanted


@pytest.mark.parametrize(
    "frame",
    [
        asked("www.other.example", "www.other.example. 300 IN A 192.0.2.1"),
        asked(WWW),
        asked(WWW, "www.other.example. 300 IN A 192.0.2.1"),
        asked(WWW, f"{WWW}. 300 IN CNAME {WWW}."),
        asked(WWW, f"{WWW}. 300 IN TXT nothing", kind="TXT"),
        asked(WWW, f"{WWW}. 300 IN A 192.0.2.1", source_port=5353),
        asked(WWW, f"{WWW}. 300 IN A 192.0.2.1", flags="MF"),
        asked(WWW, f"{WWW}. 300 IN A 192.0.2.1", frag=1),
        asked(WWW, f"{WWW}. 300 IN A 192.0.2.1")[:-1],
        asked(WWW, f"{WWW}. 300 IN A 192.0.2.1", ihl=4),
    ],
    ids=["other name", "empty", "not asked", "loop", "other kind", "other port", "first", "later", "cut", "header"],
)
def test_what_says_nothing_is_passed_over(recognition: Recognition, frame: bytes) -> None:
    recognition.answered("acme", frame, now=0)
    assert known(recognition) == set()


def test_a_question_is_no_answer() -> None:
    message = bytearray(answer(WWW, f"{WWW}. 300 IN A 192.0.2.1"))
    assert read_answer(bytes(message)) is not None
    message[2] &= 0x7F  # RFC 1035 §4.1.1: QR
    assert read_answer(bytes(message)) is None


def test_an_address_counts_as_long_as_its_answer(recognition: Recognition) -> None:
    recognition.answered("acme", asked(WWW, f"{WWW}. 300 IN A 192.0.2.1"), now=100)
    assert known(recognition, now=399)
    assert not known(recognition, now=401)


def test_an_answer_that_a_cache_repeats_is_no_news_and_a_fresh_one_prolongs(recognition: Recognition) -> None:
    for now, ttl in ((0, 300), (100, 200), (200, 100)):
        learned = recognition.answered("acme", asked(WWW, f"{WWW}. {ttl} IN A 192.0.2.1"), now)
        assert len(learned.new) == (now == 0)
        assert learned.prolonged == []
    learned = recognition.answered("acme", asked(WWW, f"{WWW}. 300 IN A 192.0.2.1"), now=290)
    assert (learned.new, len(learned.prolonged)) == ([], 1)
    learned = recognition.answered("acme", asked(WWW, f"{WWW}. 300 IN A 192.0.2.1"), now=900)
    assert len(learned.new) == 1


@pytest.mark.parametrize(("ttl", "idle_s"), [(0, 60), (59, 60), (2**31 - 1, 65535)])
def test_how_long_an_address_counts_has_bounds(recognition: Recognition, ttl: int, idle_s: int) -> None:
    learned = recognition.answered("acme", asked(WWW, f"{WWW}. {ttl} IN A 192.0.2.1"), now=0)
    assert [each.idle_s for each in learned.new] == [idle_s]


def test_the_address_that_was_heard_of_longest_ago_makes_place(recognition: Recognition) -> None:
    first = int(IPv4Address("192.0.2.0"))
    for number in range(MOST):
        recognition.answered("acme", asked(WWW, f"{WWW}. 300 IN A {ip_address(first + number)}"), now=number / 100)
    recognition.answered("acme", asked(WWW, f"{WWW}. 3000 IN A 192.0.2.0"), now=11)
    learned = recognition.answered("acme", asked(WWW, f"{WWW}. 300 IN A 203.0.113.1"), now=11)
    assert [str(each.address) for each in learned.gone] == ["192.0.2.1"]
    assert len(recognition.current(11)) == MOST


def test_an_application_of_a_tenant_is_recognised_there_only() -> None:
    mine = replace(VIDEO, tenant="acme")
    overlay = make_overlay({"a": BOTH, "b": BOTH}, tenants={"acme": "ab", "other": "ab"}, applications=[mine])
    recognition = Recognition(overlay)
    for tenant in ("other", "acme"):
        recognition.answered(tenant, asked(WWW, f"{WWW}. 300 IN A 192.0.2.1"), now=0)
    assert [each.tenant for each in recognition.current(0)] == ["acme"]


@given(st.binary(max_size=200))
def test_garbage_says_nothing(octets: bytes) -> None:
    recognition = Recognition(OVERLAY)
    for frame in (octets, datagram(octets), datagram(octets, version=6), bytes(12) + b"\x08\x00" + octets):
        recognition.answered("acme", frame, now=0)
    assert known(recognition) == set()


@given(st.data())
def test_an_answer_with_octets_that_are_wrong_breaks_nothing(data: st.DataObject) -> None:
    frame = bytearray(asked(WWW, f"{WWW}. 300 IN CNAME x.cdn.", "x.cdn. 90 IN A 192.0.2.1"))
    for place in data.draw(st.lists(st.integers(0, len(frame) - 1), max_size=8)):
        frame[place] = data.draw(st.integers(0, 255))
    Recognition(OVERLAY).answered("acme", bytes(frame), now=0)


@pytest.fixture
def lab() -> OverlayLab:
    return OverlayLab(OVERLAY)


def tell(lab: OverlayLab, frame: bytes, edge: str = "a") -> None:
    """An edge copies a packet to the controller."""
    lab.run(lab.controller.copied(lab.overlay.edge[edge].dpid, 1001, ACME, frame, lab.now))


def by_name(flows: Iterable[AddFlow]) -> list[AddFlow]:
    return [flow for flow in flows if flow.cookie == BY_NAME]


def test_answers_go_on_to_the_host_and_are_copied_where_they_leave(lab: OverlayLab) -> None:
    trail = lab.send("a", "b", source_port=53)
    assert trail.lan is not None
    assert [edge for edge, _ in lab.copies] == ["b"]
    assert lab.copies[0][1].metadata >> 16 == ACME >> 16
    lab.send("a", "b", source_port=53, ip_proto=TCP)
    lab.send("a", "b", destination_port=53)
    lab.send("a", "a", source_port=53, eth_type=IPV6)
    assert [edge for edge, _ in lab.copies] == ["b", "a"]


def test_an_answer_within_a_prefix_goes_to_the_longer_one(lab: OverlayLab) -> None:
    edge = OVERLAY.edge["b"]
    wider = Reach(IPv4Network(f"{HERE}/31", strict=False), "02:00:00:00:00:77")
    lan = replace(edge.lans[0], reaches=(*edge.lans[0].reaches, wider))
    lab = OverlayLab(replace(OVERLAY, edges=(OVERLAY.edges[0], replace(edge, lans=(lan,)))))
    assert lab.send("a", "b", source_port=53).packet.eth_dst == edge.lans[0].reaches[0].mac
    assert lab.send("a", "b").packet.eth_dst == edge.lans[0].reaches[0].mac


def test_what_is_copied_has_a_bound_and_nothing_is_copied_for_nobody(lab: OverlayLab) -> None:
    assert CONTROLLER_METER in lab.switches["a"].meters
    without = OverlayLab(make_overlay({"a": BOTH, "b": BOTH}))
    without.send("a", "b", source_port=53)
    assert (without.copies, without.switches["a"].meters) == ([], {})


def test_a_server_that_was_recognised_has_its_class_both_ways(lab: OverlayLab) -> None:
    assert lab.send("a", "b", ip_proto=TCP).tunnels == ("a>b:mpls",)
    tell(lab, asked(WWW, f"{WWW}. 300 IN A {HERE}"))
    assert lab.send("a", "b", ip_proto=TCP).tunnels == ("a>b:internet",)
    assert lab.send("b", "a", ip_proto=TCP).tunnels == ("b>a:internet",)
    assert lab.send("a", "b", ip_proto=TCP, eth_type=IPV6).tunnels == ("a>b:mpls",)
    (told,) = [event for event in lab.events if event.kind == "recognised"]
    assert told.fields == {
        "tenant": "acme",
        "application": "video",
        "name": WWW,
        "address": HERE,
        "seconds": 300,
    }


def test_an_address_of_ipv6_is_recognised_too(lab: OverlayLab) -> None:
    tell(lab, asked(WWW, f"{WWW}. 300 IN AAAA {host6(OVERLAY, 'b')}", kind="AAAA"))
    assert lab.send("a", "b", ip_proto=TCP, eth_type=IPV6).tunnels == ("a>b:internet",)


def test_protocol_and_port_of_an_application_have_to_fit_too(lab: OverlayLab) -> None:
    tell(lab, asked("portal.example", f"portal.example. 300 IN A {HERE}"))
    assert lab.send("a", "b", ip_proto=TCP, destination_port=443).packet.ip_dscp == 46
    assert lab.send("b", "a", ip_proto=TCP, source_port=443).packet.ip_dscp == 46
    assert lab.send("a", "b", ip_proto=TCP, destination_port=444).packet.ip_dscp == 0
    assert lab.send("a", "b", destination_port=443).packet.ip_dscp == 0


def test_names_count_before_ports_and_in_the_order_of_applications(lab: OverlayLab) -> None:
    tell(lab, asked("portal.example", f"portal.example. 300 IN A {HERE}"))
    tell(lab, asked(WWW, f"{WWW}. 300 IN CNAME portal.example.", f"portal.example. 300 IN A {HERE}"))
    assert lab.send("a", "b", ip_proto=TCP, destination_port=443).packet.ip_dscp == 10


def test_flows_go_away_when_nobody_uses_them_and_nobody_is_told(lab: OverlayLab) -> None:
    tell(lab, asked(WWW, f"{WWW}. 300 IN A {HERE}"))
    for switch in lab.switches.values():
        flows = by_name(switch.state.flows)
        assert {(flow.idle_timeout_s, flow.hard_timeout_s, flow.watched) for flow in flows} == {(300, 0, False)}
        assert len(flows) == 2


def test_a_restarted_controller_leaves_flows_that_are_in_use(lab: OverlayLab) -> None:
    tell(lab, asked(WWW, f"{WWW}. 300 IN A {HERE}"))
    before = {edge: switch.changes for edge, switch in lab.switches.items()}
    lab.restart()
    assert {edge: switch.changes for edge, switch in lab.switches.items()} == before
    assert lab.send("a", "b", ip_proto=TCP).tunnels == ("a>b:internet",)


def test_flows_of_an_application_that_is_another_now_are_removed(lab: OverlayLab) -> None:
    tell(lab, asked(WWW, f"{WWW}. 300 IN A {HERE}"))
    lab.overlay = replace(OVERLAY, applications=(APPLICATIONS[0], PORTAL, VIDEO, *APPLICATIONS[1:]))
    lab.restart()
    assert [by_name(switch.state.flows) for switch in lab.switches.values()] == [[], []]


def test_flows_that_only_look_like_ours_are_removed(lab: OverlayLab) -> None:
    for wrong in (Match(), Match(in_port=7)):
        lab.switches["a"].apply(AddFlow(CLASSIFY, wrong, priority=99, cookie=BY_NAME))
    lab.restart()
    assert by_name(lab.switches["a"].state.flows) == []


def test_an_edge_that_comes_back_gets_what_was_learned_meanwhile() -> None:
    lab = OverlayLab(OVERLAY, without="b")
    tell(lab, asked(WWW, f"{WWW}. 300 IN A {HERE}"))
    assert by_name(lab.switches["b"].state.flows) == []
    lab.connect("b")
    assert len(by_name(lab.switches["b"].state.flows)) == 2
    lab.switches["b"].flows.clear()
    lab.now = 301
    lab.connect("b")
    assert by_name(lab.switches["b"].state.flows) == []


def test_flows_last_longer_when_the_answer_does(lab: OverlayLab) -> None:
    for ttl in (300, 600):
        tell(lab, asked(WWW, f"{WWW}. {ttl} IN A {HERE}"))
        assert {flow.idle_timeout_s for flow in by_name(lab.switches["b"].state.flows)} == {ttl}


def test_what_makes_place_loses_its_flows(lab: OverlayLab) -> None:
    first = int(IPv4Address("192.0.2.0"))
    for number in range(0, MOST + 20, 20):
        records = [f"{WWW}. 300 IN A {ip_address(first + number + more)}" for more in range(20)]
        tell(lab, asked(WWW, *records))
    assert len(by_name(lab.switches["a"].state.flows)) == 2 * MOST


def test_copies_of_strangers_are_passed_over(lab: OverlayLab) -> None:
    frame = asked(WWW, f"{WWW}. 300 IN A {HERE}")
    assert lab.controller.copied(77, 1001, ACME, frame, lab.now) == []
    assert lab.controller.copied(1, 1001, 99 << 16, frame, lab.now) == []
    assert lab.controller.copied(1, 1001, 0, frame, lab.now) == []


def test_a_hub_knows_names_of_tenants_that_have_no_lan_there() -> None:
    tenants = {"acme": ("s1", "s2")}
    lab = OverlayLab(
        make_overlay({"hub": BOTH, "s1": BOTH, "s2": BOTH}, hubs=["hub"], tenants=tenants, applications=BY_NAMES)
    )
    address = host(lab.overlay, "s2")
    tell(lab, asked(WWW, f"{WWW}. 300 IN A {address}"), edge="s1")
    assert lab.send("s1", "s2", ip_proto=TCP).tunnels == ("s1>hub:internet", "hub>s2:internet")
