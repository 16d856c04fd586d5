"""`python -m traffic.tunnel_probe`: measures SD-WAN tunnels by STAMP (RFC 8762), for the controller that uses them.

Both ends of all tunnels are sockets in the namespaces of the CPEs, which a `Stamper` sends and answers on. What is
measured comes from the controller's northbound, and what was found goes there (`tunnel_sessions` has the JSON):
liveness as it changes, quality window by window. Without the controller it keeps on; what changes leaves other sessions
alone.

A probe that is alone costs several times what one among many does, so they leave in bursts. Replies are taken in when
the next burst leaves, or when a probe would be given up: a tunnel is found down lost × interval + timeout after it went
dark. A wake-up that comes late is not made up for, and the sessions' clock counts what was planned, so that a busy host
loses no probe.

Where a probe was lost, many more follow soon: a share of loss takes a hundred of them, and at the usual pace that takes
ten seconds.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice

from traffic.measuring import Told, measure, tell
from traffic.northbound import Interface, Northbound
from traffic.process import sleep_unless_stopped
from traffic.session_sockets import Place, inode_of, keep, udp_at
from traffic.sessions import Bursts, End
from traffic.sockets import set_dscp
from traffic.stamp import PORT, Sample, UnixNs
from traffic.stamper import EndId, Stamper
from traffic.tunnel_sessions import (
    ClockNs,
    Liveness,
    Measurements,
    ProbedTunnel,
    Timing,
    TunnelProbing,
    TunnelSession,
    measurements_json,
    read_probing,
)

_ADJUST_EVERY_NS = 10**9
_IDLE_NS = 50_000_000
"""Until it is known what to measure."""
_MORE_OFTEN = 5
"""So many times as often a tunnel is probed that has just lost a probe, but not more often than is said next."""
_LEAST_EXTRA_SPACING_NS = 10_000_000
_MOST_DOUBTED = 20
"""Tunnels that are probed so at a time: where all lose something it is no use to hurry."""
_LATE_NS = 10_000_000
"""A wake-up by so much puts off those that follow."""

_INTERFACE = Interface("/v1/overlay/probing", "/v1/overlay/measurements", read_probing)

Report = Callable[[Liveness], None]


class TunnelSender:
    """The sessions along a tunnel, by the stamper's numbers of their sockets; OSError if one is not to be had."""

    def __init__(self, tunnel: ProbedTunnel, timing: Timing, stamper: Stamper, report: Report) -> None:
        self.session = TunnelSession(tunnel.id, tunnel.classes, timing)
        self._report = report
        self.classes: dict[EndId, int] = {}
        with ExitStack() as opened:
            for dscp in self.session.classes:
                end = _open(tunnel, dscp, stamper)
                opened.callback(stamper.close, end)
                self.classes[end] = dscp
            self._opened = opened.pop_all()

    def begin(self, clock: ClockNs, *, extra: bool) -> list[tuple[EndId, int]]:
        """The probes of the next round."""
        number = self.session.begin(clock, extra=extra)
        return [(end, number) for end in self.classes]

    def sent(self, end: EndId, at: UnixNs) -> None:
        """A probe of that round has left."""
        self.session.depart(self.classes[end], at)

    def take(self, end: EndId, reply: Sample) -> None:
        """Take a reply in."""
        if change := self.session.receive(self.classes[end], reply):
            self._report(change)

    def expire(self, clock: ClockNs) -> None:
        """Give up what has waited long enough."""
        if change := self.session.expire(clock, time.time_ns()):
            self._report(change)

    def close(self) -> None:
        """Close the sockets."""
        self._opened.close()


def _open(tunnel: ProbedTunnel, dscp: int, stamper: Stamper) -> EndId:
    """Where probes of a class leave and replies arrive; OSError if the address is not to be had, or no way."""
    with udp_at(End(tunnel.namespace, tunnel.source), 0) as udp:
        set_dscp(udp, dscp)
        udp.connect((str(tunnel.target), PORT))
        return stamper.open(udp)


class TunnelReflector:
    """What answers the probes along a tunnel; OSError if the address or the port is not to be had."""

    def __init__(self, place: Place, stamper: Stamper) -> None:
        self._stamper = stamper
        self._end = stamper.reflect(udp_at(place.end, PORT))

    def close(self) -> None:
        """Close the socket."""
        self._stamper.close(self._end)


@dataclass(frozen=True)
class _SenderKey:
    tunnel: ProbedTunnel
    inode: int
    timing: Timing


class TunnelMeter:
    """All sessions and reflectors, kept as `northbound` wants them."""

    def __init__(self, name: str, northbound: Northbound[TunnelProbing], stamper: Stamper) -> None:
        self._name, self._northbound, self._stamper = name, northbound, stamper
        self._reflectors: dict[Place, TunnelReflector] = {}
        self._senders: dict[_SenderKey, TunnelSender] = {}
        self._of: dict[EndId, TunnelSender] = {}
        self._bursts = Bursts[TunnelSender]((), _IDLE_NS)
        self._burst_at = self._extra_at = 0
        self._extra_spacing = _IDLE_NS
        self._sent: deque[tuple[ClockNs, TunnelSender]] = deque()
        """Rounds by when they time out; one that all classes have answered may be gone before."""
        self._changes: list[Liveness] = []
        self._told: Told | None = None
        self._complete: tuple[TunnelProbing, dict[str, int]] | None = None
        """What is measured, if that is all, in which namespaces."""

    def run(self) -> None:
        """Probe until a stop signal comes."""
        clock = adjust = 0
        due = time.monotonic_ns()
        while not sleep_unless_stopped((due - time.monotonic_ns()) / 1e9):
            self._exchange(clock)
            self._give_up(clock)
            self._tell()
            if clock >= adjust and (wanted := self._northbound.wanted) is not None:
                self._adjust(wanted)
                adjust = clock + _ADJUST_EVERY_NS
            step = max(0, self._next() - clock)
            clock += step
            now = time.monotonic_ns()
            due = (due if now - due < _LATE_NS else now) + step

    def _next(self) -> ClockNs:
        """When there is something to send or to give up."""
        times = [self._burst_at, *(overdue for overdue, _ in islice(self._sent, 1))]
        return min((*times, self._extra_at) if self._doubted() else times)

    def _due(self, clock: ClockNs) -> tuple[Sequence[TunnelSender], bool]:
        """Whose turn it is, and whether that is an extra one."""
        if clock >= self._burst_at:
            self._burst_at = clock + self._bursts.spacing
            return self._bursts.next(), False
        if clock >= self._extra_at:
            self._extra_at = clock + self._extra_spacing
            return self._doubted(), True
        return (), False

    def _doubted(self) -> list[TunnelSender]:
        """Those whose loss has to be known soon."""
        return list(islice((sender for sender in self._senders.values() if sender.session.doubted), _MOST_DOUBTED))

    def _exchange(self, clock: ClockNs) -> None:
        """Send a round of each whose turn it is, and take in what has come."""
        senders, extra = self._due(clock)
        probes = [probe for sender in senders for probe in sender.begin(clock, extra=extra)]
        self._sent.extend((clock + sender.session.timeout, sender) for sender in senders)
        exchanged = self._stamper.exchange(probes)
        for (end, _), at in zip(probes, exchanged.departures, strict=True):
            self._of[end].sent(end, at)
        for end, reply in exchanged.replies:
            self._of[end].take(end, reply)

    def _give_up(self, clock: ClockNs) -> None:
        """What was not answered in time; what was is no longer waited for."""
        while self._sent:
            overdue, sender = self._sent[0]
            if clock >= overdue:
                sender.expire(clock)
            elif sender.session.waiting:
                break
            self._sent.popleft()

    def _tell(self) -> None:
        """Changes of liveness, and the windows that are complete."""
        now = time.time_ns()
        windows = tuple(window for sender in self._senders.values() for window in sender.session.complete(now))
        if windows or self._changes:
            self._northbound.report(measurements_json(Measurements(windows, tuple(self._changes))))
            self._changes.clear()

    def _adjust(self, wanted: TunnelProbing) -> None:
        """Open and close sessions and reflectors; what could not be opened is tried again the next time."""
        namespaces = {name for tunnel in wanted.tunnels for name in (tunnel.namespace, tunnel.target_namespace)}
        found = {name: inode for name in namespaces if (inode := inode_of(name)) is not None}
        if (wanted, found) == self._complete:
            return
        self._keep(wanted, found)
        missing = self._missing(wanted)
        self._told = tell(self._name, len(wanted.tunnels), missing, self._told)
        self._complete = None if missing else (wanted, found)

    def _keep(self, wanted: TunnelProbing, found: Mapping[str, int]) -> None:
        timing, interval = Timing.of(wanted), round(wanted.interval_ms * 1e6)
        ends = [_target(tunnel) for tunnel in wanted.tunnels if tunnel.target_namespace in found]
        reflectors = [Place(end, found[end.namespace]) for end in ends]
        senders = [
            _SenderKey(tunnel, found[tunnel.namespace], timing)
            for tunnel in wanted.tunnels
            if tunnel.namespace in found
        ]
        keep(self._reflectors, reflectors, lambda place: TunnelReflector(place, self._stamper))
        keep(self._senders, senders, self._open)
        due = tuple(self._senders.values())
        if not self._bursts.are(due, interval):
            self._of = {end: sender for sender in due for end in sender.classes}
            self._sent = deque(each for each in self._sent if each[1] in due)
            self._bursts = Bursts(due, interval)
            self._extra_spacing = max(interval // _MORE_OFTEN, _LEAST_EXTRA_SPACING_NS)

    def _open(self, key: _SenderKey) -> TunnelSender:
        return TunnelSender(key.tunnel, key.timing, self._stamper, self._changes.append)

    def _missing(self, wanted: TunnelProbing) -> list[str]:
        senders = {key.tunnel for key in self._senders}
        reflectors = {place.end for place in self._reflectors}
        return [tunnel.id for tunnel in wanted.tunnels if tunnel not in senders or _target(tunnel) not in reflectors]


def _target(tunnel: ProbedTunnel) -> End:
    return End(tunnel.target_namespace, tunnel.target)


class TunnelProbe:
    """A meter with a stamper of its own."""

    def __init__(self, name: str, northbound: Northbound[TunnelProbing]) -> None:
        self._name, self._northbound = name, northbound

    def run(self) -> None:
        """Probe until a stop signal comes."""
        with Stamper.started() as stamper:
            TunnelMeter(self._name, self._northbound, stamper).run()


def main(argv: list[str] | None = None) -> None:
    """Probe until SIGTERM."""
    measure("tunnel_probe", "Measure SD-WAN tunnels.", _INTERFACE, TunnelProbe, argv)


if __name__ == "__main__":
    main()
