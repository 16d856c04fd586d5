"""What the shape of a scenario's `srv6` cannot show: names, tenants that do not fit together, MTUs without room."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network

from testbed.errors import Problem
from testbed.graph import Graph, Role
from testbed.plan.addressing import LEAST_MTU, Subnet
from testbed.plan.circuits import Carried, Tenancy
from testbed.plan.names import Names
from testbed.plan.profiles import LinkPlan
from testbed.plan.srv6 import ROOM, largest_inner_mtu, mtu_given, router_links
from testbed.scenario.model import Scenario
from testbed.scenario.srv6 import Constraints, Dynamic, Policy, PolicyKey, SegmentList, Srv6
from testbed.scenario.steps import ChangePolicy, Restart

Key = tuple[str, int, str]


class Srv6References:
    """All checks of `srv6`, and of what goes with it; `problems()` lists what is wrong."""

    def __init__(
        self,
        scenario: Scenario,
        graph: Graph,
        links: tuple[LinkPlan, ...],
        subnets: tuple[Subnet, ...],
        *,
        left_out: Iterable[str] = (),
    ) -> None:
        self.scenario, self.graph, self.links = scenario, graph, links
        self.srv6 = scenario.srv6 or Srv6()
        self._left_out = tuple(left_out)
        self._tenancy = Tenancy(self.srv6, graph, subnets)
        between = router_links(links, graph)
        self._adjacent = {frozenset((planned.link.a, planned.link.b)) for planned in between.values()}
        self._routers = Names("a router", self._tenancy.nodes(Role.ROUTER), in_graph=True)
        self._between = Names("a link between routers", tuple(between), in_graph=True)
        self._circuits = Names(
            "a link from a router to another node", tuple(c.link for c in self._tenancy.circuits), in_graph=True
        )
        attributes = self.srv6.links.values()
        missing = self._left_out_of("links")
        self._affinities = self._attribute("an affinity", missing, (n for link in attributes for n in link.affinities))
        self._srlgs = self._attribute("an SRLG", missing, (n for link in attributes for n in link.srlgs))
        self._places = Names("a service or a node", (*scenario.services, *(node.name for node in graph.nodes)))

    def problems(self) -> Iterator[Problem]:
        """Every problem, in the order of the file."""
        if self.scenario.srv6 is None:
            yield from self._steps_without()
            return
        for name in self.srv6.links:
            yield from self._between.check(f"srv6.links.{name}", name)
        yield from self._flex_algos()
        yield from self._attachments()
        yield from self._steering()
        known = {policy.key for policy in self.srv6.policies}
        yield from self._policies("srv6.policies", self.srv6.policies, known)
        yield from self._steps(known)
        yield from self._probes()
        yield from self._mtus()

    def _left_out_of(self, section: str) -> bool:
        """Whether something in that part of `srv6` did not validate, so that what it names is not known."""
        return any(path.startswith(f"srv6.{section}") or path == "srv6" for path in self._left_out)

    @staticmethod
    def _attribute(kind: str, missing: bool, names: Iterable[str]) -> Names | None:
        """None if not all of them are known."""
        return None if missing else Names(f"{kind} of srv6.links", tuple(dict.fromkeys(names)))

    def _attachments(self) -> Iterator[Problem]:
        first: dict[IPv4Network, Carried] = {}
        subnets = {circuit.link: circuit.subnet.prefix4 for circuit in self._tenancy.circuits}
        for wanted in self._tenancy.wanted():
            if wanted.link not in subnets:
                yield from self._circuits.check(wanted.where, wanted.link)
                continue
            other = first.setdefault(subnets[wanted.link], wanted)
            if other.tenant != wanted.tenant:
                got = f'"{wanted.tenant}" for {wanted.link}'
                want = f'"{other.tenant}", as {other.why} has it: a circuit, and the LAN behind it, is of one tenant'
                yield Problem(wanted.where, got, want)

    def _steering(self) -> Iterator[Problem]:
        for name, tenant in self.srv6.tenants.items():
            for index, flow in enumerate(tenant.steering):
                for key, place in (("from", flow.source), ("to", flow.destination)):
                    if place is not None:
                        yield from self._places.check(f"srv6.tenants.{name}.steering[{index}].{key}", place)

    def _policies(self, where: str, policies: Iterable[Policy], known: set[Key]) -> Iterator[Problem]:
        seen: set[Key] = set()
        for index, policy in enumerate(policies):
            here = f"{where}[{index}]"
            if policy.key in seen:
                got = f"{policy.headend}, {policy.color}, {policy.endpoint} a second time"
                yield Problem(here, got, "each headend, color and endpoint once", "use candidate_paths")
            seen.add(policy.key)
            yield from self._policy(here, policy, known)

    def _policy(self, where: str, policy: Policy, known: set[Key]) -> Iterator[Problem]:
        yield from self._key(where, policy)
        prefix = f"{where}.candidate_paths[{{}}]" if policy.candidate_paths else where
        for index, candidate in enumerate(policy.candidates):
            here = prefix.format(index)
            if candidate.dynamic:
                yield from self._constraints(f"{here}.dynamic", candidate.dynamic)
                yield from self._other_policy(f"{here}.dynamic.disjoint_from", candidate.dynamic, known)
            for number, given in enumerate(candidate.explicit or ()):
                yield from self._list(f"{here}.explicit[{number}]", given)

    def _key(self, where: str, key: PolicyKey) -> Iterator[Problem]:
        yield from self._routers.check(f"{where}.headend", key.headend)
        yield from self._routers.check(f"{where}.endpoint", key.endpoint)
        if key.headend == key.endpoint:
            yield Problem(f"{where}.endpoint", f'"{key.endpoint}"', "another router than the headend")

    def _constraints(self, where: str, given: Constraints) -> Iterator[Problem]:
        for key, names, among in (
            ("include_any", given.include_any, self._affinities),
            ("include_all", given.include_all, self._affinities),
            ("exclude", given.exclude, self._affinities),
            ("exclude_srlgs", given.exclude_srlgs, self._srlgs),
        ):
            for index, name in enumerate(names):
                yield from among.check(f"{where}.{key}[{index}]", name) if among else ()

    def _other_policy(self, where: str, dynamic: Dynamic, known: set[Key]) -> Iterator[Problem]:
        other = dynamic.disjoint_from
        if other and other.key not in known and not self._left_out_of("policies"):
            got = f"{other.headend}, {other.color}, {other.endpoint}"
            yield Problem(where, got, "headend, color and endpoint of a policy")

    def _flex_algos(self) -> Iterator[Problem]:
        first: dict[int, int] = {}
        for number, algorithm in self.srv6.flex_algos.items():
            yield from self._constraints(f"srv6.flex_algos.{number}", algorithm)
            for index, color in enumerate(algorithm.colors):
                if first.setdefault(color, number) != number:
                    where = f"srv6.flex_algos.{number}.colors[{index}]"
                    yield Problem(where, f"{color}, which {first[color]} has", "each color in one algorithm")

    def _list(self, where: str, given: SegmentList) -> Iterator[Problem]:
        for index, segment in enumerate(given.segments):
            here = f"{where}.segments[{index}]"
            ends = segment.split(">")
            wrong = [problem for end in ends for problem in self._routers.check(here, end)]
            yield from wrong
            if not wrong and len(ends) > 1 and frozenset(ends) not in self._adjacent:
                yield Problem(here, f'"{segment}"', f"a link of {ends[0]} to another router")

    def _steps(self, known: set[Key]) -> Iterator[Problem]:
        there = set(known)
        for index, step in enumerate(self.scenario.timeline):
            if not isinstance(step, ChangePolicy):
                continue
            where = f"timeline[{index}].policy"
            if step.policy.add:
                yield from self._policy(f"{where}.add", step.policy.add, there)
                there.add(step.policy.add.key)
            elif step.policy.remove:
                yield from self._key(f"{where}.remove", step.policy.remove)
                if step.policy.remove.key not in there:
                    yield Problem(f"{where}.remove", "a policy that is not there by then", "one that is")
                there.discard(step.policy.remove.key)

    def _steps_without(self) -> Iterator[Problem]:
        for index, step in enumerate(self.scenario.timeline):
            if isinstance(step, Restart) and self.scenario.sdwan:
                continue
            if isinstance(step, ChangePolicy | Restart):
                key = "policy" if isinstance(step, ChangePolicy) else "restart"
                yield Problem(f"timeline[{index}].{key}", "a scenario without `srv6`", "a controller of the underlay")

    def _probes(self) -> Iterator[Problem]:
        """Who sends has to be in the tenant of the service; users' packets come out where their UPF is."""
        for name, probe in self.scenario.probes.items():
            service = self.scenario.services.get(probe.to)
            mine = self._tenancy.of(probe.source)
            if service is None or not mine:
                continue
            theirs = frozenset(tenant for host in service.hosts for tenant in self._tenancy.of(host))
            if theirs and not mine & theirs:
                got = f'"{probe.to}", in {", ".join(sorted(theirs))}'
                want = f"a service in a tenant of {probe.source}: {', '.join(sorted(mine))}"
                yield Problem(f"probes.{name}.to", got, want)

    def _mtus(self) -> Iterator[Problem]:
        largest = largest_inner_mtu(self.links, self.graph)
        if largest < LEAST_MTU:
            want = f"{LEAST_MTU + ROOM} at least: {ROOM} for SRv6, {LEAST_MTU} for IPv6"
            yield Problem("srv6", f"links between routers of MTU {largest + ROOM}", want, "raise their MTU")
            return
        mtus = {planned.link.name: planned for planned in self.links}
        for circuit in self._tenancy.circuits:
            where = mtu_given(mtus[circuit.link].link, self.scenario.links)
            if where and mtus[circuit.link].mtu > largest:
                got = f"{mtus[circuit.link].mtu} for {circuit.link}"
                yield Problem(where, got, f"{largest} at most: routers' links have to carry SRv6 around it")
