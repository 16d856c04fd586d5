"""What a scenario says of applications and their classes, as the controller is given it: JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product

from testbed.graph import Graph
from testbed.plan.addressing import Port, Subnet, ifname
from testbed.plan.routing import host_prefix
from testbed.plan.tenants import PROTOCOLS, Json
from testbed.scenario.model import Service
from testbed.scenario.sdwan import Application, SlaClass


class Applications:
    """The applications of an overlay, with the addresses of what they name; `subnet` is that of each port."""

    def __init__(
        self,
        given: Mapping[str, Application],
        services: Mapping[str, Service],
        graph: Graph,
        subnet: Mapping[Port, Subnet],
    ) -> None:
        self._given, self._services, self._graph, self._subnet = given, services, graph, subnet

    def applications(self) -> Iterator[Json]:
        """In the order of the file: the first that matches counts."""
        for name, given in self._given.items():
            yield {
                "name": name,
                "sla_class": given.sla_class,
                "matches": list(self._matches(given)),
                "tenant": given.tenant,
                "named": self._named(given),
            }

    @staticmethod
    def _named(given: Application) -> Json | None:
        protocol = PROTOCOLS[given.protocol] if given.protocol else None
        fixed = {"protocol": protocol, "port": given.port, "dscp": given.dscp}
        return {"domain": given.domain} | fixed if given.domain else None

    def _matches(self, given: Application) -> Iterator[Json]:
        """There and back: what goes from client to server, and what comes from there; by name none yet."""
        if given.domain:
            return
        fixed = {"dscp": given.dscp, "protocol": PROTOCOLS[given.protocol] if given.protocol else None}
        if {given.source, given.to, given.port, given.client_port} == {None}:
            yield fixed
            return
        for client, server in product(self._addresses(given.source), self._addresses(given.to)):
            if client is None or server is None or (":" in client) == (":" in server):
                yield fixed | _ends("source", client, given.client_port) | _ends("destination", server, given.port)
                yield fixed | _ends("source", server, given.port) | _ends("destination", client, given.client_port)

    def _addresses(self, place: str | None) -> tuple[str | None, ...]:
        if place is None:
            return (None,)
        if place in self._services:
            return (host_prefix(str(self._services[place].address)),)
        ports = (Port(place, ifname(link, place)) for link in self._graph.links_of(place))
        own = (address for port in ports if port in self._subnet for address in self._subnet[port].addresses[port])
        return tuple(map(host_prefix, own))


def _ends(end: str, address: str | None, port: int | None) -> Json:
    return {end: address, f"{end}_port": port}


def sla_class(name: str, given: SlaClass) -> Json:
    """A class of applications."""
    return {
        "name": name,
        "dscp": given.dscp,
        "transports": given.transports,
        "sla": {
            "delay_ms": given.sla.delay,
            "jitter_ms": given.sla.jitter,
            "loss": given.sla.loss,
            "bandwidth_bps": given.sla.bandwidth or 0,
        },
        "forwarding": given.forwarding,
        "weights": given.weights,
        "priority": given.priority,
        "limit_bps": given.limit,
    }
