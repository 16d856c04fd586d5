"""`python -m traffic.policy_probe`: measures segment lists by STAMP (RFC 8762), for the controller that uses them.

From the headend of each list a probe goes along it to a reflector on the endpoint's address, both of them sockets of
this process in the routers' namespaces. What is measured comes from the controller's northbound, and the windows go
there (`segment_sessions` has the JSON). Without the controller it keeps on; what changes leaves other sessions alone.
One thread sends what is due every few milliseconds: a wake-up for each probe would cost as much as the probe. Packets
are stamped by the kernel when they arrive, and wait in the sockets to be taken out ten times a second.
"""

from __future__ import annotations

import argparse
import gc
import os
import select
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from testbed.events import emit
from traffic.northbound import Northbound
from traffic.process import hold_stop_signals, raise_descriptor_limit, sleep_unless_stopped
from traffic.segment_sessions import Schedule, Subject, Subjects
from traffic.segment_sockets import Place, Reflector, Sender
from traffic.sockets import receive

_TICK_S = 0.005
_COLLECT_EVERY_NS = 100_000_000
_ADJUST_EVERY_NS = 10**9
_MOST_ROUNDS = 64
"""Of taking one packet out of each socket: a flood must not keep probes from being sent."""

Key = TypeVar("Key")
Socket = TypeVar("Socket", Reflector, Sender)


@dataclass(frozen=True)
class _SenderKey:
    subject: Subject
    headend: Place
    window_ns: int


class PolicyProbing:
    """All sessions and reflectors, kept as `northbound` wants them."""

    def __init__(self, name: str, northbound: Northbound) -> None:
        self._name, self._northbound = name, northbound
        self._reflectors: dict[Place, Reflector] = {}
        self._senders: dict[_SenderKey, Sender] = {}
        self._arriving: dict[int, Reflector | Sender] = {}
        self._epoll = select.epoll()
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
            if now >= adjust and (subjects := self._northbound.subjects) is not None:
                self._adjust(subjects)
                adjust = now + _ADJUST_EVERY_NS

    def _collect(self) -> None:
        for _ in range(_MOST_ROUNDS):
            ready = self._epoll.poll(0)
            if not ready:
                break
            for descriptor, _ in ready:
                end = self._arriving[descriptor]
                with suppress(OSError):
                    end.take(receive(end.socket))
        if windows := tuple(window for sender in self._senders.values() for window in sender.complete()):
            self._northbound.report(windows)

    def _adjust(self, wanted: Subjects) -> None:
        """Open and close sessions and reflectors; what could not be opened is tried again the next time."""
        window_ns = round(wanted.window_ms * 1e6)
        reflectors = [place for subject in wanted.subjects if (place := Place.of(subject.reflector)) is not None]
        senders = [
            _SenderKey(subject, place, window_ns)
            for subject in wanted.subjects
            if (place := Place.of(subject.headend)) is not None
        ]
        self._keep(self._reflectors, reflectors, Reflector)
        self._keep(self._senders, senders, lambda key: Sender(key.subject, key.window_ns))
        self._schedule.set(list(self._senders.values()), round(wanted.interval_ms * 1e6))
        self._tell(wanted)

    def _keep(self, opened: dict[Key, Socket], wanted: Iterable[Key], open_: Callable[[Key], Socket]) -> None:
        keys = dict.fromkeys(wanted)
        for key in [key for key in opened if key not in keys]:
            gone = opened.pop(key)
            del self._arriving[gone.socket.fileno()]
            gone.close()
        for key in keys:
            if key not in opened:
                with suppress(OSError):  # its router has no such address yet, or has just gone
                    opened[key] = new = open_(key)
                    self._arriving[new.socket.fileno()] = new
                    self._epoll.register(new.socket, select.EPOLLIN)

    def _tell(self, wanted: Subjects) -> None:
        """Say how much of it can be measured, when that has changed."""
        senders = {key.subject for key in self._senders}
        reflectors = {place.end for place in self._reflectors}
        missing = [
            subject.id for subject in wanted.subjects if subject not in senders or subject.reflector not in reflectors
        ]
        if self._told != (told := (len(wanted.subjects), missing)):
            self._told = told
            emit("measuring", name=self._name, subjects=told[0], missing=missing)


def main(argv: list[str] | None = None) -> None:
    """Probe until SIGTERM."""
    arguments = _parser().parse_args(argv)
    hold_stop_signals()
    raise_descriptor_limit()
    gc.freeze()  # so that a collection is short: it delays probes
    threading.excepthook = _end_the_process
    northbound = Northbound(arguments.northbound)
    northbound.start()
    emit("ready", name=arguments.name, northbound=str(arguments.northbound))
    PolicyProbing(arguments.name, northbound).run()
    emit("stopped", name=arguments.name)


def _end_the_process(failure: threading.ExceptHookArgs) -> None:
    """Without its northbound the probe must not look alive: the thread's traceback, then exit code 1."""
    threading.__excepthook__(failure)
    os._exit(1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m traffic.policy_probe", description="Measure segment lists.")
    parser.add_argument("--name", required=True, help="name of the probe, repeated in the events")
    parser.add_argument("--northbound", required=True, type=Path, metavar="SOCKET", help="the controller's Unix socket")
    return parser


if __name__ == "__main__":
    main()
