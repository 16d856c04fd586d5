"""What is measured for the controller, and what was found: its northbound, asked by a thread of its own.

So a controller that is slow, or is not there, holds no probe up. What could not be reported is dropped: when the
controller is back it wants to know how things are then.
"""

from __future__ import annotations

import http.client
import queue
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import ValidationError

from testbed.unixhttp import UnixConnection

_POLL_S = 1.0
_TIMEOUT_S = 5.0
_MOST_REPORTS = 100
"""That wait: more than a controller that is slow can be late and still make use of."""

Wanted = TypeVar("Wanted")


@dataclass(frozen=True)
class Interface(Generic[Wanted]):
    """Targets of HTTP requests: `wanted` is to be read and says what to measure, `reports` takes what was found.

    `read` raises pydantic's ValidationError for what says nothing of that kind.
    """

    wanted: str
    reports: str
    read: Callable[[bytes], Wanted]


class Northbound(Generic[Wanted]):
    """The northbound at the Unix socket `path`. `wanted` is the latest that it has said; None before the first."""

    def __init__(self, path: Path, interface: Interface[Wanted]) -> None:
        self._path, self._interface = path, interface
        self._reports: queue.Queue[bytes] = queue.Queue(_MOST_REPORTS)
        self._answer = b""
        self._complaints: dict[str, str] = {}
        self.wanted: Wanted | None = None

    def start(self) -> None:
        """Ask, and report, until the process ends."""
        threading.Thread(target=self._run, daemon=True).start()

    def report(self, found: bytes) -> None:
        """Send a JSON text, soon; the oldest that waits makes room where there is none."""
        while True:
            try:
                self._reports.put_nowait(found)
                return
            except queue.Full:
                with suppress(queue.Empty):
                    self._reports.get_nowait()

    def _run(self) -> None:
        asked = -_POLL_S
        while True:
            with suppress(queue.Empty):
                self._attempt("POST", self._interface.reports, self._reports.get(timeout=_POLL_S / 2))
            if time.monotonic() - asked >= _POLL_S:
                asked = time.monotonic()
                self._take(self._attempt("GET", self._interface.wanted))

    def _attempt(self, method: str, target: str, body: bytes | None = None) -> bytes:
        """The answer; nothing if there is none, or it is an error, which is told once."""
        try:
            answer = self._exchange(method, target, body)
        except (OSError, http.client.HTTPException) as error:
            self._complain(f"{method} {target}", str(error))
            return b""
        self._complaints.pop(f"{method} {target}", None)
        return answer

    def _exchange(self, method: str, target: str, body: bytes | None) -> bytes:
        connection = UnixConnection(self._path, _TIMEOUT_S)
        try:
            connection.request(method, target, body, {"Content-Type": "application/json"} if body else {})
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        if response.status >= http.client.BAD_REQUEST:
            raise http.client.HTTPException(f"{response.status} {answer.decode(errors='replace')}")
        return answer

    def _take(self, answer: bytes) -> None:
        if not answer or answer == self._answer:
            return
        self._answer = answer
        try:
            self.wanted = self._interface.read(answer)
        except ValidationError as error:
            self._complain(self._interface.wanted, f"{error}; still measuring what there was before")

    def _complain(self, of: str, complaint: str) -> None:
        """Once for as long as it is the same."""
        if complaint != self._complaints.get(of):
            self._complaints[of] = complaint
            print(f"{self._path}: {of}: {complaint}", file=sys.stderr, flush=True)
