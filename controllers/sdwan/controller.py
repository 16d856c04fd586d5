"""The overlay's controller as a state machine: what happens goes in with the time, what is to be done comes out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from controllers.flows import Change, SwitchState
from controllers.sdwan.network import Demand, Mode, Overlay
from controllers.sdwan.pipeline import moves, program
from controllers.sdwan.reconcile import reconcile
from controllers.sdwan.steering import Placement, Steering
from controllers.sdwan.telemetry import ClassWindow, Finding, SlaBroken, SlaMet, Telemetry, TunnelDown, TunnelUp

_REMEMBERED = 1000
"""Decisions."""


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


Effect = Send | Emit


@dataclass(frozen=True)
class Decision:
    """A demand was moved, and why."""

    at: float
    demand: str
    source: tuple[str, ...]
    target: tuple[str, ...]
    why: str


class Controller:
    """One overlay under control. Times are in seconds, of any clock that only goes on."""

    def __init__(self, overlay: Overlay) -> None:
        self.overlay = overlay
        self.telemetry = Telemetry(overlay.probing, overlay.classes)
        self._steering = Steering(overlay, self.telemetry)
        self._edges = {edge.dpid: edge.name for edge in overlay.edges}
        self.connected: set[str] = set()
        self.programmed: set[str] = set()
        self._answered: set[str] = set()
        self.decisions: list[Decision] = []
        self._broken: dict[tuple[str, str], SlaBroken] = {}
        self.placements = {demand.name: self._steering.choose(demand, Placement()) for demand in overlay.demands}

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
        return []

    def switch_down(self, dpid: int) -> list[Effect]:
        """A switch has gone; it goes on by the flows that it has."""
        self.connected.discard(self.edge_of(dpid) or "")
        return []

    def tables(self, dpid: int, found: SwitchState) -> list[Effect]:
        """What a switch that has connected has in its tables."""
        edge = self.edge_of(dpid)
        if edge is None:
            return []
        changes = reconcile(found, program(self.overlay, edge, self.placements))
        self.programmed.add(edge)
        return [Send(edge, changes), Emit("edge_programmed", {"edge": edge, "changes": len(changes)})]

    def liveness(self, tunnel: str, *, up: bool, now: float) -> list[Effect]:
        """A tunnel answers, or does not. One that has not answered yet has not failed: it may be coming up."""
        if up and tunnel not in self._answered:
            self._answered.add(tunnel)
            complete = len(self._answered) == len(self.overlay.tunnels)
            return [Emit("overlay_ready", {"tunnels": len(self._answered)})] if complete else []
        if tunnel not in self._answered:
            return []
        return self._found(self.telemetry.liveness(tunnel, up=up, now=now), now)

    def measured(self, windows: Iterable[ClassWindow], now: float) -> list[Effect]:
        """Windows of probes."""
        return [effect for window in windows for effect in self._found(self.telemetry.window(window, now), now)]

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
        return [*news, *self._steer(now)] if news else []

    def _steer(self, now: float) -> list[Effect]:
        if self.overlay.mode is Mode.STATIC:
            return []
        moved: dict[str, Placement] = {}
        decided: list[Effect] = []
        for demand in self.overlay.demands:
            current = self.placements[demand.name]
            target = self._steering.choose(demand, current)
            if target != current:
                moved[demand.name] = target
                decision = Decision(now, demand.name, current.names, target.names, self._why(demand, current, target))
                self.decisions.append(decision)
                decided.append(_decided(decision))
        del self.decisions[:-_REMEMBERED]
        self.placements |= moved
        sources = dict.fromkeys(demand.source for demand in self.overlay.demands if demand.name in moved)
        # First what moves packets, then who wants to know.
        return [*(Send(edge, moves(self.overlay, edge, moved)) for edge in sources), *decided]

    def _why(self, demand: Demand, current: Placement, target: Placement) -> str:
        sla_class = self.overlay.class_of[demand.application].name
        for name in current.names:
            if not self.telemetry.up(name):
                return f"{name} is down"
            if broken := self._broken.get((name, sla_class)):
                return f"{name} breaks {sla_class}: {_measured(broken)}"
        return f"{', '.join(target.names)} {'meets' if target.tunnels else 'meet'} {sla_class} again and is preferred"


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


def _decided(decision: Decision) -> Emit:
    fields = {"demand": decision.demand, "from": decision.source, "to": decision.target, "why": decision.why}
    return Emit("demand_moved", fields)


def _measured(broken: SlaBroken) -> str:
    name, _, unit = broken.bound.value.partition("_")
    if not unit:
        return f"{name} {broken.value:.1%}, {broken.limit:.1%} at most"
    return f"{name} {broken.value:.1f} {unit}, {broken.limit:g} {unit} at most"
