"""What a scenario's shape cannot show: names that must exist, addresses that must not overlap, MTUs that must fit."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import islice

from testbed.errors import Problem
from testbed.graph import LAYER2, Graph, Role, Tier
from testbed.plan.addressing import LEAST_MTU, RESERVED4, RESERVED6, Subnet, ifname
from testbed.plan.changes import named_links, plan_changes
from testbed.plan.circuits import Tenancy
from testbed.plan.model import PlannedChange
from testbed.plan.names import Names
from testbed.plan.profiles import Known, LinkPlan
from testbed.plan.queues import queue_problems
from testbed.plan.sdwan import tenants_of
from testbed.plan.srv6 import mtu_given
from testbed.scenario import expectation
from testbed.scenario.impairment import Change
from testbed.scenario.model import Scenario
from testbed.scenario.steps import Impair, InsertUlcl, LinkState, Measure, RemoveUlcl, Step

GTPU_OVERHEAD = 20 + 8 + 8 + 8
"""Outer IPv4, UDP, GTP-U, and its options with a PDU Session Container (TS 29.281 §5.2.1, TS 38.415 §5.5.2)."""


class References:
    """All checks of one scenario against its graph; `problems()` lists what is wrong."""

    def __init__(  # noqa: PLR0913
        self,
        scenario: Scenario,
        graph: Graph,
        links: tuple[LinkPlan, ...],
        subnets: tuple[Subnet, ...],
        known: Known,
        *,
        left_out: Iterable[str] = (),
    ) -> None:
        self.scenario, self.graph, self.links, self.subnets = scenario, graph, links, subnets
        self._left_out = tuple(left_out)
        self._known = known
        self._tenancy = Tenancy(scenario.srv6, graph, subnets) if scenario.srv6 else None
        self._presets = Names("a preset", tuple(known.presets.by_name))
        self._nodes = Names("a node", tuple(node.name for node in graph.nodes), in_graph=True)
        self._link_names = Names("a link", tuple(link.name for link in graph.links), in_graph=True)
        self._services = Names("a service", tuple(scenario.services), self._missing("services"))
        self._dnns = Names("a DNN of core.dnns", tuple(scenario.core.dnns), self._missing("core.dnns"))

    @cached_property
    def _changes(self) -> tuple[PlannedChange, ...]:
        return tuple(plan_changes(self.scenario, self.links, self._known))

    def problems(self) -> Iterator[Problem]:
        """Every problem, in the order of the file."""
        yield from self._links()
        yield from self._core()
        yield from self._addresses()
        yield from self._controller()
        yield from self._service_hosts()
        yield from self._names()
        yield from self._probes()
        yield from self._flows_and_captures()
        yield from self._timeline()
        yield from self._expectations()
        yield from self._least_mtus()
        yield from self._mtus()

    def _missing(self, section: str) -> frozenset[str]:
        """Names in `section` that did not validate."""
        prefix = f"{section}."
        return frozenset(path.removeprefix(prefix) for path in self._left_out if path.startswith(prefix))

    def _with_role(self, role: Role) -> Names:
        return Names(f"a {role}", tuple(node.name for node in self.graph.with_role(role)))

    def _links(self) -> Iterator[Problem]:
        for tier, impairment in self.scenario.links.tiers.items():
            yield from self._preset(f"links.tiers.{tier}", impairment)
            overridden = {override.link for override in self.scenario.links.override}
            plain = (link for link in self.links if link.link.tier is tier and link.link.name not in overridden)
            for link in islice(plain, 1):
                yield from queue_problems(f"links.tiers.{tier}.", impairment, link.behaviour, link.mtu)
        planned = {link.link.name: link for link in self.links}
        seen: set[str] = set()
        for index, override in enumerate(self.scenario.links.override):
            where = f"links.override[{index}].link"
            yield from self._link_names.check(where, override.link)
            if override.link in seen:
                yield Problem(where, f'"{override.link}" a second time', "each link once")
            seen.add(override.link)
            yield from self._preset(f"links.override[{index}]", override)
            if override.link in planned:
                link = planned[override.link]
                yield from queue_problems(f"links.override[{index}].", override, link.behaviour, link.mtu)

    def _preset(self, where: str, change: Change) -> Iterator[Problem]:
        if change.preset:
            yield from self._presets.check(f"{where}.preset", change.preset)

    def _controller(self) -> Iterator[Problem]:
        if self.scenario.controller is None:
            return
        if self.scenario.sdwan:
            want = "one of them: the overlay's controller owns the CPEs"
            yield Problem("controller", "an app of one's own beside `sdwan`", want)
        elif not self.graph.with_role(Role.CPE):
            yield Problem("controller", "a topology without CPEs", "one with nodes of the role cpe", 'such as "sdwan"')

    def _core(self) -> Iterator[Problem]:
        for name, dnn in self.scenario.core.dnns.items():
            yield from self._with_role(Role.UPF).check(f"core.dnns.{name}.psa", dnn.psa)
            wanted = sum(session.dnn == name for session in self.scenario.core.sessions)
            # The SMF keeps the first address for itself.
            room = dnn.pool.num_addresses - (3 if dnn.pool.prefixlen < 31 else 1)
            if room < wanted:
                yield Problem(f"core.dnns.{name}.pool", f'"{dnn.pool}", for {room} UEs', f"a pool for {wanted} of them")
        seen: set[str] = set()
        for index, session in enumerate(self.scenario.core.sessions):
            where = f"core.sessions[{index}]"
            yield from self._with_role(Role.UE).check(f"{where}.ue", session.ue)
            yield from self._dnns.check(f"{where}.dnn", session.dnn)
            if session.ue in seen:
                yield Problem(f"{where}.ue", f'"{session.ue}" a second time', "one session for each UE")
            seen.add(session.ue)

    def _addresses(self) -> Iterator[Problem]:
        taken: list[tuple[str, IPv4Network | IPv6Network]] = []
        taken += [(f"{use} of the plan", prefix) for use, prefix in RESERVED4.items()]
        taken += [(f"{use} of the plan", prefix) for use, prefix in RESERVED6.items()]
        wanted: list[tuple[str, IPv4Network | IPv6Network]] = []
        wanted += [("srv6.block", self.scenario.srv6.block)] if self.scenario.srv6 else []
        wanted += [(f"core.dnns.{name}.pool", dnn.pool) for name, dnn in self.scenario.core.dnns.items()]
        wanted += [
            (f"services.{name}.address", ip_network(service.address))
            for name, service in self.scenario.services.items()
        ]
        for where, prefix in wanted:
            for owner, other in taken:
                if prefix.version == other.version and prefix.overlaps(other) and not self._apart(where, owner):
                    shown = prefix.network_address if prefix.num_addresses == 1 else prefix
                    yield Problem(where, f'"{shown}"', f"an address clear of {other} ({owner})")
            taken.append((where, prefix))

    def _apart(self, *places: str) -> bool:
        """Whether these are services of different tenants, whose addresses mean nothing to each other."""
        if not all(place.startswith("services.") for place in places):
            return False
        one, other = (self.scenario.services[place.split(".")[1]].hosts for place in places)
        tenants = [frozenset(name for host in hosts for name in self._tenants_of(host)) for hosts in (one, other)]
        return all(tenants) and not tenants[0] & tenants[1]

    def _tenants_of(self, host: str) -> Iterator[tuple[str, str]]:
        """The underlay's, and those of the overlay: whose LAN a host is on."""
        if self._tenancy is not None:
            yield from (("srv6", name) for name in self._tenancy.of(host))
        if self.scenario.sdwan is not None:
            names = tenants_of(host, self.graph, self.subnets, self.scenario.sdwan)
            yield from (("sdwan", name) for name in names)

    def _service_hosts(self) -> Iterator[Problem]:
        for name, service in self.scenario.services.items():
            for index, host in enumerate(service.hosts):
                where = f"services.{name}.hosts[{index}]"
                yield from self._with_role(Role.HOST).check(where, host)
                if host in service.hosts[:index]:
                    yield Problem(where, f'"{host}" a second time', "each host once")

    def _names(self) -> Iterator[Problem]:
        """Each name means one service, and one name server knows it."""
        services = self.scenario.services
        servers = [name for name, service in services.items() if service.dns]
        for name in servers[1:]:
            yield Problem(f"services.{name}.dns", f"true, as {servers[0]} has", "one name server")
        owner: dict[str, str] = {}
        for name, service in services.items():
            where = f"services.{name}.names"
            if service.names and not servers and not any(path.startswith("services") for path in self._left_out):
                yield Problem(where, f"{', '.join(service.names)}, and no name server", "a service with dns: true")
            for index, called in enumerate(service.names):
                if called in owner:
                    yield Problem(f"{where}[{index}]", f'"{called}", as {owner[called]} is called', "each name once")
                owner.setdefault(called, name)

    def _probes(self) -> Iterator[Problem]:
        for name, probe in self.scenario.probes.items():
            where = f"probes.{name}"
            yield from self._nodes.check(f"{where}.from", probe.source)
            yield from self._services.check(f"{where}.to", probe.to)
            yield from self._with_session(f"{where}.from", probe.source)

    def _with_session(self, where: str, node: str) -> Iterator[Problem]:
        """A problem if `node` is a UE that has no address, since it has no session."""
        users = {session.ue for session in self.scenario.core.sessions} | self._left_out_users()
        if node in self._with_role(Role.UE).known and node not in users:
            yield Problem(where, f'"{node}"', "a UE with a session in core.sessions")

    def _left_out_users(self) -> set[str]:
        """Every UE, if a session did not validate: which one's it was is not known."""
        broken = any(path.startswith("core.sessions") or path == "core" for path in self._left_out)
        return {node.name for node in self.graph.with_role(Role.UE)} if broken else set()

    def _flows_and_captures(self) -> Iterator[Problem]:
        for name, flow in self.scenario.flows.items():
            where = f"flows.{name}"
            if name in self.scenario.probes:
                yield Problem(where, "the name of a probe", "a name of its own")
            yield from self._with_role(Role.UE).check(f"{where}.ue", flow.ue)
            yield from self._with_session(f"{where}.ue", flow.ue)
            yield from self._services.check(f"{where}.service", flow.service)
            yield from self._with_role(Role.ROUTER).check(f"{where}.at", flow.at)
            for index, link in enumerate(flow.links):
                yield from self._link_at(f"{where}.links[{index}]", link, flow.at)
                if link in flow.links[:index]:
                    yield Problem(f"{where}.links[{index}]", f'"{link}" a second time', "each link once")
        captures = self.scenario.captures
        for index, capture in enumerate(captures):
            where = f"captures[{index}]"
            yield from self._nodes.check(f"{where}.at", capture.at)
            yield from self._link_at(f"{where}.link", capture.link, capture.at)
            if capture.peer is not None:
                yield from self._addressed().check(f"{where}.peer", capture.peer)
            same = (capture.at, capture.link, capture.peer)
            if any((earlier.at, earlier.link, earlier.peer) == same for earlier in captures[:index]):
                yield Problem(where, f'"{capture.link}" at {capture.at} a second time', "each interface and peer once")

    def _addressed(self) -> Names:
        """Nodes whose address the plan knows: not bridges, and not UEs, whose address the SMF picks."""
        on_ports = {port.node for subnet in self.subnets for port in subnet.ports()}
        nodes = (node for node in self.graph.nodes if node.role is Role.ROUTER or node.name in on_ports)
        return Names(
            "a node with an address of the plan", tuple(node.name for node in nodes if node.role is not Role.UE)
        )

    def _link_at(self, where: str, link: str, node: str) -> Iterator[Problem]:
        here = tuple(other.name for other in self.graph.links_of(node))
        yield from Names(f"a link of {node}", here).check(where, link) if here else self._link_names.check(where, link)

    def _timeline(self) -> Iterator[Problem]:
        windows: set[str] = set()
        inserted: set[str] = set()
        for index, step in enumerate(self.scenario.timeline):
            where = f"timeline[{index}]"
            key, window = ("measure", step.measure) if isinstance(step, Measure) else ("as", step.window)
            if window in windows:
                yield Problem(f"{where}.{key}", f'"{window}" a second time', "a name for each window")
            windows.add(window)
            if isinstance(step, InsertUlcl):
                yield from self._insertion(f"{where}.insert_ulcl", step, inserted)
                inserted.add(step.insert_ulcl.ue)
            elif isinstance(step, RemoveUlcl):
                ue = step.remove_ulcl.ue
                if ue not in inserted and not any(path.startswith("timeline") for path in self._left_out):
                    yield Problem(f"{where}.remove_ulcl.ue", f'"{ue}"', "a UE for which a UL CL was inserted before")
                inserted.discard(ue)
            else:
                yield from self._link_step(where, step)

    def _link_step(self, where: str, step: Step) -> Iterator[Problem]:
        if isinstance(step, LinkState):
            yield from self._link_names.check(f"{where}.link.name", step.link.name)
            return
        kind = next((key for key in ("impair", "reset", "ramp") if hasattr(step, key)), "")
        for position, name in enumerate(named_links(step)):
            yield from self._link_names.check(f"{where}.{kind}.links[{position}]", name)
        if isinstance(step, Impair):
            yield from self._preset(f"{where}.impair", step.impair)
            yield from self._impaired_queues(f"{where}.impair.", step)

    def _impaired_queues(self, where: str, step: Impair) -> Iterator[Problem]:
        """Of what the step leaves; without complaint where it is not known what the step finds."""
        if any(path.startswith(("links", "timeline")) for path in self._left_out):
            return
        mtus = {planned.link.name: planned.mtu for planned in self.links}
        made = (change for change in self._changes if change.window == step.window)
        found = [
            problem
            for change in made
            for problem in queue_problems(where, step.impair, change.behaviour, mtus[change.link])
        ]
        # Links that are alike have the same problem.
        yield from dict.fromkeys(found)

    def _insertion(self, where: str, step: InsertUlcl, inserted: Collection[str]) -> Iterator[Problem]:
        target = step.insert_ulcl
        users = {session.ue: session.dnn for session in self.scenario.core.sessions}
        if target.ue not in users.keys() | self._left_out_users():
            yield Problem(f"{where}.ue", f'"{target.ue}"', "a UE with a session in core.sessions")
        if target.ue in inserted:
            yield Problem(f"{where}.ue", f'"{target.ue}"', "a UE without a UL CL", "remove the first one before")
        yield from self._with_role(Role.UPF).check(f"{where}.upf", target.upf)
        dnn = self.scenario.core.dnns.get(users.get(target.ue, ""))
        if dnn and dnn.psa == target.upf:
            yield Problem(f"{where}.upf", f'"{target.upf}", the PSA of the session', "another UPF")
        for position, name in enumerate(target.services):
            there = f"{where}.services[{position}]"
            yield from self._services.check(there, name)
            service = self.scenario.services.get(name)
            neighbours = self._neighbours(target.upf)
            if service and neighbours and not neighbours & set(service.hosts):
                yield Problem(there, f'"{name}", served by {", ".join(service.hosts)}', f"a host beside {target.upf}")

    def _neighbours(self, upf: str) -> set[str]:
        nodes = [{port.node for port in subnet.ports()} for subnet in self.subnets]
        return {name for members in nodes if upf in members for name in members} - {upf}

    def _expectations(self) -> Iterator[Problem]:
        windows = Names("a window of the timeline", self.scenario.windows(), self._left_out_windows())
        kinds = self.scenario.measurement_kinds()
        measured = Names(
            "a probe, a flow or an application", tuple(kinds), self._missing("probes") | self._missing("flows")
        )
        for index, text in enumerate(self.scenario.expect):
            where = f"expect[{index}]"
            for path in expectation.parse(text).paths:
                yield from windows.check(where, path.window)
                yield from measured.check(where, path.name)
                if path.name in kinds:
                    metrics = Names(f"a metric of {path.name}", tuple(sorted(expectation.METRICS[kinds[path.name]])))
                    yield from metrics.check(where, path.metric)

    def _left_out_windows(self) -> frozenset[str]:
        """If a step did not validate, any window may have been its own."""
        if not any(path.startswith("timeline") for path in self._left_out):
            return frozenset()
        named = (path.window for text in self.scenario.expect for path in expectation.parse(text).paths)
        return frozenset(named)

    def _least_mtus(self) -> Iterator[Problem]:
        """The kernel takes IPv6 off an interface that has less."""
        addressed = {(port.node, port.ifname) for subnet in self.subnets for port in subnet.ports()}
        given: dict[str, LinkPlan] = {}
        for planned in self.links:
            ends = {(node, ifname(planned.link, node)) for node in (planned.link.a, planned.link.b)}
            if planned.mtu < LEAST_MTU and ends & addressed:
                given.setdefault(mtu_given(planned.link, self.scenario.links), planned)
        for where, planned in given.items():
            if where:
                want = f"{LEAST_MTU} at least on {planned.link.name}, whose ends have IPv6 addresses"
                yield Problem(where, str(planned.mtu), want)

    def _mtus(self) -> Iterator[Problem]:
        if not self.scenario.core.sessions:
            return
        ue_mtu = self.scenario.core.ue_mtu
        overrides = {override.link: index for index, override in enumerate(self.scenario.links.override)}
        layer2 = {node.name for node in self.graph.nodes if node.role in LAYER2}
        for planned in self.links:
            link = planned.link
            # N6 carries the user's packets as they are, everything else in the bearer carries them in GTP-U.
            plain = link.tier is Tier.RADIO or bool({link.a, link.b} & layer2)
            need = ue_mtu if plain else ue_mtu + GTPU_OVERHEAD
            if planned.mtu < need:
                changed = overrides.get(link.name)
                where = f"links.override[{changed}].mtu" if changed is not None else f"links.tiers.{link.tier}.mtu"
                why = "" if plain else f" + {GTPU_OVERHEAD} of GTP-U"
                want = f"at least {need} on {link.name}: core.ue_mtu {ue_mtu}{why}"
                yield Problem(where, str(planned.mtu), want)
