"""Processes by pid *and* start time, so that a pid that the kernel has given to somebody else is never hit."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from testbed.netns import NETNS_DIR

POLL_S = 0.005


@dataclass(frozen=True)
class ProcessId:
    """`start` is the start time in clock ticks since boot, field 22 of proc(5) stat."""

    pid: int
    start: int


def identify(pid: int) -> ProcessId | None:
    """The process that has `pid` now; None if there is none or only its zombie is left."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command in field 2 may hold spaces and brackets: fields are counted from its last closing bracket.
    state, *fields = stat.rpartition(")")[2].split()
    return None if state in "ZX" else ProcessId(pid, int(fields[18]))


def alive(process: ProcessId) -> bool:
    """True if this very process still runs."""
    return identify(process.pid) == process


def command_line(process: ProcessId) -> tuple[str, ...]:
    """The words of its command, empty if it is gone."""
    try:
        words = Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return ()
    return tuple(word.decode(errors="replace") for word in words[:-1])


def living_in(namespaces: Collection[str]) -> Iterator[ProcessId]:
    """The processes, other than this one, whose network namespace has one of these names."""
    wanted = {_inode(NETNS_DIR / name) for name in namespaces if (NETNS_DIR / name).exists()}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with suppress(OSError):
                if _inode(entry / "ns/net") in wanted and (process := identify(int(entry.name))):
                    yield process


def end(processes: Collection[ProcessId], *, grace_s: float = 3.0) -> None:
    """Ask all of them to end at once (SIGTERM), kill those that have not after `grace_s`, wait until all are gone."""
    _signal(processes, signal.SIGTERM)
    if not _gone(processes, within=grace_s):
        _signal(processes, signal.SIGKILL)
        _gone(processes, within=grace_s)


def _signal(processes: Collection[ProcessId], number: signal.Signals) -> None:
    for process in processes:
        if alive(process):
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)


def _gone(processes: Collection[ProcessId], *, within: float) -> bool:
    deadline = time.monotonic() + within
    while any(alive(process) for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def _inode(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino
