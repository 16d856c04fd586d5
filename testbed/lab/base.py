"""The beginning and the end of every lab: its ledger and base namespace, and the removal of all that was recorded."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from testbed import netns
from testbed.errors import RunInvalidError
from testbed.lab import kernel, proc
from testbed.lab.clean import remove
from testbed.lab.ledger import LABS, LabRecord, Ledger, open_ledger, read_lab


@contextmanager
def base_namespace(root: Path = LABS) -> Iterator[Ledger]:
    """A new lab that has its base namespace; when the body ends, all that the ledger records is removed.

    RunInvalidError if something of it stayed behind.
    """
    ledger = open_ledger(root)
    try:
        base = ledger.names.base
        ledger.namespace(base)
        netns.create(base)
        with netns.entered(base):
            # It only carries frames between inner ends: no IPv6 chatter of its own on them.
            kernel.write_sysctls({"ipv6/conf/default/disable_ipv6": 1})
        yield ledger
    finally:
        with uninterrupted():
            record = read_lab(ledger.directory)
            ledger.close()
            removed = remove(record)
            _assert_nothing_left(replace(record, processes=(*record.processes, *removed.processes)))


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ignore SIGINT, SIGTERM and SIGHUP in the body.

    Taking down is quick, and a second Ctrl-C would leave half of it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _assert_nothing_left(lab: LabRecord) -> None:
    left = [f"namespace {name}" for name in lab.namespaces if netns.exists(name)]
    left += [f"process {process.pid}" for process in lab.processes if proc.alive(process)]
    left += [f"path {path}" for path in (*lab.paths, lab.directory) if path.exists()]
    if left:
        raise RunInvalidError(f"lab {lab.run_id} left behind: {', '.join(left)}")
