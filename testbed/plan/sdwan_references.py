"""What the shape of a scenario's `sdwan` cannot show: names, attachments, and SLAs that nothing can meet."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import permutations

from testbed.errors import Problem
from testbed.graph import Graph, Role
from testbed.plan.addressing import LEAST_MTU, Subnet
from testbed.plan.circuits import DEFAULT
from testbed.plan.names import Names
from testbed.plan.profiles import LinkPlan
from testbed.plan.sdwan import lan_ports, largest_inner_mtu, pairs_with_tunnels, room_on
from testbed.plan.srv6 import mtu_given
from testbed.scenario.model import Scenario
from testbed.scenario.sdwan import Sdwan
from testbed.scenario.steps import Schedule


class SdwanReferences:
    """All checks of `sdwan`; `problems()` lists what is wrong."""

    def __init__(  # noqa: PLR0913
        self,
        scenario: Scenario,
        sdwan: Sdwan,
        graph: Graph,
        links: tuple[LinkPlan, ...],
        subnets: tuple[Subnet, ...],
        *,
        left_out: Iterable[str] = (),
    ) -> None:
        self._scenario, self._sdwan, self._graph, self._links = scenario, sdwan, graph, links
        self._subnets = subnets
        self._left_out = tuple(left_out)
        edges = tuple(node.name for node in graph.with_role(Role.EDGE))
        routers = {node.name for node in graph.with_role(Role.ROUTER)}
        ends = {link.name: {link.a, link.b} for link in graph.links}
        self._edges = Names("a CPE", edges)
        self._edge_of = {name: edge for name, pair in ends.items() for edge in edges if edge in pair}
        self._wans = Names(
            "a link from a router to a CPE",
            tuple(name for name in self._edge_of if ends[name] & routers),
            in_graph=True,
        )
        self._router_of = {name: next(iter(ends[name] & routers)) for name in self._wans.known}

    def problems(self) -> Iterator[Problem]:
        """Every problem, in the order of the file."""
        yield from self._transports()
        yield from self._colors()
        yield from self._nats()
        yield from self._ways()
        yield from self._tenants()
        yield from self._classes()
        yield from self._applications()
        yield from self._demands()
        yield from self._modes()
        yield from self._probing()
        yield from self._mtus()

    def _modes(self) -> Iterator[Problem]:
        """What moves policies needs an underlay with policies that tunnels ride."""
        steps = enumerate(self._scenario.timeline)
        wanted = {f"timeline[{i}].schedule": step.schedule for i, step in steps if isinstance(step, Schedule)}
        wanted["sdwan.mode"] = self._sdwan.mode
        colored = any(transport.colors for transport in self._sdwan.transports.values())
        planned = [mode for mode in wanted.values() if mode in ("underlay", "joint")]
        for name, given in self._sdwan.classes.items():
            if planned and given.forwarding in ("balance", "duplicate"):
                got = f'"{given.forwarding}", with the mode {planned[0]}'
                yield Problem(
                    f"sdwan.classes.{name}.forwarding",
                    got,
                    "preferred or cheapest: a plan has one tunnel for each demand",
                )
        for where, mode in wanted.items():
            if mode in ("underlay", "joint") and not colored:
                yield Problem(where, f'"{mode}", without tunnels that ride policies', "a transport with colors")

    def _known(self, section: str, kind: str, *also: str) -> Names:
        prefix = f"sdwan.{section}."
        missing = frozenset(p.removeprefix(prefix).split(".")[0] for p in self._left_out if p.startswith(prefix))
        whole = f"sdwan.{section}" in self._left_out
        return Names(kind, (*getattr(self._sdwan, section), *also), missing, incomplete=whole)

    def _transports(self) -> Iterator[Problem]:
        used: dict[str, str] = {}
        for name, transport in self._sdwan.transports.items():
            attached: dict[str, str] = {}
            for index, link in enumerate(transport.links):
                where = f"sdwan.transports.{name}.links[{index}]"
                yield from self._wans.check(where, link)
                if link not in self._wans.known:
                    continue
                if (other := used.setdefault(link, name)) != name:
                    yield Problem(where, f'"{link}", which {other} has', "each link in one transport")
                edge = self._edge_of[link]
                if (first := attached.setdefault(edge, link)) != link:
                    yield Problem(where, f'"{link}", beside {first}', f"one link of {edge} in each transport")
        for edge in self._edges.known:
            if not any(self._edge_of[link] == edge for link in used) and not self._broken("transports"):
                got = f"{edge}, which is attached to nothing"
                yield Problem("sdwan.transports", got, f"a link of {edge} in one of them")
        if not self._edges.known:
            yield Problem("sdwan", "a topology without CPEs", "one with nodes of the role cpe", 'such as "sdwan"')

    def _probing(self) -> Iterator[Problem]:
        """An answer that comes too late is none: what is slow but good enough would be taken for dead."""
        given = self._sdwan.probing
        where = "sdwan.probing.timeout"
        bounds = {name: each.sla.delay for name, each in self._sdwan.classes.items() if each.sla.delay is not None}
        slowest = max(bounds, key=lambda name: bounds[name], default=None)
        if slowest is not None and 2 * bounds[slowest] > given.timeout:
            got = f"{given.timeout:g} ms, with tunnels of {bounds[slowest]:g} ms each way good enough for {slowest}"
            yield Problem(where, got, f"{2 * bounds[slowest]:g} ms at least: an answer that is later is none")
        ways = {planned.link.name: planned.behaviour for planned in self._links}
        for name, transport in self._sdwan.transports.items():
            there = [each for each in transport.links if each in self._edge_of and each in ways]
            both = {each: ways[each].a_to_b.profile.delay_ms + ways[each].b_to_a.profile.delay_ms for each in there}
            least = sum(sorted(both.values())[-2:]) if len(both) > 1 else 0.0
            if least > given.timeout:
                got = f"{given.timeout:g} ms, with {least:g} ms there and back on links of {name} alone"
                yield Problem(where, got, "more than that: an answer that is later is none")

    def _broken(self, section: str) -> bool:
        return any(path.startswith((f"sdwan.{section}",)) or path == "sdwan" for path in self._left_out)

    def _colors(self) -> Iterator[Problem]:
        """Each color has to mean something between each two routers at which its transport is attached."""
        srv6 = self._scenario.srv6
        there = {policy.key for policy in srv6.policies} if srv6 else set()
        flexible = {color for algorithm in srv6.flex_algos.values() for color in algorithm.colors} if srv6 else set()
        for name, transport in self._sdwan.transports.items():
            routers = [self._router_of[link] for link in transport.links if link in self._router_of]
            for color in transport.colors:
                missing = [
                    f"{a} to {b}"
                    for a, b in permutations(dict.fromkeys(routers), 2)
                    if color not in flexible and (a, color, b) not in there
                ]
                if missing and not any(path.startswith("srv6") for path in self._left_out):
                    where = f"sdwan.transports.{name}.colors.{color}"
                    yield Problem(where, f"no policy of that color from {', '.join(missing)}", "one in srv6.policies")

    def _nats(self) -> Iterator[Problem]:
        """Of two CPEs with a tunnel between them one has to be where the other can find it."""
        for name, transport in self._sdwan.transports.items():
            hidden = [edge for edge in transport.nat if name in self._transports_of(edge)]
            for index, edge in enumerate(transport.nat):
                where = f"sdwan.transports.{name}.nat[{index}]"
                yield from self._edges.check(where, edge)
                if edge in self._edges.known and edge not in hidden:
                    yield Problem(where, f'"{edge}", which is not attached to {name}', "a CPE with a link of it")
            for a, b in pairs_with_tunnels(self._edges.known, self._sdwan):
                if {a, b} <= {*hidden}:
                    got = f"{a} and {b}, each behind a NAT"
                    want = "a tunnel with one end that can be spoken to first"
                    yield Problem(
                        f"sdwan.transports.{name}.nat", got, want, "take one out, or let tunnels lead to hubs"
                    )

    def _ways(self) -> Iterator[Problem]:
        for index, hub in enumerate(self._sdwan.hubs):
            yield from self._edges.check(f"sdwan.hubs[{index}]", hub)
        for index, pair in enumerate(self._sdwan.pairs):
            where = f"sdwan.pairs[{index}]"
            yield from (problem for edge in pair for problem in self._edges.check(where, edge))
            one, other = (self._transports_of(edge) for edge in pair)
            if set(pair) <= set(self._edges.known) and (pair[0] == pair[1] or not one & other):
                yield Problem(where, f"{pair[0]} and {pair[1]}", "two CPEs with a transport in common")

    def _transports_of(self, edge: str) -> set[str]:
        transports = self._sdwan.transports.items()
        return {name for name, given in transports if any(self._edge_of.get(link) == edge for link in given.links)}

    def _tenants(self) -> Iterator[Problem]:
        lans = {link for _, link in lan_ports(self._graph, self._sdwan)}
        known = Names("a link from a CPE to a host or a LAN", tuple(lans), in_graph=True)
        owner: dict[str, str] = {}
        vnis: dict[int, str] = {}
        for name, tenant in self._sdwan.tenants.items():
            if (other := vnis.setdefault(tenant.vni, name)) != name:
                yield Problem(f"sdwan.tenants.{name}.vni", f"{tenant.vni}, which {other} has", "a VNI of its own")
            for index, link in enumerate(tenant.attach):
                where = f"sdwan.tenants.{name}.attach[{index}]"
                yield from known.check(where, link)
                if (other := owner.setdefault(link, name)) != name:
                    yield Problem(where, f'"{link}", which {other} has', "each link in one tenant")
        for subnet in self._subnets:
            edges = [port.node for port in subnet.ports() if (port.node, port.ifname) in self._lan_ends()]
            if len(edges) > 1:
                got = f"{subnet.prefix4}, a LAN of {' and '.join(edges)}"
                yield Problem("sdwan", got, "LANs of one CPE each, as it is their gateway")

    def _lan_ends(self) -> set[tuple[str, str]]:
        return {(port.node, port.ifname) for port, _ in lan_ports(self._graph, self._sdwan)}

    def _classes(self) -> Iterator[Problem]:
        transports = self._known("transports", "a transport")
        for name, given in self._sdwan.classes.items():
            where = f"sdwan.classes.{name}"
            for index, transport in enumerate(given.transports):
                yield from transports.check(f"{where}.transports[{index}]", transport)
            if given.sla.jitter and given.sla.delay and given.sla.jitter > given.sla.delay:
                got = f"{given.sla.jitter:g} ms of jitter within {given.sla.delay:g} ms of delay"
                yield Problem(f"{where}.sla", got, "a jitter below the delay: what keeps to the one keeps to the other")
            most = max((self._capacity(each) for each in given.transports), default=math.inf)
            if given.sla.bandwidth is not None and given.sla.bandwidth > most:
                got = f"{given.sla.bandwidth / 1e6:g} Mbit/s"
                want = f"at most {most / 1e6:g} Mbit/s: none of its transports carries more between any two CPEs"
                yield Problem(f"{where}.sla.bandwidth", got, want)

    def _capacity(self, transport: str) -> float:
        """The most that fits between two CPEs on a transport, in bit/s."""
        given = self._sdwan.transports.get(transport)
        ways = {planned.link.name: planned.behaviour for planned in self._links}
        there = [ways[link] for link in given.links if link in ways] if given else []
        ends = ((each.a_to_b.profile.rate_bps, each.b_to_a.profile.rate_bps) for each in there)
        widest = sorted(min(rate or math.inf for rate in both) for both in ends)[-2:]
        return min(widest, default=math.inf)

    def _applications(self) -> Iterator[Problem]:
        classes = self._known("classes", "a class of sdwan.classes", DEFAULT)
        tenants = self._known("tenants", "a tenant of sdwan.tenants", DEFAULT)
        places = Names(
            "a service or a node", (*self._scenario.services, *(node.name for node in self._graph.nodes)), in_graph=True
        )
        first: dict[str, str] = {}
        for name, given in self._sdwan.applications.items():
            where = f"sdwan.applications.{name}"
            if name in self._scenario.probes or name in self._scenario.flows:
                yield Problem(where, "the name of a probe or a flow", "a name of its own")
            yield from classes.check(f"{where}.class", given.sla_class)
            yield from tenants.check(f"{where}.tenant", given.tenant) if given.tenant else ()
            yield from places.check(f"{where}.from", given.source) if given.source else ()
            yield from places.check(f"{where}.to", given.to) if given.to else ()
            recognised = given.model_dump_json(exclude={"sla_class"})
            if (other := first.setdefault(recognised, name)) != name:
                yield Problem(where, f"what {other} is, too", "flows that no application before it has")

    def _demands(self) -> Iterator[Problem]:
        applications = self._known("applications", "an application of sdwan.applications")
        seen: set[tuple[str, str, str]] = set()
        for index, demand in enumerate(self._sdwan.demands):
            where = f"sdwan.demands[{index}]"
            yield from applications.check(f"{where}.application", demand.application)
            yield from self._edges.check(f"{where}.from", demand.source)
            yield from self._edges.check(f"{where}.to", demand.target)
            key = demand.application, demand.source, demand.target
            if key in seen:
                yield Problem(where, f"{', '.join(key)} a second time", "each demand once")
            seen.add(key)
            given = self._sdwan.applications.get(demand.application)
            sla_class = self._sdwan.classes.get(given.sla_class) if given else None
            limit = sla_class.limit if sla_class else None
            if limit is not None and demand.rate > limit:
                got = f"{demand.rate / 1e6:g} Mbit/s, above the {limit / 1e6:g} Mbit/s that the class is limited to"
                yield Problem(f"{where}.rate", got, "a rate within the class's limit")

    def _mtus(self) -> Iterator[Problem]:
        largest = largest_inner_mtu(self._links, self._sdwan)
        if largest < LEAST_MTU:
            yield from self._narrow()
            return
        routers = {node.name for node in self._graph.with_role(Role.ROUTER)}
        for planned in self._links:
            where = mtu_given(planned.link, self._scenario.links)
            if where and planned.mtu > largest and not routers & {planned.link.a, planned.link.b}:
                want = f"at most {largest} on {planned.link.name}: what a tunnel adds has to fit, too"
                yield Problem(where, str(planned.mtu), want)

    def _narrow(self) -> Iterator[Problem]:
        mtus = {planned.link.name: planned.mtu for planned in self._links}
        for name, transport in self._sdwan.transports.items():
            least = min((mtus[link] for link in transport.links if link in mtus), default=None)
            room = room_on(transport)
            if least is not None and least - room < LEAST_MTU:
                added = "VXLAN and WireGuard" if transport.encryption else "VXLAN"
                want = f"{LEAST_MTU + room} at least: {room} for {added}, {LEAST_MTU} for IPv6"
                yield Problem(f"sdwan.transports.{name}", f"links of MTU {least}", want, "raise their MTU")
