"""Starts a lab's processes in their namespaces, reads their events, notices when one dies, and stops them all.

One thread watches everything: the standard outputs, which carry JSON lines, and a pidfd of each process, which becomes
readable when the process ends.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from testbed import netns
from testbed.errors import HostError, RunInvalidError
from testbed.lab.ledger import Ledger
from testbed.lab.names import Names
from testbed.lab.proc import POLL_S
from testbed.plan.model import PlannedProcess

EventHandler = Callable[[str, dict[str, Any]], None]
"""Called with the process's name and each event, in the watching thread; what it raises makes `check` fail."""

_TAIL_LINES = 12


@dataclass(frozen=True)
class Command:
    """A process to supervise. `node` is None for the base namespace.

    Without `is_ready` the process says itself that it serves, by a JSON line with `"event": "ready"`; with it, nothing
    that the process prints is an event. `stop_signal` is what ends it cleanly.
    """

    name: str
    node: str | None
    argv: tuple[str, ...]
    is_ready: Callable[[], bool] | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    env: tuple[tuple[str, str], ...] = ()


@dataclass
class _Running:
    """A process that was started; `ready` and `stopping` are guarded by the supervisor's condition."""

    command: Command
    popen: subprocess.Popen[bytes]
    log: Path
    pidfd: int
    ready: bool = False
    stopping: bool = False
    partial: bytes = b""
    reads: bool = True
    stdout: IO[bytes] = field(init=False)
    sink: IO[bytes] = field(init=False)

    def __post_init__(self) -> None:
        assert self.popen.stdout is not None
        self.stdout = self.popen.stdout
        os.set_blocking(self.stdout.fileno(), False)
        self.sink = self.log.open("ab", buffering=0)

    @property
    def ended(self) -> bool:
        return self.popen.returncode is not None


class Supervisor:
    """The processes of one lab. Logs go to `<run directory>/logs`, configurations to `<run directory>/config`."""

    def __init__(self, names: Names, ledger: Ledger, run_dir: Path, on_event: EventHandler) -> None:
        self._names = names
        self._ledger = ledger
        self._run_dir = run_dir.absolute()
        self._on_event = on_event
        self._running: dict[str, _Running] = {}
        self._changed = threading.Condition()
        self._selector = selectors.DefaultSelector()
        self._wake_reader, self._wake_writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._selector.register(self._wake_reader, selectors.EVENT_READ, None)
        self._closing = False
        self._unhandled: Exception | None = None
        self._watcher = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        self._watcher.start()

    def start_planned(self, process: PlannedProcess) -> None:
        """Start a process of the plan, with the placeholders of its command line and configuration filled in."""
        config = self._run_dir / "config" / f"{process.name}.yml"
        values = {
            "{python}": sys.executable,
            "{config}": str(config),
            "{run}": str(self._run_dir),
            "{state}": str(self._ledger.directory),
            "{base}": self._names.base,
        }
        texts = {config: process.config} if process.config else {}
        for name, text in process.files:
            file = config.with_name(f"{process.name}-{name}.json")
            values[f"{{{name}}}"], texts[file] = str(file), text
        for file, text in texts.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(_fill(text, values))
        self.start(Command(process.name, process.node, tuple(_fill(word, values) for word in process.argv)))

    def start(self, command: Command) -> None:
        """Start a process in its node's namespace; HostError if its program is not there."""
        assert command.name not in self._running, f"{command.name} is already supervised"
        log = self._run_dir / "logs" / f"{command.name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        try:
            with netns.entered(self._names.namespace(command.node)), log.open("ab") as stderr:
                popen = subprocess.Popen(
                    command.argv,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=stderr,
                    env={**os.environ, **dict(command.env)},
                    # Ctrl-C is for the run, which then stops its processes in order.
                    start_new_session=True,
                )
        except FileNotFoundError as error:
            raise HostError(command.argv[0], f"{command.name} needs it, and it is not installed") from error
        self._ledger.process(command.name, popen.pid)
        self._register(_Running(command, popen, log, os.pidfd_open(popen.pid)))

    def wait_ready(self, name: str, within: float = 10.0) -> None:
        """Return once the process serves; RunInvalidError if it ends before, or takes longer than `within` seconds."""
        running = self._running[name]
        is_ready = running.command.is_ready
        deadline = time.monotonic() + within
        with self._changed:
            while not (running.ready or (is_ready and is_ready())):
                if running.ended:
                    raise _failure(running, f"ended with {_ending(running)} before it was ready")
                if time.monotonic() > deadline:
                    raise _failure(running, f"was not ready within {within:g} s")
                self._changed.wait(POLL_S if is_ready else max(0.0, deadline - time.monotonic()))
            running.ready = True

    def check(self) -> None:
        """RunInvalidError if a process has ended without having been told to, or an event could not be handled."""
        if self._unhandled:
            raise RunInvalidError(f"an event could not be handled: {self._unhandled}") from self._unhandled
        with self._changed:
            for running in self._running.values():
                if running.ended and not running.stopping:
                    raise _failure(running, f"ended with {_ending(running)} during the run")

    def exit_code(self, name: str) -> int | None:
        """How a supervised process ended, minus the signal's number if by one; None while it runs."""
        return self._running[name].popen.returncode

    @property
    def names(self) -> tuple[str, ...]:
        """The processes that are supervised now."""
        with self._changed:
            return tuple(self._running)

    def pid(self, name: str) -> int:
        """The pid of a supervised process."""
        return self._running[name].popen.pid

    def stop(self, *names: str, within: float = 5.0) -> None:
        """End these processes, or all: each gets its stop signal at once, and SIGKILL if it is not gone in time."""
        with self._changed:
            chosen = [self._running[name] for name in names or self._running]
            for running in chosen:
                running.stopping = True
                _send(running, running.command.stop_signal)
            if not self._changed.wait_for(lambda: all(running.ended for running in chosen), within):
                for running in chosen:
                    _send(running, signal.SIGKILL)
                self._changed.wait_for(lambda: all(running.ended for running in chosen), within)
            for running in chosen:
                del self._running[running.command.name]

    def kill(self, name: str, within: float = 5.0) -> None:
        """End a process as a crash would, by SIGKILL, and forget it: `start` may start it again."""
        with self._changed:
            running = self._running[name]
            running.stopping = True
            _send(running, signal.SIGKILL)
            self._changed.wait_for(lambda: running.ended, within)
            del self._running[name]

    def close(self) -> None:
        """Stop everything, the watching thread too."""
        self.stop()
        self._closing = True
        os.write(self._wake_writer, b".")
        self._watcher.join()
        self._selector.close()
        os.close(self._wake_reader)
        os.close(self._wake_writer)

    def _register(self, running: _Running) -> None:
        with self._changed:
            self._running[running.command.name] = running
            self._selector.register(running.stdout, selectors.EVENT_READ, running)
            self._selector.register(running.pidfd, selectors.EVENT_READ, running)
        os.write(self._wake_writer, b".")

    def _watch(self) -> None:
        while not self._closing:
            for key, _ in self._selector.select():
                if key.data is None:
                    os.read(self._wake_reader, 1024)
                elif key.fileobj == key.data.pidfd:
                    self._reap(key.data)
                else:
                    self._read(key.data)

    def _read(self, running: _Running) -> None:
        if not running.reads:
            return
        with suppress(BlockingIOError):
            while chunk := os.read(running.stdout.fileno(), 65536):
                *lines, running.partial = (running.partial + chunk).split(b"\n")
                for line in lines:
                    self._take(running, line)
            self._close_output(running)

    def _close_output(self, running: _Running) -> None:
        if running.reads:
            running.reads = False
            if running.partial:
                self._take(running, running.partial)
            self._selector.unregister(running.stdout)
            running.stdout.close()

    def _take(self, running: _Running, line: bytes) -> None:
        event = None if running.command.is_ready else _event(line)
        if event is None:
            running.sink.write(line + b"\n")
            return
        try:
            self._on_event(running.command.name, event)
        except Exception as error:
            # This thread has to go on watching; the run is told by `check`.
            self._unhandled = self._unhandled or error
        if event["event"] == "ready":
            with self._changed:
                running.ready = True
                self._changed.notify_all()

    def _reap(self, running: _Running) -> None:
        self._read(running)
        # What the process has started may still hold its output open.
        self._close_output(running)
        self._selector.unregister(running.pidfd)
        os.close(running.pidfd)
        running.sink.close()
        with self._changed:
            running.popen.wait()
            self._changed.notify_all()


def _fill(text: str, values: dict[str, str]) -> str:
    for placeholder, value in values.items():
        text = text.replace(placeholder, value)
    return text


def _event(line: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and isinstance(event.get("event"), str) else None


def _send(running: _Running, number: signal.Signals) -> None:
    # The watcher reaps under the condition that the caller holds, so the pid is still this process's own.
    if not running.ended:
        os.kill(running.popen.pid, number)


def _ending(running: _Running) -> str:
    code = running.popen.returncode
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _failure(running: _Running, what: str) -> RunInvalidError:
    tail = tuple(running.log.read_text(errors="replace").splitlines()[-_TAIL_LINES:])
    return RunInvalidError(f"{running.command.name} {what}", process=running.command.name, log_tail=tail)
