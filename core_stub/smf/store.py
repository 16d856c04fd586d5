"""Sessions on disk, so that a restart of the SMF loses none: SQLite, one row a session, one transaction a procedure.

A row has what the SMF knows of the session as JSON. Write-ahead logging without a flush per commit: what is on disk
survives the process, which is what it is for, and a commit costs tens of microseconds.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import TypeAdapter, ValidationError

from core_stub.smf.charging import Account
from core_stub.smf.session import PduSession
from testbed.errors import InputError, Problem

_SCHEMA = """
CREATE TABLE IF NOT EXISTS sessions (ref INTEGER PRIMARY KEY, record TEXT NOT NULL) STRICT;
PRAGMA user_version = 1;
"""
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Stored:
    """A session as it was last; `ends` are our SEIDs by UPF, `pool` is the subnet that its address comes from."""

    session: PduSession
    pool: str
    ends: tuple[tuple[str, int], ...] = ()
    accounts: tuple[Account, ...] = ()


_RECORD = TypeAdapter(Stored)


class Store:
    """The file at `path`, made with its directory if it is not there; a context manager.

    InputError for a file that is none of ours, OSError for a directory that cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._db = sqlite3.connect(path, isolation_level=None)
        except sqlite3.OperationalError as error:
            raise self._refused(error) from error
        try:
            self._prepare()
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise self._refused(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()

    def _refused(self, error: sqlite3.DatabaseError) -> InputError:
        return InputError(str(self._path), [Problem("smf.db", str(error), "a file of this SMF, or none")])

    def _prepare(self) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version not in (0, _VERSION):
            raise sqlite3.DatabaseError(f"version {version} of the sessions, not {_VERSION}")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.executescript(_SCHEMA)

    def put(self, stored: Stored) -> None:
        """Keep a session as it is now."""
        record = _RECORD.dump_json(stored).decode()
        ref = int(stored.session.context.ref)
        self._db.execute("INSERT OR REPLACE INTO sessions VALUES (?, ?)", (ref, record))

    def remove(self, ref: str) -> None:
        """Forget a session."""
        self._db.execute("DELETE FROM sessions WHERE ref = ?", (int(ref),))

    def load(self) -> Iterator[Stored]:
        """All sessions, oldest first; InputError for one that cannot be read."""
        for ref, record in self._db.execute("SELECT ref, record FROM sessions ORDER BY ref"):
            try:
                yield _RECORD.validate_json(record)
            except ValidationError as error:
                problem = Problem(f"smf.db session {ref}", str(error.errors()[0]["msg"]), "a session of this SMF")
                raise InputError(str(self._path), [problem]) from error
