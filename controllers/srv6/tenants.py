"""A tenant's share of a router: its table, how packets get there, and the encapsulation that each destination has.

Steering (RFC 9256 §8): the route to a prefix has a color, and where the router has a valid policy of that color to the
prefix's egress, packets take its segment lists; else they go by the color's flex-algo, or the IGP's shortest path.
Flows that are steered by what they are have a table for each color, which is looked into first and holds only what that
color has a way for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv6Address, IPv6Network, ip_network

from controllers.srv6.fib import ANCHOR, LAST_RESORT, MAIN_TABLE, Border, Encap, FibRoute, Mark, NextHop, Rule
from controllers.srv6.network import Attachment, Network, Prefix, Tenant
from controllers.srv6.planes import Plane
from controllers.srv6.policy import PolicyId
from controllers.srv6.services import VpnRoute
from controllers.srv6.view import View

COLOR_TABLES = 10_000
"""A tenant's table for its n-th color is so much above its own, times n."""

UNDERLAY, STEERED, ATTACHED = 400, 500, 600
"""Preferences of rules, before those of VRFs (1000)."""

_EVERYTHING = (ip_network("0.0.0.0/0"), ip_network("::/0"))

_Way = tuple[int, Encap]
"""Weight, and how packets look."""


def attached(tenant: Tenant, router: str) -> tuple[Attachment, ...]:
    """The attachments of `tenant` at `router`."""
    return tuple(attachment for attachment in tenant.attachments if attachment.router == router)


def routes(view: View, tenant: Tenant, router: str) -> Iterator[FibRoute]:
    """All of the tenant's tables at a router to which it is attached."""
    here = attached(tenant, router)
    if not here:
        return
    yield from _local(view, tenant, here)
    yield from (FibRoute(prefix, table=tenant.table, metric=LAST_RESORT) for prefix in _EVERYTHING)
    for prefix, holders in view.vpns[tenant.name].items():
        nearest = _nearest(view, router, holders)
        if nearest is not None:
            ways = _ways(view, router, nearest, nearest.color) or (_best_effort(view, view.planes[0], nearest),)
            yield _remote(prefix, ways, tenant.table)
            for color in _colors(tenant):
                if ways := _ways(view, router, nearest, color):
                    yield _remote(prefix, ways, color_table(tenant, color))


def rules(view: View, tenant: Tenant, router: str) -> Iterator[Rule]:
    """What sends the tenant's packets into its tables; VRFs do without those of the interfaces."""
    here = attached(tenant, router)
    # A packet that has just got its outer header still counts as one that came in by the attachment: its route, and
    # the neighbour of an End.X, have to be looked for in the main table all the same.
    for prefix in _underlay(view.network, router) if here else ():
        yield Rule(UNDERLAY, MAIN_TABLE, 6, to=str(prefix))
    for version in (4, 6):
        for color in _colors(tenant) if here else ():
            table = color_table(tenant, color)
            yield Rule(STEERED, table, version, mark=table)
        if not view.network.vrf:
            yield from (Rule(ATTACHED, tenant.table, version, iif=attachment.ifname) for attachment in here)


def borders(view: View, tenant: Tenant, router: str) -> Iterator[Border]:
    """What those rules would let customers do."""
    prefixes = tuple(_underlay(view.network, router))
    yield from (Border(attachment.ifname, prefixes) for attachment in attached(tenant, router))


def marks(tenant: Tenant, router: str) -> Iterator[Mark]:
    """The marks of steered flows, in the order in which they are tried."""
    for attachment in attached(tenant, router):
        for steering in tenant.steering:
            yield Mark(attachment.ifname, steering.match, color_table(tenant, steering.color))


def color_table(tenant: Tenant, color: int) -> int:
    """The table, and the firewall mark, of the tenant's flows that are steered to `color`."""
    return tenant.table + COLOR_TABLES * (1 + _colors(tenant).index(color))


def _underlay(network: Network, router: str) -> Iterator[IPv6Network]:
    """The block of SIDs, and the router's own links."""
    yield network.block
    yield from (port.address.network for port in network.ports if port.node == router)


def _colors(tenant: Tenant) -> tuple[int, ...]:
    return tuple(dict.fromkeys(steering.color for steering in tenant.steering))


def _local(view: View, tenant: Tenant, here: Iterable[Attachment]) -> Iterator[FibRoute]:
    for attachment in here:
        # In a VRF the kernel puts the subnets of its interfaces there.
        for subnet in attachment.subnets if not view.network.vrf else ():
            yield FibRoute(subnet, (NextHop(attachment.ifname),), table=tenant.table)
        for reach in attachment.reaches:
            yield FibRoute(reach.prefix, (NextHop(attachment.ifname, reach.via),), table=tenant.table)


def _nearest(view: View, router: str, holders: Iterable[VpnRoute]) -> VpnRoute | None:
    """Whose route is taken; None if the router has it itself, or reaches nobody who has."""
    distance = view.domain.igp.spf(router).distance
    reached = [route for route in holders if route.egress in distance]
    nearest = min(reached, key=lambda route: (distance[route.egress], route.egress), default=None)
    return None if nearest is None or nearest.egress == router else nearest


def _ways(view: View, router: str, route: VpnRoute, color: int | None) -> tuple[_Way, ...]:
    """By the active path of that policy; else by the color's flex-algo; none if there is neither."""
    if color is None:
        return ()
    state = view.selection.states.get(PolicyId(router, color, route.egress))
    if state and state.active:
        return tuple((list_.weight, view.encap(list_.segments, route.sid)) for list_ in state.active.lists)
    plane = view.plane_of(color)
    if plane.number and route.egress in plane.routes[router]:
        return (_best_effort(view, plane, route),)
    return ()


def _best_effort(view: View, plane: Plane, route: VpnRoute) -> _Way:
    return 1, view.encap((), route.sid, plane)


def _remote(prefix: Prefix, ways: tuple[_Way, ...], table: int) -> FibRoute:
    several = prefix.version == 6 and len(ways) > 1
    hops = tuple(
        # IPv6 takes several ways by the device alone only if they have gateways, which nobody asks for anything.
        NextHop(ANCHOR, IPv6Address(f"fe80::{number:x}") if several else None, weight, encap)
        for number, (weight, encap) in enumerate(ways, 1)
    )
    return FibRoute(prefix, hops, table=table)
