"""What a person sees while a run goes on: one line for each thing that is started and each step of the timeline."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console


class Progress:
    """Prints lines with the seconds since the start of the run."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._start = time.monotonic()

    def say(self, text: str) -> None:
        """One line."""
        elapsed = time.monotonic() - self._start
        self._console.print(f"{elapsed:6.1f} s  {text}", markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def doing(self, text: str) -> Iterator[None]:
        """Say what starts; on a terminal a spinner turns until it is done."""
        self.say(text)
        with self._console.status(text, spinner="line"):
            yield
