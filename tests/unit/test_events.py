"""Events: one line each, whole whatever thread writes it, and nothing that JSON could not hold."""

from __future__ import annotations

import asyncio
import io
import json
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address

import pytest

from testbed.events import WITHIN_S, emit


def test_an_event_is_one_line_with_its_kind_and_time(capsys: pytest.CaptureFixture[str]) -> None:
    emit("ready", name="a\nb", gtpu=IPv4Address("10.1.0.1"))
    (line,) = capsys.readouterr().out.splitlines()
    event = json.loads(line)
    assert isinstance(event.pop("t"), float)
    assert event == {"event": "ready", "name": "a\nb", "gtpu": "10.1.0.1"}


class Written(io.StringIO):
    """A standard output that counts how often it is flushed."""

    flushes = 0

    def flush(self) -> None:
        self.flushes += 1


def test_events_of_an_event_loop_are_written_together_and_none_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", written := Written())

    async def report() -> None:
        for number in range(50):
            emit("step", number=number)
        flushed = asyncio.Event()
        asyncio.get_running_loop().call_later(2 * WITHIN_S, flushed.set)
        await flushed.wait()

    for loops in (1, 2):
        asyncio.run(report())
        assert (written.flushes, len(written.getvalue().splitlines())) == (loops, 50 * loops)


def test_lines_of_many_threads_stay_whole(capsys: pytest.CaptureFixture[str]) -> None:
    with ThreadPoolExecutor(8) as threads:
        for number in range(200):
            threads.submit(emit, "step", number=number, text="x" * 500)
    numbers = [json.loads(line)["number"] for line in capsys.readouterr().out.splitlines()]
    assert sorted(numbers) == list(range(200))
