"""Packets that tell of names, for what recognises applications by them."""

from __future__ import annotations

import ssl

import dns.message
import dns.rrset
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

_ETHERNET = Ether(src="02:00:00:00:00:99", dst="02:00:00:00:00:01")


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
    return bytes(_ETHERNET / ip / UDP(sport=source_port, dport=40000) / payload)


def segment(payload: bytes, source: str, target: str, source_port: int = 40000, target_port: int = 443) -> bytes:
    """An Ethernet frame with the first data of a connection."""
    ip = IPv6(src=source, dst=target) if ":" in source else IP(src=source, dst=target)
    return bytes(_ETHERNET / ip / TCP(sport=source_port, dport=target_port, flags="PA") / payload)


def client_hello(name: str | None) -> bytes:
    """What a TLS client says first to the server of that name; without one it does not say whom it wants."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    said = ssl.MemoryBIO()
    try:
        context.wrap_bio(ssl.MemoryBIO(), said, server_hostname=name).do_handshake()
    except ssl.SSLWantReadError:
        return said.read()
    raise AssertionError("nobody has answered")


def request(host: str, path: str = "/") -> bytes:
    """What an HTTP client says first."""
    return f"GET {path} HTTP/1.1\r\nAccept: */*\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
