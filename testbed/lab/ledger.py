"""The ledger: what a run has made, on disk before it exists, so that whatever ends the run, it can be removed.

A lab is a directory `/run/bearerlab/<run id>/` with a `ledger.jsonl` to which lines are only appended. The first line
names the owner, the process that runs the lab; the directory also holds the lab's sockets and configuration. The
environment variable BEARERLAB_STATE puts the labs elsewhere: whoever has another one neither sees nor cleans these.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from testbed.lab.names import Names, new_run_id
from testbed.lab.proc import ProcessId, alive, identify

LABS = Path(os.environ.get("BEARERLAB_STATE") or "/run/bearerlab").absolute()
_FILE = "ledger.jsonl"
_UNBORN = re.compile(r"\.\w+-(\d+)-(\d+)")


@dataclass(frozen=True)
class LabRecord:
    """What a ledger says. `owner` is None where not even the first line was written completely."""

    directory: Path
    owner: ProcessId | None
    namespaces: tuple[str, ...] = ()
    processes: tuple[ProcessId, ...] = ()
    paths: tuple[Path, ...] = ()
    run: Path | None = None
    """The run's directory."""
    named: Mapping[str, ProcessId] = field(default_factory=dict)
    """Name → the process that had it last."""
    taken_down: bool = False
    """True once its own run has begun to end it."""

    @property
    def ended(self) -> tuple[str, ...]:
        """The processes that have ended, by name: while the lab runs none should but those that it has ended.

        None of a lab that is taken down, where all do.
        """
        if self.taken_down:
            return ()
        return tuple(name for name, process in self.named.items() if not alive(process))

    def log(self, process: str) -> Path | None:
        """Where a process of the lab writes its log."""
        return self.run / "logs" / f"{process}.log" if self.run else None

    @property
    def run_id(self) -> str:
        """The run's short name."""
        return self.directory.name

    @property
    def owner_lives(self) -> bool:
        """True while the process that runs the lab is there."""
        return self.owner is not None and alive(self.owner)


class Ledger:
    """The open ledger of this process's own lab; `directory` is the lab's directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._file = os.open(directory / _FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)

    @property
    def run_id(self) -> str:
        """The run's short name."""
        return self.directory.name

    @property
    def names(self) -> Names:
        """What the lab's namespaces are called."""
        return Names(self.run_id)

    def namespace(self, name: str) -> None:
        """Record a network namespace that is about to be made."""
        self._append(kind="namespace", name=name)

    def process(self, name: str, pid: int) -> None:
        """Record a process that has just been started; one that has ended already needs no record."""
        if process := identify(pid):
            self._append(kind="process", name=name, pid=process.pid, start=process.start)

    def run(self, directory: Path) -> None:
        """Record the run's directory, which stays."""
        self._append(kind="run", path=str(directory.absolute()))

    def path(self, path: Path) -> None:
        """Record a file or directory outside the lab's own directory that is about to be made."""
        self._append(kind="path", path=str(path.absolute()))

    def taking_down(self) -> None:
        """Record that the run ends its lab, so that nobody takes the processes that end now for failures."""
        self._append(kind="taking_down")

    def close(self) -> None:
        """Write no more; the lab's directory stays until it is removed."""
        os.close(self._file)

    def _append(self, **entry: object) -> None:
        # One write a line: lines of several threads never mix, and a crash can only tear the last one.
        os.write(self._file, json.dumps(entry).encode() + b"\n")


def open_ledger(root: Path = LABS) -> Ledger:
    """Make the directory of a new lab that this process owns, under a run id that no other lab has."""
    root.mkdir(mode=0o755, parents=True, exist_ok=True)
    owner = identify(os.getpid())
    assert owner is not None
    while True:
        run_id = new_run_id()
        nascent = root / f".{run_id}-{owner.pid}-{owner.start}"
        nascent.mkdir()
        try:
            (nascent / _FILE).write_text(json.dumps({"kind": "owner", "pid": owner.pid, "start": owner.start}) + "\n")
            # The lab appears together with its owner's line, so nobody ever takes it for an abandoned one.
            nascent.rename(root / run_id)
        except OSError as error:
            shutil.rmtree(nascent, ignore_errors=True)
            if error.errno not in {errno.EEXIST, errno.ENOTEMPTY}:
                raise
        else:
            return Ledger(root / run_id)


def read_lab(directory: Path) -> LabRecord:
    """What the ledger in `directory` records; a line that a crash tore is left out."""
    owner: ProcessId | None = None
    namespaces: list[str] = []
    processes: list[ProcessId] = []
    paths: list[Path] = []
    run: Path | None = None
    named: dict[str, ProcessId] = {}
    taken_down = False
    for line in (directory / _FILE).read_text().splitlines():
        match _parse(line):
            case {"kind": "owner", "pid": int(pid), "start": int(start)}:
                owner = ProcessId(pid, start)
            case {"kind": "namespace", "name": str(name)}:
                namespaces.append(name)
            case {"kind": "process", "name": str(name), "pid": int(pid), "start": int(start)}:
                processes.append(ProcessId(pid, start))
                named[name] = processes[-1]
            case {"kind": "run", "path": str(path)}:
                run = Path(path)
            case {"kind": "path", "path": str(path)}:
                paths.append(Path(path))
            case {"kind": "taking_down"}:
                taken_down = True
    return LabRecord(directory, owner, tuple(namespaces), tuple(processes), tuple(paths), run, named, taken_down)


def labs(root: Path = LABS) -> tuple[LabRecord, ...]:
    """All labs of this machine, whoever owns them, in the order of their names."""
    found = []
    for directory in sorted(root.glob("[!.]*/")) if root.is_dir() else ():
        # A lab may be removed at this very moment.
        with suppress(FileNotFoundError):
            found.append(read_lab(directory))
    return tuple(found)


def unborn(root: Path = LABS) -> tuple[Path, ...]:
    """The directories of labs whose process died while it opened their ledgers, before it made anything else."""
    named = ((directory, _UNBORN.fullmatch(directory.name)) for directory in root.glob(".*"))
    return tuple(directory for directory, name in named if name and not alive(ProcessId(int(name[1]), int(name[2]))))


def _parse(line: str) -> object:
    try:
        return json.loads(line)
    except ValueError:
        return None
