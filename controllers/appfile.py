"""An app in a file of the user's own: loading it, and telling what is wrong with it by file and line."""

from __future__ import annotations

import importlib.util
import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import getmembers, isclass
from pathlib import Path
from types import ModuleType

from os_ken.base.app_manager import OSKenApp

from controllers import osken, ryu_alias
from testbed.errors import InputError, Problem

_log = logging.getLogger(__name__)

_PYTHON2 = ("call to 'print'", "multiple exception types", "leading zeros")
"""What Python 3 says of print, except and octal numbers of Python 2."""


def load(file: Path) -> str:
    """Import the file as a module of its own name; that name. InputError if it is no app, or cannot be imported.

    Modules beside it can be imported too, now and later.
    """
    name = file.stem
    if name in sys.modules:
        want = "a name that no module of Python or of the controller has"
        raise InputError(str(file), [Problem("file", f'the name "{name}"', want, "rename it")])
    sys.path.append(str(file.absolute().parent))
    with explained(file):
        module = _imported(name, file)
    if not _apps(module):
        want = "a class of app_manager.RyuApp (app_manager.OSKenApp in os-ken) that is defined in this file"
        raise InputError(str(file), [Problem("file", "no app", want)])
    return name


@contextmanager
def explained(file: Path) -> Iterator[None]:
    """Whatever fails in the body is the doing of the app in `file`: it becomes an InputError."""
    try:
        yield
    except (InputError, osken.StartError):
        raise
    except SyntaxError as error:
        got = f"{error.msg}: {error.text.strip()}" if error.text else error.msg
        python2 = any(sign in error.msg for sign in _PYTHON2)
        hint = "it seems to be in Python 2, as many an old app is: convert it" if python2 else ""
        problem = Problem(f"line {error.lineno}", got, "Python 3 code", hint)
        raise InputError(error.filename or str(file), [problem]) from error
    except OSError as error:
        if error.filename == str(file):
            raise InputError(str(file), [Problem("file", str(error.strerror), "a readable file")]) from error
        raise _failed(file, error) from error
    except ModuleNotFoundError as error:
        want = "a module that works here"
        raise _located(file, error, str(error), want, ryu_alias.remedy(error.name or "")) from error
    except ImportError as error:
        want = "a name that this module has"
        raise _located(file, error, str(error), want, "os-ken may have renamed it; see its source") from error
    except (Exception, SystemExit) as error:
        raise _failed(file, error) from error


def _imported(name: str, file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise InputError(str(file), [Problem("file", f'the name "{file.name}"', "a Python file", "call it FILE.py")])
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _apps(module: ModuleType) -> list[object]:
    return [found for _, found in getmembers(module, isclass) if issubclass(found, OSKenApp) and _own(found, module)]


def _own(found: type, module: ModuleType) -> bool:
    return found.__module__ == module.__name__


def _failed(file: Path, error: BaseException) -> InputError:
    _log.error("%s failed", file, exc_info=error)
    return _located(file, error, f"{type(error).__name__}: {error}", "an app that starts")


def _located(file: Path, error: BaseException, got: str, want: str, hint: str = "") -> InputError:
    """Where it went wrong in the user's own code: the file, or one beside it."""
    folder = file.absolute().parent
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).absolute().parent == folder]
    where = f"line {own[-1].lineno}" if own else "app"
    return InputError(own[-1].filename if own else str(file), [Problem(where, got, want, hint)])
