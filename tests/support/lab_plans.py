"""Small plans made by hand: h1 – r1 – r2 – lan1 – h2, in IPv4 and IPv6."""

from __future__ import annotations

from dataclasses import replace

from testbed.graph import Role, Tier
from testbed.links.profile import LinkProfile
from testbed.plan.model import LinkEnd, Neighbour, Plan, PlannedInterface, PlannedLink, PlannedNode, Route

PLAIN = LinkProfile()

R2 = (Neighbour("10.0.0.1", "02:00:00:00:00:04"), Neighbour("fd00::1", "02:00:00:00:00:04"))
"""What r1 knows of r2."""


def interface(name: str, number: int, *addresses: str) -> PlannedInterface:
    return PlannedInterface(name, f"02:00:00:00:00:{number:02x}", 1500, addresses)


def link(a: str, b: str, profile: LinkProfile = PLAIN) -> PlannedLink:
    return PlannedLink(f"{a}-{b}", Tier.METRO, LinkEnd(a, b), LinkEnd(b, a), 1500, 0.0, profile, profile)


def node(
    name: str, role: Role, *interfaces: PlannedInterface, routes: tuple[Route, ...] = (), loopback: tuple[str, ...] = ()
) -> PlannedNode:
    forwards = role is Role.ROUTER
    return PlannedNode(name, role, "site", name, (0.0, 0.0), forwards, loopback, interfaces, routes)


def five_nodes(middle: LinkProfile = PLAIN) -> Plan:
    """`middle` is the profile of the link between the routers."""
    h1 = node("h1", Role.HOST, interface("r1", 1, "10.1.0.2/24", "fd00:1::2/64"), routes=defaults("r1", 1))
    r1 = node(
        "r1",
        Role.ROUTER,
        interface("h1", 2, "10.1.0.1/24", "fd00:1::1/64"),
        replace(interface("r2", 3, "10.0.0.0/31", "fd00::/127"), neighbours=R2),
        routes=(Route("10.2.0.0/24", "r2", "10.0.0.1"), Route("fd00:2::/64", "r2", "fd00::1")),
        loopback=("10.255.0.1/32", "fd00:255::1/128"),
    )
    r2 = node(
        "r2",
        Role.ROUTER,
        interface("r1", 4, "10.0.0.1/31", "fd00::1/127"),
        interface("lan1", 5, "10.2.0.1/24", "fd00:2::1/64"),
        routes=(
            Route("10.1.0.0/24", "r1", "10.0.0.0"),
            Route("fd00:1::/64", "r1", "fd00::"),
            Route("10.255.0.1/32", "r1", "10.0.0.0"),
        ),
    )
    lan1 = node("lan1", Role.LAN, interface("r2", 6), interface("h2", 7))
    h2 = node("h2", Role.HOST, interface("lan1", 8, "10.2.0.2/24", "fd00:2::2/64"), routes=defaults("lan1", 2))
    links = (link("h1", "r1"), link("r1", "r2", middle), link("r2", "lan1"), link("lan1", "h2"))
    return Plan("five", 1, "wire", (h1, r1, r2, lan1, h2), links)


def defaults(dev: str, subnet: int) -> tuple[Route, Route]:
    return Route("default", dev, f"10.{subnet}.0.1"), Route("::/0", dev, f"fd00:{subnet}::1")
