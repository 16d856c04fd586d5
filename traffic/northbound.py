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
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from testbed.unixhttp import UnixConnection
from traffic.segment_sessions import ProbedWindow, Subjects, read_subjects, windows_json

_POLL_S = 1.0
_TIMEOUT_S = 5.0


class Northbound:
    """The northbound at the Unix socket `path`. `subjects` is the latest that it has said; None before the first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reports: queue.SimpleQueue[tuple[ProbedWindow, ...]] = queue.SimpleQueue()
        self._answer = b""
        self._complaint = ""
        self.subjects: Subjects | None = None

    def start(self) -> None:
        """Ask, and report, until the process ends."""
        threading.Thread(target=self._run, daemon=True).start()

    def report(self, windows: tuple[ProbedWindow, ...]) -> None:
        """Send `windows`, soon."""
        self._reports.put(windows)

    def _run(self) -> None:
        asked = -_POLL_S
        while True:
            with suppress(queue.Empty):
                self._attempt("POST", "windows", windows_json(self._reports.get(timeout=_POLL_S / 2)))
            if time.monotonic() - asked >= _POLL_S:
                asked = time.monotonic()
                self._take(self._attempt("GET", "subjects"))

    def _attempt(self, method: str, what: str, body: bytes | None = None) -> bytes:
        """The answer; nothing if there is none, or it is an error, which is told once."""
        try:
            answer = self._exchange(method, f"/v1/measurement/{what}", body)
            self._complaint = ""
        except (OSError, http.client.HTTPException) as error:
            self._complain(f"{method} {what}: {error}")
            return b""
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
            self.subjects = read_subjects(answer)
        except ValidationError as error:
            self._complain(f"subjects: {error}; still measuring what there was before")

    def _complain(self, complaint: str) -> None:
        if complaint != self._complaint:
            self._complaint = complaint
            print(f"{self._path}: {complaint}", file=sys.stderr, flush=True)
