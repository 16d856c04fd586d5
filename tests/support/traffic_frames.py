"""Frames and pcapng files made by Scapy, which shares no code with what reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scapy.contrib.gtp import GTP_U_Header, GTPPDUSessionContainer
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.utils import PcapNgWriter

ETHERNET = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")


def user_packet(src: str, dst: str, sport: int, dport: int, payload: bytes = b"") -> Any:
    """An IPv4 or IPv6 packet of a user."""
    network = IPv6(src=src, dst=dst) if ":" in src else IP(src=src, dst=dst)
    return network / UDP(sport=sport, dport=dport) / payload


def g_pdu(src: str, dst: str, teid: int, user: Any, *, qfi: int | None = 1, uplink: bool = True) -> Any:
    """`user` in a tunnel; with `qfi` None without extension headers."""
    outer = IP(src=src, dst=dst) / UDP(sport=2152, dport=2152)
    if qfi is None:
        return outer / GTP_U_Header(teid=teid, gtp_type=255) / user
    container = GTPPDUSessionContainer(type=1 if uplink else 0, QFI=qfi)
    return outer / GTP_U_Header(teid=teid, gtp_type=255, E=1, next_ex=0x85) / container / user


def frame(packet: Any) -> bytes:
    """The octets of an Ethernet frame."""
    return bytes(ETHERNET / packet)


def write_pcapng(path: Path, frames: list[tuple[float, bytes]]) -> None:
    """A capture file of (Unix seconds, frame)."""
    with PcapNgWriter(str(path)) as writer:
        for at, octets in frames:
            packet = Ether(octets)
            packet.time = at
            writer.write(packet)
