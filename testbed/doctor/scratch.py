"""A network namespace to try things in: made when the first probe enters it, removed with everything in it."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from testbed import netns

_numbers = itertools.count()


class Scratch:
    """Names its namespace `bl-doctor-<pid>-<n>`; use as a context manager around the probes."""

    def __init__(self) -> None:
        self.namespace = f"bl-doctor-{os.getpid()}-{next(_numbers)}"

    def __enter__(self) -> Scratch:
        return self

    def __exit__(self, *_exception: object) -> None:
        with suppress(FileNotFoundError):
            netns.delete(self.namespace)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Run the body in the namespace; OSError where the host does not allow one."""
        if not netns.exists(self.namespace):
            netns.create(self.namespace)
        with netns.entered(self.namespace):
            yield
