"""Networks for the controller's core, made of a link-state database: a host of one tenant behind every router."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, IPv6Interface, IPv6Network, ip_network
from typing import Any

from controllers.srv6.lsdb import Lsdb
from controllers.srv6.network import Attachment, Network, Port, Router, Tenant

TENANT_TABLE = 1001


def network_of(db: Lsdb, **options: Any) -> Network:
    """`db` as a network with the tenant `shop`; `options` as of `Network`."""
    names = sorted(db.nodes)
    number = {name: index for index, name in enumerate(names, 1)}
    routers = tuple(Router(name, f"test-{name}", IPv6Address(f"fd00:255::{number[name]:x}")) for name in names)
    ports = tuple(Port(a, b, f"to-{b}", _address(number[a], number[b])) for a, b in sorted(db.links))
    shop = Tenant("shop", TENANT_TABLE, tuple(_attachment(name, number[name]) for name in names))
    links = tuple(db.links[key] for key in sorted(db.links))
    network = Network(IPv6Network("fcbb:bb00::/32"), routers, links, ports, 9000, 1500, tenants=(shop,))
    return replace(network, **options)


def host(network: Network, router: str, version: int = 4) -> IPv4Address | IPv6Address:
    """The address of the host behind `router`."""
    attachments = network.tenants[0].attachments
    return next(
        host
        for attachment in attachments
        if attachment.router == router
        for host in attachment.hosts
        if host.version == version
    )


def _address(node: int, peer: int) -> IPv6Interface:
    low, high = sorted((node, peer))
    return IPv6Interface(f"fd00:1:{low:x}:{high:x}::{int(node == high)}/127")


def _attachment(router: str, number: int) -> Attachment:
    subnets = (ip_network(f"10.{number >> 8}.{number & 255}.0/24"), ip_network(f"fd00:10:{number:x}::/64"))
    return Attachment(router, "host", subnets, tuple(subnet[2] for subnet in subnets))
