"""A northbound that says what to measure and keeps what comes back."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any


class _Handler(BaseHTTPRequestHandler):
    server: FakeNorthbound

    def do_GET(self) -> None:
        assert self.path == self.server.wanted
        self.server.asked += 1
        self._answer(200, json.dumps(self.server.subjects).encode())

    def do_POST(self) -> None:
        assert self.path == self.server.reports
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.windows += body["windows"]
        self.server.liveness += body.get("liveness", [])
        self._answer(204, b"")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.end_headers()
        if body:
            self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


class FakeNorthbound(socketserver.ThreadingUnixStreamServer):
    """`subjects` is what it answers; `windows` and `liveness` all that it was told, `asked` how often."""

    daemon_threads = True
    wanted, reports = "/v1/measurement/subjects", "/v1/measurement/windows"

    def __init__(self, path: Path, subjects: dict[str, Any]) -> None:
        self.subjects = subjects
        self.windows: list[dict[str, Any]] = []
        self.liveness: list[dict[str, Any]] = []
        self.asked = 0
        super().__init__(str(path), _Handler)

    def of(self, subject: str) -> list[dict[str, Any]]:
        """The windows of one subject, in the order of their arrival."""
        return [window for window in self.windows if window["id"] == subject]


class FakeOverlay(FakeNorthbound):
    """The same for tunnels."""

    wanted, reports = "/v1/overlay/probing", "/v1/overlay/measurements"


@contextmanager
def northbound(
    path: Path, subjects: dict[str, Any], kind: type[FakeNorthbound] = FakeNorthbound
) -> Iterator[FakeNorthbound]:
    """One that serves at `path`; afterwards nobody does."""
    with kind(path, subjects) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
            path.unlink()
