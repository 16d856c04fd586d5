"""The doctor on this kernel: what it finds is what doing the same by hand finds, and each probe leaves nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from testbed import doctor, netns
from testbed.doctor.table import CHECKS

pytestmark = pytest.mark.netns


BRIDGE = "ip link add br0 up type bridge"


def left_behind() -> tuple[object, ...]:
    """Everything of ours that a probe could leave on the host."""
    links = subprocess.run(("ip", "-br", "link"), capture_output=True, text=True, check=True).stdout
    return (
        [path.name for path in netns.NETNS_DIR.iterdir() if path.name.startswith(f"bl-doctor-{os.getpid()}-")],
        [line for line in links.splitlines() if line.startswith("bl-")],
        len(list(Path("/proc/self/fd").iterdir())),
        Path("/proc/thread-self/ns/net").readlink(),
        os.sched_getscheduler(0),
        threading.active_count(),
    )


@pytest.mark.parametrize("name", CHECKS)
def test_each_probe_leaves_nothing(name: str) -> None:
    before = left_behind()
    (capability,) = doctor.probe([name])
    assert capability.name == name
    assert capability.detail
    assert left_behind() == before


def test_all_probes_in_one_namespace_do_not_disturb_each_other() -> None:
    before = left_behind()
    together = {capability.name: capability.present for capability in doctor.probe_all()}
    assert left_behind() == before
    assert together == {name: doctor.present(name) for name in CHECKS}


@pytest.mark.parametrize(
    ("name", "by_hand"),
    [
        ("netem", "tc qdisc add dev lo root netem delay 1ms"),
        ("vrf", "ip link add v type vrf table 1"),
        ("wireguard", "ip link add w type wireguard"),
        ("gtp", "ip link add g type gtp role sgsn"),
        ("ifb", "ip link add i type ifb"),
        ("htb", "tc qdisc add dev lo root htb"),
        ("srv6-encap", f"{BRIDGE} && ip -6 route add fc00::/64 encap seg6 mode encap segs fc00::1 dev br0"),
        ("srv6-end", f"{BRIDGE} && ip -6 route add fc00::/64 encap seg6local action End dev br0"),
        ("tun", "ip tuntap add t mode tun"),
        ("nftables", "nft add table inet t"),
        ("ovs-kernel", "ovs-dpctl add-dp d"),
    ],
)
def test_a_finding_is_what_doing_it_by_hand_shows(name: str, by_hand: str) -> None:
    namespace = f"blt-doctor-{os.getpid()}"
    netns.create(namespace)
    try:
        with netns.entered(namespace):
            done = subprocess.run(("sh", "-c", by_hand), capture_output=True, check=False)
    finally:
        netns.delete(namespace)
    assert doctor.present(name) == (done.returncode == 0)


def test_what_this_project_cannot_do_without_is_here() -> None:
    assert doctor.missing_required(doctor.probe_all()) == ()


def test_without_root_what_needs_it_says_so() -> None:
    script = """
import os
from testbed import doctor
os.setresuid(65534, 65534, 65534)
for found in doctor.probe(["root", "netns", "netem", "tun", "af-packet", "nftables", "sched-fifo", "python"]):
    print(found.name, found.present, found.detail, sep="|")
"""
    done = subprocess.run((sys.executable, "-c", script), capture_output=True, text=True, check=True)
    said = {name: (present, detail) for name, present, detail in (line.split("|") for line in done.stdout.splitlines())}
    assert said.pop("root") == ("False", "running as user 65534")
    assert said.pop("python")[0] == "True"
    assert set(said.values()) == {("False", "needs root to be tried")}
