"""A CPE with an Open vSwitch of its own under the real controller, between two hosts that ping."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from controllers import ovs
from controllers.learning import DESTINATIONS, SOURCES
from testbed import doctor, netns
from tests.support.cpe_rig import MANAGEMENT, CpeRig, Daemons, cpe_rig
from tests.support.launcher import Launcher
from tests.support.polling import eventually

pytestmark = [pytest.mark.netns, pytest.mark.ovs]

LISTEN = f"{MANAGEMENT}:6653"


@pytest.fixture(params=["system", "netdev"])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[CpeRig]:
    if request.param == "system" and not doctor.present("ovs-kernel"):
        pytest.skip("openvswitch: this kernel does not have the module")
    with cpe_rig(f"blt-ctl-{os.getpid()}", tmp_path / "ovs", request.param) as made:
        yield made


@pytest.fixture
def daemons(rig: CpeRig) -> Iterator[Daemons]:
    made = Daemons(rig.namespaces[2])
    yield made
    assert made.all_ended


@pytest.fixture
def controller(rig: CpeRig) -> Iterator[Launcher]:
    launcher = launch(rig)
    yield launcher
    if launcher.process.returncode is None:
        assert launcher.stop() == 0


@pytest.fixture
def switch(rig: CpeRig, daemons: Daemons, controller: Launcher) -> Iterator[ovs.Switch]:
    with ovs.private_ovs(rig.switch(f"tcp:{LISTEN}"), daemons.spawn) as running:
        assert controller.expect("switch_up")["dpid"] == running.datapath_id
        yield running
    assert not running.directory.exists()


def launch(rig: CpeRig) -> Launcher:
    with netns.entered(rig.namespaces[0]):
        launcher = Launcher("--listen", LISTEN, "--app", "learning_switch")
    launcher.expect("ready")
    return launcher


def packets(switch: ovs.Switch, table: int, match: str) -> int:
    """Packets that the flow has counted, -1 if there is no such flow."""
    argv = ("ovs-ofctl", "-O", "OpenFlow13", "dump-flows", switch.openflow, f"table={table}")
    flows = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    counts = [re.search(r"n_packets=(\d+)", line) for line in flows.splitlines() if match in line]
    return int(counts[0][1]) if counts and counts[0] else -1


def await_packets(switch: ovs.Switch, table: int, match: str, at_least: int) -> None:
    eventually(lambda: packets(switch, table, match), lambda count: count >= at_least)


def address_of(namespace: str) -> str:
    argv = ("ip", "-n", namespace, "-o", "link", "show", "cpe")
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split("link/ether ")[1].split()[0]


def test_hosts_ping_through_flows_and_not_through_the_controller(rig: CpeRig, switch: ovs.Switch) -> None:
    eventually(rig.ping, bool)
    h1, h2 = (address_of(rig.namespaces[node]) for node in (1, 3))
    for host in (h1, h2):
        await_packets(switch, SOURCES, f"dl_src={host}", at_least=0)
    to_controller = packets(switch, SOURCES, "CONTROLLER")
    before = {host: packets(switch, DESTINATIONS, f"dl_dst={host}") for host in (h1, h2)}
    assert rig.ping(count=20)
    for host, count in before.items():
        await_packets(switch, DESTINATIONS, f"dl_dst={host}", at_least=count + 20)
    assert packets(switch, SOURCES, "CONTROLLER") == to_controller


def test_flows_forward_without_the_controller_and_its_successor_is_found(
    rig: CpeRig, switch: ovs.Switch, controller: Launcher
) -> None:
    eventually(rig.ping, bool)
    controller.kill()
    assert rig.ping(count=5)
    successor = launch(rig)
    try:
        assert successor.expect("switch_up")["dpid"] == switch.datapath_id
        assert rig.ping(count=5)
    finally:
        assert successor.stop() == 0


def test_a_switch_that_goes_is_reported(rig: CpeRig, daemons: Daemons, controller: Launcher) -> None:
    with ovs.private_ovs(rig.switch(f"tcp:{LISTEN}"), daemons.spawn):
        controller.expect("switch_up")
    assert controller.expect("switch_down")["dpid"] == 0x2A


def test_without_a_controller_the_switch_learns_by_itself(rig: CpeRig, daemons: Daemons) -> None:
    with ovs.private_ovs(rig.switch(None), daemons.spawn):
        eventually(rig.ping, bool)


def test_until_a_controller_is_there_nothing_is_forwarded(rig: CpeRig, daemons: Daemons) -> None:
    with ovs.private_ovs(rig.switch(f"tcp:{LISTEN}"), daemons.spawn):
        assert not rig.ping()


def test_two_switches_do_not_see_each_other(rig: CpeRig, daemons: Daemons, tmp_path: Path) -> None:
    with cpe_rig(f"blt-ctl2-{os.getpid()}", tmp_path / "ovs2", rig.datapath_type) as other:
        others = Daemons(other.namespaces[2])
        with ovs.private_ovs(rig.switch(None), daemons.spawn) as first:
            with ovs.private_ovs(other.switch(None), others.spawn) as second:
                eventually(other.ping, bool)
                for switch in (first, second):
                    show = ("ovs-vsctl", f"--db={switch.database}", "list-ports", "br0")
                    assert subprocess.run(show, capture_output=True, text=True, check=True).stdout == "h1\nh2\n"
            assert others.all_ended
            eventually(rig.ping, bool)


def test_nothing_is_left(rig: CpeRig, daemons: Daemons) -> None:
    def interfaces() -> str:
        argv = ("ip", "-n", rig.namespaces[2], "-br", "link")
        listing = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        return " ".join(sorted(line.split()[0] for line in listing.splitlines()))

    before = interfaces()
    with ovs.private_ovs(rig.switch(None), daemons.spawn) as running:
        assert "br0" in interfaces()
    assert interfaces() == before
    assert len(daemons.started) == 2
    assert daemons.all_ended
    assert not running.directory.exists()


def test_an_interface_that_is_not_there_is_named_and_nothing_is_left(rig: CpeRig, daemons: Daemons) -> None:
    wrong = replace(rig.switch(None), interfaces=("h1", "nowhere"))
    missing = pytest.raises(ovs.OvsError, match=r"not attached to br0: nowhere: .*No such device")
    with missing, ovs.private_ovs(wrong, daemons.spawn):
        pass
    assert not wrong.directory.exists()


def test_a_daemon_that_does_not_start_is_named(rig: CpeRig, daemons: Daemons) -> None:
    def broken(name: str, _argv: Sequence[str], env: Mapping[str, str]) -> subprocess.Popen[bytes]:
        return daemons.spawn(name, ("false",), env)

    with pytest.raises(ovs.OvsError, match="ovsdb-server ended with 1"), ovs.private_ovs(rig.switch(None), broken):
        pass
