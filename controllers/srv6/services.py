"""The L3VPNs of the tenants: which SID every router has for them, and what each tells the others (RFC 9252).

With VRFs a tenant has one End.DT46 at a router. Without, IPv6 gets an End.DT6, which needs a table only, and IPv4 an
End.DX4 for each host behind the router: what RFC 4364 §4.3.2 calls a label a CE.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_network

from controllers.srv6.network import Address, Attachment, Network, Prefix, Tenant
from controllers.srv6.sids import Behavior, Meaning, Sid, SidTable

GLOBAL = "global"
"""The context of the End.DT6 that every router has for its own table: it takes repaired packets out again."""


@dataclass(frozen=True)
class VpnRoute:
    """What `egress` tells the tenant's other sites: `prefix` is behind its `sid`; `color` None for best effort."""

    prefix: Prefix
    egress: str
    sid: Sid
    color: int | None


@dataclass(frozen=True)
class Service:
    """One SID of a tenant at an attachment: `nexthop` None for a lookup in the tenant's table."""

    router: str
    behavior: Behavior
    context: str
    nexthop: Address | None = None


def with_services(table: SidTable, network: Network) -> SidTable:
    """`table` with the SIDs of all tenants, and every router's way back into its global table; SidError if too many."""
    ways_back = ((router.name, Behavior.END_DT6, GLOBAL) for router in network.routers)
    return table.allocate((*ways_back, *dict.fromkeys(_meanings(network))))


def services(network: Network, router: str, tenant: Tenant) -> tuple[Service, ...]:
    """The SIDs of `tenant` at `router`, each once."""
    here = (attachment for attachment in tenant.attachments if attachment.router == router)
    return tuple(dict.fromkeys(service for attachment in here for service in _of(network, tenant, attachment)))


def vpn_routes(network: Network, table: SidTable, tenant: Tenant) -> Iterator[VpnRoute]:
    """Everything that the sites of `tenant` tell each other."""
    for attachment in tenant.attachments:
        for prefix, via, color in _reachable(network, attachment):
            service = _service(network, tenant, attachment, prefix.version, via)
            sid = table.find(attachment.router, service.behavior, service.context)
            yield VpnRoute(prefix, attachment.router, sid, tenant.color if color is None else color)


def _meanings(network: Network) -> Iterator[Meaning]:
    for tenant in network.tenants:
        for attachment in tenant.attachments:
            for service in _of(network, tenant, attachment):
                yield service.router, service.behavior, service.context


def _of(network: Network, tenant: Tenant, attachment: Attachment) -> Iterator[Service]:
    for prefix, via, _ in _reachable(network, attachment):
        yield _service(network, tenant, attachment, prefix.version, via)


def _service(network: Network, tenant: Tenant, attachment: Attachment, version: int, via: Address | None) -> Service:
    if network.vrf:
        return Service(attachment.router, Behavior.END_DT46, tenant.name)
    if version == 6:
        return Service(attachment.router, Behavior.END_DT6, tenant.name)
    return Service(attachment.router, Behavior.END_DX4, f"{tenant.name} {via}", via)


def _reachable(network: Network, attachment: Attachment) -> Iterator[tuple[Prefix, Address | None, int | None]]:
    """Prefix, who has it behind it, and the color of its route."""
    per_host = [host for host in attachment.hosts if host.version == 4] if not network.vrf else []
    yield from ((ip_network(host), host, None) for host in per_host)
    yield from ((subnet, None, None) for subnet in _subnets(attachment.subnets, skip_ipv4=not network.vrf))
    yield from ((reach.prefix, reach.via, reach.color) for reach in attachment.reaches)


def _subnets(subnets: Iterable[Prefix], *, skip_ipv4: bool) -> Iterator[Prefix]:
    return (subnet for subnet in subnets if subnet.version == 6 or not skip_ipv4)
