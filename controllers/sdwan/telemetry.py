"""What measurements of tunnels change: whether a tunnel is up, and whether it meets the SLAs of the classes.

A blackout counts at once. A tunnel comes back after answers for as long as `good` windows, twice as long with each time
that it was down since it last stayed up for `MOST_HOLD_S`, but no longer than that (in the spirit of RFC 2439).

Delay and jitter are judged window by window: `bad` windows in a row break an SLA, `good` ones with `margin` to spare
meet it again. A window has too few probes to say a share of loss, so loss is that of the last `LOSS_PROBES` of the
class, and fewer than `LEAST_LOST` of them break nothing. Classes are not pooled: a full queue loses those that it does
not prefer. Where a probe was lost the next hundred come five times as often: at 10 probes/s random loss of 5 % is found
after 4.5 s in the mean and by 19 of 20 within 9 s, which is half of what it takes at one pace, and sooner by faster
probes. Loss of 0.1 % is taken for more some 0.01 times an hour.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum, StrEnum

from controllers.sdwan.network import Probing, SlaClass

MOST_HOLD_S = 60.0
LOSS_PROBES = 100
LEAST_LOST = 4

_GAIN = 0.5
"""Of the newest window in the quality that is told."""


@dataclass(frozen=True)
class ClassWindow:
    """Probes of a tunnel with a class's DSCP, sent in one window; delay and jitter are those forward, None without any.

    `lost` is what was not lost on the way back: that is another tunnel's.
    """

    tunnel: str
    dscp: int
    sent: int
    received: int
    lost: int
    delay_ms: float | None
    jitter_ms: float | None


@dataclass(frozen=True)
class TunnelQuality:
    """Of a tunnel for a class, damped; `loss` is a share. None before the first window with an answer."""

    up: bool = True
    delay_ms: float | None = None
    jitter_ms: float | None = None
    loss: float = 0.0


class Bound(StrEnum):
    """Which bound of an SLA."""

    DELAY_MS = "delay_ms"
    JITTER_MS = "jitter_ms"
    LOSS = "loss"
    BANDWIDTH_BPS = "bandwidth_bps"
    """Of what is available; all others are of what is too much."""

    def broken(self, value: float, limit: float, spare: float) -> bool:
        """Whether a value is not within the bound, or not by a share of it that has to be to spare."""
        if self is Bound.BANDWIDTH_BPS:
            return value < limit * (1 + spare)
        return value > limit * (1 - spare)


Available = Callable[[str, str], float | None]
"""Tunnel and class → bit/s that the class has there, or would have; None without a limit."""


class Verdict(Enum):
    """Of a tunnel on the SLA of a class."""

    MEETS = "meets"
    BREAKS = "breaks"


@dataclass(frozen=True)
class TunnelDown:
    """Nothing gets through."""

    tunnel: str


@dataclass(frozen=True)
class TunnelUp:
    """It may be used again."""

    tunnel: str


@dataclass(frozen=True)
class SlaBroken:
    """The tunnel breaks a bound of the class's SLA."""

    tunnel: str
    sla_class: str
    bound: Bound
    value: float
    limit: float


@dataclass(frozen=True)
class SlaMet:
    """The tunnel meets the class's SLA again."""

    tunnel: str
    sla_class: str


Finding = TunnelDown | TunnelUp | SlaBroken | SlaMet


class _State(Enum):
    UP = "up"
    DOWN = "down"
    HELD = "held"


class _Event(Enum):
    SILENT = "silent"
    ANSWERED = "answered"
    PROVED = "proved"


_TRANSITIONS = {
    (_State.UP, _Event.SILENT): _State.DOWN,
    (_State.HELD, _Event.SILENT): _State.DOWN,
    (_State.DOWN, _Event.ANSWERED): _State.HELD,
    (_State.HELD, _Event.PROVED): _State.UP,
}
"""Whatever is not here changes nothing."""


@dataclass
class _Tunnel:
    state: _State = _State.UP
    since: float = 0.0
    downs: int = 0
    held_until: float = 0.0


@dataclass
class _Judged:
    verdict: Verdict = Verdict.MEETS
    against: int = 0
    quality: TunnelQuality = field(default_factory=TunnelQuality)
    windows: deque[tuple[int, int]] = field(default_factory=deque)
    """Sent and lost, the last ones that have `LOSS_PROBES` together."""

    def loss(self, window: ClassWindow) -> tuple[int, int]:
        """Of the last probes, with those of `window`: sent and lost."""
        self.windows.append((window.sent, window.lost))
        while sum(sent for sent, _ in self.windows) - self.windows[0][0] >= LOSS_PROBES:
            self.windows.popleft()
        return max(LOSS_PROBES, sum(sent for sent, _ in self.windows)), sum(lost for _, lost in self.windows)


class Telemetry:
    """Damps what is measured. Tunnels are up and meet all SLAs until they are found not to.

    Times are in seconds, of any clock that only goes on.
    """

    def __init__(
        self, probing: Probing, classes: Iterable[SlaClass], available_bps: Available = lambda *_: None
    ) -> None:
        self._probing = probing
        self.available_bps = available_bps
        self._classes = tuple(classes)
        self._tunnels: dict[str, _Tunnel] = {}
        self._judged: dict[tuple[str, str], _Judged] = {}

    def up(self, tunnel: str) -> bool:
        """False while it is down, or held."""
        return self._tunnel(tunnel).state is _State.UP

    def answers(self, tunnel: str) -> bool:
        """False while it is down: one that is held answers, and may be better than nothing."""
        return self._tunnel(tunnel).state is not _State.DOWN

    def quality(self, tunnel: str, sla_class: str) -> TunnelQuality:
        """As it was last measured for a class."""
        found = self._judged.get((tunnel, sla_class), _Judged()).quality
        return TunnelQuality(self.up(tunnel), found.delay_ms, found.jitter_ms, found.loss)

    def verdict(self, tunnel: str, sla_class: str) -> Verdict:
        """On a class's SLA; it does not say whether the tunnel is up."""
        return self._judged.get((tunnel, sla_class), _Judged()).verdict

    def forget(self, tunnel: str) -> None:
        """What was measured of the quality of `tunnel` says nothing any more: it goes another way."""
        self._judged = {key: judged for key, judged in self._judged.items() if key[0] != tunnel}

    def forgive(self) -> None:
        """Count how often tunnels were down anew: what happened in one mode must not keep them out in the next."""
        for tunnel in self._tunnels.values():
            tunnel.downs = 0 if tunnel.state is _State.UP else 1

    def liveness(self, tunnel: str, *, up: bool, now: float) -> tuple[Finding, ...]:
        """What follows from a change of liveness."""
        return self._happens(tunnel, _Event.ANSWERED if up else _Event.SILENT, now)

    def window(self, window: ClassWindow, now: float) -> tuple[Finding, ...]:
        """What follows from a window."""
        tunnel = self._tunnel(window.tunnel)
        if tunnel.state is _State.HELD and not window.received:
            tunnel.held_until = now + self._hold_s(tunnel)
        if tunnel.state is _State.HELD and now >= tunnel.held_until:
            return self._happens(window.tunnel, _Event.PROVED, now)
        if tunnel.state is not _State.UP or not window.sent:
            return ()
        return tuple(self._judge(window))

    def _tunnel(self, name: str) -> _Tunnel:
        return self._tunnels.setdefault(name, _Tunnel())

    def _happens(self, name: str, event: _Event, now: float) -> tuple[Finding, ...]:
        tunnel = self._tunnel(name)
        old = tunnel.state
        tunnel.state = _TRANSITIONS.get((old, event), old)
        if tunnel.state is old:
            return ()
        if event is _Event.SILENT:
            stayed = old is _State.UP and now - tunnel.since >= MOST_HOLD_S
            tunnel.downs = 1 if stayed else tunnel.downs + 1
        if tunnel.state is _State.HELD:
            tunnel.held_until = now + self._hold_s(tunnel)
        if tunnel.state is _State.UP:
            tunnel.since = now
            self._forget_loss(name)
            return (TunnelUp(name),)
        return (TunnelDown(name),) if old is _State.UP else ()

    def _hold_s(self, tunnel: _Tunnel) -> float:
        shortest = self._probing.good * self._probing.window_ms / 1000
        return min(shortest * 2.0 ** min(tunnel.downs - 1, 32), max(MOST_HOLD_S, shortest))

    def _forget_loss(self, name: str) -> None:
        for (tunnel, _), judged in self._judged.items():
            if tunnel == name:
                judged.windows.clear()
                judged.against = 0

    def _judge(self, window: ClassWindow) -> Iterator[Finding]:
        for sla_class in self._classes:
            if sla_class.dscp == window.dscp:
                judged = self._judged.setdefault((window.tunnel, sla_class.name), _Judged())
                sent, lost = judged.loss(window)
                judged.quality = _damped(judged.quality, window, lost / sent)
                yield from self._sla(window, sla_class, judged, lost)

    def _sla(self, window: ClassWindow, sla_class: SlaClass, judged: _Judged, lost: int) -> Iterator[Finding]:
        measured: dict[Bound, tuple[float | None, float | None]] = {
            Bound.DELAY_MS: (window.delay_ms, sla_class.sla.delay_ms),
            Bound.JITTER_MS: (window.jitter_ms, sla_class.sla.jitter_ms),
            Bound.LOSS: (judged.quality.loss, sla_class.sla.loss),
        }
        if wanted := sla_class.sla.bandwidth_bps:
            measured[Bound.BANDWIDTH_BPS] = (self.available_bps(window.tunnel, sla_class.name), wanted)
        spare = self._probing.margin if judged.verdict is Verdict.BREAKS else 0.0
        wrong = [
            SlaBroken(window.tunnel, sla_class.name, bound, value, limit)
            for bound, (value, limit) in measured.items()
            if value is not None and limit is not None and bound.broken(value, limit, spare)
            if bound is not Bound.LOSS or judged.verdict is Verdict.BREAKS or lost >= LEAST_LOST
        ]
        meets = judged.verdict is Verdict.MEETS
        judged.against = judged.against + 1 if meets == bool(wrong) else 0
        if judged.against < (self._probing.bad if meets else self._probing.good):
            return
        judged.against = 0
        judged.verdict = Verdict.BREAKS if meets else Verdict.MEETS
        yield wrong[0] if meets else SlaMet(window.tunnel, sla_class.name)


def _damped(old: TunnelQuality, window: ClassWindow, loss: float) -> TunnelQuality:
    return TunnelQuality(
        delay_ms=_smooth(old.delay_ms, window.delay_ms), jitter_ms=_smooth(old.jitter_ms, window.jitter_ms), loss=loss
    )


def _smooth(old: float | None, new: float | None) -> float | None:
    if old is None or new is None:
        return old if new is None else new
    return old + _GAIN * (new - old)
