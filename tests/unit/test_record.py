from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from testbed.errors import InputError
from testbed.record import RunRecord, Window, read_jsonl


def test_events_come_back_in_order_of_time(tmp_path: Path) -> None:
    record = RunRecord.create(tmp_path / "run")
    record.event("late", t=2.0, where="here")
    record.event("early", t=1.0)
    assert [event["kind"] for event in record.events()] == ["early", "late"]
    assert record.events("late") == ({"t": 2.0, "kind": "late", "where": "here"},)


def test_windows(tmp_path: Path) -> None:
    record = RunRecord.create(tmp_path / "run")
    record.event("window", name="before", start=1.0, end=2.0)
    assert record.windows() == (Window("before", 1.0, 2.0),)


def test_a_half_written_last_line_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text(json.dumps({"a": 1}) + "\n" + '{"a": ')
    assert list(read_jsonl(tmp_path / "x.jsonl")) == [{"a": 1}]


def test_a_directory_with_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    with pytest.raises(InputError, match="got a directory with files in it; want an empty or new directory"):
        RunRecord.create(tmp_path)


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"--out: .*/file/run: got Not a directory"):
        RunRecord.create(tmp_path / "file" / "run")


def test_no_record_to_open(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no plan.json in it; want a run directory"):
        RunRecord.open(tmp_path)


@pytest.fixture
def owners(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[int, int]]:
    """Under sudo: file name → the owner that it was given."""
    given: dict[str, tuple[int, int]] = {}
    monkeypatch.setattr(os, "chown", lambda path, uid, gid, **_: given.update({Path(path).name: (uid, gid)}))
    monkeypatch.setenv("SUDO_UID", "1000")
    monkeypatch.setenv("SUDO_GID", "1001")
    return given


def test_under_sudo_the_files_become_the_callers(tmp_path: Path, owners: dict[str, tuple[int, int]]) -> None:
    record = RunRecord.create(tmp_path / "runs" / "one")
    record.event("something")
    record.hand_over()
    assert owners.keys() == {"runs", "one", "events.jsonl", "samples", "captures", "logs", "config"}
    assert set(owners.values()) == {(1000, 1001)}


def test_a_directory_that_was_there_keeps_its_owner(tmp_path: Path, owners: dict[str, tuple[int, int]]) -> None:
    RunRecord.create(tmp_path).hand_over()
    assert owners.keys() == {"samples", "captures", "logs", "config"}


def test_of_two_runs_one_gets_the_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    RunRecord.create(tmp_path / "run")
    # Both have found it empty; the other was quicker.
    monkeypatch.setattr(Path, "iterdir", lambda _self: iter(()))
    with pytest.raises(InputError, match="got File exists"):
        RunRecord.create(tmp_path / "run")
