"""What is an application's by name: addresses, as answers of DNS say, and connections, as their first packets do.

An address is of every application that wants a name on the way to it, from the one that was asked for over its aliases
(RFC 1034 §3.6.2). That counts for as long as the answer does, and a minute at least: who has asked uses it a while.

A connection is of the first application that wants the name in it, whatever its address is. Nothing is remembered of it
but for a moment: its flows are all that there is, and how many there can be is a matter of how fast they may come.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address, ip_address

import dns.exception
import dns.message
import dns.name
import dns.rdataclass
import dns.rdatatype

from controllers.flows import TCP
from controllers.sdwan.first_packets import asked_for
from controllers.sdwan.network import Overlay
from controllers.sdwan.packets import Segment, datagram, segment
from controllers.srv6.network import Prefix

DNS_PORT, HTTP_PORT, HTTPS_PORT = 53, 80, 443

MOST = 1000
"""Addresses that are known of a tenant; one more takes the place of the one that was heard of longest ago."""

_SHORTEST_S, _LONGEST_S = 60, 0xFFFF
"""How long an address counts: the longest is what a flow's idle timeout can say."""

IDLE_S = 300
"""How long a connection may be silent and stay in its application."""

CONNECTIONS_PER_S = 50
"""Of a tenant; those above are not looked at, so that no more than that many times `IDLE_S` have flows."""

_WORTH_S = 10
"""What tells of less than that much longer is no news: a popular name is asked for all the time."""


@dataclass(frozen=True)
class Recognised:
    """An address of a tenant that is an application's by `name`: it counts `until` then, its flows while they are used.

    They go away after `idle_s` seconds without a packet.
    """

    tenant: str
    application: str
    address: IPv4Address | IPv6Address
    name: str
    idle_s: int
    until: float = 0.0


@dataclass(frozen=True)
class Connection:
    """A TCP connection from a host behind port `port` of `edge`; `application` is None where no name was found.

    Its flows go away after `IDLE_S` without a packet.
    """

    tenant: str
    edge: str
    port: int
    client: Prefix
    client_port: int
    server: Prefix
    server_port: int
    application: str | None = None
    name: str = ""


@dataclass(frozen=True)
class Learned:
    """What is new, what counts longer than before, and what made place."""

    new: list[Recognised] = field(default_factory=list)
    prolonged: list[Recognised] = field(default_factory=list)
    gone: list[Recognised] = field(default_factory=list)
    connections: list[Connection] = field(default_factory=list)


@dataclass(frozen=True)
class Answer:
    """Addresses, and the names that lead to them; `ttl` is in seconds, the least on the way."""

    names: tuple[dns.name.Name, ...]
    addresses: tuple[IPv4Address | IPv6Address, ...]
    ttl: int


_Table = dict[tuple[str, IPv4Address | IPv6Address], Recognised]


class Recognition:
    """What is known of all tenants; times are those of the controller's clock, in seconds."""

    def __init__(self, overlay: Overlay) -> None:
        # In the order of what was heard last, so that the oldest are in front.
        self._known: dict[str, _Table] = {tenant.name: {} for tenant in overlay.tenants}
        self._wanted = [(each, each.named) for each in overlay.applications if each.named]
        self._recent: dict[str, dict[Segment, float]] = {tenant.name: {} for tenant in overlay.tenants}

    def current(self, now: float) -> tuple[Recognised, ...]:
        """What counts."""
        return tuple(each for table in self._known.values() for each in table.values() if each.until > now)

    def news(self, learned: Learned) -> Iterator[Recognised | Connection]:
        """What is worth telling; where the server's address says as much, the connection's name is not."""
        yield from learned.new
        for each in learned.connections:
            if each.application and (each.application, each.server.network_address) not in self._known[each.tenant]:
                yield each

    def first(self, tenant: str, edge: str, port: int, frame: bytes, now: float) -> Learned:
        """A host of a tenant behind a port of an edge has sent a packet of a connection that nothing is known of."""
        packet = segment(frame)
        recent = {ends: at for ends, at in self._recent[tenant].items() if now - at < 1}
        self._recent[tenant] = recent
        ends = packet and replace(packet, payload=b"")
        if packet is None or ends is None or not packet.payload:
            return Learned()
        if ends in recent or len(recent) >= CONNECTIONS_PER_S:
            return Learned()
        recent[ends] = now
        client, server = (packet.source, packet.source_port), (packet.destination, packet.destination_port)
        found = Connection(tenant, edge, port, *client, *server)
        text = asked_for(packet.payload)
        application = self._application(tenant, text, found.server_port) if text else None
        if text and application:
            found = replace(found, application=application, name=text.lower())
        return Learned(connections=[found])

    def _application(self, tenant: str, text: str, port: int) -> str | None:
        try:
            name = dns.name.from_text(text)
        except (dns.exception.DNSException, UnicodeError):
            return None
        fitting = (
            application.name
            for application, wanted in self._wanted
            if application.tenant in (None, tenant)
            and wanted.protocol in (None, TCP)
            and wanted.port in (None, port)
            and fits(name, wanted.domain)
        )
        return next(fitting, None)

    def answered(self, tenant: str, frame: bytes, now: float) -> Learned:
        """What may be an answer of DNS has passed the last edge on its way to a host of a tenant."""
        packet = datagram(frame)
        answer = read_answer(packet.payload) if packet and packet.source_port == DNS_PORT else None
        learned, table = Learned(), self._known[tenant]
        for each in self._recognised(tenant, answer, now) if answer else ():
            key = each.application, each.address
            before = table.get(key)
            if before and each.until - before.until < _WORTH_S:
                continue
            table.pop(key, None)
            table[key] = each
            (learned.prolonged if before and before.until > now else learned.new).append(each)
        while len(table) > MOST:
            learned.gone.append(table.pop(next(iter(table))))
        return learned

    def _recognised(self, tenant: str, answer: Answer, now: float) -> Iterator[Recognised]:
        seconds = min(max(answer.ttl, _SHORTEST_S), _LONGEST_S)
        for application, wanted in self._wanted:
            name = next((name for name in answer.names if fits(name, wanted.domain)), None)
            if name is not None and application.tenant in (None, tenant):
                text = name.to_text(omit_final_dot=True).lower()
                for address in answer.addresses:
                    yield Recognised(tenant, application.name, address, text, seconds, now + seconds)


def read_answer(message: bytes) -> Answer | None:
    """What a DNS message says about the addresses of the name that was asked for; None if it says nothing."""
    try:
        answer = dns.message.from_wire(message)
        if not isinstance(answer, dns.message.QueryMessage):
            return None
        found = answer.resolve_chaining()
    except (dns.exception.DNSException, ValueError):
        return None
    if found.answer is None or found.answer.rdclass != dns.rdataclass.IN:
        return None
    if found.answer.rdtype not in (dns.rdatatype.A, dns.rdatatype.AAAA):
        return None
    names = (*(alias.name for alias in found.cnames), found.canonical_name)
    return Answer(names, tuple(ip_address(each.address) for each in found.answer), found.minimum_ttl)


def fits(name: dns.name.Name, domain: str) -> bool:
    """Whether a name is the one that is wanted, or one below it if that begins with `*.`."""
    wanted = dns.name.from_text(domain.removeprefix("*."))
    return name != wanted and name.is_subdomain(wanted) if domain.startswith("*.") else name == wanted
