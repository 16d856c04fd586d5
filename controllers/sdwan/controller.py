"""The overlay's controller as a state machine: what happens goes in with the time, what is to be done comes out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from controllers.flows import Change, Counters, SwitchState
from controllers.joint.model import Mode
from controllers.joint.underlay import Underlay, Way
from controllers.sdwan.accounting import cost, price, violated
from controllers.sdwan.bandwidth import Bandwidth
from controllers.sdwan.named import changes_by_name, tenant_behind, tenant_of, told_of, with_named
from controllers.sdwan.network import Demand, Overlay
from controllers.sdwan.pipeline import moves, placed, program
from controllers.sdwan.recognition import Recognition
from controllers.sdwan.reconcile import reconcile
from controllers.sdwan.scheduling import Scheduling, policy_of
from controllers.sdwan.steering import Placement, Steering
from controllers.sdwan.telemetry import Bound, ClassWindow, Finding, SlaBroken, SlaMet, Telemetry, TunnelDown, TunnelUp
from controllers.srv6.policy import PolicyId

_REMEMBERED = 1000
"""Decisions."""

_SETTLE_WINDOWS = 2
"""After a reroute: the one in which it was, and the time that it takes to tell of it."""

_PLAN_AGAIN_S = 2.0
"""While an SLA is violated."""


@dataclass(frozen=True)
class Send:
    """Make these changes at the switch of `edge`."""

    edge: str
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Emit:
    """An event for the record."""

    kind: str
    fields: Mapping[str, object]


@dataclass(frozen=True)
class Replan:
    """Call `plan` with the underlay as it is now."""


@dataclass(frozen=True)
class Reroute:
    """Let an SR Policy take a way, before what follows is done; None for what it has of its own."""

    policy: PolicyId
    way: Way | None


Effect = Send | Emit | Replan | Reroute


@dataclass(frozen=True)
class DemandMoved:
    """A demand was moved from tunnels to others, and why; prices are those of a Mbit/s there."""

    at: float
    demand: str
    source: tuple[str, ...]
    target: tuple[str, ...]
    why: str
    price_before: float
    price_after: float


@dataclass(frozen=True)
class PolicyRerouted:
    """An SR Policy below `demands` was led another way, and why."""

    at: float
    policy: PolicyId
    way: str
    demands: tuple[str, ...]
    why: str


@dataclass(frozen=True)
class ModeChanged:
    """Everything was put back, and another mode begun."""

    at: float
    mode: Mode


Decision = DemandMoved | PolicyRerouted | ModeChanged


class Controller:
    """One overlay under control. Times are in seconds, of any clock that only goes on."""

    def __init__(self, overlay: Overlay) -> None:
        self.overlay = overlay
        self.bandwidth = Bandwidth(overlay)
        self.telemetry = Telemetry(overlay.probing, overlay.classes, self._available_bps)
        self._steering = Steering(overlay, self.telemetry)
        self._demand = {demand.name: demand for demand in overlay.demands}
        self._edges = {edge.dpid: edge.name for edge in overlay.edges}
        self.connected: set[str] = set()
        self.programmed: set[str] = set()
        self._unread: set[str] = set()
        """Edges that have connected and have not told what they have: they may have nothing that could be changed."""
        self._known: set[str] = set()
        """Tunnels that have answered, or have been found silent, since this controller began."""
        self._silent_since: dict[str, float] = {}
        self.decisions: list[Decision] = []
        self._broken: dict[tuple[str, str], SlaBroken] = {}
        self.mode = overlay.mode
        self._planned_at = -math.inf
        self._first = {demand.name: self._steering.choose(demand, Placement()) for demand in overlay.demands}
        self.placements = dict(self._first)
        self._taken_over: set[str] = set()
        """Demands that are where their switch had them: an earlier controller knew more, until enough is measured."""
        self._enough_at = math.inf
        self._rerouted: set[PolicyId] = set()
        self._settled: dict[str, float] = {}
        """Tunnel → when windows are those of its present way."""
        self.recognition = Recognition(overlay)

    def edge_of(self, dpid: int) -> str | None:
        """The edge with that datapath id; None for a switch that the overlay does not have."""
        return self._edges.get(dpid)

    def switch_up(self, dpid: int) -> list[Effect]:
        """A switch has connected."""
        edge = self.edge_of(dpid)
        if edge is None:
            known = ", ".join(f"{dpid} ({name})" for dpid, name in self._edges.items())
            return [Emit("unknown_switch", {"dpid": dpid, "want": f"one of {known}"})]
        self.connected.add(edge)
        self._unread.add(edge)
        return []

    def switch_down(self, dpid: int) -> list[Effect]:
        """A switch has gone; it goes on by the flows that it has."""
        self.connected.discard(self.edge_of(dpid) or "")
        return []

    def tables(self, dpid: int, found: SwitchState, now: float) -> list[Effect]:
        """What a switch has in its tables: since it has connected, or has lost a flow."""
        edge = self.edge_of(dpid)
        if edge is None:
            return []
        if edge not in self.programmed and self.mode is Mode.OVERLAY:
            self._take_over(edge, found)
        wanted_there = program(self.overlay, edge, self.placements)
        changes = reconcile(
            found, with_named(wanted_there, self.overlay, edge, self.recognition.current(now), found.flows)
        )
        told = [Emit("edge_programmed", {"edge": edge, "changes": len(changes)})]
        wanted = changes or edge in self._unread
        self.programmed.add(edge)
        self._unread.discard(edge)
        return [Send(edge, changes), *told] if wanted else []

    def _take_over(self, edge: str, found: SwitchState) -> None:
        for name, placement in placed(self.overlay, edge, found.groups).items():
            allowed = {tunnel.name for tunnel in self._steering.allowed(self._demand[name])}
            if placement.tunnels and allowed.issuperset(placement.names):
                self.placements[name] = placement
        # Nothing was steered there before it had told what it has.
        self._taken_over |= {demand.name for demand in self.overlay.demands if demand.source == edge}

    def copied(self, dpid: int, port: int, metadata: int, frame: bytes, now: float) -> list[Effect]:
        """A packet has come to an edge's port: it may tell of which application an address or a connection is.

        One with `metadata` is on its way out of the edge.
        """
        edge = self.overlay.edge.get(self.edge_of(dpid) or "")
        if edge is None:
            return []
        if leaving := tenant_of(self.overlay, metadata):
            learned = self.recognition.answered(leaving, frame, now)
        elif entering := tenant_behind(edge, port):
            learned = self.recognition.first(entering, edge.name, port, frame, now)
        else:
            return []
        ready = sorted(self.programmed - self._unread)
        sends = [Send(each, changes_by_name(self.overlay, each, learned)) for each in ready]
        news = [Emit("recognised", told_of(each)) for each in self.recognition.news(learned)]
        return [*(send for send in sends if send.changes), *news]

    def counted(self, dpid: int, counters: Counters, now: float) -> list[Effect]:
        """What a switch has counted; windows are judged by it."""
        if edge := self.edge_of(dpid):
            self.bandwidth.counted(edge, counters, now)
        return []

    def _available_bps(self, tunnel: str, sla_class: str) -> float | None:
        return self.bandwidth.available_bps(self.overlay.tunnel[tunnel], sla_class, self.placements)

    def liveness(self, tunnel: str, *, up: bool, now: float) -> list[Effect]:
        """A tunnel answers, or does not. One that has not answered yet has not failed: it may be coming up."""
        if tunnel in self._known:
            found = self.telemetry.liveness(tunnel, up=up, now=now)
            # One that answers again is no news before it has proved itself, but may be all that there is.
            return self._found(found, now) if found or self.mode is not Mode.OVERLAY else self._steer(now)
        return self._known_now(tunnel, now) if up else []

    def _known_now(self, tunnel: str, now: float) -> list[Effect]:
        self._known.add(tunnel)
        if len(self._known) < len(self.overlay.tunnels):
            return []
        self._enough_at = now + self._proof_s
        return [Emit("overlay_ready", {"tunnels": len(self._known), "placements": self._placed()})]

    @property
    def _proof_s(self) -> float:
        """How long it takes a tunnel to prove itself."""
        return self.overlay.probing.good * self.overlay.probing.window_ms / 1000

    def _heard(self, window: ClassWindow, now: float) -> list[Effect]:
        """What was up or down before this controller began is told by windows alone."""
        if window.tunnel in self._known or not window.sent:
            return []
        if window.received:
            return self.liveness(window.tunnel, up=True, now=now)
        tunnel = self.overlay.tunnel[window.tunnel]
        if not {tunnel.source, tunnel.target} <= self.programmed:
            return []
        since = self._silent_since.setdefault(window.tunnel, now)
        if now - since < self._proof_s:
            return []
        return [*self._known_now(window.tunnel, now), *self.liveness(window.tunnel, up=False, now=now)]

    def measured(self, windows: Iterable[ClassWindow], now: float) -> list[Effect]:
        """Windows of probes."""
        windows = tuple(windows)
        heard = [effect for window in windows for effect in self._heard(window, now)]
        seconds = self.overlay.probing.window_ms / 1000
        demands = Counter(violated(self.overlay, self.placements, windows, self._available_bps))
        news = [Emit("sla_violated", {"demand": name, "seconds": n * seconds}) for name, n in demands.items()]
        judged = (window for window in windows if now >= self._settled.get(window.tunnel, now))
        findings = tuple(finding for window in judged for finding in self.telemetry.window(window, now))
        found = [*heard, *self._found(findings, now), *self._let_go(now)]
        return [*found, *(self._again(now) if demands and not findings else ()), *news]

    def _let_go(self, now: float) -> list[Effect]:
        """Treat what was taken over like everything else, once it can be judged or is known to be in trouble."""
        kept = set() if now >= self._enough_at else {name for name in self._taken_over if not self._in_trouble(name)}
        if kept == self._taken_over:
            return []
        self._taken_over = kept
        return self._steer(now)

    def set_mode(self, mode: Mode, now: float) -> list[Effect]:
        """Begin anew in another mode: everything goes where it was at first, and then where that mode puts it."""
        back = {name: first for name, first in self._first.items() if self.placements[name] != first}
        restored = [Reroute(policy, None) for policy in sorted(self._rerouted)]
        self._begin_anew(self._rerouted, now)
        self._rerouted.clear()
        self._taken_over.clear()
        self.telemetry.forgive()
        self.mode = mode
        self.placements |= back
        self._decided([ModeChanged(now, mode)])
        fields = {"mode": mode.value, "cost": cost(self.overlay, self.placements), "placements": self._placed()}
        changed = Emit("mode_changed", fields)
        return [*restored, *self._sends(back), changed, *self._steer(now)]

    def plan(self, underlay: Underlay, now: float) -> list[Effect]:
        """What the joint planner makes of overlay and underlay together."""
        self._planned_at = now
        tunnels = {name: placed.names[0] for name, placed in self.placements.items() if placed.names}
        found = Scheduling(self.overlay, self.telemetry, self._broken, underlay, tunnels).schedule(self.mode)
        self._rerouted |= set(found.ways)
        self._begin_anew(found.ways, now)
        rerouted: list[Effect] = [Reroute(policy, way) for policy, way in found.ways.items()]
        told = [
            Emit("policy_rerouted", {"policy": str(policy), "to": way.name, "why": found.why[str(policy)]})
            for policy, way in found.ways.items()
        ]
        self._decided(
            PolicyRerouted(now, policy, way.name, tuple(self._above(policy)), found.why[str(policy)])
            for policy, way in found.ways.items()
        )
        moved = {name: _on(tunnel) for name, tunnel in found.tunnels.items()}
        return [*rerouted, *self._move(moved, found.why, now), *told]

    def _above(self, policy: PolicyId) -> Iterator[str]:
        """The demands that were expected on tunnels over `policy`."""
        riding = {tunnel.name for tunnel in self.overlay.tunnels if policy_of(self.overlay, tunnel) == policy}
        for demand in self.overlay.demands:
            if demand.expected and riding.intersection(self.placements[demand.name].names):
                yield demand.name

    def _placed(self) -> dict[str, tuple[str, ...]]:
        return {demand.name: self.placements[demand.name].names for demand in self.overlay.demands if demand.expected}

    def _begin_anew(self, policies: Collection[PolicyId], now: float) -> None:
        """Tunnels over `policies` go another way: what was measured of them is of the old one."""
        for tunnel in self.overlay.tunnels:
            if policy_of(self.overlay, tunnel) in policies:
                self.telemetry.forget(tunnel.name)
                self._settled[tunnel.name] = now + _SETTLE_WINDOWS * self.overlay.probing.window_ms / 1000
                self._broken = {key: broken for key, broken in self._broken.items() if key[0] != tunnel.name}

    def _found(self, findings: Iterable[Finding], now: float) -> list[Effect]:
        news: list[Effect] = []
        for finding in findings:
            match finding:
                case SlaBroken():
                    self._broken[finding.tunnel, finding.sla_class] = finding
                case SlaMet():
                    self._broken.pop((finding.tunnel, finding.sla_class), None)
                case TunnelDown() | TunnelUp():
                    pass
            news.append(_event(finding))
        # First what moves packets, then who wants to know.
        return [*self._steer(now), *news] if news else []

    def _again(self, now: float) -> list[Effect]:
        """What could not be mended, or has come back on another way, is planned again after a while."""
        planned = self.mode in (Mode.UNDERLAY, Mode.JOINT)
        return [Replan()] if planned and now - self._planned_at >= _PLAN_AGAIN_S else []

    def _steer(self, now: float) -> list[Effect]:
        match self.mode:
            case Mode.STATIC:
                return []
            case Mode.UNDERLAY | Mode.JOINT:
                return [Replan()]
        self._taken_over = {name for name in self._taken_over if not self._in_trouble(name)}
        targets = {
            demand.name: self._steering.choose(demand, self.placements[demand.name])
            for demand in self.overlay.demands
            if demand.source in self.programmed and demand.name not in self._taken_over
        }
        moved = {name: target for name, target in targets.items() if target != self.placements[name]}
        why = {name: self._why(self._demand[name], self.placements[name], moved[name]) for name in moved}
        return self._move(moved, why, now)

    def _in_trouble(self, demand: str) -> bool:
        sla_class = self.overlay.class_of[self._demand[demand].application].name
        return any(self.trouble(name, sla_class) for name in self.placements[demand].names)

    def _move(self, moved: Mapping[str, Placement], why: Mapping[str, str], now: float) -> list[Effect]:
        if not moved:
            return []
        made = [self._moved(name, target, why[name], now) for name, target in moved.items()]
        self._decided(made)
        self.placements |= moved
        costs = Emit("overlay_cost", {"cost": cost(self.overlay, self.placements)})
        return [*self._sends(moved), *map(_told, made), costs]

    def _moved(self, demand: str, target: Placement, why: str, now: float) -> DemandMoved:
        source = self.placements[demand]
        prices = (price(self.overlay, self._demand[demand], placement) for placement in (source, target))
        return DemandMoved(now, demand, source.names, target.names, why, *prices)

    def _decided(self, made: Iterable[Decision]) -> None:
        self.decisions = [*self.decisions, *made][-_REMEMBERED:]

    def _sends(self, moved: Mapping[str, Placement]) -> list[Effect]:
        sources = dict.fromkeys(demand.source for demand in self.overlay.demands if demand.name in moved)
        return [Send(edge, moves(self.overlay, edge, moved)) for edge in sources if edge not in self._unread]

    def trouble(self, tunnel: str, sla_class: str) -> str | None:
        """What is wrong with a tunnel for a class: `is down`, or the bound that was found broken; None for nothing."""
        if not self.telemetry.up(tunnel):
            return "is down"
        broken = self._broken.get((tunnel, sla_class))
        return f"breaks {sla_class}: {_measured(broken)}" if broken else None

    def _why(self, demand: Demand, current: Placement, target: Placement) -> str:
        sla_class = self.overlay.class_of[demand.application].name
        for name in current.names:
            if trouble := self.trouble(name, sla_class):
                return f"{name} {trouble}"
        return f"{', '.join(target.names)} {'meets' if target.tunnels else 'meet'} {sla_class} again and is preferred"


def _on(tunnel: str | None) -> Placement:
    return Placement(((tunnel, 1),) if tunnel else ())


def _event(finding: Finding) -> Emit:
    match finding:
        case TunnelDown(tunnel):
            return Emit("tunnel_down", {"tunnel": tunnel})
        case TunnelUp(tunnel):
            return Emit("tunnel_up", {"tunnel": tunnel})
        case SlaMet(tunnel, sla_class):
            return Emit("sla_met", {"tunnel": tunnel, "class": sla_class})
        case SlaBroken(tunnel, sla_class, bound, value, limit):
            fields = {"tunnel": tunnel, "class": sla_class, "bound": bound.value, "value": value, "limit": limit}
            return Emit("sla_broken", fields)


def _told(decision: DemandMoved) -> Emit:
    fields = {"demand": decision.demand, "from": decision.source, "to": decision.target, "why": decision.why}
    return Emit("demand_moved", fields)


def _measured(broken: SlaBroken) -> str:
    if broken.bound is Bound.BANDWIDTH_BPS:
        return f"{broken.value / 1e6:.1f} Mbit/s available, {broken.limit / 1e6:g} Mbit/s at least"
    name, _, unit = broken.bound.value.partition("_")
    if not unit:
        return f"{name} {broken.value:.1%}, {broken.limit:.1%} at most"
    return f"{name} {broken.value:.1f} {unit}, {broken.limit:g} {unit} at most"
