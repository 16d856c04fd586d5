"""Network namespaces: by iproute2's names, so that `ip netns exec NAME …` works on them, or without one."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NETNS_DIR = Path("/run/netns")

_CLONE_NEWNET = 0x4000_0000
_MS_BIND = 0x1000
_MNT_DETACH = 2
_libc = ctypes.CDLL(None, use_errno=True)


def create(name: str) -> None:
    """Make a namespace called `name`; FileExistsError if there is one, OSError where the kernel refuses."""
    NETNS_DIR.mkdir(exist_ok=True)
    path = NETNS_DIR / name
    path.touch(exist_ok=False)
    failures: list[OSError] = []

    def unshare_and_bind() -> None:
        try:
            _call("unshare", _CLONE_NEWNET)
            ours = f"/proc/self/task/{threading.get_native_id()}/ns/net"
            _call("mount", ours.encode(), bytes(path), b"none", _MS_BIND, None)
        except OSError as error:
            failures.append(error)

    # unshare() moves the calling thread only: a short-lived thread leaves its namespace behind on the bind mount.
    thread = threading.Thread(target=unshare_and_bind)
    thread.start()
    thread.join()
    if failures:
        path.unlink()
        raise failures[0]


def delete(name: str) -> None:
    """Remove the name; the namespace goes with the last process in it. FileNotFoundError if there is none."""
    path = NETNS_DIR / name
    # A name without a mount is what a crash between touch and mount leaves: umount2 then says EINVAL.
    _libc.umount2(bytes(path), _MNT_DETACH)
    path.unlink()


def exists(name: str) -> bool:
    """True if there is a namespace called `name`."""
    return (NETNS_DIR / name).exists()


@contextmanager
def entered(name: str) -> Iterator[None]:
    """Run the body in the namespace: sockets and processes made by this thread meanwhile belong to it.

    An absolute path, such as `/proc/PID/ns/net`, names a namespace that has no name.
    """
    with Path("/proc/thread-self/ns/net").open() as outside, (NETNS_DIR / name).open() as inside:
        _call("setns", inside.fileno(), _CLONE_NEWNET)
        try:
            yield
        finally:
            _call("setns", outside.fileno(), _CLONE_NEWNET)


@contextmanager
def anonymous() -> Iterator[None]:
    """Run the body in a new namespace that has no name, and so is gone afterwards however the process ends.

    OSError where the kernel refuses.
    """
    with Path("/proc/thread-self/ns/net").open() as outside:
        _call("unshare", _CLONE_NEWNET)
        try:
            yield
        finally:
            _call("setns", outside.fileno(), _CLONE_NEWNET)


def _call(function: str, *args: object) -> None:
    if getattr(_libc, function)(*args) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{function}: {os.strerror(code)}")
