"""Matches as OpenFlow has them: addresses are fields of IPv4 or of IPv6, ports are fields of TCP or of UDP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from controllers.flows import ICMP, ICMPV6, IPV4, IPV6, TCP, UDP, Masked, Match
from controllers.srv6.network import FlowMatch, Prefix

ETHERTYPES = {4: IPV4, 6: IPV6}
"""IP version → EtherType."""


def towards(prefix: Prefix, metadata: Masked) -> Match:
    """Packets to a prefix."""
    addressed: dict[str, Any] = {f"ipv{prefix.version}_dst": prefix}
    return Match(metadata=metadata, eth_type=ETHERTYPES[prefix.version], **addressed)


def recognising(wanted: FlowMatch, metadata: Masked | None = None) -> Iterator[Match]:
    """What `wanted` is: of both versions of IP without an address, of TCP and of UDP where only a port is given."""
    prefixes = {"src": wanted.source, "dst": wanted.destination}
    ports = {"src": wanted.source_port, "dst": wanted.destination_port}
    protocols = (wanted.protocol,) if wanted.protocol is not None or not any(ports.values()) else (TCP, UDP)
    for version, ethertype in ETHERTYPES.items():
        if any(prefix is not None and prefix.version != version for prefix in prefixes.values()):
            continue
        addresses: dict[str, Any] = {f"ipv{version}_{end}": prefix for end, prefix in prefixes.items()}
        for protocol in protocols:
            name = {TCP: "tcp", UDP: "udp"}.get(protocol or 0)
            numbers: dict[str, Any] = {
                f"{name}_{end}": port for end, port in ports.items() if port is not None and name
            }
            yield Match(
                metadata=metadata,
                eth_type=ethertype,
                ip_dscp=wanted.dscp,
                ip_proto=ICMPV6 if version == 6 and protocol == ICMP else protocol,
                **addresses,
                **numbers,
            )
