"""The choice of a link engine, and what its errors say."""

from __future__ import annotations

import pytest

from testbed.errors import HostError
from testbed.links import engine
from testbed.links.engine import LinkEngineError, choose


@pytest.mark.parametrize(("available", "chosen"), [(True, "netem"), (False, "wire")])
def test_auto_takes_netem_where_it_works(monkeypatch: pytest.MonkeyPatch, available: bool, chosen: str) -> None:
    monkeypatch.setattr(engine, "netem_available", lambda: available)
    assert choose("auto") == chosen


def test_wire_is_taken_without_probing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(engine, "netem_available")
    assert choose("wire") == "wire"


def test_netem_where_it_is_missing_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "netem_available", lambda: False)
    with pytest.raises(
        HostError, match=r'netem: this kernel cannot .*; load the sch_netem, .* or set .* to "wire"'
    ) as e:
        choose("netem")
    assert e.value.exit_code == 3


def test_netem_where_it_works_is_netem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "netem_available", lambda: True)
    assert choose("netem") == "netem"


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(ValueError, match=r'got link engine "tcp"; want "auto", "netem" or "wire"'):
        choose("tcp")


def test_errors_say_which_link_and_why() -> None:
    assert str(LinkEngineError("core", "no interface wA")) == "link core: no interface wA"
    assert str(LinkEngineError("", "gone")) == "link engine: gone"
