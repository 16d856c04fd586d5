"""Packets through the switches of whole overlays: each arrives where it should, by what it may take, or nowhere."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controllers.flows import ARP, ICMP, ICMPV6, IPV4, IPV6, TCP, Masked, Match, Meter
from controllers.sdwan.matching import recognising
from controllers.sdwan.network import PROBE_VNI, Application, Forwarding, Overlay, Reach
from controllers.sdwan.pipeline import R_TAG
from controllers.srv6.network import FlowMatch
from tests.support.overlay_switch import Packet
from tests.support.overlays import BULK, BULK_PORT, DEFAULT, VOICE, VOICE_PORT, OverlayLab, host, make_overlay

BOTH = ("mpls", "internet")
VERSIONS = pytest.mark.parametrize("eth_type", [IPV4, IPV6], ids=["ipv4", "ipv6"])
TWO_SITES = make_overlay({"a": BOTH, "b": BOTH})
STAR = make_overlay({"hub": BOTH, "s1": BOTH, "s2": ("internet",)}, hubs=["hub"])


@pytest.fixture
def lab() -> OverlayLab:
    return OverlayLab(TWO_SITES)


@VERSIONS
@pytest.mark.parametrize(
    ("port", "protocol", "taken"),
    [
        (VOICE_PORT, 17, ("a>b:mpls", 46)),
        (BULK_PORT, 6, ("a>b:internet", 10)),
        (BULK_PORT, 17, ("a>b:internet", 10)),
        (9, 17, ("a>b:mpls", 0)),
    ],
)
def test_an_application_takes_the_tunnel_of_its_class_and_is_marked(
    lab: OverlayLab, port: int, protocol: int, taken: tuple[str, int], eth_type: int
) -> None:
    trail = lab.send("a", "b", eth_type=eth_type, destination_port=port, ip_proto=protocol)
    assert (*trail.tunnels, trail.packet.ip_dscp) == taken
    assert (trail.edge, trail.lan) == ("b", TWO_SITES.edge["b"].lans[0])


def test_what_comes_back_is_of_the_same_application(lab: OverlayLab) -> None:
    assert lab.send("b", "a", ip_proto=6, source_port=BULK_PORT).tunnels == ("b>a:internet",)


@VERSIONS
def test_a_packet_that_is_delivered_has_the_hosts_address_and_one_hop_less_to_live(
    lab: OverlayLab, eth_type: int
) -> None:
    packet, lan = lab.send("a", "b", eth_type=eth_type).packet, TWO_SITES.edge["b"].lans[0]
    assert (packet.eth_dst, packet.eth_src, packet.ttl) == (lan.reaches[0].mac, lan.mac, 63)
    assert lab.send("a", "b", eth_type=eth_type, ttl=1).lan is None


@pytest.mark.parametrize("target", ["10.0.2.77", "192.0.2.9", "10.0.9.2"])
def test_what_is_for_nobody_goes_nowhere(lab: OverlayLab, target: str) -> None:
    trail = lab.send("a", "b", ipv4_dst=IPv4Address(target))
    assert (trail.tunnels, trail.lan) == ((), None)


@pytest.mark.parametrize("target", ["fd00:0:0:2::77", "2001:db8::9", "fe80::1", "ff02::1", "::a00:202"])
def test_what_is_for_nobody_goes_nowhere_by_ipv6_either(lab: OverlayLab, target: str) -> None:
    trail = lab.send("a", "b", eth_type=IPV6, ipv6_dst=IPv6Address(target))
    assert (trail.tunnels, trail.lan) == ((), None)


@VERSIONS
def test_what_is_not_for_the_gateway_is_not_routed(lab: OverlayLab, eth_type: int) -> None:
    assert lab.send("a", "b", eth_type=eth_type, eth_dst="02:00:00:00:00:77").lan is None


@VERSIONS
def test_hosts_on_one_lan_are_reached_by_way_of_the_edge(lab: OverlayLab, eth_type: int) -> None:
    trail = lab.send("a", "a", eth_type=eth_type)
    assert (trail.tunnels, trail.edge, trail.lan) == ((), "a", TWO_SITES.edge["a"].lans[0])


def test_the_switch_answers_for_the_gateway_and_for_nobody_else(lab: OverlayLab) -> None:
    lan = TWO_SITES.edge["a"].lans[0]
    asked = Packet(
        lan.port, eth_dst="ff:ff:ff:ff:ff:ff", eth_type=ARP, arp_op=1, arp_sha="02:00:00:00:00:99", arp_spa="10.0.1.2"
    )
    asked = replace(asked, arp_tha="00:00:00:00:00:00", arp_tpa=str(lan.gateway))
    ((port, answer),) = lab.switches["a"].outputs(asked)
    assert (port, answer.eth_dst, answer.eth_src, answer.arp_op) == (lan.port, asked.eth_src, lan.mac, 2)
    assert (answer.arp_sha, answer.arp_spa) == (lan.mac, str(lan.gateway))
    assert (answer.arp_tha, answer.arp_tpa) == (asked.arp_sha, asked.arp_spa)
    assert lab.switches["a"].outputs(replace(asked, arp_tpa="10.0.1.3")) == []


def test_probes_go_through_the_tunnel_that_has_their_addresses() -> None:
    lab = OverlayLab(TWO_SITES)
    for tunnel in TWO_SITES.tunnels:
        sent = Packet(TWO_SITES.edge[tunnel.source].probe_port, ipv4_dst=tunnel.probe_target, tunnel_id=0)
        trail = lab.follow(tunnel.source, sent)
        assert (trail.tunnels, trail.edge, trail.lan) == ((tunnel.name,), tunnel.target, None)
        assert trail.packet.tunnel_id == PROBE_VNI
        assert trail.packet.eth_dst == TWO_SITES.edge[tunnel.target].probe_mac


def test_hosts_cannot_speak_to_probes(lab: OverlayLab) -> None:
    assert lab.send("a", "b", ipv4_dst=TWO_SITES.tunnels[0].probe_target).tunnels == ()


@VERSIONS
@pytest.mark.parametrize("tenant", ["red", "blue"])
def test_tenants_with_the_same_addresses_stay_apart(tenant: str, eth_type: int) -> None:
    overlay = make_overlay({"a": BOTH, "b": BOTH}, tenants={"red": ["a", "b"], "blue": ["a", "b"]})
    trail = OverlayLab(overlay).send("a", "b", tenant=tenant, eth_type=eth_type)
    assert trail.lan is not None
    assert trail.lan.tenant == tenant
    assert trail.packet.tunnel_id == {each.name: each.vni for each in overlay.tenants}[tenant]


def test_a_tenant_is_not_reached_where_it_has_no_lan() -> None:
    overlay = make_overlay({"a": BOTH, "b": BOTH}, tenants={"red": ["a"], "blue": ["a", "b"]})
    assert OverlayLab(overlay).send("a", "b", tenant="red").lan is None


@VERSIONS
def test_spokes_reach_each_other_by_way_of_the_hub(eth_type: int) -> None:
    trail = OverlayLab(STAR).send("s1", "s2", eth_type=eth_type, destination_port=VOICE_PORT)
    assert (trail.tunnels, trail.edge) == (("s1>hub:mpls", "hub>s2:internet"), "s2")
    assert trail.lan is not None


def test_a_hub_carries_tenants_that_have_no_lan_there() -> None:
    overlay = make_overlay(
        {"hub": BOTH, "s1": BOTH, "s2": BOTH}, hubs=["hub"], tenants={"red": ["s1", "s2"], "blue": ["hub", "s1"]}
    )
    trail = OverlayLab(overlay).send("s1", "s2", tenant="red")
    assert (trail.tunnels, trail.edge) == (("s1>hub:mpls", "hub>s2:mpls"), "s2")
    assert trail.lan is not None
    assert trail.lan.tenant == "red"


def test_a_spoke_never_sends_on_what_came_through_a_tunnel() -> None:
    lab, tunnel = OverlayLab(STAR), STAR.tunnel["hub>s1:mpls"]
    vni = STAR.tenants[0].vni
    astray = Packet(tunnel.port, tunnel_id=vni, ipv4_dst=host(STAR, "s2"))
    assert lab.follow("s1", astray).tunnels == ()


def test_a_balanced_class_uses_all_of_its_tunnels_by_weight() -> None:
    balanced = replace(DEFAULT, forwarding=Forwarding.BALANCE, weights=(3, 1))
    lab = OverlayLab(make_overlay({"a": BOTH, "b": BOTH}, classes=(VOICE, BULK, balanced)))
    taken = {lab.send("a", "b", choose=lambda _, bucket=bucket: bucket).tunnels for bucket in (0, 1)}  # type: ignore[misc]
    assert taken == {("a>b:mpls",), ("a>b:internet",)}
    group = next(each for each in lab.switches["a"].groups.values() if len(each.buckets) == 2)
    assert [bucket.weight for bucket in group.buckets] == [3, 1]


def test_a_class_with_a_limit_is_metered_on_its_way_out() -> None:
    limited = replace(BULK, limit_bps=20_000_000)
    lab = OverlayLab(make_overlay({"a": BOTH, "b": BOTH}, classes=(VOICE, limited, DEFAULT)))
    metered = {flow.match.eth_type: flow.meter for flow in lab.switches["a"].flows.values() if flow.meter is not None}
    (number,) = {*metered.values()}
    assert metered.keys() == {IPV4, IPV6}
    assert lab.switches["a"].meters[number] == Meter(number, 20_000, 2_000)


def test_only_ip_of_hosts_is_carried(lab: OverlayLab) -> None:
    assert lab.send("a", "b", eth_type=0x88CC).lan is None
    assert lab.send("a", "b", eth_type=IPV4).lan is not None
    assert lab.send("a", "b", eth_type=IPV6).lan is not None


SERVICE = IPv6Network("2001:db8::10/128")


@pytest.mark.parametrize(
    ("known_by", "packet"),
    [
        (FlowMatch(destination=SERVICE), {}),
        (
            FlowMatch(destination=SERVICE, protocol=TCP, destination_port=443),
            {"ip_proto": TCP, "destination_port": 443},
        ),
        (FlowMatch(source=IPv6Network("fd00::/16"), destination=IPv6Network("2001:db8::/32")), {}),
        (FlowMatch(dscp=34), {"ip_dscp": 34}),
        (FlowMatch(protocol=TCP), {"ip_proto": TCP}),
        (FlowMatch(protocol=ICMP), {"ip_proto": ICMPV6}),
    ],
    ids=["service", "port", "networks", "DSCP", "protocol", "echo"],
)
def test_an_application_of_ipv6_is_recognised(known_by: FlowMatch, packet: dict[str, Any]) -> None:
    overlay = make_overlay(
        {"a": BOTH, "b": BOTH},
        applications=(Application("seen", "voice", (known_by,)), Application("other", "bulk", (FlowMatch(),))),
    )
    there, lan = overlay.edge["b"], overlay.edge["b"].lans[0]
    lan = replace(lan, reaches=(*lan.reaches, Reach(SERVICE, lan.reaches[0].mac)))
    overlay = replace(overlay, edges=(overlay.edge["a"], replace(there, lans=(lan,))))
    trail = OverlayLab(overlay).send("a", "b", eth_type=IPV6, ipv6_dst=SERVICE[0], **packet)
    assert (trail.tunnels, trail.packet.ip_dscp, trail.lan) == (("a>b:mpls",), VOICE.dscp, lan)


def test_addresses_are_those_of_one_version() -> None:
    four, six, any_ = IPv4Network("192.0.2.0/24"), IPv6Network("2001:db8::/32"), Masked(1, 1)
    assert [*recognising(FlowMatch(destination=four), any_), *recognising(FlowMatch(source=six), any_)] == [
        Match(metadata=any_, eth_type=IPV4, ipv4_dst=four),
        Match(metadata=any_, eth_type=IPV6, ipv6_src=six),
    ]
    assert [*recognising(FlowMatch(source=six, destination=four), any_)] == []


ONE_WAY = (Forwarding.PREFERRED, Forwarding.CHEAPEST, Forwarding.BALANCE)


@st.composite
def overlays(draw: st.DrawFn) -> Overlay:
    """Two to five edges on one to three transports, two tenants anywhere, with and without a hub."""
    transports = draw(st.lists(st.sampled_from(["mpls", "internet", "lte"]), min_size=1, max_size=3, unique=True))
    names = [f"e{number}" for number in range(draw(st.integers(2, 5)))]
    some = st.lists(st.sampled_from(transports), min_size=1, unique=True)
    attached = {name: draw(some) for name in names}
    anywhere = st.lists(st.sampled_from(names), min_size=1, unique=True)
    tenants = {name: draw(anywhere) for name in ("red", "blue")}
    hubs = draw(st.lists(st.sampled_from(names), max_size=2, unique=True))
    classes = [
        replace(each, transports=tuple(draw(some)), forwarding=draw(st.sampled_from(ONE_WAY)))
        for each in (VOICE, BULK, DEFAULT)
    ]
    return make_overlay(attached, tenants=tenants, hubs=hubs, classes=classes)


@settings(deadline=None)
@given(overlays(), st.sampled_from([VOICE_PORT, BULK_PORT, 9]), st.integers(0, 2), st.sampled_from([IPV4, IPV6]))
def test_no_packet_goes_round_or_leaks_or_goes_where_it_may_not(
    overlay: Overlay, port: int, bucket: int, eth_type: int
) -> None:
    lab = OverlayLab(overlay)
    allowed = {
        {"calls": VOICE_PORT, "backup": BULK_PORT, "other": 9}[application]: sla_class.transports
        for application, sla_class in overlay.class_of.items()
    }[port]
    for source, target in permutations(overlay.edge, 2):
        for lan in overlay.edge[source].lans:
            sent = {"eth_type": eth_type, "destination_port": port}
            trail = lab.send(source, target, tenant=lan.tenant, choose=lambda _: bucket, **sent)
            assert {overlay.tunnel[name].transport for name in trail.tunnels} <= {*allowed}
            if trail.lan is not None:
                assert (trail.edge, trail.lan.tenant) == (target, lan.tenant)
            expected = lan.tenant in {each.tenant for each in overlay.edge[target].lans} and _way(
                overlay, source, target, allowed
            )
            assert (trail.lan is not None) == expected, trail


def _way(overlay: Overlay, source: str, target: str, allowed: tuple[str, ...]) -> bool:
    via = overlay.next_edge(source, target)
    hops = [(source, via), (via, target)] if via not in (None, target) else [(source, via)]
    return all(b is not None and any(t.transport in allowed for t in overlay.between(a or "", b)) for a, b in hops)


TWICE = replace(VOICE, forwarding=Forwarding.DUPLICATE)


def numbered(lab: OverlayLab, edge: str, packet: Packet, port: int) -> list[tuple[str, Packet]]:
    """Where the copies of a packet go once it comes back with a tag: tunnels, and what it is like there."""
    tunnels = {t.port: t.name for t in lab.overlay.tunnels if t.source == edge}
    sent = lab.switches[edge].outputs(replace(packet, in_port=port, eth_type=R_TAG, metadata=0))
    return [(tunnels[number], copy) for number, copy in sent]


@VERSIONS
@pytest.mark.parametrize("tenant", ["red", "blue"])
def test_what_is_duplicated_is_numbered_sent_over_two_transports_and_delivered_once(tenant: str, eth_type: int) -> None:
    three = ("mpls", "internet", "lte")
    overlay = make_overlay(
        {"a": three, "b": three},
        tenants={"red": ["a", "b"], "blue": ["a", "b"]},
        classes=(replace(TWICE, transports=three), BULK, DEFAULT),
    )
    lab, port = OverlayLab(overlay), 101
    sent = lab.send("a", "b", tenant=tenant, eth_type=eth_type, destination_port=VOICE_PORT)
    assert (sent.tunnels, sent.lan) == ((), None), "to the port of replicas"
    copies = numbered(lab, "a", sent.packet, port)
    assert [name for name, _ in copies] == ["a>b:mpls", "a>b:internet"]
    for name, copy in copies:
        tunnel = overlay.tunnel[name]
        ((out, arrived),) = lab.switches["b"].outputs(replace(copy, in_port=tunnel.port))
        assert (out, arrived.eth_type) == (port, R_TAG)
    delivered = lab.follow("b", replace(copies[0][1], in_port=port, eth_type=eth_type, tunnel_id=0))
    assert delivered.lan is not None
    assert (delivered.edge, delivered.lan.tenant, delivered.packet.ip_dscp) == ("b", tenant, 46)


@VERSIONS
def test_a_hub_eliminates_and_duplicates_again(eth_type: int) -> None:
    overlay = make_overlay({"hub": BOTH, "s1": BOTH, "s2": BOTH}, hubs=["hub"], classes=(TWICE, BULK, DEFAULT))
    lab = OverlayLab(overlay)
    first = lab.send("s1", "s2", eth_type=eth_type, destination_port=VOICE_PORT).packet
    ((_, copy), _) = numbered(lab, "s1", first, 101)
    again = lab.follow("hub", replace(copy, in_port=101, eth_type=eth_type, tunnel_id=0, metadata=0)).packet
    assert [name for name, _ in numbered(lab, "hub", again, 101)] == ["hub>s2:mpls", "hub>s2:internet"]


def test_of_two_tunnels_the_one_that_is_left_carries_on_alone_and_the_other_comes_back() -> None:
    lab = OverlayLab(make_overlay({"a": BOTH, "b": BOTH}, classes=(TWICE, BULK, DEFAULT)))
    lab.answer()
    sent = lab.send("a", "b", destination_port=VOICE_PORT).packet
    lab.answer("a>b:mpls")
    assert [name for name, _ in numbered(lab, "a", sent, 101)] == ["a>b:internet"]
    lab.answer()
    lab.windows(lab.overlay.probing.good + 1)
    assert [name for name, _ in numbered(lab, "a", sent, 101)] == ["a>b:mpls", "a>b:internet"]


def test_what_breaks_the_sla_is_still_a_second_way() -> None:
    lab = OverlayLab(make_overlay({"a": BOTH, "b": BOTH}, classes=(TWICE, BULK, DEFAULT)))
    lab.answer()
    sent = lab.send("a", "b", destination_port=VOICE_PORT).packet
    lab.windows(3, mpls=(90.0, 0.0))
    assert [name for name, _ in numbered(lab, "a", sent, 101)] == ["a>b:internet", "a>b:mpls"]
    assert not [event for event in lab.events if event.kind == "sla_violated" and "calls" in str(event.fields)]
