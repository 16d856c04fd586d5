"""Routes of every node, by shortest paths over the routers; the weight of a link is its delay."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import networkx as nx

from testbed.graph import Graph, Link, Role
from testbed.plan.addressing import Port, Subnet, gateway, ifname, loopbacks
from testbed.plan.model import Route
from testbed.plan.profiles import LinkPlan

HOP_COST_MS = 1e-3
"""Added to each link, so that among equal delays fewer hops win."""

Services = tuple[tuple[str, tuple[str, ...]], ...]
"""Service addresses and the hosts that serve them: with several of them an address is anycast."""


def router_graph(graph: Graph, links: Iterable[LinkPlan]) -> nx.Graph[str]:
    """The routers and the links between them, with `delay` (ms, the weight of a path) and `link` on each edge."""
    routers = {node.name for node in graph.with_role(Role.ROUTER)}
    result: nx.Graph[str] = nx.Graph()
    result.add_nodes_from(sorted(routers))
    for planned in links:
        link = planned.link
        if {link.a, link.b} <= routers:
            result.add_edge(link.a, link.b, delay=planned.behaviour.a_to_b.profile.delay_ms + HOP_COST_MS, link=link)
    return result


def plan_routes(
    graph: Graph, routers: nx.Graph[str], subnets: tuple[Subnet, ...], services: Services
) -> dict[str, list[Route]]:
    """Node → its routes. Each router takes the nearest host of a service."""
    routes: dict[str, list[Route]] = {node.name: [] for node in graph.nodes}
    for node, route in local_routes(graph, subnets, services):
        routes[node].append(route)
    next_hops = _next_hops(routers, subnets)
    attached = _attached_prefixes(graph, subnets, services)
    for source, (distances, paths) in nx.all_pairs_dijkstra(routers, weight="delay"):
        for prefix, holders in attached.items():
            reachable = [(distances[holder], holder) for holder in holders if holder in distances]
            # What lies on another island has no route.
            if reachable and (nearest := min(reachable)[1]) != source:
                via, dev = next_hops[source, paths[nearest][1], ":" in prefix]
                routes[source].append(Route(prefix, dev, via))
    return routes


def local_routes(graph: Graph, subnets: tuple[Subnet, ...], services: Services) -> Iterator[tuple[str, Route]]:
    """What nodes have whoever routes between the routers: their default routes, and services next to them."""
    yield from _default_routes(graph, subnets)
    yield from _local_service_routes(subnets, services)


def host_prefix(address: str) -> str:
    """`203.0.113.10/32`, `2001:db8::10/128`."""
    return f"{address}/{128 if ':' in address else 32}"


def _attached_prefixes(graph: Graph, subnets: tuple[Subnet, ...], services: Services) -> dict[str, tuple[str, ...]]:
    """Prefix → the routers that it is attached to."""
    routers = {node.name for node in graph.with_role(Role.ROUTER)}
    attached: dict[str, tuple[str, ...]] = {
        prefix: (router,) for router, pair in loopbacks(graph).items() for prefix in pair
    }
    for subnet in subnets:
        holders = tuple(port.node for port in subnet.ports() if port.node in routers)
        attached |= dict.fromkeys(subnet.prefixes(), holders) if holders else {}
    for address, hosts in services:
        holders = tuple(
            port.node
            for subnet in subnets
            if {port.node for port in subnet.ports()} & set(hosts)
            for port in subnet.ports()
            if port.node in routers
        )
        attached |= {host_prefix(address): holders} if holders else {}
    return attached


def _next_hops(routers: nx.Graph[str], subnets: tuple[Subnet, ...]) -> dict[tuple[str, str, bool], tuple[str, str]]:
    """(router, neighbour, is IPv6) → (next-hop address, interface)."""
    by_port = {port: pair for subnet in subnets for port, pair in subnet.addresses.items()}
    hops: dict[tuple[str, str, bool], tuple[str, str]] = {}
    for a, b, data in routers.edges(data=True):
        link: Link = data["link"]
        for here, there in ((a, b), (b, a)):
            address4, address6 = by_port[Port(there, ifname(link, there))]
            dev = ifname(link, here)
            hops[here, there, False] = (address4, dev)
            hops[here, there, True] = (address6, dev)
    return hops


def _default_routes(graph: Graph, subnets: tuple[Subnet, ...]) -> Iterable[tuple[str, Route]]:
    """Everybody but routers: a default route to the router of their first subnet."""
    done = {node.name for node in graph.with_role(Role.ROUTER)}
    for subnet in subnets:
        router = gateway(graph, subnet)
        for port in subnet.ports():
            if router is None or port.node in done:
                continue
            done.add(port.node)
            via4, via6 = subnet.addresses[router]
            yield port.node, Route("0.0.0.0/0", port.ifname, via4)
            yield port.node, Route("::/0", port.ifname, via6)


def _local_service_routes(subnets: tuple[Subnet, ...], services: Services) -> Iterable[tuple[str, Route]]:
    """Neighbours of a service's host reach it directly: this is how a UPF's N6 finds the local instance."""
    served: dict[str, set[str]] = {}
    for address, hosts in services:
        # Two tenants may use one address; who is a neighbour of both has to take one.
        done = served.setdefault(address, set())
        done.update(hosts)
        for subnet in subnets:
            serving = next((port for port in subnet.ports() if port.node in hosts), None)
            if serving is None:
                continue
            for port in subnet.ports():
                if port.node not in done:
                    done.add(port.node)
                    via = subnet.addresses[serving][":" in address]
                    yield port.node, Route(host_prefix(address), port.ifname, via)


def pool_routes(graph: Graph, subnets: tuple[Subnet, ...], pools: Iterable[str]) -> Iterable[tuple[str, Route]]:
    """Hosts on a UPF's N6 LAN reach the UEs through that UPF."""
    upfs = {node.name for node in graph.with_role(Role.UPF)}
    done = {node.name for node in graph.nodes if node.role in (Role.UPF, Role.ROUTER)}
    for subnet in subnets:
        serving = next((port for port in subnet.ports() if port.node in upfs), None)
        if serving is None or len(subnet.ports()) <= 2:
            continue
        for port in subnet.ports():
            if port.node not in done:
                done.add(port.node)
                yield from ((port.node, Route(pool, port.ifname, subnet.addresses[serving][0])) for pool in pools)
