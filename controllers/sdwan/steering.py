"""Which tunnels carry a demand, as its class wants it and the tunnels are; capacities are for `controllers.joint`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from controllers.sdwan.network import Demand, Forwarding, Overlay, OverlayTunnel, SlaClass
from controllers.sdwan.telemetry import Telemetry, Verdict


@dataclass(frozen=True)
class Placement:
    """The tunnels that carry a demand, by name, with their weights; none drops it."""

    tunnels: tuple[tuple[str, int], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The tunnels alone."""
        return tuple(name for name, _ in self.tunnels)


@dataclass(frozen=True)
class Steering:
    """The choice among `overlay`'s tunnels."""

    overlay: Overlay
    telemetry: Telemetry

    @cached_property
    def prices(self) -> dict[str, float]:
        """Transport → its price."""
        return {transport.name: transport.price for transport in self.overlay.transports}

    def allowed(self, demand: Demand) -> tuple[OverlayTunnel, ...]:
        """The tunnels that the class of `demand` lets it take, the preferred transport's first."""
        via = self.overlay.next_edge(demand.source, demand.target)
        order = self.overlay.class_of[demand.application].transports
        between = self.overlay.between(demand.source, via) if via else ()
        return tuple(
            sorted((each for each in between if each.transport in order), key=lambda t: order.index(t.transport))
        )

    def choose(self, demand: Demand, current: Placement) -> Placement:
        """Where `demand` goes from now on; it stays where it is if all of its tunnels are down.

        One that has come back and has not proved itself yet carries what has nothing better.
        """
        sla_class = self.overlay.class_of[demand.application]
        allowed = self.allowed(demand)
        usable = [each for each in allowed if self.telemetry.up(each.name)]
        usable = usable or [each for each in allowed if self.telemetry.answers(each.name)]
        if not usable:
            return current if current.tunnels else _one(allowed)
        meeting = [each for each in usable if self.telemetry.verdict(each.name, sla_class.name) is Verdict.MEETS]
        if sla_class.forwarding is Forwarding.DUPLICATE:
            others = sorted(set(usable) - set(meeting), key=lambda each: self._badness(each, sla_class))
            return _on_two([*meeting, *others])
        if not meeting:
            return self._least_bad(usable, sla_class, current)
        match sla_class.forwarding:
            case Forwarding.BALANCE:
                shares = dict(zip(sla_class.transports, sla_class.weights, strict=False))
                return Placement(tuple((each.name, shares.get(each.transport, 1)) for each in meeting))
            case Forwarding.CHEAPEST:
                return _one(sorted(meeting, key=lambda each: self.prices[each.transport]))
            case _:
                return _one(meeting)

    def _least_bad(self, usable: Iterable[OverlayTunnel], sla_class: SlaClass, current: Placement) -> Placement:
        """Where nothing is good a demand moves only for what is better by the margin: two bad ones take no turns."""
        bad = {each.name: self._badness(each, sla_class) for each in usable}
        least = min(bad, key=lambda name: bad[name])
        here = bad.get(current.names[0]) if len(current.names) == 1 else None
        if here and here[0] * (1 - self.overlay.probing.margin) <= bad[least][0]:
            return current
        return Placement(((least, 1),))

    def _badness(self, tunnel: OverlayTunnel, sla_class: SlaClass) -> tuple[float, float]:
        """By how much the worst bound is broken, and the delay."""
        quality = self.telemetry.quality(tunnel.name, sla_class.name)
        sla = sla_class.sla
        pairs = ((quality.delay_ms, sla.delay_ms), (quality.jitter_ms, sla.jitter_ms), (quality.loss, sla.loss))
        over = [value / max(bound, 1e-6) for value, bound in pairs if value is not None and bound is not None]
        if sla.bandwidth_bps and (available := self.telemetry.available_bps(tunnel.name, sla_class.name)) is not None:
            over.append(sla.bandwidth_bps / max(available, 1.0))
        return max(over, default=0.0), quality.delay_ms or 0.0


def _on_two(tunnels: Iterable[OverlayTunnel]) -> Placement:
    """The first of each of two transports: what fails together is no second way."""
    first: dict[str, OverlayTunnel] = {}
    for tunnel in tunnels:
        first.setdefault(tunnel.transport, tunnel)
    return Placement(tuple((tunnel.name, 1) for tunnel in [*first.values()][:2]))


def _one(tunnels: Iterable[OverlayTunnel]) -> Placement:
    return Placement(tuple((tunnel.name, 1) for tunnel in tunnels)[:1])
