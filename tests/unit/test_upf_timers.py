"""Deadlines by key, and what those cost that never come."""

from __future__ import annotations

import tracemalloc

from core_stub.upf.timers import Timers


def test_a_key_expires_once_at_its_last_deadline() -> None:
    timers: Timers[str] = Timers()
    for key, due in (("a", 1.0), ("b", 2.0), ("a", 3.0), ("b", None), ("c", 2.5)):
        timers.arm(key, due)
    assert timers.next() == 2.5
    assert list(timers.expired(3.0)) == ["c", "a"]
    assert timers.next() is None


def test_deadlines_that_hold_no_more_take_no_memory() -> None:
    timers: Timers[int] = Timers()
    timers.arm(0, 1.0)
    tracemalloc.start()
    try:
        # Sessions that come and go long before their deadlines, and one that is put off again and again.
        for key in range(1, 50_000):
            timers.arm(key, 1e6 + key)
            timers.arm(key, None)
            timers.arm(-1, 1e6 + key)
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grown < 2**20
    assert list(timers.expired(2e6)) == [0, -1]
