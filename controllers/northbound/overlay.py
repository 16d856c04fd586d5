"""The overlay's part of the API: its state, its decisions, and what the measuring process asks and tells."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Literal, Protocol, Self, TypeVar

from pydantic import Field, FiniteFloat, model_validator

from controllers.joint.model import Mode
from controllers.northbound.answers import Answer
from controllers.northbound.bodies import Body
from controllers.northbound.endpoints import ROOT, Endpoint
from controllers.sdwan.controller import Controller, Decision, DemandMoved, ModeChanged, PolicyRerouted
from controllers.sdwan.network import Demand, Overlay, OverlayTunnel
from controllers.sdwan.telemetry import ClassWindow, Verdict

Found = TypeVar("Found")


class EdgeView(Answer):
    """A CPE, and whether it is connected to the controller."""

    name: str
    dpid: int
    connected: bool
    transports: tuple[str, ...]


class ClassQuality(Answer):
    """What a tunnel is like for a class, damped: one-way delay and jitter in ms, loss as a share."""

    sla_class: str
    meets: bool
    delay_ms: float | None
    jitter_ms: float | None
    loss: float


class TransportView(Answer):
    """An underlay service, with the price of a Mbit/s that it carries and the colors of SR Policies under it."""

    name: str
    price: float
    colors: tuple[int, ...]


class TunnelView(Answer):
    """A tunnel. `free_bps` is what is left of its attachments, None without a limit."""

    name: str
    source: str
    target: str
    transport: str
    color: int | None
    up: bool
    free_bps: int | None
    classes: tuple[ClassQuality, ...]


class DemandView(Answer):
    """An application's traffic from one edge to another, and the tunnels that carry it.

    `trouble` is what keeps a tunnel of it from meeting the SLA, None for nothing. What is not `expected` is carried as
    it comes.
    """

    name: str
    application: str
    source: str
    target: str
    sla_class: str
    expected: bool
    rate_bps: int
    tunnels: tuple[str, ...]
    trouble: str | None


class OverlayView(Answer):
    """All of the overlay."""

    mode: str
    edges: tuple[EdgeView, ...]
    transports: tuple[TransportView, ...]
    tunnels: tuple[TunnelView, ...]
    demands: tuple[DemandView, ...]


class DecisionView(Answer):
    """What was decided, in Unix seconds: a demand was moved, a policy below demands was rerouted, or a mode begun.

    `source` and `target` are tunnels of a demand, the new way of a policy, or the new mode. Prices are of a Mbit/s.
    """

    at: float
    kind: Literal["demand_moved", "policy_rerouted", "mode_changed"]
    demands: tuple[str, ...] = ()
    policy: str | None = None
    source: tuple[str, ...] = ()
    target: tuple[str, ...]
    why: str = ""
    rate_bps: int = 0
    price_before: float | None = None
    price_after: float | None = None


class Decisions(Answer):
    """The last decisions, oldest first."""

    decisions: tuple[DecisionView, ...]


class RecognisedView(Answer):
    """An address that is an application's by name, as DNS has told, and how many seconds more that counts."""

    tenant: str
    application: str
    name: str
    address: str
    seconds: float


class RecognisedAddresses(Answer):
    """All that count; flows in use stay longer."""

    recognised: tuple[RecognisedView, ...]


class ProbedTunnel(Answer):
    """A tunnel to be measured in these classes, by DSCP, and with it the one back."""

    id: str
    namespace: str
    source: str
    target: str
    target_namespace: str
    classes: tuple[int, ...]


class ProbingView(Answer):
    """What is to be measured, and how."""

    interval_ms: float
    timeout_ms: float
    lost: int
    window_ms: float
    tunnels: tuple[ProbedTunnel, ...]


class OneWayBody(Body):
    """Delays in one direction."""

    min_us: FiniteFloat
    mean_us: FiniteFloat
    p95_us: FiniteFloat
    jitter_us: FiniteFloat = Field(ge=0)


class TunnelWindowBody(Body):
    """What became of the probes of a class in one window, along a tunnel and back."""

    tunnel: str
    dscp: int = Field(ge=0, le=63)
    t: FiniteFloat
    sent: int = Field(ge=0)
    received: int = Field(ge=0)
    lost_forward: int = Field(ge=0)
    lost_back: int = Field(ge=0)
    forward: OneWayBody | None
    back: OneWayBody | None

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if self.received + self.lost_forward + self.lost_back > self.sent:
            raise ValueError(f"want no more received and lost than the {self.sent} that were sent")
        return self


class LivenessBody(Body):
    """A tunnel answers, or does not any more: it, or the one back."""

    tunnel: str
    up: bool
    t: FiniteFloat


class MeasurementsBody(Body):
    """What was found."""

    windows: tuple[TunnelWindowBody, ...]
    liveness: tuple[LivenessBody, ...]


class ModeBody(Body):
    """What may be moved when an SLA is broken."""

    mode: Mode


ENDPOINTS = (
    Endpoint("overlay", "GET", f"{ROOT}/overlay", "CPEs, tunnels and what they carry", OverlayView),
    Endpoint("decisions", "GET", f"{ROOT}/overlay/decisions", "What was moved, and why", Decisions),
    Endpoint(
        "recognised", "GET", f"{ROOT}/overlay/recognised", "Servers that were recognised by name", RecognisedAddresses
    ),
    Endpoint(
        "mode",
        "PUT",
        f"{ROOT}/overlay/mode",
        "Put everything back where it was at first, and go on in another mode",
        None,
        status=HTTPStatus.NO_CONTENT,
        body=ModeBody,
        errors=(HTTPStatus.BAD_REQUEST,),
    ),
    Endpoint("probing", "GET", f"{ROOT}/overlay/probing", "Tunnels to be measured", ProbingView),
    Endpoint(
        "measurements",
        "POST",
        f"{ROOT}/overlay/measurements",
        "What measurement of tunnels has found",
        None,
        status=HTTPStatus.NO_CONTENT,
        body=MeasurementsBody,
        errors=(HTTPStatus.BAD_REQUEST,),
    ),
)


class Shell(Protocol):
    """What has the core."""

    async def read(self, look: Callable[[Controller], Found]) -> Found:
        """What `look` finds in the core."""

    async def set_mode(self, mode: Mode) -> None:
        """Begin anew in a mode."""

    async def report(self, body: MeasurementsBody) -> None:
        """Take measurements in."""


class OverlayOperations:
    """The endpoints, by the names of `ENDPOINTS`."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    async def overlay(self, *_: object) -> OverlayView:
        """All of it."""
        return await self._shell.read(overlay_view)

    async def decisions(self, *_: object) -> Decisions:
        """What was decided."""
        since = time.time() - time.monotonic()
        return await self._shell.read(lambda core: decisions_view(core, since))

    async def recognised(self, *_: object) -> RecognisedAddresses:
        """What is known by name."""
        now = time.monotonic()
        return await self._shell.read(lambda core: recognised_view(core, now))

    async def probing(self, *_: object) -> ProbingView:
        """What is to be measured."""
        return await self._shell.read(probing_view)

    async def mode(self, _: object, __: object, body: ModeBody) -> None:
        """Another mode."""
        await self._shell.set_mode(body.mode)

    async def measurements(self, _: object, __: object, body: MeasurementsBody) -> None:
        """What was measured."""
        await self._shell.report(body)


def overlay_view(core: Controller) -> OverlayView:
    """The overlay as it is."""
    overlay = core.overlay
    return OverlayView(
        mode=core.mode,
        edges=tuple(
            EdgeView(
                name=edge.name,
                dpid=edge.dpid,
                connected=edge.name in core.connected,
                transports=tuple(each.transport for each in edge.attachments),
            )
            for edge in overlay.edges
        ),
        transports=tuple(
            TransportView(name=each.name, price=each.price, colors=each.colors) for each in overlay.transports
        ),
        tunnels=tuple(_tunnel(core, tunnel) for tunnel in overlay.tunnels),
        demands=tuple(_demand(core, demand) for demand in overlay.demands),
    )


def decisions_view(core: Controller, since: float) -> Decisions:
    """The decisions; `since` is the Unix time at which the core's clock was zero."""
    return Decisions(decisions=tuple(_decision(core, each, since) for each in core.decisions))


def recognised_view(core: Controller, now: float) -> RecognisedAddresses:
    """What counts `now`, by the core's clock."""
    return RecognisedAddresses(
        recognised=tuple(
            RecognisedView(
                tenant=each.tenant,
                application=each.application,
                name=each.name,
                address=str(each.address),
                seconds=round(each.until - now, 1),
            )
            for each in core.recognition.current(now)
        )
    )


def probing_view(core: Controller) -> ProbingView:
    """All tunnels, each two ways by one session, whether or not their ends have flows yet.

    What is measured outlives the controller.
    """
    overlay, rules = core.overlay, core.overlay.probing
    used = dict.fromkeys(overlay.class_of.values())
    return ProbingView(
        interval_ms=rules.interval_ms,
        timeout_ms=rules.timeout_ms,
        lost=rules.lost,
        window_ms=rules.window_ms,
        tunnels=tuple(
            ProbedTunnel(
                id=tunnel.name,
                namespace=overlay.edge[tunnel.source].namespace,
                source=str(tunnel.probe_source),
                target=str(tunnel.probe_target),
                target_namespace=overlay.edge[tunnel.target].namespace,
                classes=tuple(dict.fromkeys(each.dscp for each in used if tunnel.transport in each.transports)) or (0,),
            )
            for tunnel in _one_way(overlay)
        ),
    )


def _one_way(overlay: Overlay) -> Iterator[OverlayTunnel]:
    """The tunnels without those that are the way back of one before."""
    back = set[str]()
    for tunnel in overlay.tunnels:
        if tunnel.name not in back:
            yield tunnel
            back.add(overlay.way_back.get(tunnel.name, ""))


def liveness(body: MeasurementsBody, overlay: Overlay) -> Iterator[tuple[str, bool]]:
    """Tunnels, and whether they are up: a session tells of both ways. Those that there are not are passed over."""
    for each in body.liveness:
        for tunnel in (each.tunnel, overlay.way_back.get(each.tunnel)):
            if tunnel in overlay.tunnel:
                yield tunnel, each.up


def windows(body: MeasurementsBody, overlay: Overlay) -> Iterator[ClassWindow]:
    """As the core has them, forward and back; those of tunnels that there are not are passed over.

    What may have been lost on either way counts on both. Back comes what has not been lost forward.
    """
    for each in body.windows:
        missing = each.sent - each.received
        if each.tunnel in overlay.tunnel:
            yield _window(each, each.tunnel, each.sent, missing - each.lost_back, each.forward)
        if back := overlay.way_back.get(each.tunnel):
            yield _window(each, back, each.sent - each.lost_forward, missing - each.lost_forward, each.back)


def _window(body: TunnelWindowBody, tunnel: str, sent: int, lost: int, delays: OneWayBody | None) -> ClassWindow:
    return ClassWindow(
        tunnel,
        body.dscp,
        sent,
        body.received,
        lost,
        delays.mean_us / 1000 if delays else None,
        delays.jitter_us / 1000 if delays else None,
    )


def _demand(core: Controller, demand: Demand) -> DemandView:
    sla_class = core.overlay.class_of[demand.application].name
    tunnels = core.placements[demand.name].names
    troubles = ((name, core.trouble(name, sla_class)) for name in tunnels)
    wrong = next((f"{name} {trouble}" for name, trouble in troubles if trouble), None)
    return DemandView(
        name=demand.name,
        application=demand.application,
        source=demand.source,
        target=demand.target,
        sla_class=sla_class,
        expected=demand.expected,
        rate_bps=demand.rate_bps,
        tunnels=tunnels,
        trouble=wrong if tunnels else "no tunnel carries it",
    )


def _decision(core: Controller, decision: Decision, since: float) -> DecisionView:
    at = since + decision.at
    match decision:
        case ModeChanged(_, mode):
            return DecisionView(at=at, kind="mode_changed", target=(mode.value,))
        case PolicyRerouted(_, policy, way, demands, why):
            return DecisionView(
                at=at, kind="policy_rerouted", demands=demands, policy=str(policy), target=(way,), why=why
            )
        case DemandMoved():
            return DecisionView(
                at=at,
                kind="demand_moved",
                demands=(decision.demand,),
                source=decision.source,
                target=decision.target,
                why=decision.why,
                rate_bps=next(each.rate_bps for each in core.overlay.demands if each.name == decision.demand),
                price_before=decision.price_before,
                price_after=decision.price_after,
            )


def _tunnel(core: Controller, tunnel: OverlayTunnel) -> TunnelView:
    return TunnelView(
        name=tunnel.name,
        source=tunnel.source,
        target=tunnel.target,
        transport=tunnel.transport,
        color=tunnel.color,
        up=core.telemetry.up(tunnel.name),
        free_bps=None if (free := core.bandwidth.free_bps(tunnel)) is None else round(free),
        classes=tuple(
            _quality(core, tunnel.name, each.name)
            for each in core.overlay.classes
            if tunnel.transport in each.transports
        ),
    )


def _quality(core: Controller, tunnel: str, sla_class: str) -> ClassQuality:
    found = core.telemetry.quality(tunnel, sla_class)
    return ClassQuality(
        sla_class=sla_class,
        meets=core.telemetry.verdict(tunnel, sla_class) is Verdict.MEETS,
        delay_ms=found.delay_ms,
        jitter_ms=found.jitter_ms,
        loss=found.loss,
    )
