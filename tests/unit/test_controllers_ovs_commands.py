"""The command lines of a private Open vSwitch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from controllers import ovs

SWITCH = ovs.Switch(Path("/run/lab/cpe-edge"), 0x2A, ("agg1", "lan-edge"), "tcp:172.31.255.1:6653", "netdev")


def test_daemons_keep_to_their_own_directory() -> None:
    for argv in (ovs.create_database_argv(SWITCH), ovs.ovsdb_argv(SWITCH), ovs.vswitchd_argv(SWITCH)):
        assert all("/run/lab/cpe-edge" in word for word in argv if "/" in word and not word.startswith("/usr/share/"))
    assert set(ovs.environment(SWITCH).values()) == {"/run/lab/cpe-edge"}


def test_daemons_stay_in_the_foreground() -> None:
    assert "--detach" not in (*ovs.ovsdb_argv(SWITCH), *ovs.vswitchd_argv(SWITCH))


def test_a_bridge_is_configured_by_one_command() -> None:
    assert " ".join(ovs.configure_argv(SWITCH)) == (
        "ovs-vsctl --timeout=10 --db=unix:/run/lab/cpe-edge/db.sock -- add-br br0 "
        "-- set bridge br0 datapath_type=netdev other-config:datapath-id=000000000000002a "
        "protocols=OpenFlow13 fail-mode=secure "
        "-- add-port br0 agg1 -- set interface agg1 ofport_request=1 "
        "-- add-port br0 lan-edge -- set interface lan-edge ofport_request=2 "
        "-- set-controller br0 tcp:172.31.255.1:6653 -- set controller br0 connection-mode=out-of-band"
    )


def test_without_a_controller_the_bridge_learns_by_itself() -> None:
    argv = ovs.configure_argv(replace(SWITCH, controller=None))
    assert "fail-mode=standalone" in argv
    assert "set-controller" not in argv


def test_the_kernel_datapath_can_be_chosen() -> None:
    assert "datapath_type=system" in ovs.configure_argv(replace(SWITCH, datapath_type="system"))
