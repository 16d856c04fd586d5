"""ARP at the gNB's end of the radio: a UE's interface is Ethernet here, and its packets need a MAC address to go to."""

from __future__ import annotations

import struct

ETH_P_ARP = 0x0806

_frame = struct.Struct("!6s6sHHHBBH6s4s6s4s")
_REQUEST, _REPLY = 1, 2
_ETHERNET_IPV4 = (1, 0x0800, 6, 4)


def arp_reply(frame: bytes, mac: bytes) -> bytes | None:
    """The answer with `mac` to a request (RFC 826) for any address but the UE's own; None for anything else.

    A probe or announcement of the UE's own address (RFC 5227) stays unanswered: an answer would be a conflict.
    """
    if len(frame) < _frame.size:
        return None
    _, source, _, *kind, operation, sender_mac, sender, _, target = _frame.unpack_from(frame)
    if tuple(kind) != _ETHERNET_IPV4 or operation != _REQUEST or sender in (target, bytes(4)):
        return None
    return _frame.pack(source, mac, ETH_P_ARP, *_ETHERNET_IPV4, _REPLY, mac, target, sender_mac, sender)
