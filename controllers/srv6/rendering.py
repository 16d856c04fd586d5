"""The view of the network → what each router has to have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from controllers.srv6 import igp, tenants
from controllers.srv6.fib import MAIN_TABLE, FibRoute, LocalSid, RouterState
from controllers.srv6.planes import Plane
from controllers.srv6.selection import PolicyState
from controllers.srv6.services import GLOBAL, services
from controllers.srv6.sids import Behavior, Sid
from controllers.srv6.view import View

NODE_BITS, FUNCTION_BITS = 16, 32
"""What NEXT-CSID shifts out: the node's C-SID, or that and the function's."""


IgpRoutes = Mapping[str, tuple[FibRoute, ...]]
"""Router → its routes to locators and loopbacks with their repairs, of all routers that are there."""


def render_igp(view: View) -> IgpRoutes:
    """What only changes when the IGP converges; with repairs it is most of the work."""
    down = view.domain.database.nodes_down
    return {
        router.name: (*igp.routes(view, router.name), *igp.backups(view, router.name))
        for router in view.network.routers
        if router.name not in down
    }


def render(view: View, igp_routes: IgpRoutes) -> dict[str, RouterState]:
    """Router → its state, of all that are there."""
    bindings = _bindings(view)
    return {router: _state(view, router, routes, bindings.get(router, ())) for router, routes in igp_routes.items()}


def _state(view: View, router: str, igp_routes: tuple[FibRoute, ...], bound: tuple[PolicyState, ...]) -> RouterState:
    network = view.network
    found = [*igp_routes, *_sid_routes(view, router, bound)]
    found += [route for tenant in network.tenants for route in tenants.routes(view, tenant, router)]
    return RouterState(
        {route.key: route for route in found},
        frozenset(rule for tenant in network.tenants for rule in tenants.rules(view, tenant, router)),
        tuple(border for tenant in network.tenants for border in tenants.borders(view, tenant, router)),
        tuple(mark for tenant in network.tenants for mark in tenants.marks(tenant, router)),
        {
            f"vrf-{tenant.table}": (tenant.table, tuple(attachment.ifname for attachment in here))
            for tenant in network.tenants
            if network.vrf and (here := tenants.attached(tenant, router))
        },
    )


def _bindings(view: View) -> dict[str, tuple[PolicyState, ...]]:
    """Headend → its policies that have a binding SID and a valid path."""
    found: dict[str, tuple[PolicyState, ...]] = {}
    for state in view.selection.states.values():
        if state.policy.binding_sid is not None and state.active is not None:
            found[state.policy.headend] = (*found.get(state.policy.headend, ()), state)
    return found


def _sid_routes(view: View, router: str, bound: tuple[PolicyState, ...]) -> Iterator[FibRoute]:
    meant = dict(_services(view, router))
    for plane in view.planes:
        for sid in map(plane.sid, view.sids[router]):
            match sid.behavior:
                case Behavior.END:
                    yield FibRoute(sid.prefix, local=LocalSid(Behavior.END, flavors=sid.flavors, csid_bits=NODE_BITS))
                case Behavior.END_X:
                    yield FibRoute(sid.prefix, local=_adjacency(view, plane, router, sid))
                case Behavior.END_B6_ENCAPS:
                    pass
                case _:
                    yield FibRoute(sid.prefix, local=meant[sid.behavior, sid.context])
    for state in bound:
        assert state.policy.binding_sid is not None and state.active is not None
        heaviest = max(state.active.lists, key=lambda list_: list_.weight)
        # The endpoint has to take the packet out again: kernels so far have no USD flavour for its End.
        released = view.table.find(state.policy.endpoint, Behavior.END_DT6, GLOBAL)
        segments = view.encap(heaviest.segments, released).segments
        local = LocalSid(Behavior.END_B6_ENCAPS, segments=segments)
        yield FibRoute(state.policy.binding_sid.prefix, local=local)


def _adjacency(view: View, plane: Plane, router: str, sid: Sid) -> LocalSid:
    port = view.network.port[sid.context, router]
    local = LocalSid(Behavior.END_X, port.address.ip, flavors=sid.flavors, csid_bits=FUNCTION_BITS)
    return local if sid.context in plane.graph.costs[router] else igp.without_adjacency(local)


def _services(view: View, router: str) -> Iterator[tuple[tuple[Behavior, str], LocalSid]]:
    """Behaviour and context of a SID → what it does."""
    yield (Behavior.END_DT6, GLOBAL), LocalSid(Behavior.END_DT6, table=MAIN_TABLE)
    for tenant in view.network.tenants:
        for service in services(view.network, router, tenant):
            table = None if service.nexthop else tenant.table
            yield (service.behavior, service.context), LocalSid(service.behavior, service.nexthop, table)
