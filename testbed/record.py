"""The run record: a directory that holds everything a run observed.

    scenario.json   the scenario as it was run          plan.json     what was decided
    events.jsonl    append-only, one object a line      samples/      one file for each probe
    captures/       pcapng                              logs/         standard error of each process
    links.json      configured and achieved, per link   provenance.json
    config/         files of network functions, and the controller's application of a scenario that has its own

Times are seconds of the host's CLOCK_REALTIME. `verdict` and `report` read a record and add result.json, report.html
and junit.xml; they need nothing else.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.errors import InputError, Problem

Event = dict[str, Any]
PARTS = ("samples", "captures", "logs", "config")


@dataclass(frozen=True)
class Window:
    """A named stretch of the timeline, from `start` up to `end`."""

    name: str
    start: float
    end: float


class RunRecord:
    """A run directory; `event` may be called from any thread."""

    def __init__(self, directory: Path, made: Sequence[Path] = ()) -> None:
        self.directory = directory
        self._made = made
        self._lock = threading.Lock()

    @classmethod
    def create(cls, directory: Path) -> RunRecord:
        """A new record in an empty or missing directory; InputError if it cannot be made there."""
        want = "an empty or new directory that can be written to"
        made = [path for path in (directory, *directory.parents) if not path.exists()]
        try:
            if directory.exists() and any(directory.iterdir()):
                raise InputError("--out", [Problem(str(directory), "a directory with files in it", want)])
            directory.mkdir(parents=True, exist_ok=True)
            for part in PARTS:
                # Of two runs that want the same directory, one fails here.
                (directory / part).mkdir()
        except OSError as error:
            raise InputError("--out", [Problem(str(directory), error.strerror or str(error), want)]) from error
        return cls(directory, made)

    @classmethod
    def open(cls, directory: Path) -> RunRecord:
        """The record of a run that has been; InputError if there is none."""
        if not (directory / "plan.json").is_file():
            raise InputError(str(directory), [Problem("directory", "no plan.json in it", "a run directory")])
        return cls(directory)

    def hand_over(self) -> None:
        """Under sudo, make the calling user the owner of the record, and of the directories made for it."""
        uid, gid = os.environ.get("SUDO_UID"), os.environ.get("SUDO_GID")
        if uid and gid:
            for path in (*self._made, *self.directory.rglob("*")):
                os.chown(path, int(uid), int(gid), follow_symlinks=False)

    def event(self, kind: str, **fields: Any) -> Event:
        """Append an event; `t` is now unless given."""
        entry = {"t": fields.pop("t", None) or time.time(), "kind": kind, **fields}
        line = json.dumps(entry, default=str)
        with self._lock, (self.directory / "events.jsonl").open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        return entry

    def events(self, *kinds: str) -> tuple[Event, ...]:
        """The events in order of time, of the given kinds or all."""
        found = [entry for entry in read_jsonl(self.directory / "events.jsonl") if not kinds or entry["kind"] in kinds]
        return tuple(sorted(found, key=lambda entry: float(entry["t"])))

    def windows(self) -> tuple[Window, ...]:
        """The timeline's windows, in order."""
        return tuple(Window(entry["name"], entry["start"], entry["end"]) for entry in self.events("window"))

    def write_json(self, name: str, value: Any) -> None:
        """Write one of the record's JSON files."""
        (self.directory / name).write_text(json.dumps(value, indent=2, default=str) + "\n", encoding="utf-8")

    def read_json(self, name: str) -> Any:
        """Read one of the record's JSON files; None if the run did not get so far."""
        path = self.directory / name
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None

    def app(self, file: str) -> Path:
        """Where the copy of the controller's application is, which the scenario calls `file`."""
        return self.directory / "config" / Path(file).name

    def samples(self, probe: str) -> Path:
        """The samples file of a probe."""
        return self.directory / "samples" / f"{probe}.jsonl"


def read_jsonl(path: Path) -> Iterator[Event]:
    """The objects of a JSON-lines file; a last half-written line, which a crash leaves, is passed over."""
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            continue
