"""What a topology is made of, before anything is decided: nodes with a role and links with a tier.

A `Graph` is pure data. `topologies` makes graphs, `testbed.plan` turns one into addresses, routes and processes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Tier(StrEnum):
    """The part of the bearer that a link belongs to; its preset gives delay, jitter, loss, rate and MTU."""

    RADIO = "radio"
    ACCESS = "access"
    BACKHAUL = "backhaul"
    METRO = "metro"
    BACKBONE = "backbone"
    DATACENTRE = "datacentre"


class Role(StrEnum):
    """What a node does; it decides the node's class, its forwarding and the processes that it can run."""

    UE = "ue"
    GNB = "gnb"
    ROUTER = "router"
    LAN = "lan"
    CPE = "cpe"
    EDGE = "edge"
    """A CPE in a scenario with an overlay: it routes between its LANs and its transports."""
    HOST = "host"
    UPF = "upf"
    SMF = "smf"
    GATEWAY = "gateway"
    """Between a CPE and a transport: it encrypts, or it is a NAT. The plan puts it there, no topology has one."""


CPES = frozenset({Role.CPE, Role.EDGE})
"""Roles with an Open vSwitch under the controller."""

LAYER2 = frozenset({Role.LAN, Role.CPE})
"""Roles that bridge: they have no addresses, and the links around them make one subnet."""


@dataclass(frozen=True)
class Node:
    """`position` is (x, y) on the map that the report draws; degrees east and north where the place is real."""

    name: str
    role: Role
    site: str
    position: tuple[float, float] = (0.0, 0.0)
    label: str = ""


@dataclass(frozen=True)
class Link:
    """An undirected link between two nodes, named `a-b`; `distance_km` of fibre adds its propagation delay."""

    a: str
    b: str
    tier: Tier
    distance_km: float = 0.0

    @property
    def name(self) -> str:
        """The name by which scenarios, results and control commands call this link."""
        return f"{self.a}-{self.b}"


@dataclass(frozen=True)
class Graph:
    """A topology: names are unique, every link joins two nodes of it, no two links the same ones."""

    name: str
    nodes: tuple[Node, ...]
    links: tuple[Link, ...]

    def node(self, name: str) -> Node:
        """The node called `name`; KeyError if there is none."""
        return {node.name: node for node in self.nodes}[name]

    def link(self, name: str) -> Link:
        """The link called `name`; KeyError if there is none."""
        return {link.name: link for link in self.links}[name]

    def links_of(self, node: str) -> tuple[Link, ...]:
        """The links that end at `node`, in the order of the graph."""
        return tuple(link for link in self.links if node in (link.a, link.b))

    def with_role(self, role: Role) -> tuple[Node, ...]:
        """The nodes that have `role`."""
        return tuple(node for node in self.nodes if node.role is role)
