"""A plan for stock Mininet: `mn --custom FILE --topo NAME` with `topos = {NAME: lambda: BearerTopo(plan)}`.

Nodes and links are made by Mininet, one command at a time; the classes here then apply what the plan says of each node:
addresses, routes, sysctls, bridges. Without a controller a CPE is a plain bridge.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mininet.net import Mininet
from mininet.node import Node
from mininet.topo import Topo

from testbed import netns
from testbed.graph import Role
from testbed.lab import ipbatch, kernel
from testbed.lab.build import run_ip
from testbed.links.profile import LinkProfile
from testbed.plan.model import Plan, PlannedLink, PlannedNode
from testbed.plan.planner import plan
from testbed.scenario.load import validate
from topologies.catalogue import named
from topologies.nodes import planned_ipv4
from topologies.stock_links import BearerLink
from topologies.tiers import PRESETS


class BearerTopo(Topo):  # type: ignore[misc]
    """Mininet's topology of a plan.

    What has no IPv4 address is a switch to Mininet, so that `pingall` leaves it out.
    """

    def build(self, plan: Plan) -> None:
        """Add every node and link of the plan."""
        offloads = ipbatch.without_offloads(plan)
        for node in plan.nodes:
            # Stock Mininet has no controller to reach over a management network.
            unmanaged = replace(node, management=None)
            options = {"planned": unmanaged, "offloads": offloads[node.name], "inNamespace": True}
            if planned_ipv4(node) is None:
                self.addSwitch(node.name, cls=StockSwitch, **options)
            else:
                self.addHost(node.name, cls=StockNode, **options)
        for link in plan.links:
            self.addLink(link.a.node, link.b.node, cls=BearerLink, **_link_options(plan, link))


class StockNode(Node):  # type: ignore[misc]
    """A node of the plan in a namespace that Mininet made, which lives as long as the node's shell."""

    def __init__(self, name: str, planned: PlannedNode, offloads: tuple[str, ...], **params: Any) -> None:
        self.planned = planned
        self._offloads = offloads
        super().__init__(name, **params)
        with netns.entered(self._namespace):
            kernel.write_sysctls(ipbatch.sysctls(planned))

    @property
    def _namespace(self) -> str:
        return f"/proc/{self.pid}/ns/net"

    def config(self, **_params: Any) -> dict[str, Any]:
        """Give the node what the plan says; Mininet's own idea of an address is left out."""
        mtus = "".join(f"link set dev {port.name} mtu {port.mtu}\n" for port in self.planned.interfaces)
        with netns.entered(self._namespace):
            run_ip(mtus + ipbatch.node_script(self.planned), where=self.name)
            kernel.disable_offloads(self._offloads)
        return {}

    def IP(self, intf: Any = None) -> str | None:  # noqa: N802
        """The IPv4 address of an interface, by default the one by which the plan knows the node."""
        return super().IP(intf) if intf else planned_ipv4(self.planned)


class StockSwitch(StockNode):
    """A LAN or a CPE as one kernel bridge, and a UE if the plan has a core: its address comes with the session."""

    def start(self, _controllers: list[Any]) -> None:
        """Configure the node, which Mininet does for hosts only; a CPE's ports are joined too."""
        self.config()
        if self.planned.role is Role.CPE:
            with netns.entered(self._namespace):
                run_ip(ipbatch.bridge_script(self.planned), where=self.name)

    def connected(self) -> bool:
        """True: a kernel bridge needs no controller."""
        return True


def named_topo(name: str, **params: Any) -> BearerTopo:
    """The topology of the catalogue called `name`, with tier presets and without a 5G core, for `mn --topo NAME,…`."""
    topology = {"name": name, "params": params}
    loaded = validate(f"--topo {name}", {"name": name, "topology": topology})
    return BearerTopo(plan(loaded, named(name, params), PRESETS))


def _link_options(plan: Plan, link: PlannedLink) -> dict[str, Any]:
    ports = [plan.node(end.node).interface(end.ifname) for end in (link.a, link.b)]
    return {
        "intfName1": ports[0].name,
        "intfName2": ports[1].name,
        "addr1": ports[0].mac,
        "addr2": ports[1].mac,
        "params1": _tc_parameters(link.a_to_b),
        "params2": _tc_parameters(link.b_to_a),
    }


def _tc_parameters(profile: LinkProfile) -> dict[str, Any]:
    """A profile in TCLink's parameters."""
    parameters = {"delay": f"{profile.delay_ms}ms", "jitter": f"{profile.jitter_ms}ms", "loss": profile.loss * 100}
    rate = {"bw": profile.rate_bps / 1e6} if profile.rate_bps else {}
    return parameters | rate | ({"max_queue_size": profile.queue.packets} if profile.queue.packets else {})


def plain_mininet(plan: Plan) -> Mininet:
    """The baseline of `bench boot`: the same graph, addresses, default routes and forwarding by Mininet alone."""
    # Mininet would raise limits of the whole machine first.
    Mininet.inited = True
    net = Mininet(topo=PlainTopo(plan), controller=None)
    for node in plan.nodes:
        if node.forwards:
            net[node.name].cmd("sysctl -w net.ipv4.ip_forward=1")
    return net


class PlainTopo(Topo):  # type: ignore[misc]
    """A plan's IPv4 graph with nothing but Mininet's own Node and Link."""

    def build(self, plan: Plan) -> None:
        """Add every node and link of the plan."""
        for node in plan.nodes:
            gateway = next((f"via {route.via}" for route in node.routes if route.prefix == "default"), None)
            self.addHost(node.name, cls=Node, ip=None, defaultRoute=gateway)
        for link in plan.links:
            ports = [plan.node(end.node).interface(end.ifname) for end in (link.a, link.b)]
            params = [{"ip": port.addresses[0]} for port in ports]
            self.addLink(link.a.node, link.b.node, params1=params[0], params2=params[1])
