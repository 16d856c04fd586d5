"""The controller's process, and the events that it writes."""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

LAUNCH = (sys.executable, "-m", "controllers.launch")


class Launcher:
    """A running controller. `expect` waits for an event; events are taken in the order in which they came."""

    log: str
    """What it has logged, once it is gone."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            (*LAUNCH, *arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._events: queue.Queue[dict[str, Any]] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def expect(self, event: str, dpid: int | None = None, within: float = 20) -> dict[str, Any]:
        """The next event of this kind (of this switch); fails with the events passed over if there is none in time."""
        passed: list[dict[str, Any]] = []
        deadline = time.monotonic() + within
        while True:
            try:
                found = self._events.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {event} within {within} s; got {passed}") from None
            if found["event"] == event and dpid in (None, found.get("dpid")):
                return found
            passed.append(found)

    def stop(self, ending: signal.Signals = signal.SIGTERM) -> int:
        """End it by a signal that it handles; the exit code."""
        self.process.send_signal(ending)
        return self._gone()

    def kill(self) -> None:
        """End it without giving it a chance."""
        self.process.kill()
        self._gone()

    def _gone(self) -> int:
        code = self.process.wait(timeout=10)
        self._reader.join()
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            self.log = lines.read()
        return code

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                with suppress(ValueError):  # an app of the user's own may print what it likes
                    self._events.put(json.loads(line))


@contextmanager
def launched(
    listen: str = "127.0.0.1:0", app: Sequence[str | Path] = ("--app", "learning_switch")
) -> Iterator[tuple[Launcher, tuple[str, int]]]:
    """A controller that listens, and where."""
    launcher = Launcher("--listen", listen, *map(str, app))
    try:
        host, _, port = launcher.expect("ready")["listen"].rpartition(":")
        yield launcher, (host, int(port))
    finally:
        if launcher.process.returncode is None:
            launcher.kill()
