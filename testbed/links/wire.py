"""The client of the user-space link engine (wire_src): one JSON line to its control socket, one line back."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from testbed.links.engine import DirectionCounters, EmulatedLink, LinkCounters, LinkEngineError
from testbed.links.profile import LinkProfile

BINARY = Path(__file__).with_name("wire")
_TIMEOUT_S = 10.0


def wire_argv(control: Path, seed: int) -> tuple[str, ...]:
    """The command line of the engine's process, to be run in the engine's namespace; `control` at most 107 bytes."""
    return (str(BINARY), "--control", str(control), "--seed", str(seed))


class WireEngine:
    """A `LinkEngine` that speaks to a running wire process (one whose `ready` event was seen) at `control`."""

    name = "wire"

    def __init__(self, control: Path) -> None:
        self._links: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(_TIMEOUT_S)
        try:
            self._socket.connect(str(control))
        except OSError as error:
            self._socket.close()
            raise LinkEngineError("", f"no wire process answers at {control}: {error}") from error
        self._replies = self._socket.makefile("r", encoding="ascii")

    def add(self, links: Iterable[EmulatedLink]) -> None:
        """Start to emulate; raises LinkEngineError naming the link that could not be joined."""
        for link in links:
            ends = {"a": link.a_ifname, "b": link.b_ifname}
            self._ask("add", link.name, **ends, **_profiles(link.a_to_b, link.b_to_a))
            self._links.append(link.name)

    def change(self, name: str, a_to_b: LinkProfile, b_to_a: LinkProfile) -> None:
        """Give a running link new profiles, as `LinkEngine.change` says; raises LinkEngineError."""
        self._ask("change", name, **_profiles(a_to_b, b_to_a))

    def set_up(self, name: str, *, up: bool) -> None:
        """Mend the link or cut it: its nodes lose their carrier, and what was on its way. Raises LinkEngineError."""
        self._ask("up" if up else "down", name)

    def counters(self) -> tuple[LinkCounters, ...]:
        """Counters of all links, in the order in which they were added; raises LinkEngineError."""
        return tuple(_counters(link) for link in self._ask("counters")["links"])

    def close(self) -> None:
        """Stop; links carry nothing from here on. The process stays, to be ended by whoever started it."""
        # A process that has gone, or a link that it no longer knows, carries nothing either.
        with suppress(LinkEngineError):
            while self._links:
                self._ask("remove", self._links.pop())
        self._replies.close()
        self._socket.close()

    def _ask(self, operation: str, link: str = "", **arguments: object) -> dict[str, Any]:
        request = {"op": operation, **({"name": link} if link else {}), **arguments}
        try:
            self._socket.sendall(json.dumps(request).encode() + b"\n")
            line = self._replies.readline()
        except OSError as error:
            raise LinkEngineError(link, f"the wire process does not answer: {error}") from error
        if not line:
            raise LinkEngineError(link, "the wire process has closed its control socket")
        reply: dict[str, Any] = json.loads(line)
        if not reply["ok"]:
            raise LinkEngineError(link, reply["error"])
        return reply


def _profiles(a_to_b: LinkProfile, b_to_a: LinkProfile) -> dict[str, object]:
    return dict(_flat({"a_to_b": asdict(a_to_b), "b_to_a": asdict(b_to_a)}))


def _flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    """The leaves of nested dictionaries, keys joined by dots; None and empty tuples mean what leaving them out does."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        elif value is not None and value != ():
            yield f"{prefix}{key}", value


def _counters(link: dict[str, Any]) -> LinkCounters:
    return LinkCounters(link["name"], _direction(link["a_to_b"]), _direction(link["b_to_a"]))


def _direction(counted: dict[str, Any]) -> DirectionCounters:
    histogram = tuple((float(lateness_us), int(packets)) for lateness_us, packets in counted.pop("lateness_us"))
    return DirectionCounters(**counted, lateness_us=histogram)
