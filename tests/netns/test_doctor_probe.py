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
from testbed.links.engine import netem_available

pytestmark = pytest.mark.netns


BRIDGE = "ip link add br0 up type bridge"
REST_OF_NETEM = """
ip link add i type ifb && tc qdisc add dev i root tbf rate 1mbit burst 1500 latency 1ms && tc qdisc add dev lo clsact &&
tc filter add dev lo egress u32 match u32 0 0 action mirred egress redirect dev i
"""


def left_behind() -> tuple[object, ...]:
    """Everything of ours that a probe could leave on the host."""
    links = subprocess.run(("ip", "-br", "link"), capture_output=True, text=True, check=True).stdout
    return (
        [path.name for path in netns.NETNS_DIR.iterdir() if path.name.startswith("bl-doctor-")],
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


def test_no_probe_makes_a_namespace_with_a_name_that_a_crash_could_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(netns, "create")
    found = {capability.name: capability for capability in doctor.probe_all()}
    assert found["netns"].present
    assert found["netem"].present == netem_available()


def test_all_probes_together_find_what_each_finds_alone() -> None:
    before = left_behind()
    together = {capability.name: capability.present for capability in doctor.probe_all()}
    assert left_behind() == before
    assert together == {name: doctor.present(name) for name in CHECKS}


@pytest.mark.parametrize(
    ("name", "by_hand"),
    [
        ("netem", f"tc qdisc add dev lo root netem delay 1ms && {REST_OF_NETEM}"),
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
