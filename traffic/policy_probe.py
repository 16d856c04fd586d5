"""`python -m traffic.policy_probe`: measures segment lists by STAMP (RFC 8762), for the controller that uses them.

From the headend of each list a probe goes along it to a reflector on the endpoint's address, both of them sockets of
this process in the routers' namespaces. What is measured comes from the controller's northbound, and the windows go
there (`segment_sessions` has the JSON). Without the controller it keeps on; what changes leaves other sessions alone.
One thread sends what is due every few milliseconds: a wake-up for each probe would cost as much as the probe. Packets
are stamped by the kernel when they arrive, and wait in the sockets to be taken out ten times a second.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from traffic.measuring import measure, tell
from traffic.northbound import Interface, Northbound
from traffic.process import sleep_unless_stopped
from traffic.segment_sessions import Subject, Subjects, read_subjects, windows_json
from traffic.segment_sockets import Sender
from traffic.session_sockets import Place, Reflector, Sockets
from traffic.sessions import Schedule
from traffic.stamp import ReflectorMode

_TICK_S = 0.005
_COLLECT_EVERY_NS = 100_000_000
_ADJUST_EVERY_NS = 10**9
_INTERFACE = Interface("/v1/measurement/subjects", "/v1/measurement/windows", read_subjects)


@dataclass(frozen=True)
class _SenderKey:
    subject: Subject
    headend: Place
    window_ns: int


class PolicyProbing:
    """All sessions and reflectors, kept as `northbound` wants them."""

    def __init__(self, name: str, northbound: Northbound[Subjects]) -> None:
        self._name, self._northbound = name, northbound
        self._reflectors: dict[Place, Reflector] = {}
        self._senders: dict[_SenderKey, Sender] = {}
        self._sockets = Sockets()
        self._schedule = Schedule[Sender]()
        self._told: tuple[int, list[str]] | None = None

    def run(self) -> None:
        """Probe until a stop signal comes."""
        collect = adjust = 0
        while not sleep_unless_stopped(_TICK_S):
            now = time.monotonic_ns()
            for sender in self._schedule.due(now):
                sender.send()
            if now >= collect:
                self._collect()
                collect = now + _COLLECT_EVERY_NS
            if now >= adjust and (subjects := self._northbound.wanted) is not None:
                self._adjust(subjects)
                adjust = now + _ADJUST_EVERY_NS

    def _collect(self) -> None:
        self._sockets.take()
        if windows := tuple(window for sender in self._senders.values() for window in sender.complete()):
            self._northbound.report(windows_json(windows))

    def _adjust(self, wanted: Subjects) -> None:
        """Open and close sessions and reflectors; what could not be opened is tried again the next time."""
        window_ns = round(wanted.window_ms * 1e6)
        reflectors = [place for subject in wanted.subjects if (place := Place.of(subject.reflector)) is not None]
        senders = [
            _SenderKey(subject, place, window_ns)
            for subject in wanted.subjects
            if (place := Place.of(subject.headend)) is not None
        ]
        stateless = ReflectorMode.STATELESS
        self._sockets.keep(self._reflectors, reflectors, lambda place: Reflector(place, stateless))
        self._sockets.keep(self._senders, senders, lambda key: Sender(key.subject, key.window_ns))
        self._schedule.set(list(self._senders.values()), round(wanted.interval_ms * 1e6))
        self._tell(wanted)

    def _tell(self, wanted: Subjects) -> None:
        """Say how much of it can be measured, when that has changed."""
        senders = {key.subject for key in self._senders}
        reflectors = {place.end for place in self._reflectors}
        missing = [
            subject.id for subject in wanted.subjects if subject not in senders or subject.reflector not in reflectors
        ]
        self._told = tell(self._name, len(wanted.subjects), missing, self._told)


def main(argv: list[str] | None = None) -> None:
    """Probe until SIGTERM."""
    measure("policy_probe", "Measure segment lists.", _INTERFACE, PolicyProbing, argv)


if __name__ == "__main__":
    main()
