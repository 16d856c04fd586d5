"""ARP on the radio: every request but those about the UE's own address gets the gNB's MAC address."""

from __future__ import annotations

import pytest

from core_stub.gnb.arp import arp_reply

UE_MAC, GNB_MAC = bytes.fromhex("020000000001"), bytes.fromhex("0200000000fe")
UE, GATEWAY, NOBODY = bytes([10, 45, 0, 2]), bytes([10, 45, 0, 1]), bytes(4)


def arp(operation: int, sender: bytes, target: bytes, *, hardware: int = 1) -> bytes:
    ethernet = b"\xff" * 6 + UE_MAC + b"\x08\x06"
    fixed = hardware.to_bytes(2) + b"\x08\x00\x06\x04" + operation.to_bytes(2)
    return ethernet + fixed + UE_MAC + sender + bytes(6) + target


def test_a_request_is_answered_with_the_mac_of_the_gnb() -> None:
    reply = arp_reply(arp(1, UE, GATEWAY), GNB_MAC)
    expected = UE_MAC + GNB_MAC + b"\x08\x06" + bytes.fromhex("0001080006040002") + GNB_MAC + GATEWAY + UE_MAC + UE
    assert reply == expected


@pytest.mark.parametrize(
    "frame",
    [
        arp(1, UE, UE),
        arp(1, NOBODY, UE),
        arp(2, UE, GATEWAY),
        arp(1, UE, GATEWAY, hardware=6),
        arp(1, UE, GATEWAY)[:-1],
        b"",
    ],
    ids=["announcement", "probe", "reply", "not Ethernet", "truncated", "empty"],
)
def test_nothing_else_is_answered(frame: bytes) -> None:
    assert arp_reply(frame, GNB_MAC) is None
