"""What the controller's process tells the lab: one JSON object a line on standard output, with `event` and `t`."""

from __future__ import annotations

import json
import sys
import threading
import time

_lock = threading.Lock()


def emit(event: str, **fields: object) -> None:
    """Write one event, stamped with the time (Unix seconds); from any thread."""
    line = json.dumps({"event": event, "t": time.time(), **fields})
    with _lock:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
