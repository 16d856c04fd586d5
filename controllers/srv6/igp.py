"""The IGP's share of a router: routes to locators and loopbacks, repairs beside them, and what the point of local
repair does when a link is gone.

A repair is a route of higher metric with the repair list as encapsulation (H.Encaps.Red) that ends in the End.DT6 of
the node where the packet is released: kernels so far have no USD flavour. Deleting the primary route puts it in force.
Where there are several next hops the others are the repair.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from controllers.srv6.fib import ANCHOR, BACKUP, MAIN_TABLE, PRIMARY, FibRoute, LocalSid, NextHop, RouteKey, RouterState
from controllers.srv6.network import Network
from controllers.srv6.planes import Plane
from controllers.srv6.segments import AdjacencySegment, Segment
from controllers.srv6.services import GLOBAL
from controllers.srv6.sids import Behavior
from controllers.srv6.tilfa import Repair, repairs
from controllers.srv6.view import View


def routes(view: View, router: str) -> Iterator[FibRoute]:
    """To every other router that can be reached, in every plane."""
    for plane in view.planes:
        for node, hops in plane.routes[router].items():
            nexthops = tuple(view.next_hop(router, peer) for peer in hops)
            yield from (FibRoute(prefix, nexthops) for prefix in plane.prefixes[node])


def backups(view: View, router: str) -> Iterator[FibRoute]:
    """What is ready for the failure of a link, for all that leaves by that link only."""
    protection = view.network.fast_reroute
    if protection is None:
        return
    for plane in view.planes:
        for peer in plane.graph.costs[router]:
            for repair in repairs(view.domain.database, plane.graph, (router, peer), protection).values():
                if plane.routes[router][repair.destination] == (peer,):
                    nexthop = _repaired(view, plane, repair)
                    prefixes = plane.prefixes[repair.destination]
                    yield from (FibRoute(prefix, (nexthop,), metric=BACKUP) for prefix in prefixes)


def local_repair(network: Network, state: RouterState, router: str, peer: str) -> RouterState:
    """`state` without what leaves over the link to `peer`: repairs and other next hops take over.

    An adjacency segment across the link becomes one to the router itself, so that packets for it go on to their next
    segment by whatever way there is.
    """
    gone, neighbour = network.port[router, peer].ifname, network.port[peer, router].address.ip
    kept: dict[RouteKey, FibRoute] = {}
    for key, route in state.routes.items():
        if route.table == MAIN_TABLE and route.metric == PRIMARY and any(hop.dev == gone for hop in route.nexthops):
            left = tuple(hop for hop in route.nexthops if hop.dev != gone)
            if left:
                kept[key] = replace(route, nexthops=left)
        elif route.local and route.local.behavior is Behavior.END_X and route.local.nexthop == neighbour:
            kept[key] = replace(route, local=without_adjacency(route.local))
        else:
            kept[key] = route
    return replace(state, routes=kept)


def without_adjacency(sid: LocalSid) -> LocalSid:
    """The End that stands in for an End.X whose link is gone."""
    return replace(sid, behavior=Behavior.END, nexthop=None)


def _repaired(view: View, plane: Plane, repair: Repair) -> NextHop:
    if not repair.segments:
        return view.next_hop(repair.plr, repair.via)
    segments = repair.segments
    if not _leaves_by_itself(plane, repair, segments[0]):
        segments = (AdjacencySegment(repair.plr, repair.via), *segments)
    released = view.table.find(segments[-1].end, Behavior.END_DT6, GLOBAL)
    return NextHop(ANCHOR, encap=view.encap(segments, released, plane))


def _leaves_by_itself(plane: Plane, repair: Repair, first: Segment) -> bool:
    """Whether the PLR's own route to the first segment, once the protected link is gone, is by `repair.via`."""
    if first.node == repair.plr:
        return True
    hops = plane.routes[repair.plr][first.node]
    return tuple(hop for hop in hops if hop != repair.protected) == (repair.via,)
