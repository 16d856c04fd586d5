"""Skips what this host cannot run, and fails tests that leave namespaces, links, processes or labs behind.

Others may run tests on the same machine at the same moment: only what this test process made is counted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import hypothesis
import pytest

from testbed import netns
from testbed.lab.ledger import labs

NEEDS_ROOT = ("netns", "ovs", "scenario")
# linux/capability.h: what making namespaces (SYS_ADMIN) and configuring them (NET_ADMIN) takes.
_CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21}

# A build says the same of the same commit; whoever runs the tests by hand looks for new examples.
hypothesis.settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    hypothesis.settings.load_profile("ci")

_made: set[str] = set()
_create = netns.create


def _recording_create(name: str) -> None:
    _create(name)
    _made.add(name)


netns.create = _recording_create


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = _missing_capabilities()
    for item in items:
        for marker in NEEDS_ROOT:
            if missing and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=f"`{marker}` tests need root: no {' and no '.join(missing)}"))


@pytest.fixture(autouse=True)
def leaves_nothing_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """For tests that make namespaces: what is there afterwards was there before."""
    if not any(request.node.get_closest_marker(marker) for marker in NEEDS_ROOT):
        yield
        return
    before = _present()
    yield
    left = sorted(_present() - before)
    for what in left:
        kind, _, name = what.partition(" ")
        if kind == "namespace":
            netns.delete(name)
    if left:
        pytest.fail(f"left behind: {', '.join(left)}")


def _missing_capabilities() -> list[str]:
    status = Path("/proc/self/status").read_text()
    effective = int(next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff:")), 16)
    return [name for name, bit in _CAPABILITIES.items() if not effective >> bit & 1]


def _present() -> set[str]:
    """What this test process has made and is there now, in words."""
    namespaces = {f"namespace {name}" for name in _made if netns.exists(name)}
    links = {f"link {path.name}" for path in Path("/sys/class/net").iterdir() if path.name.startswith("bl")}
    children = _children(os.getpid())
    processes = {f"process {pid} ({command})" for pid, command in children.items()}
    owned = {f"lab {lab.run_id}" for lab in labs() if lab.owner and lab.owner.pid in (os.getpid(), *children)}
    return namespaces | links | processes | owned


def _children(parent: int) -> dict[int, str]:
    """Pid → command of the running children of `parent`."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # proc(5): pid (command) state parent …; the command itself may hold spaces and brackets.
            head, _, tail = stat.read_text().rpartition(")")
            state, ppid = tail.split()[:2]
            if int(ppid) == parent and state not in "ZX":
                found[int(stat.parent.name)] = head.partition("(")[2]
    return found
