"""Attachment circuits and the tenants that they are of (RFC 4364 §1): where a VPN meets what it joins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Network

from testbed.graph import LAYER2, Graph, Role
from testbed.plan.addressing import Port, Subnet, ifname
from testbed.scenario.srv6 import Srv6

DEFAULT = "default"
"""The tenant of circuits that nobody names."""


@dataclass(frozen=True)
class Circuit:
    """A link from a router to anybody else, and the subnet that it leads into: both are of one tenant."""

    link: str
    port: Port
    subnet: Subnet


@dataclass(frozen=True)
class Carried:
    """A circuit that the scenario wants in `tenant`; `where` in the file it says so, `why` in words."""

    link: str
    tenant: str
    where: str
    why: str


def circuits(graph: Graph, subnets: Iterable[Subnet]) -> Iterator[Circuit]:
    """Every circuit. An interface is called after its peer, which is no router here."""
    routers = {node.name for node in graph.with_role(Role.ROUTER)}
    names = {Port(end, ifname(link, end)): link.name for link in graph.links for end in (link.a, link.b)}
    for subnet in subnets:
        for port in subnet.ports():
            if port.node in routers and port.ifname not in routers:
                yield Circuit(names[port], port, subnet)


class Tenancy:
    """Which tenant has which circuits, and so which nodes."""

    def __init__(self, srv6: Srv6, graph: Graph, subnets: tuple[Subnet, ...]) -> None:
        self._srv6, self._graph = srv6, graph
        self._subnet_of = {port: subnet for subnet in subnets for port in subnet.ports()}
        self.circuits = tuple(circuits(graph, subnets))

    @cached_property
    def tenants(self) -> dict[str, tuple[Circuit, ...]]:
        """Tenant → its circuits: those of the file, then of the 5G system, then `default` if anything is left."""
        names = dict.fromkeys((*self._srv6.tenants, *(wanted.tenant for wanted in self._mobile()), DEFAULT))
        subnets = {circuit.link: circuit.subnet.prefix4 for circuit in self.circuits}
        named = [wanted for wanted in self.wanted() if wanted.link in subnets]
        owners = {subnets[wanted.link]: wanted.tenant for wanted in reversed(named)}
        found: dict[str, list[Circuit]] = {name: [] for name in names}
        for circuit in self.circuits:
            found[owners.get(circuit.subnet.prefix4, DEFAULT)].append(circuit)
        return {name: tuple(there) for name, there in found.items() if there}

    def of(self, node: str) -> frozenset[str]:
        """The tenants of the circuits into the subnets of `node`."""
        return self._of_node.get(node, frozenset())

    def by_port(self, port: Port | None) -> str | None:
        """The tenant of the circuit into the subnet of `port`; None if there is none."""
        subnet = self._subnet_of.get(port) if port else None
        return self._of_subnet.get(subnet.prefix4) if subnet else None

    def ports_of(self, node: str) -> dict[str, tuple[Port, Circuit]]:
        """Tenant → the first port of `node` in it, and the first circuit into its subnet."""
        found: dict[str, tuple[Port, Circuit]] = {}
        for name, there in self.tenants.items():
            for circuit in there:
                port = next((port for port in circuit.subnet.ports() if port.node == node), None)
                if port:
                    found.setdefault(name, (port, circuit))
        return found

    def addresses(self, node: str) -> tuple[str, ...]:
        """The addresses of the ports of `node`, those that others know it by first."""
        return tuple(
            a for port in self._ports(node) if port in self._subnet_of for a in self._subnet_of[port].addresses[port]
        )

    def wanted(self) -> Iterator[Carried]:
        """What the file says of circuits, in its order; of several about one circuit the first counts."""
        for name, tenant in self._srv6.tenants.items():
            for index, link in enumerate(tenant.attach):
                yield Carried(link, name, f"srv6.tenants.{name}.attach[{index}]", f"srv6.tenants.{name}")
        yield from self._mobile()

    def own_port(self, node: str) -> Port | None:
        """The first port of `node` that has an address: the one by which others know it (N3, N4 and N9)."""
        return next((port for port in self._ports(node) if port in self._subnet_of), None)

    def n6_port(self, upf: str) -> Port | None:
        """The port of a UPF on a LAN, or its only one."""
        layer2 = {node.name for node in self._graph.nodes if node.role in LAYER2}
        on_lan = (port for port in self._ports(upf) if port.ifname in layer2)
        return next(on_lan, self.own_port(upf))

    def nodes(self, *roles: Role) -> tuple[str, ...]:
        """The nodes of these roles."""
        return tuple(node.name for node in self._graph.nodes if node.role in roles)

    def _mobile(self) -> Iterator[Carried]:
        upfs = self.nodes(Role.UPF)
        ports = {
            "n3": [self.own_port(node) for node in self.nodes(Role.GNB, Role.UPF)],
            "n4": [self.own_port(node) for node in self.nodes(Role.SMF, Role.UPF)],
            "n6": [self.n6_port(upf) for upf in upfs],
            "n9": [self.own_port(upf) for upf in upfs],
        }
        for name, interface in self._srv6.mobile.given.items():
            subnets = [self._subnet_of[port] for port in ports[name] if port in self._subnet_of]
            for circuit in self.circuits:
                if any(circuit.subnet is subnet for subnet in subnets):
                    where = f"srv6.mobile.{name}.tenant"
                    yield Carried(circuit.link, interface.tenant, where, f"{name.upper()} in srv6.mobile")

    def _ports(self, node: str) -> list[Port]:
        return [Port(node, ifname(link, node)) for link in self._graph.links_of(node)]

    @cached_property
    def _of_subnet(self) -> dict[IPv4Network, str]:
        return {circuit.subnet.prefix4: name for name, there in self.tenants.items() for circuit in there}

    @cached_property
    def _of_node(self) -> dict[str, frozenset[str]]:
        found: dict[str, set[str]] = {}
        for name, there in self.tenants.items():
            for circuit in there:
                for port in circuit.subnet.ports():
                    found.setdefault(port.node, set()).add(name)
        return {node: frozenset(names) for node, names in found.items()}
