"""Polling with a deadline, instead of sleeping."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def eventually(look: Callable[[], Found], wanted: Callable[[Found], bool], within: float = 20) -> Found:
    """What `look` finds once it is as wanted; fails with the last thing seen."""
    deadline = time.monotonic() + within
    while True:
        found = look()
        if wanted(found):
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} s; last seen: {found}")
        time.sleep(0.02)
