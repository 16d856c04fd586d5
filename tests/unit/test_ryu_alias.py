"""`ryu` as another name of os-ken, and files of users that are no apps: what is said of each."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import os_ken.base.app_manager
import os_ken.exception
import os_ken.lib.packet.ethernet
import pytest
from os_ken.lib import hub

from controllers import appfile, ryu_alias
from testbed.errors import InputError


@pytest.fixture
def required() -> Iterator[list[str]]:
    with ryu_alias.alias() as names:
        yield names


@pytest.fixture(autouse=True)
def modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Apps that a test loads do not last."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if not name.startswith("os_ken"):
            del sys.modules[name]


def test_it_is_the_same_modules_however_they_are_imported(required: list[str]) -> None:
    for name in ("base.app_manager", "controller.handler", "lib.packet.ethernet", "ofproto.ofproto_v1_3"):
        mine, theirs = importlib.import_module(f"ryu.{name}"), importlib.import_module(f"os_ken.{name}")
        assert mine is theirs
        assert mine.__name__ == f"os_ken.{name}"
        assert mine.__spec__ is not None
        assert mine.__spec__.name == f"os_ken.{name}"
    scope: dict[str, object] = {}
    exec("from ryu.lib.packet import ethernet\nimport ryu.lib.packet.arp\nimport ryu.cfg as cfg", scope)
    assert scope["ethernet"] is os_ken.lib.packet.ethernet
    assert scope["ryu"] is os_ken


def test_it_has_the_names_of_ryu(required: list[str]) -> None:
    assert importlib.import_module("ryu.base.app_manager").RyuApp is os_ken.base.app_manager.OSKenApp
    assert importlib.import_module("ryu.exception").RyuException is os_ken.exception.OSKenException


def test_without_it_there_is_no_ryu() -> None:
    before = (list(sys.meta_path), hub.Event, os_ken.base.app_manager.require_app)
    with ryu_alias.alias():
        importlib.import_module("ryu.lib.packet.arp")
    assert (sys.meta_path, hub.Event, os_ken.base.app_manager.require_app) == before
    assert not hasattr(os_ken.base.app_manager, "RyuApp")
    assert not [name for name in sys.modules if name.startswith("ryu")]
    with pytest.raises(ModuleNotFoundError, match="No module named 'ryu'"):
        importlib.import_module("ryu")


def test_a_wait_of_the_hub_times_out(required: list[str]) -> None:
    assert importlib.import_module("ryu.lib.hub").Event().wait(timeout=0.001) is False
    assert hub.getcurrent() is threading.current_thread()


def test_what_an_import_requires_is_told(required: list[str], tmp_path: Path) -> None:
    loaded(tmp_path, "from ryu.base import app_manager\napp_manager.require_app('ryu.app.ofctl.service')\n" + APP)
    assert required == ["os_ken.app.ofctl.service"]


APP = "from ryu.base import app_manager\nclass Mine(app_manager.RyuApp):\n    pass\n"


def loaded(folder: Path, text: str, name: str = "mine.py") -> str:
    (folder / name).write_text(text)
    return appfile.load(folder / name)


def test_an_app_and_its_helper_are_loaded(required: list[str], tmp_path: Path) -> None:
    (tmp_path / "helper_beside.py").write_text("from ryu.ofproto import ofproto_v1_3 as ofp\n")
    assert loaded(tmp_path, f"import helper_beside\n{APP}", "my-app.py") == "my-app"
    assert sys.modules["my-app"].helper_beside.ofp.OFP_VERSION == 4


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def x(:\n    pass\n", "mine.py: line 1: got invalid syntax: def x\\(:; want Python 3 code"),
        ("\nprint 'hello'\n", "line 2: got Missing parentheses .* want Python 3 code .it seems to be in Python 2"),
        ("import no_such_thing\n", "line 1: got No module named 'no_such_thing'; .* -m pip install`, or put it beside"),
        ("from ryu.app.wsgi import ControllerBase\n", "'ryu.app.wsgi'; .*os-ken has no REST server: serve from a"),
        ("from ryu.app import wsgi\n", "line 1: got No module named 'ryu.app.wsgi'; .*os-ken has no REST server"),
        ("from ryu.app import simple_switch_13\n", "'ryu.app.simple_switch_13'; .* put a copy of that one beside"),
        ("from ryu.cmd import manager\n", "No module named 'ryu.cmd'; .*`bearerlab controller FILE.py` is what"),
        ("import ryu.nothing.at_all\n", "No module named 'ryu.nothing'; .*os-ken, which stands in for Ryu"),
        ("import eventlet\n", "eventlet does not work here; .* use ryu.lib.hub"),
        ("from ryu.base.app_manager import Nothing\n", "cannot import name 'Nothing' from 'os_ken.base.app_manager'"),
        ("\n\n1 / 0\n", "mine.py: line 3: got ZeroDivisionError: division by zero; want an app that starts"),
        ("import sys\nsys.exit(3)\n", "mine.py: line 2: got SystemExit: 3; want an app that starts"),
        ("x = 1\n", r"mine.py: file: got no app; want a class of app_manager.RyuApp"),
        ("from os_ken.base.app_manager import OSKenApp as Base\n", "mine.py: file: got no app"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(required: list[str], tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        loaded(tmp_path, text)


def test_an_error_in_the_helper_is_said_of_the_helper(required: list[str], tmp_path: Path) -> None:
    (tmp_path / "helper_wrong.py").write_text("\nnowhere\n")
    with pytest.raises(InputError, match=r"helper_wrong\.py: line 2: got NameError: name 'nowhere'"):
        loaded(tmp_path, f"import helper_wrong\n{APP}")


def test_a_file_that_is_not_there(required: list[str], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"mine\.py: file: got No such file or directory; want a readable file"):
        appfile.load(tmp_path / "mine.py")


def test_a_file_that_is_no_python(required: list[str], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r'got the name "mine.txt"; want a Python file .call it FILE\.py'):
        loaded(tmp_path, APP, "mine.txt")


def test_a_file_called_as_a_module(required: list[str], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r'file: got the name "socket"; want a name that no module .*rename it'):
        loaded(tmp_path, APP, "socket.py")


def test_a_name_that_the_user_tries_may_be_missing(required: list[str], tmp_path: Path) -> None:
    text = "try:\n    from ryu.app.wsgi import route\nexcept ImportError:\n    route = None\n"
    assert loaded(tmp_path, text + APP) == "mine"
