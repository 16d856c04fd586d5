"""Planes: the IGP's own algorithm (0), and each flex-algo with locators of its own (RFC 9350 §15, RFC 9352 §7).

A flex-algo's locators are those of algorithm 0 with the node's number moved up, the functions are the same. So every
SID of a router has one in each plane, and packets to it keep to the links that the algorithm's constraints admit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from ipaddress import IPv6Address, IPv6Network

from controllers.srv6.network import Network
from controllers.srv6.paths import Domain, RoutingGraph, flex_algo_graph
from controllers.srv6.sids import LOCAL_CSIDS, Locator, Sid, SidError, SidTable

NODES = 0x1000
"""Numbers of nodes in a plane."""


@dataclass(frozen=True, eq=False)
class Plane:
    """One algorithm over the network: its graph, and where its locators are; `number` counts from 0."""

    number: int
    graph: RoutingGraph
    network: Network
    table: SidTable

    @cached_property
    def routes(self) -> Mapping[str, Mapping[str, tuple[str, ...]]]:
        """Router → each other that it reaches → next hops."""
        return {router.name: self.graph.routes(router.name) for router in self.network.routers}

    @cached_property
    def prefixes(self) -> Mapping[str, tuple[IPv6Network, ...]]:
        """Router → what is routed to it: its locator, and its loopback by algorithm 0."""
        return {
            router.name: (self._locator(self.table.locators[router.name]).prefix, *self._loopback(router.loopback))
            for router in self.network.routers
        }

    def sid(self, sid: Sid) -> Sid:
        """What `sid` is in this plane."""
        return replace(sid, locator=self._locator(sid.locator)) if self.number else sid

    def _locator(self, locator: Locator) -> Locator:
        return Locator(locator.block, locator.node_id + self.number * NODES)

    def _loopback(self, address: IPv6Address) -> tuple[IPv6Network, ...]:
        return () if self.number else (IPv6Network(address),)


def check_space(network: Network) -> None:
    """SidError if a flex-algo's locators would be another's, or would run into local micro-SIDs."""
    most = LOCAL_CSIDS.start // NODES
    if not network.flex_algos:
        return
    if len(network.routers) >= NODES:
        raise SidError(f"{len(network.routers)} routers with flex-algos, whose locators have room for {NODES - 1}")
    if len(network.flex_algos) >= most:
        raise SidError(f"{len(network.flex_algos)} flex-algos, whose locators have room for {most - 1}")


def planes(network: Network, table: SidTable, domain: Domain) -> tuple[Plane, ...]:
    """Algorithm 0 and the flex-algos, in their order."""
    graphs = (domain.igp, *(flex_algo_graph(domain.database, algorithm) for algorithm in network.flex_algos))
    return tuple(Plane(number, graph, network, table) for number, graph in enumerate(graphs))
