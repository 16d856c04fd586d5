"""A plan as `ip -batch` scripts: pure text, one script for all links and one for each namespace.

Links come first, made from the base namespace with each end put where it belongs. What a node itself has (addresses,
routes, a bridge) is one script that runs inside its namespace, so that a hundred nodes cost a hundred short processes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_interface

from testbed.graph import CPES, LAYER2, Role
from testbed.lab.names import Names
from testbed.links.engine import EmulatedLink
from testbed.plan.model import LinkEnd, Plan, PlannedEdge, PlannedInterface, PlannedLink, PlannedNode, Route

BRIDGE = "br0"
"""The kernel bridge of a LAN."""

MANAGEMENT = "mgmt"
"""In the base namespace the bridge of the management network, in a managed node its interface there."""


def emulated_links(plan: Plan) -> tuple[EmulatedLink, ...]:
    """The links that an engine has to carry."""
    return tuple(
        EmulatedLink(link.name, *inner_ends(number), link.a_to_b, link.b_to_a)
        for number, link in enumerate(plan.links)
        if link.emulated
    )


def inner_ends(number: int) -> tuple[str, str]:
    """What the ends of an emulated link are called in the base namespace, where its engine takes hold of them."""
    return f"w{number}a", f"w{number}b"


def links_script(plan: Plan, names: Names) -> str:
    """Make every veth pair of the plan; the script runs in the base namespace."""
    return _script(line for number, link in enumerate(plan.links) for line in _link_lines(plan, names, number, link))


def base_script(plan: Plan, names: Names) -> str:
    """Bring up what the base namespace holds: inner ends of emulated links, and the management network if there is one.

    The base namespace has the first address of that network.
    """
    return _script(_base_lines(plan, names))


def node_script(node: PlannedNode) -> str:
    """Bring the node's interfaces up and give it addresses and routes; a LAN gets its bridge."""
    return _script(_node_lines(node)) + (bridge_script(node) if node.role is Role.LAN else "")


def edge_script(edge: PlannedEdge) -> str:
    """Give an edge of the overlay its addresses, once its switch has made the interfaces that they belong to."""
    return _script(_edge_lines(edge))


def restore_script(node: PlannedNode, ifname: str) -> str:
    """Give an interface back what the kernel took when it was set down: IPv6 addresses, neighbours and all routes."""
    addresses = (address for address in node.interface(ifname).addresses if ":" in address)
    routes = (route for route in node.routes if route.dev == ifname)
    return _script(
        (
            *(f"addr replace {address} dev {ifname} nodad" for address in addresses),
            *_neighbour_lines(node.interface(ifname)),
            *(_route_line(route).replace("route add", "route replace", 1) for route in routes),
        )
    )


def bridge_script(node: PlannedNode) -> str:
    """Join all interfaces of the node in one kernel bridge."""
    # Snooping would drop neighbour solicitations until it has seen every listener.
    create = f"link add {BRIDGE} up type bridge stp_state 0 forward_delay 0 mcast_snooping 0"
    return _script((create, *(f"link set {port.name} master {BRIDGE}" for port in node.interfaces)))


def sysctls(node: PlannedNode) -> dict[str, int]:
    """The node's settings under /proc/sys/net, to be written before it has interfaces, which then inherit them."""
    forwarding = int(node.forwards)
    settings = {
        "ipv4/ip_forward": forwarding,
        "ipv6/conf/all/forwarding": forwarding,
        "ipv6/conf/default/forwarding": forwarding,
    }
    for scope in ("all", "default"):
        settings |= {
            # Paths may be asymmetric on purpose, so a packet's source says nothing about its way in. At an edge whose
            # switch forwards in user space the kernel sees what comes by an attachment, too: it must not answer.
            f"ipv4/conf/{scope}/rp_filter": int(node.role is Role.EDGE),
            f"ipv4/conf/{scope}/arp_ignore": int(node.role is Role.EDGE),
            # Routes are the plan's: a router on a LAN must not teach hosts another one.
            f"ipv4/conf/{scope}/send_redirects": 0,
            f"ipv6/conf/{scope}/accept_ra": 0,
            # Addresses are unique by plan, and waiting for duplicates takes a second.
            f"ipv6/conf/{scope}/accept_dad": 0,
        }
    if node.role in LAYER2 | CPES:
        # Their own kernel has no business on the ports: it would answer, too, with its link-local addresses.
        settings |= {"ipv6/conf/all/disable_ipv6": 1, "ipv6/conf/default/disable_ipv6": 1}
    return settings


def without_offloads(plan: Plan) -> dict[str, tuple[str, ...]]:
    """Node → its interfaces that must send finished packets, neither super-packets nor missing checksums.

    Those are the ends of links around a CPE, whose OVS may run in user space, and around a UE, whose packets get a
    GTP-U header; and of emulated links around what puts that header on, or takes it off: a gNB or a UPF.
    """
    roles = {node.name: node.role for node in plan.nodes}
    ends = [end for link in plan.links if _in_user_space(link, roles) for end in (link.a, link.b)]
    return {node.name: tuple(end.ifname for end in ends if end.node == node.name) for node in plan.nodes}


def _in_user_space(link: PlannedLink, roles: dict[str, Role]) -> bool:
    tunnelling = {Role.GNB, Role.UPF} if link.emulated else set()
    return not {roles[link.a.node], roles[link.b.node]}.isdisjoint({Role.UE} | CPES | tunnelling)


def _base_lines(plan: Plan, names: Names) -> Iterator[str]:
    inner = (name for link in emulated_links(plan) for name in (link.a_ifname, link.b_ifname))
    yield from (f"link set {name} up" for name in ("lo", *inner))
    managed = [(node.name, ip_interface(node.management).network) for node in plan.nodes if node.management]
    for number, (node, network) in enumerate(managed):
        if number == 0:
            yield f"link add {MANAGEMENT} up type bridge stp_state 0 forward_delay 0"
            yield f"addr add {network[1]}/{network.prefixlen} dev {MANAGEMENT}"
        yield f"link add m{number} type veth peer name {MANAGEMENT} netns {names.namespace(node)}"
        yield f"link set m{number} up master {MANAGEMENT}"


def _link_lines(plan: Plan, names: Names, number: int, link: PlannedLink) -> Iterator[str]:
    a, b = _outer(plan, names, link.a), _outer(plan, names, link.b)
    if not link.emulated:
        yield f"link add {a} type veth peer name {b}"
        return
    for outer, inner in zip((a, b), inner_ends(number), strict=True):
        yield f"link add {outer} type veth peer name {inner} netns {names.base} mtu {link.mtu}"


def _outer(plan: Plan, names: Names, end: LinkEnd) -> str:
    interface = plan.node(end.node).interface(end.ifname)
    return f"{interface.name} netns {names.namespace(end.node)} address {interface.mac} mtu {interface.mtu}"


def _node_lines(node: PlannedNode) -> Iterator[str]:
    yield "link set lo up"
    yield from (f"addr add {address} dev lo" for address in node.loopback)
    for interface in node.interfaces:
        yield f"link set {interface.name} up"
        for address in interface.addresses:
            yield f"addr add {address} dev {interface.name}" + (" nodad" if ":" in address else "")
        yield from _neighbour_lines(interface)
    if node.management:
        yield f"link set {MANAGEMENT} up"
        yield f"addr add {node.management} dev {MANAGEMENT}"
    # Routes on a link first: the gateways of the others have to be reachable.
    yield from (_route_line(route) for route in sorted(node.routes, key=lambda route: route.via is not None))


def _neighbour_lines(interface: PlannedInterface) -> Iterator[str]:
    for neighbour in interface.neighbours:
        yield f"neigh replace {neighbour.address} lladdr {neighbour.mac} dev {interface.name} nud permanent"


def _edge_lines(edge: PlannedEdge) -> Iterator[str]:
    for bridge in edge.bridges:
        yield f"link set {bridge.name} up"
        yield f"addr add {bridge.address} dev {bridge.name}"
        yield from (_route_line(route) for route in bridge.routes)
    # Nobody answers for the other end of a tunnel: flows deliver what comes to whoever has the port.
    yield f"link set {edge.probes.ifname} arp off up"
    yield from (f"addr add {address} dev {edge.probes.ifname}" for address in edge.probes.addresses)
    if edge.replicas:
        yield f"link set {edge.replicas.ifname} arp off up"


def _route_line(route: Route) -> str:
    # `default` alone means IPv4, even beside an IPv6 gateway.
    prefix = "::/0" if route.prefix == "default" and route.via and ":" in route.via else route.prefix
    return f"route add {prefix}" + (f" via {route.via}" if route.via else "") + f" dev {route.dev}"


def _script(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
