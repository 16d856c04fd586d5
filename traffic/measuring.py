"""How a process begins and ends that measures what a controller wants measured, and what it tells the lab."""

from __future__ import annotations

import argparse
import gc
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from testbed.events import emit
from traffic.northbound import Interface, Northbound
from traffic.process import hold_stop_signals, raise_descriptor_limit

Wanted = TypeVar("Wanted")

Told = tuple[int, list[str]]
"""How many things were to be measured, and the ids of those that could not be."""


class Probing(Protocol):
    """The loop that measures."""

    def run(self) -> None:
        """Until a stop signal comes."""


def measure(
    module: str,
    description: str,
    interface: Interface[Wanted],
    probing: Callable[[str, Northbound[Wanted]], Probing],
    argv: list[str] | None,
) -> None:
    """Run `probing`, made of the probe's name and its northbound, until SIGTERM."""
    arguments = _parser(module, description).parse_args(argv)
    hold_stop_signals()
    raise_descriptor_limit()
    gc.freeze()  # so that a collection is short: it delays probes
    threading.excepthook = _end_the_process
    northbound = Northbound(arguments.northbound, interface)
    northbound.start()
    emit("ready", name=arguments.name, northbound=str(arguments.northbound))
    probing(arguments.name, northbound).run()
    emit("stopped", name=arguments.name)


def tell(name: str, subjects: int, missing: list[str], told: Told | None) -> Told:
    """Say how much of it can be measured, if that is not what was `told` last."""
    if told != (subjects, missing):
        emit("measuring", name=name, subjects=subjects, missing=missing)
    return subjects, missing


def _end_the_process(failure: threading.ExceptHookArgs) -> None:
    """Without its northbound the probe must not look alive: the thread's traceback, then exit code 1."""
    threading.__excepthook__(failure)
    os._exit(1)


def _parser(module: str, description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m traffic.{module}", description=description)
    parser.add_argument("--name", required=True, help="name of the probe, repeated in the events")
    parser.add_argument("--northbound", required=True, type=Path, metavar="SOCKET", help="the controller's Unix socket")
    return parser
