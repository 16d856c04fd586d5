"""`python -m traffic.tunnel_probe`: measures SD-WAN tunnels by STAMP (RFC 8762), for the controller that uses them.

Both ends of all tunnels are sockets of this process, in the namespaces of the CPEs. What is measured comes from the
controller's northbound, and what was found goes there (`tunnel_sessions` has the JSON): a change of liveness at once,
quality window by window. Without the controller it keeps on; what changes leaves other sessions alone.

One thread wakes every few milliseconds while probes are under way, which is how long a packet, stamped by the kernel as
it arrives, may wait to be answered or taken out: up to two ticks of a tunnel's timeout. A tunnel is found down within a
tick after lost × interval + timeout. A tick that comes late is not made up for, and the sessions' clock counts ticks,
so that a busy host loses no probe.

A probe that is alone costs several times what one among many does, so they leave in bursts, and from the last answer to
the next burst nobody wakes.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass

from traffic.measuring import Told, measure, tell
from traffic.northbound import Interface, Northbound
from traffic.process import sleep_unless_stopped
from traffic.session_sockets import Place, Reflector, Sockets, inode_of, udp_at
from traffic.sessions import Bursts, End
from traffic.sockets import Received, set_dscp
from traffic.stamp import PORT, MalformedPacketError, ReflectorMode
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

_INTERFACE = Interface("/v1/overlay/probing", "/v1/overlay/measurements", read_probing)

Report = Callable[[Liveness], None]


class ClassSocket:
    """Where probes of a class leave and replies arrive; OSError if the address is not to be had, or no way."""

    def __init__(self, tunnel: ProbedTunnel, dscp: int, session: TunnelSession, report: Report) -> None:
        self._dscp, self._session, self._report = dscp, session, report
        self.socket = udp_at(End(tunnel.namespace, tunnel.source), 0)
        try:
            set_dscp(self.socket, dscp)
            self.socket.connect((str(tunnel.target), PORT))
        except OSError:
            self.socket.close()
            raise

    def send(self) -> None:
        """Send a probe; one that cannot be sent is lost."""
        probe = self._session.prepare(self._dscp)
        self._session.depart(self._dscp, probe, time.time_ns())
        try:
            self.socket.send(probe)
        except OSError:
            return

    def take(self, packet: Received) -> None:
        """Take a reply in."""
        try:
            change = self._session.receive(self._dscp, packet.data, packet.at)
        except MalformedPacketError:
            return
        if change:
            self._report(change)

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()


class TunnelSender:
    """The sessions along a tunnel; OSError if one of its sockets is not to be had."""

    def __init__(self, tunnel: ProbedTunnel, timing: Timing, report: Report) -> None:
        self.session = TunnelSession(tunnel.id, tunnel.classes, timing)
        self._report = report
        with ExitStack() as opened:
            self.ends = [
                opened.enter_context(closing(ClassSocket(tunnel, dscp, self.session, report)))
                for dscp in self.session.classes
            ]
            self._opened = opened.pop_all()

    def send(self, clock: ClockNs) -> None:
        """Send a round."""
        self.session.begin(clock)
        for end in self.ends:
            end.send()

    def expire(self, clock: ClockNs) -> None:
        """Give up what has waited long enough."""
        if change := self.session.expire(clock, time.time_ns()):
            self._report(change)

    def close(self) -> None:
        """Close the sockets."""
        self._opened.close()


@dataclass(frozen=True)
class _SenderKey:
    tunnel: ProbedTunnel
    inode: int
    timing: Timing


class TunnelMeter:
    """All sessions and reflectors, kept as `northbound` wants them."""

    def __init__(self, name: str, northbound: Northbound[TunnelProbing]) -> None:
        self._name, self._northbound = name, northbound
        self._sockets = Sockets()
        self._reflectors: dict[Place, Reflector] = {}
        self._senders: dict[_SenderKey, TunnelSender] = {}
        self._bursts = Bursts[TunnelSender]((), _IDLE_NS)
        self._sent: deque[tuple[ClockNs, TunnelSender]] = deque()
        """Rounds by when they time out; one that all classes have answered may be gone before."""
        self._changes: list[Liveness] = []
        self._told: Told | None = None
        self._complete: tuple[TunnelProbing, dict[str, int]] | None = None
        """What is measured, if that is all, in which namespaces."""

    def run(self) -> None:
        """Probe until a stop signal comes."""
        clock = burst = adjust = 0
        due = time.monotonic_ns()
        while not sleep_unless_stopped((due - time.monotonic_ns()) / 1e9):
            self._take(clock)
            if clock >= burst:
                self._send(clock)
                if clock >= adjust and (wanted := self._northbound.wanted) is not None:
                    self._adjust(wanted)
                    adjust = clock + _ADJUST_EVERY_NS
                burst = clock + self._bursts.spacing
            step = self._bursts.tick if self._sent else burst - clock
            clock += step
            now = time.monotonic_ns()
            due = due + step if now - due < 2 * self._bursts.tick else now

    def _take(self, clock: ClockNs) -> None:
        """Take in what came, give up what did not, and tell what that changes."""
        self._sockets.take()
        while self._sent:
            overdue, sender = self._sent[0]
            if clock >= overdue:
                sender.expire(clock)
            elif sender.session.waiting:
                break
            self._sent.popleft()
        if self._changes:
            self._northbound.report(measurements_json(Measurements(liveness=tuple(self._changes))))
            self._changes.clear()

    def _send(self, clock: ClockNs) -> None:
        """Send what is due, and tell the windows that are complete."""
        for sender in self._bursts.next():
            sender.send(clock)
            self._sent.append((clock + sender.session.timeout, sender))
        self._report_windows()

    def _report_windows(self) -> None:
        now = time.time_ns()
        if windows := tuple(window for sender in self._senders.values() for window in sender.session.complete(now)):
            self._northbound.report(measurements_json(Measurements(windows)))

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
        self._sockets.keep(self._reflectors, reflectors, lambda place: Reflector(place, ReflectorMode.STATEFUL))
        self._sockets.keep(self._senders, senders, self._open)
        due = tuple(self._senders.values())
        if not self._bursts.are(due, interval):
            self._sent = deque(each for each in self._sent if each[1] in due)
            self._bursts = Bursts(due, interval)

    def _open(self, key: _SenderKey) -> TunnelSender:
        return TunnelSender(key.tunnel, key.timing, self._changes.append)

    def _missing(self, wanted: TunnelProbing) -> list[str]:
        senders = {key.tunnel for key in self._senders}
        reflectors = {place.end for place in self._reflectors}
        return [tunnel.id for tunnel in wanted.tunnels if tunnel not in senders or _target(tunnel) not in reflectors]


def _target(tunnel: ProbedTunnel) -> End:
    return End(tunnel.target_namespace, tunnel.target)


def main(argv: list[str] | None = None) -> None:
    """Probe until SIGTERM."""
    measure("tunnel_probe", "Measure SD-WAN tunnels.", _INTERFACE, TunnelMeter, argv)


if __name__ == "__main__":
    main()
