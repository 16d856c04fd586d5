"""`ryu` as another name of os-ken, which is Ryu's continuation: applications written for Ryu run unchanged.

While `alias` is in force, `import ryu.lib.packet` gives the very module `os_ken.lib.packet`, with the names that Ryu's
classes had in it. What Ryu had and os-ken has not is an ImportError that says what to do instead.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType

from os_ken import exception
from os_ken.base import app_manager
from os_ken.lib import hub

RYU, OS_KEN = "ryu", "os_ken"

# The longest name that fits is what counts.
_INSTEAD = {
    "ryu": "os-ken, which stands in for Ryu, does not have this part of it",
    "ryu.app": "os-ken ships no sample applications: put a copy of that one beside the file and import it from there",
    "ryu.app.wsgi": "os-ken has no REST server: serve from a thread, as "
    "hub.spawn(http.server.HTTPServer(address, handler).serve_forever)",
    "ryu.cmd": "`bearerlab controller FILE.py` is what starts an app here, and ryu-manager's options go after `--`",
    "ryu.tests": "Ryu's own tests are in Ryu's source only",
}

_THREADS = "apps run on threads here: use ryu.lib.hub, which has spawn, sleep, Queue, Event, Semaphore"
_GREEN = ("eventlet", "gevent")
"""Installed or not: their spawned functions would never run, and what they patch would stop ours."""

_NEEDS = {
    **dict.fromkeys(_GREEN, _THREADS),
    "webob": "it belongs to Ryu's REST server, which os-ken does not have",
    "routes": "it belongs to Ryu's REST server, which os-ken does not have",
}


def remedy(name: str) -> str:
    """What to do about a module of this name that is not there."""
    parts = name.split(".")
    if parts[0] == OS_KEN:
        parts[0] = RYU
    prefixes = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    known = (_INSTEAD.get(prefix) or _NEEDS.get(prefix) for prefix in prefixes)
    return next(filter(None, known), f"install it with `{sys.executable} -m pip install`, or put it beside the file")


@contextmanager
def alias() -> Iterator[list[str]]:
    """Make `ryu` os-ken in the body, for the whole process.

    Yields the modules of apps that the body's imports require to be loaded too (`app_manager.require_app`); it grows as
    they are imported.
    """
    required: list[str] = []

    def require(name: str, api_style: bool = False) -> None:  # noqa: ARG001 - os-ken's own signature
        required.append(canonical(name))

    first, last = _Alias(), _Missing()
    with ExitStack() as stack:
        # os-ken finds out who requires by looking at the stack, where the alias would be in the way.
        stack.enter_context(_replaced(app_manager, "require_app", require))
        stack.enter_context(_replaced(app_manager, "RyuApp", app_manager.OSKenApp))
        stack.enter_context(_replaced(exception, "RyuException", exception.OSKenException))
        # hub's own never times out without eventlet; topology discovery and many an app wait with a time.
        stack.enter_context(_replaced(hub, "Event", threading.Event))
        # With eventlet it can be called; without, it is the thread that imported hub.
        stack.enter_context(_replaced(hub, "getcurrent", threading.current_thread))
        # Before all others: a real Ryu that is installed too would be a second copy of everything.
        sys.meta_path.insert(0, first)
        stack.callback(sys.meta_path.remove, first)
        sys.meta_path.append(last)
        stack.callback(sys.meta_path.remove, last)
        stack.callback(_forget)
        yield required


def _forget() -> None:
    for name in [name for name in sys.modules if _is_below(name, RYU)]:
        del sys.modules[name]


@contextmanager
def _replaced(module: ModuleType, name: str, value: object) -> Iterator[None]:
    before = vars(module).get(name)
    setattr(module, name, value)
    try:
        yield
    finally:
        if before is None:
            delattr(module, name)
        else:
            setattr(module, name, before)


def canonical(name: str) -> str:
    """os-ken's name of a module that may be called by Ryu's."""
    return OS_KEN + name[len(RYU) :] if _is_below(name, RYU) else name


class _Alias:
    """Finds `ryu.x` by importing `os_ken.x`."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:  # noqa: ARG002
        if name in _GREEN:
            raise ModuleNotFoundError(f"{name} does not work here", name=name)
        if not _is_below(name, RYU):
            return None
        module = importlib.import_module(canonical(name))
        return ModuleSpec(name, _Same(module), is_package=hasattr(module, "__path__"))


class _Same(Loader):
    """Loads a module that is there already, and leaves it as it is."""

    def __init__(self, module: ModuleType) -> None:
        self._module, self._spec = module, module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:  # noqa: ARG002
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec


class _Missing:
    """Asked last: says what to do about a module of os-ken that is not there.

    Its error does not carry the name that was asked for: `from ryu.app import wsgi` would take that for an attribute
    that is missing, and lose what it says.
    """

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:  # noqa: ARG002
        if _is_below(name, OS_KEN):
            wanted = RYU + name[len(OS_KEN) :]
            raise ModuleNotFoundError(f"No module named '{wanted}'", name=wanted)


def _is_below(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")
