"""Who can reach whom in a topology, and what of that a scenario needs.

An island is what routers and subnets join: whoever has an address there can reach everybody else who has one.
"""

from __future__ import annotations

from collections.abc import Iterator

import networkx as nx

from testbed.errors import Problem
from testbed.graph import CPES, Graph, Node, Role
from testbed.plan.addressing import Subnet
from testbed.plan.sdwan import lan_ports, tenant_of
from testbed.scenario.model import HttpProbe, Probe, Scenario
from testbed.scenario.sdwan import Sdwan

FUNCTIONS = (Role.GNB, Role.UPF, Role.SMF)


def islands(graph: Graph, subnets: tuple[Subnet, ...], sdwan: Sdwan | None = None) -> dict[str, frozenset[int]]:
    """Node → the islands on which it has an address; none for a node without one.

    An overlay joins the LANs of a tenant.
    """
    routers = {node.name for node in graph.with_role(Role.ROUTER)}
    lans = {port: f"tenant {tenant_of(link, sdwan)}" for port, link in lan_ports(graph, sdwan)} if sdwan else {}
    joined: nx.Graph[int | str] = nx.Graph()
    joined.add_nodes_from(range(len(subnets)))
    joined.add_edges_from(
        (i, port.node) for i, subnet in enumerate(subnets) for port in subnet.ports() if port.node in routers
    )
    joined.add_edges_from(
        (i, lans[port]) for i, subnet in enumerate(subnets) for port in subnet.ports() if port in lans
    )
    number = {member: n for n, members in enumerate(nx.connected_components(joined)) for member in members}
    found: dict[str, set[int]] = {node.name: set() for node in graph.nodes}
    for i, subnet in enumerate(subnets):
        for port in subnet.ports():
            found[port.node].add(number[i])
    return {name: frozenset(numbers) for name, numbers in found.items()}


class Connectivity:
    """All checks of one scenario against the ways that its graph has; `problems()` lists what is wrong."""

    def __init__(self, scenario: Scenario, graph: Graph, subnets: tuple[Subnet, ...]) -> None:
        self.scenario, self.graph = scenario, graph
        self._islands = islands(graph, subnets, scenario.sdwan)
        self._sessions = {session.ue: session.dnn for session in scenario.core.sessions}

    def problems(self) -> Iterator[Problem]:
        """Every problem: the topology's first, then the scenario's in the order of the file."""
        for cpe in (node for node in self.graph.nodes if node.role in CPES):
            if not self.graph.links_of(cpe.name):
                yield Problem(self._where(cpe), f'"{cpe.name}" (cpe), which has no link', "a link from it")
        if self.scenario.core.dnns:
            yield from self._functions()
            yield from self._users()
        yield from self._probes()

    def _where(self, node: Node) -> str:
        """The node's place in the topology file, or in what the topology's parameters make."""
        return f"{self.scenario.topology.file or 'topology'}: nodes[{self.graph.nodes.index(node)}]"

    def _functions(self) -> Iterator[Problem]:
        smfs = [node.name for node in self.graph.with_role(Role.SMF)]
        if len(smfs) != 1:
            yield Problem("core.dnns", f"the SMFs {', '.join(smfs)}" if smfs else "no SMF", "one smf in the topology")
        smf = smfs[0] if len(smfs) == 1 else ""
        for node in self.graph.nodes:
            if node.role not in FUNCTIONS:
                continue
            if not self._islands[node.name]:
                got = f'"{node.name}" ({node.role}), which has no address'
                yield Problem(self._where(node), got, "a link from it to a router or a LAN")
            elif self._islands.get(smf) and not self._joined(node.name, smf):
                yield Problem(self._where(node), f'"{node.name}", which cannot reach {smf}', "a way over routers")

    def _users(self) -> Iterator[Problem]:
        gnbs = {node.name for node in self.graph.with_role(Role.GNB)}
        ues = {node.name for node in self.graph.with_role(Role.UE)}
        for index, session in enumerate(self.scenario.core.sessions):
            ends = {end for link in self.graph.links_of(session.ue) for end in (link.a, link.b)}
            if session.ue in ues and not ends & gnbs:
                got = f'"{session.ue}", which has no link to a gNB'
                yield Problem(f"core.sessions[{index}].ue", got, "a UE at a gNB")

    def _probes(self) -> Iterator[Problem]:
        for name, probe in self.scenario.probes.items():
            sender = self._sender(probe.source)
            service = self.scenario.services.get(probe.to)
            hosts = [host for host in service.hosts if host in self._islands] if service else []
            if sender is None or not hosts:
                continue
            if not self._islands[sender]:
                yield Problem(f"probes.{name}.from", f'"{probe.source}", which has no address', "a node that has one")
            elif not any(self._joined(sender, host) for host in hosts):
                got = f'"{probe.to}", served by {", ".join(hosts)}'
                yield Problem(f"probes.{name}.to", got, f"a service that {sender} can reach")
            elif (unheard := self._unheard(probe, sender)) is not None:
                yield Problem(f"probes.{name}.to", unheard, f"a name server that {sender} can reach")

    def _unheard(self, probe: Probe, sender: str) -> str | None:
        """Whom a probe to a name would ask in vain."""
        server, service = self.scenario.name_server, self.scenario.services[probe.to]
        if not isinstance(probe, HttpProbe) or not service.names or server is None:
            return None
        hosts = [host for host in server.hosts if host in self._islands]
        if not hosts or any(self._joined(sender, host) for host in hosts):
            return None
        return f'"{probe.to}", whose name {", ".join(hosts)} would be asked for'

    def _sender(self, source: str) -> str | None:
        """The node whose addresses a probe's packets leave by: a UE's PSA; None where other checks complain already."""
        if source not in self._islands or self.graph.node(source).role is not Role.UE:
            return source if source in self._islands else None
        dnn = self.scenario.core.dnns.get(self._sessions.get(source, ""))
        psa = dnn.psa if dnn else ""
        # A UPF without an address is a problem of the topology, not of each probe.
        return psa if self._islands.get(psa) else None

    def _joined(self, one: str, other: str) -> bool:
        return bool(self._islands[one] & self._islands[other])
