"""Scenario and graph → Plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from testbed.errors import InputError, Problem
from testbed.graph import Graph, Node, Role
from testbed.plan import addressing, gateways, sdwan, srv6
from testbed.plan.addressing import Port, Subnet
from testbed.plan.changes import plan_changes, steered_links
from testbed.plan.circuits import Tenancy
from testbed.plan.connectivity import Connectivity
from testbed.plan.model import (
    LinkEnd,
    Neighbour,
    Plan,
    PlannedCapture,
    PlannedFlow,
    PlannedInterface,
    PlannedLink,
    PlannedNode,
    PlannedService,
    PlannedSession,
    Route,
)
from testbed.plan.processes import controller_target, plan_link_probe, plan_probes, plan_processes
from testbed.plan.profiles import Known, LinkPlan, Presets, plan_links
from testbed.plan.references import References
from testbed.plan.routing import Services, host_prefix, local_routes, plan_routes, pool_routes, router_graph
from testbed.plan.sdwan_references import SdwanReferences
from testbed.plan.srv6_references import Srv6References
from testbed.plan.tenants import Tenants
from testbed.scenario.files import Files
from testbed.scenario.load import Loaded, in_the_file
from testbed.scenario.model import Scenario


def check(loaded: Loaded, graph: Graph | None, presets: Presets) -> tuple[Problem, ...]:
    """Every problem of a loaded scenario; `graph` is None if the topology itself is wrong."""
    scenario = loaded.scenario
    if scenario is None or graph is None:
        return loaded.problems
    if not any(path.startswith("core") for path in loaded.left_out):
        graph = _as_used(scenario, graph)
    known = Known(presets, loaded.files)
    links = _links(scenario, graph, known)
    subnets = addressing.subnets(graph)
    references = References(scenario, graph, links, subnets, known, left_out=loaded.left_out)
    underlay = Srv6References(scenario, graph, links, subnets, left_out=loaded.left_out)
    connectivity = Connectivity(scenario, graph, subnets)
    overlay = (
        SdwanReferences(scenario, scenario.sdwan, graph, links, subnets, left_out=loaded.left_out).problems()
        if scenario.sdwan
        else ()
    )
    found = (*connectivity.problems(), *references.problems(), *underlay.problems(), *overlay)
    in_place = (replace(problem, where=in_the_file(problem.where, loaded.left_out)) for problem in found)
    return (*loaded.problems, *in_place)


def network(scenario: Scenario, graph: Graph, presets: Presets, files: Files) -> str:
    """What the underlay's controller is given of a scenario with `srv6`: JSON."""
    graph = _as_used(scenario, graph)
    return srv6.network_text(scenario, graph, _links(scenario, graph, Known(presets, files)), addressing.subnets(graph))


def plan(loaded: Loaded, graph: Graph, presets: Presets, *, seed: int | None = None) -> Plan:
    """Everything decided; InputError with all problems if the scenario is wrong."""
    problems = check(loaded, graph, presets)
    if problems or loaded.scenario is None:
        raise InputError(loaded.source, problems)
    scenario = loaded.scenario
    graph = _as_used(scenario, graph)
    known = Known(presets, loaded.files)
    links = _links(scenario, graph, known)
    nodes = _nodes(scenario, graph, links)
    subnets = addressing.subnets(graph)
    network = srv6.network_text(scenario, graph, links, subnets) if scenario.srv6 else ""
    overlay = sdwan.OverlayPlan(scenario, graph, links, subnets) if scenario.sdwan else None
    nodes = tuple(_as_edge(node, overlay) if overlay and node.role is Role.EDGE else node for node in nodes)
    overlay_text = overlay.text({node.name: node.datapath_id or 0 for node in nodes}) if overlay else ""
    steered = steered_links(scenario)
    planned_links = tuple(_link(link, steered) for link in links)
    if overlay:
        nodes, planned_links = gateways.inserted(nodes, planned_links, overlay.secured())
    return Plan(
        scenario=scenario.name,
        seed=scenario.seed if seed is None else seed,
        engine=scenario.links.engine,
        nodes=nodes,
        links=planned_links,
        services=tuple(
            PlannedService(name, str(service.address), tuple(service.hosts))
            for name, service in scenario.services.items()
        ),
        sessions=tuple(_sessions(scenario, graph)),
        controller=controller_target(nodes),
        srv6=srv6.needs(scenario.srv6) if scenario.srv6 else None,
        smf=next((node.name for node in nodes if node.role is Role.SMF and scenario.core.dnns), None),
        processes=tuple(plan_processes(scenario, nodes, network, overlay_text, loaded.files.controller_app)),
        probes=(*plan_link_probe(scenario.links.probe, planned_links), *plan_probes(scenario)),
        flows=tuple(_flows(scenario, graph)),
        captures=tuple(_captures(scenario, graph, nodes)),
        changes=tuple(plan_changes(scenario, links, known)),
    )


def _as_used(scenario: Scenario, graph: Graph) -> Graph:
    """Nodes in the roles that the scenario gives them.

    Without a core there are no PDU sessions: then a gNB is a router and a UE a host, with addresses by plan. With an
    overlay a CPE is an edge of it.
    """
    plain = {} if scenario.core.dnns else {Role.GNB: Role.ROUTER, Role.UE: Role.HOST}
    used = plain | ({Role.CPE: Role.EDGE} if scenario.sdwan else {})
    return replace(graph, nodes=tuple(replace(node, role=used.get(node.role, node.role)) for node in graph.nodes))


def _links(scenario: Scenario, graph: Graph, known: Known) -> tuple[LinkPlan, ...]:
    links = plan_links(graph.links, scenario.links, known)
    if scenario.srv6:
        links = srv6.with_room(links, graph, scenario.links)
    return sdwan.with_room(links, graph, scenario.sdwan, scenario.links) if scenario.sdwan else links


def _nodes(scenario: Scenario, graph: Graph, links: tuple[LinkPlan, ...]) -> tuple[PlannedNode, ...]:
    subnets = addressing.subnets(graph)
    services = tuple((str(service.address), tuple(service.hosts)) for service in scenario.services.values())
    routes = _routes(scenario, graph, links, subnets, services)
    loopbacks = addressing.loopbacks(graph)
    management = addressing.management(graph)
    served = {
        node.name: tuple(host_prefix(address) for address, hosts in services if node.name in hosts)
        for node in graph.nodes
    }
    interfaces = _interfaces(graph, links, subnets)
    return tuple(
        _node(
            node,
            loopback=(*loopbacks.get(node.name, ()), *served[node.name]),
            interfaces=interfaces[node.name],
            routes=tuple(routes[node.name]),
            management=management.get(node.name),
            datapath_id=list(management).index(node.name) + 1 if node.name in management else None,
        )
        for node in graph.nodes
    )


def _routes(
    scenario: Scenario, graph: Graph, links: tuple[LinkPlan, ...], subnets: tuple[Subnet, ...], services: Services
) -> dict[str, list[Route]]:
    """Node → its routes; none for routers if a controller routes between them."""
    if scenario.srv6 is None:
        found = plan_routes(graph, router_graph(graph, links), subnets, services)
    else:
        routers = {node.name for node in graph.with_role(Role.ROUTER)}
        found = {node.name: [] for node in graph.nodes}
        tenants = Tenants(scenario, Tenancy(scenario.srv6, graph, subnets))
        for name, route in (*local_routes(graph, subnets, services), *tenants.routes()):
            if name not in routers:
                found[name].append(route)
    pools = [str(dnn.pool) for dnn in scenario.core.dnns.values()]
    for name, route in pool_routes(graph, subnets, pools):
        found[name].append(route)
    return found


def _node(  # noqa: PLR0913
    node: Node,
    *,
    loopback: tuple[str, ...],
    interfaces: tuple[PlannedInterface, ...],
    routes: tuple[Route, ...],
    management: str | None,
    datapath_id: int | None,
) -> PlannedNode:
    return PlannedNode(
        name=node.name,
        role=node.role,
        site=node.site,
        label=node.label,
        position=node.position,
        forwards=node.role in (Role.ROUTER, Role.UPF),
        loopback=loopback,
        interfaces=interfaces,
        routes=routes,
        datapath_id=datapath_id,
        management=management,
    )


def _as_edge(node: PlannedNode, overlay: sdwan.OverlayPlan) -> PlannedNode:
    """Its addresses and routes are those of bridges, and LANs are answered by its flows."""
    interfaces = tuple(replace(port, addresses=()) for port in node.interfaces)
    return replace(node, interfaces=interfaces, routes=(), edge=overlay.planned(node.name))


def _interfaces(
    graph: Graph, links: tuple[LinkPlan, ...], subnets: tuple[Subnet, ...]
) -> dict[str, tuple[PlannedInterface, ...]]:
    addresses = {port: subnet.interface_addresses(port) for subnet in subnets for port in subnet.ports()}
    macs = addressing.macs(planned.link for planned in links)
    known = _router_neighbours(graph, links, subnets, macs)
    known |= {port: (edge,) for port, edge in sdwan.gateway_neighbours(graph, subnets, macs).items()}
    found: dict[str, list[PlannedInterface]] = {node.name: [] for node in graph.nodes}
    for planned in links:
        for node in (planned.link.a, planned.link.b):
            port = Port(node, addressing.ifname(planned.link, node))
            found[node].append(
                PlannedInterface(port.ifname, macs[port], planned.mtu, addresses.get(port, ()), known.get(port, ()))
            )
    return {node: tuple(ports) for node, ports in found.items()}


def _router_neighbours(
    graph: Graph, links: tuple[LinkPlan, ...], subnets: tuple[Subnet, ...], macs: Mapping[Port, str]
) -> dict[Port, tuple[Neighbour, ...]]:
    """Port of a router → the router at the other end.

    Real routers speak to each other all the time. Here a link may be idle until a repair takes it, and packets would
    wait for neighbour discovery just when every millisecond counts.
    """
    routers = {node.name for node in graph.with_role(Role.ROUTER)}
    pairs = {port: pair for subnet in subnets for port, pair in subnet.addresses.items()}
    found: dict[Port, tuple[Neighbour, ...]] = {}
    for planned in links:
        ends = (planned.link.a, planned.link.b)
        if {*ends} <= routers:
            ports = [Port(node, addressing.ifname(planned.link, node)) for node in ends]
            for port, other in (ports, reversed(ports)):
                found[port] = tuple(Neighbour(address, macs[other]) for address in pairs[other])
    return found


def _link(planned: LinkPlan, steered: frozenset[str]) -> PlannedLink:
    link, there, back = planned.link, planned.behaviour.a_to_b, planned.behaviour.b_to_a
    a, b = (LinkEnd(node, addressing.ifname(link, node)) for node in (link.a, link.b))
    return PlannedLink(
        link.name,
        link.tier,
        a,
        b,
        planned.mtu,
        planned.distance_km,
        there.profile,
        back.profile,
        there.trace,
        back.trace,
        steered=link.name in steered,
    )


def _sessions(scenario: Scenario, graph: Graph) -> Iterable[PlannedSession]:
    gnbs = {node.name for node in graph.with_role(Role.GNB)}
    for session in scenario.core.sessions:
        gnb = next(end for link in graph.links_of(session.ue) for end in (link.a, link.b) if end in gnbs)
        yield PlannedSession(session.ue, gnb, session.dnn, scenario.core.dnns[session.dnn].sst, scenario.core.ue_mtu)


def _flows(scenario: Scenario, graph: Graph) -> Iterable[PlannedFlow]:
    for name, flow in scenario.flows.items():
        devices = tuple(addressing.ifname(graph.link(link), flow.at) for link in flow.links)
        yield PlannedFlow(name, flow.ue, str(scenario.services[flow.service].address), flow.at, devices)


def _captures(scenario: Scenario, graph: Graph, nodes: tuple[PlannedNode, ...]) -> Iterable[PlannedCapture]:
    addresses = {node.name: node.address() for node in nodes if node.name in {c.peer for c in scenario.captures}}
    for capture in scenario.captures:
        dev = addressing.ifname(graph.link(capture.link), capture.at)
        file = "-".join((capture.at, dev, *([capture.peer] if capture.peer else []))) + ".pcapng"
        only = f"host {addresses[capture.peer]}" if capture.peer else ""
        yield PlannedCapture(capture.at, dev, capture.point, file, only)
