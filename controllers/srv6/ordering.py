"""From one state of all routers to another without microloops: who changes a route before whom (RFC 6976).

Seen from one destination, a router that changes its next hops may loop with one that has not. After bad news (a link is
gone) a router changes once all have that came to the destination through it; after good news, once its own new next
hops have. Destinations do not mind each other: what can change at the same time makes one step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from controllers.srv6.fib import MAIN_TABLE, RouteKey, RouterState
from controllers.srv6.network import Prefix
from controllers.srv6.planes import Plane
from controllers.srv6.view import View

States = Mapping[str, RouterState]
"""Router → its state."""


def in_order(before: View, after: View, old: States, new: States) -> tuple[States, ...]:
    """The steps that lead from `old`, what routers have, to `new`; each has the routers that change in it.

    What belongs to no destination of the IGP (SIDs, policies, tenants) changes in the last step after good news and in
    the first after bad: segment lists that avoid a failure are in use before all routers know of it.
    """
    levels: dict[Prefix, Mapping[str, int]] = {}
    good = False
    for was, now in zip(before.planes, after.planes, strict=True):
        for node, prefixes in now.prefixes.items():
            levels |= dict.fromkeys(prefixes, _levels(was, now, node))
            good = good or _is_good_news(was, now, node)
    last = max((level for each in levels.values() for level in each.values()), default=0)
    steps: list[dict[str, RouterState]] = [{} for _ in range(last + 1)]
    for router, state in new.items():
        has = old.get(router, RouterState())
        due: dict[int, list[RouteKey]] = {}
        for key in _differing(has, state):
            is_igp = key[0] == MAIN_TABLE and key[1] in levels
            step = levels[key[1]].get(router, 0) if is_igp else last if good else 0
            due.setdefault(step, []).append(key)
        for step, keys in sorted(due.items()):
            has = _with_routes(has, state, keys)
            steps[step][router] = has
    return tuple(step for step in steps if step)


def _differing(old: RouterState, new: RouterState) -> list[RouteKey]:
    keys = dict.fromkeys((*old.routes, *new.routes))
    return [key for key in keys if old.routes.get(key) != new.routes.get(key)]


def _with_routes(has: RouterState, new: RouterState, keys: list[RouteKey]) -> RouterState:
    routes = dict(has.routes)
    for key in keys:
        routes.pop(key, None)
        if key in new.routes:
            routes[key] = new.routes[key]
    return replace(new, routes=routes)


def _levels(before: Plane, after: Plane, node: str) -> dict[str, int]:
    """Router → how many changes have to come before its own toward `node`; only of those that change."""
    changed = {router for router in after.routes if before.routes[router].get(node) != after.routes[router].get(node)}
    if not changed:
        return {}
    if _is_good_news(before, after, node):
        return _after_next_hops(after, node, changed)
    return _after_upstream(before, node, changed)


def _is_good_news(before: Plane, after: Plane, node: str) -> bool:
    """Whether somebody is nearer to `node` than before."""
    return any(
        (new := after.graph.distance(router, node)) is not None
        and ((old := before.graph.distance(router, node)) is None or new < old)
        for router in after.routes
    )


def _after_next_hops(after: Plane, node: str, changed: set[str]) -> dict[str, int]:
    levels: dict[str, int] = {}
    for router in _by_distance(after, node):
        hops = after.routes[router][node]
        levels[router] = max(levels.get(hop, 0) + (hop in changed) for hop in hops)
    return {router: levels.get(router, 0) for router in changed}


def _after_upstream(before: Plane, node: str, changed: set[str]) -> dict[str, int]:
    levels: dict[str, int] = {}
    for router in reversed(_by_distance(before, node)):
        for hop in before.routes[router][node]:
            levels[hop] = max(levels.get(hop, 0), levels.get(router, 0) + (router in changed))
    return {router: levels.get(router, 0) for router in changed}


def _by_distance(plane: Plane, node: str) -> list[str]:
    """Those that reach `node`, the nearest first."""
    distances = {router: plane.graph.distance(router, node) for router in plane.routes if router != node}
    reached = {router: distance for router, distance in distances.items() if distance is not None}
    return sorted(reached, key=lambda router: reached[router])
