from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.errors import InputError
from testbed.lab import proc
from testbed.lab.clean import clean, stale_labs
from testbed.lab.ledger import Ledger, labs, open_ledger, read_lab

NOBODY = '{"kind": "owner", "pid": 4194304, "start": 1}\n'


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


def abandoned(root: Path, run_id: str, *lines: str) -> Ledger:
    directory = root / run_id
    directory.mkdir()
    (directory / "ledger.jsonl").write_text(NOBODY + "".join(f"{line}\n" for line in lines))
    return Ledger(directory)


def test_what_is_recorded_is_read_back(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    ledger.namespace("bl-x")
    ledger.namespace("bl-x-ue1")
    ledger.process("self", os.getpid())
    ledger.path(tmp_path / "extra")
    ledger.close()
    (lab,) = labs(tmp_path)
    assert lab == read_lab(tmp_path / ledger.run_id)
    assert lab.owner == proc.identify(os.getpid())
    assert lab.namespaces == ("bl-x", "bl-x-ue1")
    assert lab.processes == (lab.owner,)
    assert lab.paths == (tmp_path / "extra",)


def test_a_torn_last_line_and_foreign_lines_are_left_out(tmp_path: Path) -> None:
    abandoned(tmp_path, "aaaaa", '{"kind": "namespace", "name": "bl-a"}', "[]", '{"kind": "later"}', '{"kind": "names')
    assert read_lab(tmp_path / "aaaaa").namespaces == ("bl-a",)


def test_a_half_made_lab_is_nobodys_to_clean(tmp_path: Path) -> None:
    (tmp_path / ".aaaaa-1").mkdir()
    assert labs(tmp_path) == ()


def test_clean_removes_what_a_crash_left_of_a_lab_that_was_being_born(tmp_path: Path) -> None:
    ours = proc.identify(os.getpid())
    assert ours is not None
    crashed, living = tmp_path / ".aaaaa-4194304-1", tmp_path / f".bbbbb-{ours.pid}-{ours.start}"
    for directory in (crashed, living):
        directory.mkdir()
        (directory / "ledger.jsonl").touch()
    assert clean(root=tmp_path) == ()
    assert not crashed.exists()
    assert living.exists()


def test_a_run_id_that_another_lab_has_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    abandoned(tmp_path, "aaaaa")
    identities = iter(["aaaaa", "bbbbb"])
    monkeypatch.setattr("testbed.lab.ledger.new_run_id", lambda: next(identities))
    assert open_ledger(tmp_path).run_id == "bbbbb"


def test_a_ledger_that_cannot_be_written_is_not_tried_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_from: Path, _to: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OSError, match="No space left"):
        open_ledger(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_no_labs_directory_means_no_labs(tmp_path: Path) -> None:
    assert labs(tmp_path / "none") == ()
    assert clean(root=tmp_path / "none") == ()


def test_only_labs_whose_owner_is_dead_are_stale(tmp_path: Path) -> None:
    open_ledger(tmp_path)
    abandoned(tmp_path, "aaaaa")
    assert [lab.run_id for lab in stale_labs(tmp_path)] == ["aaaaa"]


def test_a_pid_that_somebody_else_has_now_does_not_own_a_lab(tmp_path: Path) -> None:
    ours = proc.identify(os.getpid())
    assert ours is not None
    ledger = abandoned(tmp_path, "aaaaa")
    reused = f'{{"kind": "owner", "pid": {ours.pid}, "start": {ours.start - 1}}}\n'
    (ledger.directory / "ledger.jsonl").write_text(reused)
    assert [lab.run_id for lab in stale_labs(tmp_path)] == ["aaaaa"]


def test_a_zombie_counts_as_dead() -> None:
    process = subprocess.Popen(["true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert proc.identify(process.pid) is None
    process.wait()


def test_clean_removes_what_a_stale_lab_recorded_and_is_idempotent(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    ledger = abandoned(tmp_path, "aaaaa")
    ledger.process("sleeper", sleeper.pid)
    extra = tmp_path / "extra"
    ledger.path(extra)
    extra.write_text("made by the run")
    kept = open_ledger(tmp_path)
    (removed,) = clean(root=tmp_path)
    assert removed.run_id == "aaaaa"
    assert [process.pid for process in removed.processes] == [sleeper.pid]
    assert removed.paths == (extra,)
    assert not extra.exists()
    assert [lab.run_id for lab in labs(tmp_path)] == [kept.run_id]
    assert clean(root=tmp_path) == ()


def test_clean_spares_a_process_that_has_the_pid_of_a_recorded_one(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    now = proc.identify(sleeper.pid)
    assert now is not None
    abandoned(tmp_path, "aaaaa", f'{{"kind": "process", "pid": {now.pid}, "start": {now.start - 1}}}')
    (removed,) = clean(root=tmp_path)
    assert removed.processes == ()
    assert proc.alive(now)


def test_clean_refuses_a_lab_whose_owner_lives_and_says_what_to_do(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    with pytest.raises(InputError, match=r"got a lab that process \d+ is running; .*--force"):
        clean(ledger.run_id, root=tmp_path)
    assert clean(root=tmp_path) == ()
    assert ledger.directory.exists()


def test_force_ends_the_owner_first(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    owner = proc.identify(sleeper.pid)
    assert owner is not None
    ledger = abandoned(tmp_path, "aaaaa")
    (ledger.directory / "ledger.jsonl").write_text(f'{{"kind": "owner", "pid": {owner.pid}, "start": {owner.start}}}\n')
    assert [removed.run_id for removed in clean("aaaaa", force=True, root=tmp_path)] == ["aaaaa"]
    assert not proc.alive(owner)


def test_a_process_that_ignores_sigterm_is_killed() -> None:
    program = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    stubborn = proc.identify(process.pid)
    assert stubborn is not None
    proc.end([stubborn], grace_s=0.05)
    assert not proc.alive(stubborn)
    process.communicate()
