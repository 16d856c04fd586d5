"""Packets that tell of names, for what recognises applications by them."""

from __future__ import annotations

import dns.message
import dns.rrset
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether


def answer(asked: str, *records: str, kind: str = "A") -> bytes:
    """A DNS message with these records, each as in a zone file: `www.example. 300 IN A 192.0.2.1`."""
    message = dns.message.make_response(dns.message.make_query(asked, kind))
    for record in records:
        name, ttl, rdclass, rdtype, data = record.split(maxsplit=4)
        message.answer.append(dns.rrset.from_text(name, int(ttl), rdclass, rdtype, data))
    return message.to_wire()


def datagram(payload: bytes, source_port: int = 53, version: int = 4, **fields: object) -> bytes:
    """An Ethernet frame with it; `fields` are those of the IP header."""
    ip = IP(src="192.0.2.53", dst="192.0.2.1", **fields) if version == 4 else IPv6(src="2001:db8::53", **fields)
    return bytes(Ether() / ip / UDP(sport=source_port, dport=40000) / payload)
