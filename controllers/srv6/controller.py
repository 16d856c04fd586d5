"""The controller as a state machine: what happens goes in with the time, what is to be done comes out.

A link that its router has lost is acted on in two stages: after the time of detection the router puts its repairs in
force (`igp.local_repair`); when that has flooded, all converge. The effects of the first come by themselves, because
the second takes some computing: `expire` has to be called whenever `timer()` has passed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from controllers.srv6.igp import local_repair
from controllers.srv6.lsdb import LinkId, lsdb
from controllers.srv6.network import Measurement, Network
from controllers.srv6.ordering import States, in_order
from controllers.srv6.paths import Domain, Metric, routing_graph
from controllers.srv6.planes import check_space
from controllers.srv6.policy import PolicyId, SrPolicy, bind
from controllers.srv6.rendering import render, render_igp
from controllers.srv6.segments import MtuBudget
from controllers.srv6.selection import Dataplane, ListId, PolicyState, Selection, select
from controllers.srv6.services import with_services
from controllers.srv6.sids import Flavor, allocate
from controllers.srv6.telemetry import Finding, LinkDelay, LinkWindow, ListDown, MeasuredWindow, Telemetry
from controllers.srv6.view import View


@dataclass(frozen=True)
class Program:
    """Make routers have these states: those of one step in parallel, one step after the other."""

    steps: tuple[States, ...]


@dataclass(frozen=True)
class Emit:
    """An event for the record."""

    kind: str
    fields: Mapping[str, object]


Effect = Program | Emit


class Controller:
    """One network under control. Times are in seconds, of any clock that only goes on."""

    def __init__(self, network: Network, policies: Sequence[SrPolicy] = (), removed: Collection[PolicyId] = ()) -> None:
        """PolicyError, SidError or LsdbError for what cannot be.

        While it ran before, `policies` were added or changed, and those of `network` that are `removed` taken away.
        """
        self.network = network
        self.database = lsdb([router.name for router in network.routers], network.links)
        check_space(network)
        flavors = frozenset({Flavor.NEXT_CSID} if network.compressed else ())
        links = [(port.node, port.peer) for port in network.ports]
        table = allocate(network.block, [router.name for router in network.routers], links, flavors)
        # The network's own have the binding SIDs that they had at first, whatever has come and gone since.
        own, table = bind(network.policies, with_services(table, network))
        gone = {*removed, *(policy.id for policy in policies)}
        for policy in own:
            if policy.id in gone and policy.binding_sid is not None:
                table = table.without(policy.binding_sid)
        added, self.table = bind(policies, table)
        self._policies = {policy.id: policy for policy in own if policy.id not in removed}
        self._policies |= {policy.id: policy for policy in added}
        self._telemetry = Telemetry(
            network.measurement or Measurement(), {link.id: link.delay_us for link in network.links}
        )
        self._detecting: dict[LinkId, tuple[float, bool]] = {}
        self._converging: dict[str, float] = {}
        """Router → when it takes in all that has been detected by then."""
        self._ordered = False
        self._put_off = False
        """Whether policies were changed that the convergence under way may have missed."""
        self.view = self._view(Domain(self.database))
        self._igp_routes = render_igp(self.view)
        self.states = render(self.view, self._igp_routes)

    @property
    def selection(self) -> Selection:
        """What became of the policies."""
        return self.view.selection

    @property
    def policies(self) -> tuple[SrPolicy, ...]:
        """All policies, with their binding SIDs."""
        return tuple(self._policies.values())

    def loss(self, link: LinkId) -> float:
        """The share of packets that `link` loses, as measured."""
        return self._telemetry.loss(link)

    def start(self) -> list[Effect]:
        """What routers have to have in the beginning."""
        return [Program((self.states,)), *_news(Selection(), self.selection)]

    def link_changed(self, node: str, peer: str, up: bool, now: float) -> list[Effect]:
        """`node` has lost its link to `peer`, or has it again; KeyError if it has none."""
        known = self.database.links[node, peer].up
        if up == known:
            # It went and came back, or the other way round, before it was detected.
            self._detecting.pop((node, peer), None)
        elif self._detecting.get((node, peer), (0.0, known))[1] != up:
            self._detecting[node, peer] = now + self.network.convergence.detection_ms / 1000, up
        return self.expire(now)

    def node_changed(self, node: str, up: bool, now: float) -> list[Effect]:
        """A router has disappeared, or is there again with nothing in it."""
        if up != (node in self.database.nodes_down):
            return []
        self.database = self.database.node_up(node) if up else self.database.node_down(node)
        if not up:
            self.states = {router: state for router, state in self.states.items() if router != node}
        self._flood(node, now, better=up)
        return [Emit("router_up" if up else "router_down", {"router": node}), *self.expire(now)]

    def put_policy(self, policy: SrPolicy) -> list[Effect]:
        """Add a policy, or give the one with its id other candidate paths.

        PolicyError or SidError for what cannot be, and then nothing has changed.
        """
        before, table = dict(self._policies), self.table
        try:
            (bound,), self.table = bind([policy], table)
            self._policies[policy.id] = bound
            return self._reselect()
        except ValueError:
            self._policies, self.table = before, table
            raise

    def remove_policy(self, policy: PolicyId) -> list[Effect]:
        """Remove a policy; KeyError if there is none, PolicyError if another is disjoint from it."""
        before, table = dict(self._policies), self.table
        removed = self._policies.pop(policy)
        if removed.binding_sid is not None:
            self.table = table.without(removed.binding_sid)
        try:
            return [*self._reselect(), Emit("policy_removed", policy._asdict())]
        except ValueError:
            self._policies, self.table = before, table
            raise

    def measured_lists(self) -> frozenset[ListId]:
        """The segment lists worth measuring: those in use or ready to be, and those that give no answer so far."""
        ready = {
            (policy, list_.segments)
            for policy, state in self.selection.states.items()
            for path in (state.active, state.standby)
            for list_ in (path.lists if path else ())
        }
        return frozenset(ready | {list_ for list_ in self._telemetry.unanswered if list_[0] in self._policies})

    def measured(self, windows: Iterable[MeasuredWindow], now: float) -> list[Effect]:
        """What measurement has found; windows of links that there are not, or are down, are passed over."""
        there = {link.id for link in self.database.usable}
        known = (window for window in windows if not isinstance(window, LinkWindow) or window.link in there)
        findings = [finding for window in known if (finding := self._telemetry.measured(window, now))]
        if not findings:
            return []
        for finding in findings:
            if isinstance(finding, LinkDelay):
                link = self.database.links[finding.link]
                self.database = self.database.with_link(replace(link, delay_us=finding.delay_us))
                if self._routes_by_delay:
                    self._flood(link.source, now, better=False)
        effects = [*map(_finding, findings), *self._reselect(), *self.expire(now)]
        self._telemetry.retain(self.measured_lists())
        return effects

    @property
    def _routes_by_delay(self) -> bool:
        """Whether a flex-algo takes what is measured (RFC 9350 §5.1: the minimum delay of RFC 8570)."""
        return any(algorithm.metric is Metric.DELAY for algorithm in self.network.flex_algos)

    def timer(self) -> float | None:
        """When `expire` has something to do; None if never."""
        return min((*(due for due, _ in self._detecting.values()), *self._converging.values()), default=None)

    def expire(self, now: float) -> list[Effect]:
        """What is due: first the local repairs of all links that are detected, by another call what converges."""
        detected = [(link, up) for link, (due, up) in self._detecting.items() if due <= now]
        if detected:
            return [effect for link, up in detected for effect in self._detect(link, up, now)]
        routers = {router for router, due in self._converging.items() if due <= now}
        for router in routers:
            del self._converging[router]
        return list(self._converge(routers)) if routers else []

    def _detect(self, link: LinkId, up: bool, now: float) -> Iterator[Effect]:
        del self._detecting[link]
        self.database = self.database.link_up(link) if up else self.database.link_down(link)
        node, peer = link
        if not up and self.network.fast_reroute and node in self.states:
            self.states = {**self.states, node: local_repair(self.network, self.states[node], node, peer)}
            yield Program(({node: self.states[node]},))
        yield Emit("adjacency_up" if up else "adjacency_down", {"router": node, "peer": peer})
        if self.database.usable != self.view.domain.database.usable:
            self._flood(node, now, better=up)

    def _flood(self, node: str, now: float, *, better: bool) -> None:
        """Let everybody hear of what `node` has noticed."""
        convergence = self.network.convergence
        # Before the event if it took something away, so that all are reached that have to hear of it.
        database = self.database if better else self.view.domain.database
        hops = routing_graph(database, Metric.HOPS).spf(node).distance
        # Without repairs, everybody who waits for others loses packets meanwhile.
        self._ordered = convergence.ordered and (better or self.network.fast_reroute is not None)
        for router, distance in hops.items():
            far = max(hops.values()) if self._ordered else distance
            due = now + convergence.flooding_ms * far / 1000
            self._converging[router] = min(due, self._converging.get(router, due))

    def _converge(self, routers: Collection[str]) -> Iterator[Effect]:
        before, old = self.view, self.states
        if self.view.domain.database is not self.database:
            self.view = self._view(Domain(self.database))
            self._igp_routes = render_igp(self.view)
        rendered = render(self.view, self._igp_routes)
        new = {router: rendered[router] for router in routers if router in rendered}
        self.states = {**old, **new}
        yield Program(in_order(before, self.view, old, new) if self._ordered else (new,))
        yield from _news(before.selection, self.selection)
        if not self._converging:
            yield Emit("converged", {"routers": sum(old.get(router) != state for router, state in new.items())})
            if self._put_off:
                yield from self._reselect()

    def _reselect(self) -> list[Effect]:
        """The policies again, over the network as everybody knows it."""
        same = self.view.domain.database is self.database
        before, view = self.selection, self._view(self.view.domain if same else Domain(self.database))
        self._put_off = bool(self._converging)
        if self._converging:
            # Some routers have repairs in force. What comes of the policies now comes with the convergence.
            return []
        self.view, self.states = view, render(view, self._igp_routes)
        return [Program((self.states,)), *_news(before, self.selection)]

    def _view(self, domain: Domain) -> View:
        budget = MtuBudget(self.network.link_mtu, self.network.inner_mtu)
        dataplane = Dataplane(self.table, budget, self.network.compressed, self._telemetry.unanswered)
        selection = select(domain, self._policies.values(), dataplane)
        return View(self.network, self.table, domain, selection)


def _finding(finding: Finding) -> Emit:
    if isinstance(finding, LinkDelay):
        router, peer = finding.link
        return Emit("link_delay", {"router": router, "peer": peer, "delay_us": finding.delay_us})
    policy, segments = finding.list
    kind = "list_down" if isinstance(finding, ListDown) else "list_up"
    return Emit(kind, {**policy._asdict(), "list": " ".join(map(str, segments))})


def _news(before: Selection, after: Selection) -> Iterator[Emit]:
    """What became of policies that differs from what it was."""
    for policy, state in after.states.items():
        was = before.states.get(policy)
        if was is None or _lists(was) != _lists(state):
            news: dict[str, object] = {"lists": _lists(state)} if state.active else {"reasons": _reasons(state)}
            yield Emit("policy_up" if state.active else "policy_down", {**policy._asdict(), **news})


def _lists(state: PolicyState) -> list[str]:
    return [" ".join(map(str, list_.segments)) for list_ in state.active.lists] if state.active else []


def _reasons(state: PolicyState) -> list[str]:
    return [invalid.reason for invalid in state.invalid]
