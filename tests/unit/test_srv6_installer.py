"""The installer's thread over kernels in memory: what it is told while it works is not lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from ipaddress import ip_network

import pytest

from controllers.kernel import install
from controllers.kernel.commands import Command, CommandError, Done
from controllers.kernel.install import Installer, Report, RouteRefused
from controllers.srv6.fib import FibRoute, RouterState
from tests.support.polling import PATIENCE_S, eventually

NAMESPACES = {"a": "ns-a", "b": "ns-b"}


def state(metric: int) -> RouterState:
    route = FibRoute(ip_network("fd00::/64"), metric=metric)
    return RouterState({route.key: route})


class Kernels:
    """Take all lines; `meanwhile` happens once, while they are read or written."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reads = 0
        self.written: list[str] = []
        self.meanwhile: Callable[[], None] = lambda: None
        self.errors: dict[str, CommandError] = {}
        monkeypatch.setattr(install, "read_routers", self._read)
        monkeypatch.setattr(install, "run", self._run)

    def _read(self, routers: Mapping[str, str]) -> dict[str, RouterState | CommandError]:
        if not routers:
            return {}
        self.reads += 1
        self._happen()
        return dict.fromkeys(routers, RouterState()) | self.errors

    def _run(self, commands: Iterable[Command]) -> list[Done]:
        done = [Done(command, 0) for command in commands]
        self.written += [each.command.text for each in done]
        self._happen()
        return done

    def _happen(self) -> None:
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()


@pytest.fixture
def kernels(monkeypatch: pytest.MonkeyPatch) -> Kernels:
    return Kernels(monkeypatch)


def test_what_a_router_has_is_remembered(kernels: Kernels) -> None:
    installer = Installer(NAMESPACES, lambda _: None)
    for metric in (1, 2):
        installer.submit([{"a": state(metric)}]).result(PATIENCE_S)
    assert kernels.reads == 1
    assert ["metric 1" in text for text in kernels.written] == [True, True], "the first is taken away again"


def test_doubts_that_come_up_while_it_is_read_are_looked_into(kernels: Kernels) -> None:
    installer = Installer(NAMESPACES, lambda _: None)
    kernels.meanwhile = lambda: installer.reread("a")
    installer.submit([{"a": state(1)}]).result(PATIENCE_S)
    eventually(lambda: kernels.reads, lambda reads: reads == 2)
    eventually(lambda: len(kernels.written), lambda written: written == 2)
    assert kernels.written[0] == kernels.written[1], "what the kernel has lost is put back, and nothing older"


def test_what_is_put_back_is_the_newest(kernels: Kernels) -> None:
    installer = Installer(NAMESPACES, lambda _: None)
    installer.submit([{"a": state(1)}]).result(PATIENCE_S)
    kernels.meanwhile = lambda: installer.reread("a")
    installer.submit([{"a": state(2)}]).result(PATIENCE_S)
    eventually(lambda: len(kernels.written), lambda written: written == 3)
    assert "metric 2" in kernels.written[2] and "metric 1" not in kernels.written[2]


def test_a_router_that_cannot_be_read_keeps_no_other_from_its_routes(kernels: Kernels) -> None:
    reports: list[Report] = []
    kernels.errors = {"a": CommandError("ns-a: ip route: exit code 2")}
    installer = Installer(NAMESPACES, reports.append)
    installer.submit([{"a": state(1), "b": state(1)}]).result(PATIENCE_S)
    assert reports == [RouteRefused("a", "reading its routes back", "ns-a: ip route: exit code 2")]
    assert len(kernels.written) == 1, "those of b"
