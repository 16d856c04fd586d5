"""The hops of one probe, from what several capture points saw."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from tests.support.traffic_frames import frame, g_pdu, user_packet
from traffic.pathproof import CapturePoint, ProbeId, describe, hops
from traffic.pcapng import Packet
from traffic.stamp import Probe, SessionReflector

UE, OTHER_UE, SERVICE, OTHER_SERVICE = "10.60.0.1", "10.60.0.2", "203.0.113.10", "203.0.113.20"
NOON = 1_795_435_200 * 10**9
PROBE = ProbeId(ip_address(UE), ip_address(SERVICE), 17)

N3 = CapturePoint("N3 gnb1", "gnb1")
N9 = CapturePoint("N9 upf-edge", "upf-edge")
N6 = CapturePoint("N6 upf-cloud", "upf-cloud")


def up(sequence: int, ue: str = UE, service: str = SERVICE) -> Any:
    return user_packet(ue, service, 5000, 862, Probe(sequence, NOON).encode())


def down(sequence: int, ue: str = UE, service: str = SERVICE) -> Any:
    reflector = SessionReflector()
    reply = reflector.reflect(Probe(sequence, NOON).encode(), "any", received=NOON, ttl=250)
    return user_packet(service, ue, 862, 5000, bytes(reply))


def seen(at_us: int, packet: Any) -> Packet:
    return Packet(NOON + at_us * 1000, frame(packet))


CAPTURES = [
    (N6, [seen(300, up(17)), seen(400, down(17)), seen(310, up(18)), seen(405, down(18))]),
    (
        N3,
        [
            seen(90, g_pdu("10.1.0.0", "10.1.0.9", 0x1234, up(16))),
            seen(100, g_pdu("10.1.0.0", "10.1.0.9", 0x1234, up(17))),
            seen(101, g_pdu("10.1.0.0", "10.1.0.9", 0x1235, up(17, ue=OTHER_UE))),
            seen(102, g_pdu("10.1.0.0", "10.1.0.9", 0x1234, up(17, service=OTHER_SERVICE))),
            seen(600, g_pdu("10.1.0.9", "10.1.0.0", 0xABCD, down(17), uplink=False)),
        ],
    ),
    (
        N9,
        [
            seen(500, g_pdu("10.1.0.4", "10.1.0.9", 0x77, down(17), qfi=None)),
            seen(200, g_pdu("10.1.0.9", "10.1.0.4", 0x78, up(17), qfi=9)),
        ],
    ),
]


def test_hops_are_those_of_this_probe_in_the_order_of_time() -> None:
    path = hops(PROBE, CAPTURES)
    assert [(hop.point, hop.node, hop.direction) for hop in path] == [
        ("N3 gnb1", "gnb1", "up"),
        ("N9 upf-edge", "upf-edge", "up"),
        ("N6 upf-cloud", "upf-cloud", "up"),
        ("N6 upf-cloud", "upf-cloud", "down"),
        ("N9 upf-edge", "upf-edge", "down"),
        ("N3 gnb1", "gnb1", "down"),
    ]
    assert [hop.tunnel.teid if hop.tunnel else None for hop in path] == [0x1234, 0x78, None, None, 0x77, 0xABCD]


def test_description_names_tunnels_and_both_ends() -> None:
    assert describe(hops(PROBE, CAPTURES), ue="ue1", reflector="app1") == (
        "ue1 → N3 gnb1 (10.1.0.0 → 10.1.0.9 TEID 0x1234 QFI 1) → N9 upf-edge (10.1.0.9 → 10.1.0.4 TEID 0x78 QFI 9)"
        " → N6 upf-cloud → app1 → N6 upf-cloud → N9 upf-edge (10.1.0.4 → 10.1.0.9 TEID 0x77)"
        " → N3 gnb1 (10.1.0.9 → 10.1.0.0 TEID 0xabcd QFI 1) → ue1"
    )


def test_probe_without_reply_ends_where_it_was_last_seen() -> None:
    path = hops(ProbeId(ip_address(UE), ip_address(SERVICE), 16), CAPTURES)
    assert describe(path, ue="ue1", reflector="app1") == "ue1 → N3 gnb1 (10.1.0.0 → 10.1.0.9 TEID 0x1234 QFI 1)"


def test_probe_that_nobody_saw_has_no_hops() -> None:
    assert hops(ProbeId(ip_address(UE), ip_address(SERVICE), 99), CAPTURES) == ()


def test_other_traffic_of_the_flow_is_no_hop() -> None:
    short = user_packet(UE, SERVICE, 5000, 862, (17).to_bytes(4))
    assert hops(PROBE, [(N6, [seen(1, short)])]) == ()
