"""What each tenant has where: its attachments, what is reached behind their hosts, and how its flows are steered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import permutations
from typing import Any

from testbed.graph import Role
from testbed.plan.circuits import Circuit, Tenancy
from testbed.plan.model import Route
from testbed.plan.routing import host_prefix
from testbed.scenario.model import Scenario
from testbed.scenario.srv6 import FlowSteering, Mobile

FIRST_TABLE = 1001
"""The routing table of the first tenant; the others follow."""

GTPU_PORT, PFCP_PORT = 2152, 8805
PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17}
_UDP = PROTOCOLS["udp"]

Json = dict[str, Any]


class Tenants:
    """The tenants of a scenario, in the shape of `controllers.srv6.network.Tenant`."""

    def __init__(self, scenario: Scenario, tenancy: Tenancy) -> None:
        assert scenario.srv6 is not None
        self._scenario, self._srv6, self._tenancy = scenario, scenario.srv6, tenancy
        self._services = {name: (str(s.address), tuple(s.hosts)) for name, s in scenario.services.items()}
        self._pools = [(str(dnn.pool), tenancy.n6_port(dnn.psa)) for dnn in scenario.core.dnns.values()]

    def all(self) -> Iterator[Json]:
        """Every tenant that is attached anywhere."""
        for table, (name, there) in enumerate(self._tenancy.tenants.items(), FIRST_TABLE):
            yield {
                "name": name,
                "table": table,
                "color": self._color(name),
                "attachments": list(self._attachments(there)),
                "steering": [*self._given(name), *self._mobile(name), *self._overlay(there)],
            }

    def routes(self) -> Iterator[tuple[str, Route]]:
        """Nodes in several tenants reach each over their own port there; one of them has their default route."""
        for node in self._tenancy.nodes(*(role for role in Role if role is not Role.ROUTER)):
            into = self._tenancy.ports_of(node)
            usual = self._tenancy.by_port(self._tenancy.own_port(node))
            for name, (port, circuit) in into.items():
                if name != usual and len(into) > 1:
                    via = circuit.subnet.addresses[circuit.port]
                    for prefix in self._elsewhere(name, circuit):
                        yield node, Route(prefix, port.ifname, via[":" in prefix])

    def _elsewhere(self, tenant: str, here: Circuit) -> Iterator[str]:
        """The prefixes of a tenant that are not in the subnet of `here`."""
        local = {*here.subnet.prefixes(), *(prefix for prefix, _ in self._reaches(here))}
        for circuit in self._tenancy.tenants[tenant]:
            yield from (p for p in circuit.subnet.prefixes() if p not in local)
            yield from (prefix for prefix, _ in self._reaches(circuit) if prefix not in local)

    def _color(self, name: str) -> int | None:
        """The tenant's own, else that of N6, which is what no flow of the other interfaces is."""
        given, n6 = self._srv6.tenants.get(name), self._srv6.mobile.n6
        if given and given.color is not None:
            return given.color
        return n6.color if n6 and n6.tenant == name else None

    def _attachments(self, there: Iterable[Circuit]) -> Iterator[Json]:
        """A router has one route to a prefix in a tenant, whoever else is also behind it."""
        known: set[tuple[str, str]] = set()
        for circuit in there:
            reaches = []
            for prefix, via in self._reaches(circuit):
                if (circuit.port.node, prefix) not in known:
                    known.add((circuit.port.node, prefix))
                    reaches.append({"prefix": prefix, "via": via})
            yield {
                "router": circuit.port.node,
                "ifname": circuit.port.ifname,
                "subnets": list(circuit.subnet.prefixes()),
                "hosts": [
                    address
                    for port, pair in circuit.subnet.addresses.items()
                    if port != circuit.port
                    for address in pair
                ],
                "reaches": reaches,
            }

    def _reaches(self, circuit: Circuit) -> Iterator[tuple[str, str]]:
        """Prefix and the host that has it: services, and the UEs of the UPF that anchors them."""
        for port, pair in circuit.subnet.addresses.items():
            for address, hosts in self._services.values():
                if port.node in hosts:
                    yield host_prefix(address), pair[":" in address]
            yield from ((pool, pair[0]) for pool, n6 in self._pools if port == n6)

    def _given(self, name: str) -> Iterator[Json]:
        tenant = self._srv6.tenants.get(name)
        for flow in tenant.steering if tenant else ():
            yield from self._flow(flow)

    def _flow(self, flow: FlowSteering) -> Iterator[Json]:
        """One for each pair of addresses, as both ends may have IPv4 and IPv6."""
        match = {
            "dscp": flow.dscp,
            "protocol": PROTOCOLS[flow.protocol] if flow.protocol else None,
            "destination_port": flow.port,
        }
        for source in self._prefixes(flow.source):
            for destination in self._prefixes(flow.destination):
                if None in (source, destination) or (":" in str(source)) == (":" in str(destination)):
                    yield _steering(flow.color, **match, source=source, destination=destination)

    def _prefixes(self, name: str | None) -> list[str | None]:
        """Of a service or a node; None is anybody."""
        if name is None:
            return [None]
        if name in self._services:
            return [host_prefix(self._services[name][0])]
        return [host_prefix(address) for address in self._tenancy.addresses(name)]

    def _mobile(self, tenant: str) -> Iterator[Json]:
        """Packets of N3, N9 and N4; what is left in the tenant of N6 is N6, which has the tenant's color."""
        mobile: Mobile = self._srv6.mobile
        upfs, gnbs = (self._tenancy.nodes(role) for role in (Role.UPF, Role.GNB))
        n3 = [pair for gnb in gnbs for upf in upfs for pair in ((gnb, upf), (upf, gnb))]
        for interface, pairs in ((mobile.n3, n3), (mobile.n9, list(permutations(upfs, 2)))):
            if interface and interface.color is not None and interface.tenant == tenant:
                for source, destination in pairs:
                    ends = {"source": self._own(source), "destination": self._own(destination)}
                    yield _steering(interface.color, protocol=_UDP, destination_port=GTPU_PORT, **ends)
        if mobile.n4 and mobile.n4.color is not None and mobile.n4.tenant == tenant:
            yield _steering(mobile.n4.color, protocol=_UDP, destination_port=PFCP_PORT)
            yield _steering(mobile.n4.color, protocol=_UDP, source_port=PFCP_PORT)

    def _overlay(self, there: Iterable[Circuit]) -> Iterator[Json]:
        """An overlay's tunnels say by their outer DSCP which color they ride."""
        links = {circuit.link for circuit in there}
        transports = self._scenario.sdwan.transports.values() if self._scenario.sdwan else ()
        for transport in transports:
            if links.intersection(transport.links):
                yield from (_steering(color, dscp=dscp) for color, dscp in transport.colors.items())

    def _own(self, node: str) -> str:
        return host_prefix(self._tenancy.addresses(node)[0])


def _steering(color: int, **match: object) -> Json:
    return {"match": {key: value for key, value in match.items() if value is not None}, "color": color}
