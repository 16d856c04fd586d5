"""The SRv6 controller's process over four routers in a square: r1 to r3 by r2, or by r4 with less delay."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from controllers.srv6.fib import RouterState
from controllers.srv6.network import FlowMatch, Steering
from controllers.srv6.tilfa import Protection
from testbed import netns
from tests.support.launcher import Launcher
from tests.support.polling import PATIENCE_S, eventually
from tests.support.srv6_flow import flow
from tests.support.srv6_rig import SQUARE, Rig, srv6_rig

pytestmark = pytest.mark.netns

ROUTERS = ("r1", "r2", "r3", "r4")
H2 = ("10.2.0.2", "fd02:2::2")
BY_DELAY = {"headend": "r1", "color": 5, "endpoint": "r3", "dynamic": {"metric": "delay"}}


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with srv6_rig(tmp_path, SQUARE, {"h1": "r1", "h2": "r3"}, fast_reroute=Protection.LINK) as rig:
        yield rig


@pytest.fixture
def controller(rig: Rig) -> Iterator[Launcher]:
    with rig.controller() as launcher:
        yield launcher


def ping(rig: Rig, address: str, *options: str) -> None:
    rig.run("h1", "ping", "-q", "-c", "3", "-i", "0.05", "-w", "5", *options, address)


def kernels(rig: Rig) -> dict[str, RouterState]:
    return {router: rig.routes(router) for router in ROUTERS}


def by(rig: Rig, address: str, *options: str) -> str:
    """The router, r2 or r4, by which pings of h1 to `address` come to r3."""
    before = _came(rig)
    ping(rig, address, "-s", "1200", *options)
    grown = {router: count - before[router] for router, count in _came(rig).items()}
    assert min(grown.values()) < 1200 < 3 * 1200 <= max(grown.values()), grown
    return max(grown, key=lambda router: grown[router])


@pytest.mark.parametrize("address", H2)
def test_a_tenants_sites_reach_each_other(rig: Rig, controller: Launcher, address: str) -> None:
    ping(rig, address)
    # Full size, and not in fragments.
    ping(rig, address, "-M", "do", "-s", str(1500 - (48 if ":" in address else 28)))
    _transfer(rig, address, 2_000_000)
    service = "End.DT6 blue" if ":" in address else "End.DX4 blue 10.2.0.2"
    assert rig.received("r3")[service] >= 6
    assert rig.received("r1")["End"] == 0


def test_what_routers_have_is_what_the_core_wants(rig: Rig, controller: Launcher) -> None:
    before = kernels(rig)
    assert all(state.routes for state in before.values())
    assert {rule.iif for rule in before["r1"].rules if rule.iif} == {"h1"}
    assert not before["r2"].rules
    # A second one finds everything there and touches nothing.
    controller.kill()
    with _changes(rig, "r1") as changed, rig.controller():
        assert kernels(rig) == before
    assert changed() == ""


@pytest.mark.parametrize("address", H2)
def test_a_cut_link_is_repaired_and_switched_back(rig: Rig, controller: Launcher, address: str) -> None:
    before = kernels(rig)
    with flow(rig, "h1", "h2", address) as running:
        assert by(rig, address) == "r2"
        rig.set_link("r2", "r3", "down")
        assert controller.expect("adjacency_down")["router"] in ("r2", "r3")
        controller.expect("converged")
        assert by(rig, address) == "r4"
        start = running.sent
        rig.set_link("r2", "r3", "up")
        controller.expect("converged")
        assert by(rig, address) == "r2"
        # Good news costs nothing.
        assert running.lost(start) == []
    assert kernels(rig) == before


def test_the_controller_is_killed_and_nobody_notices(rig: Rig, controller: Launcher) -> None:
    assert rig.request("POST", "/policies", BY_DELAY)[0] == 201
    before = kernels(rig)
    with flow(rig, "h1", "h2", H2[0]) as running, _changes(rig, "r1") as changed:
        controller.kill()
        running.more()
        with rig.controller() as again:
            running.more()
            assert [each["color"] for each in rig.request("GET", "/policies")[1]["policies"]] == [5]
            assert again.stop() == 0
        assert running.lost() == []
    assert kernels(rig) == before
    assert changed() == ""
    assert not rig.socket.exists()


def test_what_happened_while_there_was_no_controller_is_made_up_for(rig: Rig, controller: Launcher) -> None:
    controller.kill()
    rig.set_link("r2", "r3", "down")
    rig.run("r4", "ip", "-6", "route", "flush", "proto", "66")
    with rig.controller():
        assert by(rig, H2[0]) == "r4"
        states = {(each["source"], each["target"]): each["state"] for each in _links(rig)}
        assert [states["r2", "r3"], states["r3", "r2"], states["r1", "r2"]] == ["down", "down", "up"]


def test_a_router_disappears(rig: Rig, controller: Launcher) -> None:
    with flow(rig, "h1", "h2", H2[1]) as running:
        netns.delete(rig.namespaces["r2"])
        assert controller.expect("router_down")["router"] == "r2"
        controller.expect("converged")
        assert by(rig, H2[1]) == "r4"
        running.more()
    states = {each["name"]: each["state"] for each in rig.request("GET", "/topology")[1]["routers"]}
    assert states == {"r1": "up", "r2": "down", "r3": "up", "r4": "up"}
    assert rig.request("GET", "/counters")[0] == 200


def test_an_attachment_that_comes_back_has_its_routes_again(rig: Rig, controller: Launcher) -> None:
    before = kernels(rig)
    rig.run("r1", "ip", "link", "set", "h1", "down")
    assert rig.routes("r1") != before["r1"]
    rig.run("r1", "ip", "link", "set", "h1", "up")
    eventually(lambda: kernels(rig), lambda now: now == before)
    ping(rig, H2[0])


def test_a_policy_that_is_added_moves_the_packets(tmp_path: Path) -> None:
    with srv6_rig(tmp_path, SQUARE, {"h1": "r1", "h2": "r3"}) as rig:
        (blue,) = rig.network.tenants
        expedited = Steering(FlowMatch(dscp=46), color=5)
        network = replace(rig.network, tenants=(replace(blue, color=6, steering=(expedited,)),))
        with rig.controller(network):
            assert [by(rig, address) for address in H2] == ["r2", "r2"]
            assert rig.request("POST", "/policies", {**BY_DELAY, "color": 6})[0] == 201
            assert [by(rig, address) for address in H2] == ["r4", "r4"]
            assert rig.received("r4")["End.X r3"] >= 6
            assert rig.request("DELETE", "/policies/r1/6/r3")[0] == 204
            assert [by(rig, address) for address in H2] == ["r2", "r2"]
            # By what the flow is, not by where it goes.
            assert rig.request("POST", "/policies", BY_DELAY)[0] == 201
            assert [by(rig, address, "-Q", "0xb8") for address in H2] == ["r4", "r4"]
            assert [by(rig, address) for address in H2] == ["r2", "r2"]


def _came(rig: Rig) -> dict[str, int]:
    """Neighbour → bytes that r3 has received from there."""
    lines = [line.split() for line in rig.run("r3", "cat", "/proc/net/dev").splitlines()]
    there = {line[0].rstrip(":"): int(line[1]) for line in lines if line[0] in ("r2:", "r4:")}
    return {"r2": 0, "r4": 0} | there


def _links(rig: Rig) -> list[dict[str, str]]:
    links: list[dict[str, str]] = rig.request("GET", "/topology")[1]["links"]
    return links


@contextmanager
def _changes(rig: Rig, router: str) -> Iterator[Callable[[], str]]:
    """What is said of routes and rules in `router` from now on; to be asked for once it is over."""
    file = rig.directory / "changes"
    with file.open("w") as out:
        process = rig.popen(router, "ip", "-6", "monitor", "route", "rule", stdout=out)
        try:
            # It listens once it tells of a route of ours.
            while not file.read_text():
                rig.run(router, "ip", "-6", "route", "replace", "fd99::/64", "dev", "lo")
                rig.run(router, "ip", "-6", "route", "del", "fd99::/64", "dev", "lo")
            yield lambda: "".join(line for line in file.read_text().splitlines(keepends=True) if "fd99::" not in line)
        finally:
            process.terminate()
            process.wait()


def _transfer(rig: Rig, address: str, size: int) -> None:
    """Send `size` bytes by TCP from h1 to h2."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with netns.entered(rig.namespaces["h2"]):
        listener = socket.socket(family)
    with netns.entered(rig.namespaces["h1"]):
        client = socket.socket(family)
    with listener, client:
        listener.bind((address, 7002))
        listener.listen()
        client.settimeout(PATIENCE_S)
        client.connect((address, 7002))
        server, _ = listener.accept()
        sending = threading.Thread(target=client.sendall, args=(bytes(size),))
        sending.start()
        with server:
            server.settimeout(PATIENCE_S)
            left = size
            while left:
                left -= len(server.recv(left))
        sending.join()
