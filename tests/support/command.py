"""The command line as a user runs it: a process of its own, its exit code and what it prints."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from testbed.lab.ledger import LABS
from tests.support.polling import eventually

ROOT = Path(__file__).parents[2]
BEARERLAB = str(Path(sys.executable).with_name("bearerlab"))


def bearerlab(*arguments: str | Path, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    argv = [BEARERLAB, *map(str, arguments)]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=timeout)


@contextmanager
def started(*arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """Start the command; it is told to end, if it has not, when the body ends."""
    argv = [BEARERLAB, *map(str, arguments)]
    process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


class Output:
    """What a running command has printed so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self._file = process.stdout.fileno()
        os.set_blocking(self._file, False)
        self._text = ""

    def find(self, pattern: str) -> re.Match[str]:
        """The first match, once it is there."""

        def look() -> re.Match[str] | None:
            with suppress(BlockingIOError):
                self._text += os.read(self._file, 65536).decode()
            return re.search(pattern, self._text)

        found = eventually(look, bool)
        assert found
        return found


def events(run: Path, kind: str) -> list[dict[str, Any]]:
    """The events of one kind that a run has recorded so far."""
    path = run / "events.jsonl"
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    found = [json.loads(line) for line in lines if line.endswith("\n")]
    return [event for event in found if event["kind"] == kind]


def leftovers(lab: str) -> list[str]:
    """Namespaces, directory and processes of a lab that are still there."""
    left = [path.name for path in Path("/run/netns").glob(f"bl-{lab}*")]
    left += [str(path) for path in LABS.glob(lab)]
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if f"{LABS}/{lab}/" in command and entry.parent.name != str(os.getpid()):
            left.append(command)
    return left
