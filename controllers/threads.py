"""Threads that the controller cannot do without."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable

_log = logging.getLogger(__name__)


def start(name: str, work: Callable[[], None]) -> threading.Thread:
    """Run `work` in a thread; if it fails the process ends with 1, since nobody would do it any more."""

    def guarded() -> None:
        try:
            work()
        except Exception:
            _log.critical("%s failed", name, exc_info=True)
            os._exit(1)

    thread = threading.Thread(target=guarded, name=name, daemon=True)
    thread.start()
    return thread
