"""Polling with a deadline, instead of sleeping."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

PATIENCE_S = 20.0
"""How long anything may take on a busy machine before a test gives up."""

_PAUSE_S = 0.01


def eventually(look: Callable[[], Found], wanted: Callable[[Found], bool] = bool, within: float = PATIENCE_S) -> Found:
    """What `look` finds once it is as wanted; fails with the last thing seen."""
    deadline = time.monotonic() + within
    while not wanted(found := look()):
        assert time.monotonic() < deadline, f"not within {within} s; last seen: {found}"
        time.sleep(_PAUSE_S)
    return found


async def eventually_async(
    look: Callable[[], Found], wanted: Callable[[Found], bool] = bool, within: float = PATIENCE_S
) -> Found:
    """`eventually` for coroutines: others run while it waits."""
    deadline = time.monotonic() + within
    while not wanted(found := look()):
        assert time.monotonic() < deadline, f"not within {within} s; last seen: {found}"
        await asyncio.sleep(_PAUSE_S)
    return found
