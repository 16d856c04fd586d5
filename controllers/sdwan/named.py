"""Flows of what was recognised by name: addresses of servers, and connections.

    INGRESS    LAN, a connection that was looked at → CLASSIFY, without a copy
    CLASSIFY   a connection of an application, else an address of one, each both ways → ROUTE

They are above all that is there from the start, have a cookie of their own, and go away when nobody uses them. The next
controller finds them in the tables and leaves those that it would write itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from ipaddress import ip_network

from controllers.flows import TCP, AddFlow, Change, RemoveFlow, SwitchState
from controllers.sdwan.matching import recognising
from controllers.sdwan.network import Application, Edge, Lan, Named, Overlay
from controllers.sdwan.pipeline import APPLICATION_BITS, BY_NAME, CLASSIFY, INGRESS, Program, flow
from controllers.sdwan.recognition import IDLE_S, Connection, Learned, Recognised
from controllers.srv6.network import FlowMatch, Prefix

Found = Recognised | Connection


def flows_of(overlay: Overlay, edge: str, found: Iterable[Found]) -> tuple[AddFlow, ...]:
    """The flows by which an edge knows what was found."""
    writer = _Writer(overlay, overlay.edge[edge])
    return tuple(made for each in found for made in writer.flows(each))


def with_named(
    state: SwitchState, overlay: Overlay, edge: str, known: Iterable[Recognised], there: Iterable[AddFlow]
) -> SwitchState:
    """`state` with the flows of addresses that are `known`, and those that are `there` still, as they are in use."""
    writer = _Writer(overlay, overlay.edge[edge])
    kept = [each for each in there if each.cookie == BY_NAME and writer.would_write(each)]
    flows = {(each.table, each.match, each.priority): each for each in (*kept, *flows_of(overlay, edge, known))}
    return replace(state, flows=(*state.flows, *flows.values()))


def changes_by_name(overlay: Overlay, edge: str, learned: Learned) -> tuple[Change, ...]:
    """What an edge makes of what was learned."""
    added = flows_of(overlay, edge, (*learned.new, *learned.prolonged, *learned.connections))
    removed = flows_of(overlay, edge, learned.gone)
    return (*added, *(RemoveFlow(each.table, each.match, each.priority) for each in removed))


def told_of(found: Found) -> dict[str, object]:
    """What was found, for the record."""
    fields = {"tenant": found.tenant, "application": found.application, "name": found.name}
    if isinstance(found, Recognised):
        return fields | {"address": str(found.address), "seconds": found.idle_s}
    ends = {"address": found.server, "client": found.client}
    return fields | {end: str(prefix.network_address) for end, prefix in ends.items()} | {"port": found.server_port}


def tenant_of(overlay: Overlay, metadata: int) -> str | None:
    """Whose a packet with that metadata is."""
    number = metadata >> 16
    return overlay.tenants[number - 1].name if 0 < number <= len(overlay.tenants) else None


def tenant_behind(edge: Edge, port: int) -> str | None:
    """Whose host is behind a port."""
    return next((lan.tenant for lan in edge.lans if lan.port == port), None)


class _Writer:
    """Writes flows for one edge, and knows its own handwriting."""

    def __init__(self, overlay: Overlay, edge: Edge) -> None:
        self._overlay, self._edge = overlay, edge
        self._program = Program(overlay, edge)
        self._applications = {each.name: each for each in overlay.applications}

    def flows(self, found: Found) -> Iterator[AddFlow]:
        """Of an address or a connection."""
        application = self._applications.get(found.application or "")
        if application is not None and application.named is not None and found.tenant in self._program.tenants_here():
            yield from self._classified(found, application, application.named)
        if isinstance(found, Connection) and found.edge == self._edge.name:
            for lan in self._edge.lans:
                if lan.port == found.port:
                    yield from self._looked_at(found, lan)

    def _classified(self, found: Found, application: Application, named: Named) -> Iterator[AddFlow]:
        """A connection counts before an address: servers of several applications may share one."""
        connection = isinstance(found, Connection)
        priority = (2 if connection else 1) * len(self._applications) + self._program.rank(application)
        idle_s = IDLE_S if isinstance(found, Connection) else found.idle_s
        for match in _both_ways(named, found):
            for made in self._program.recognised(found.tenant, application, match, priority):
                yield _fading(made, idle_s)

    def _looked_at(self, found: Connection, lan: Lan) -> Iterator[AddFlow]:
        metadata = self._program.tenant(lan.tenant)
        for match in recognising(_there(found)):
            sent = replace(match, in_port=lan.port, eth_dst=lan.mac)
            yield _fading(flow(INGRESS, sent, goto=CLASSIFY, metadata=metadata, priority=14), IDLE_S)

    def would_write(self, there: AddFlow) -> bool:
        """Whether a flow is what would be written for what it is of."""
        return any(there in self.flows(found) for found in self._may_be_of(there))

    def _may_be_of(self, there: AddFlow) -> Iterator[Found]:
        match = there.match
        source, target = match.ipv4_src or match.ipv6_src, match.ipv4_dst or match.ipv6_dst
        if there.metadata is None:
            return
        number = there.metadata.value & APPLICATION_BITS
        application = next((each.name for each in self._overlay.applications[number - 1 : number]), None)
        metadata = there.metadata.value if match.metadata is None else match.metadata.value
        tenant = tenant_of(self._overlay, metadata)
        if tenant is None:
            return
        if source is not None and target is not None:
            ends = (source, match.tcp_src or 0), (target, match.tcp_dst or 0)
            for client, server in (ends, ends[::-1]):
                yield Connection(tenant, self._edge.name, match.in_port or 0, *client, *server, application)
        elif application is not None and (address := source or target) is not None:
            yield Recognised(tenant, application, address.network_address, "", there.idle_timeout_s)


def _fading(made: AddFlow, idle_s: int) -> AddFlow:
    return replace(made, cookie=BY_NAME, idle_timeout_s=idle_s, watched=False)


def _both_ways(named: Named, found: Found) -> Iterator[FlowMatch]:
    if isinstance(found, Connection):
        there = replace(_there(found), dscp=named.dscp)
    else:
        server: Prefix = ip_network(found.address)
        there = FlowMatch(named.dscp, named.protocol, destination=server, destination_port=named.port)
    yield there
    ends = (there.destination, there.source, there.destination_port, there.source_port)
    yield FlowMatch(there.dscp, there.protocol, *ends)


def _there(found: Connection) -> FlowMatch:
    return FlowMatch(None, TCP, found.client, found.server, found.client_port, found.server_port)
