"""Events: one line each, whole whatever thread writes it, and nothing that JSON could not hold."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address

import pytest

from testbed.events import emit


def test_an_event_is_one_line_with_its_kind_and_time(capsys: pytest.CaptureFixture[str]) -> None:
    emit("ready", name="a\nb", gtpu=IPv4Address("10.1.0.1"))
    (line,) = capsys.readouterr().out.splitlines()
    event = json.loads(line)
    assert isinstance(event.pop("t"), float)
    assert event == {"event": "ready", "name": "a\nb", "gtpu": "10.1.0.1"}


def test_lines_of_many_threads_stay_whole(capsys: pytest.CaptureFixture[str]) -> None:
    with ThreadPoolExecutor(8) as threads:
        for number in range(200):
            threads.submit(emit, "step", number=number, text="x" * 500)
    numbers = [json.loads(line)["number"] for line in capsys.readouterr().out.splitlines()]
    assert sorted(numbers) == list(range(200))
