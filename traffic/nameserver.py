"""A name server for a lab's services: it knows some names' addresses, and no others (RFC 1035 §4.1, over UDP)."""

from __future__ import annotations

import argparse
import socket
import sys
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

TTL_S = 30

Address = IPv4Address | IPv6Address
Zone = Mapping[dns.name.Name, tuple[Address, ...]]

_TYPES = {dns.rdatatype.A: 4, dns.rdatatype.AAAA: 6}
"""Record type → version of IP."""


def record(text: str) -> tuple[dns.name.Name, Address]:
    """From `portal.example=203.0.113.10`; made to be an argparse `type`."""
    name, _, address = text.partition("=")
    try:
        return dns.name.from_text(name), ip_address(address)
    except (dns.exception.DNSException, ValueError) as error:
        raise argparse.ArgumentTypeError(f'got "{text}"; want NAME=ADDRESS, such as a.example=203.0.113.1') from error


def zone(records: Iterable[tuple[dns.name.Name, Address]]) -> Zone:
    """Name → its addresses."""
    found: dict[dns.name.Name, tuple[Address, ...]] = {}
    for name, address in records:
        found[name] = (*found.get(name, ()), address)
    return found


def answer(message: bytes, known: Zone) -> bytes | None:
    """The answer to a question; None for what is none."""
    try:
        query = dns.message.from_wire(message)
        (question,) = query.question
        reply = dns.message.make_response(query)
    except (dns.exception.DNSException, ValueError):
        return None
    reply.flags |= dns.flags.AA
    if question.name not in known:
        reply.set_rcode(dns.rcode.NXDOMAIN)
    version = _TYPES.get(question.rdtype)
    addresses = [str(address) for address in known.get(question.name, ()) if address.version == version]
    if addresses:
        rrset = dns.rrset.from_text_list(question.name, TTL_S, dns.rdataclass.IN, question.rdtype, addresses)
        reply.answer.append(rrset)
    return reply.to_wire()


def answer_for_ever(udp: socket.socket, known: Zone) -> None:
    """Answer every question that comes to `udp`."""
    while True:
        message, peer = udp.recvfrom(65535)
        if reply := answer(message, known):
            try:
                udp.sendto(reply, peer)
            except OSError as error:  # no way back just now: who has asked asks again
                print(f"{peer}: {error}", file=sys.stderr)
