"""Removal of labs: exactly what their ledgers record, and nothing else."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from testbed import netns
from testbed.errors import InputError, Problem
from testbed.lab import proc
from testbed.lab.ledger import LABS, LabRecord, labs, unborn
from testbed.lab.proc import ProcessId


@dataclass(frozen=True)
class Removed:
    """What was still there of a lab and is now gone."""

    run_id: str
    processes: tuple[ProcessId, ...]
    namespaces: tuple[str, ...]
    paths: tuple[Path, ...]


def stale_labs(root: Path = LABS) -> tuple[LabRecord, ...]:
    """The labs whose owner is dead."""
    return tuple(lab for lab in labs(root) if not lab.owner_lives)


def clean(run_id: str | None = None, *, force: bool = False, root: Path = LABS) -> tuple[Removed, ...]:
    """Remove all labs whose owner is dead, or the one called `run_id`; nothing to remove is no error.

    A named lab whose owner lives is an InputError unless `force` is given: then the owner is ended first.
    """
    if run_id is None:
        for directory in unborn(root):
            shutil.rmtree(directory, ignore_errors=True)
        return tuple(remove(lab) for lab in stale_labs(root))
    chosen = tuple(lab for lab in labs(root) if lab.run_id == run_id)
    for lab in chosen:
        if lab.owner_lives and not force:
            raise InputError("clean", [_still_owned(lab)])
        if lab.owner and lab.owner.pid != os.getpid():
            # A run that is told to end takes its own lab down; what it leaves is removed below.
            proc.end([lab.owner], grace_s=15.0)
    return tuple(remove(lab) for lab in chosen)


def remove(lab: LabRecord) -> Removed:
    """End what runs in the lab, then delete its namespaces, its paths and its directory."""
    recorded = {process for process in lab.processes if proc.alive(process)}
    processes = tuple(sorted(recorded.union(proc.living_in(lab.namespaces)), key=lambda process: process.pid))
    proc.end(processes)
    namespaces = tuple(name for name in lab.namespaces if _delete_namespace(name))
    paths = tuple(path for path in lab.paths if _delete_path(path))
    shutil.rmtree(lab.directory, ignore_errors=True)
    return Removed(lab.run_id, processes, namespaces, paths)


def _still_owned(lab: LabRecord) -> Problem:
    owner = lab.owner.pid if lab.owner else 0
    return Problem(
        where=lab.run_id,
        got=f"a lab that process {owner} is running",
        want="a lab whose run has ended",
        hint="end the run with Ctrl-C, or clean it with --force",
    )


def _delete_namespace(name: str) -> bool:
    with suppress(FileNotFoundError):
        netns.delete(name)
        return True
    return False


def _delete_path(path: Path) -> bool:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
        return True
    with suppress(FileNotFoundError):
        path.unlink()
        return True
    return False
