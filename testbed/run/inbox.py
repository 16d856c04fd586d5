"""Events of all processes: into the record, and looked at for what the run waits for or must not go on after."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from testbed.errors import RunInvalidError
from testbed.record import RunRecord

READY_WITHIN_S = 20.0
POLL_S = 0.05


class Inbox:
    """Takes events in the supervisor's thread; the run waits and checks in its own."""

    def __init__(self, record: RunRecord) -> None:
        self._record = record
        self._seen: set[tuple[str, str]] = set()
        self._fatal: RunInvalidError | None = None
        self._changed = threading.Condition()

    def put(self, process: str, event: dict[str, Any]) -> None:
        """Take an event."""
        kind = str(event["event"])
        fields = {name: value for name, value in event.items() if name not in ("event", "process")}
        self._record.event(kind, process=process, **fields)
        with self._changed:
            self._seen.add((process, kind))
            reason = _fatal(process, kind, fields)
            if reason and self._fatal is None:
                self._fatal = RunInvalidError(reason, process=process)
            self._changed.notify_all()

    def wait(self, process: str, kind: str, alive: Callable[[], None]) -> None:
        """Return once that process has sent an event of that kind; RunInvalidError if none comes, or `alive` raises."""
        deadline = time.monotonic() + READY_WITHIN_S
        with self._changed:
            while (process, kind) not in self._seen:
                alive()
                if time.monotonic() > deadline:
                    text = f"{process} did not say `{kind}` within {READY_WITHIN_S:g} s"
                    raise RunInvalidError(text, process=process)
                self._changed.wait(POLL_S)

    def check(self) -> None:
        """RunInvalidError if something was reported after which no figure can be believed."""
        if self._fatal is not None:
            raise self._fatal


def _fatal(process: str, kind: str, fields: dict[str, Any]) -> str | None:
    match kind:
        case "link_down":
            return f"{process} has lost the link {fields.get('link')}: its interface {fields.get('ifname')} is gone"
        case "session_lost":
            return f"{process} has lost the PDU session of {fields['ue']}"
        case "association" if fields.get("state") == "down":
            return f"{process} has lost its PFCP association with {fields.get('name') or fields.get('peer')}"
    return None
