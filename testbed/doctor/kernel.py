"""Probes of the kernel: each makes the thing in a namespace of its own; a list of modules says less."""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path

from testbed import netns
from testbed.doctor.capability import AbsentError
from testbed.doctor.programs import run
from testbed.links.engine import netem_refusal

_TUNSETIFF = 0x4004_54CA
_IFF_TUN_NO_PI = 0x1001
_ETH_P_ALL = 3
_BPF_PROG_TYPE_SCHED_CLS = 3
_RETURN_ZERO = struct.pack("<BBhi", 0xB7, 0, 0, 0) + struct.pack("<BBhi", 0x95, 0, 0, 0)

# The dialect that UPF and counters need: a match on raw bytes behind a known header (here: a GTP-U G-PDU).
_RULESET = """
table inet probe {
  chain input {
    type filter hook input priority 0
    udp dport 2152 @th,72,8 0xff counter accept
  }
}
"""

_VRF_STRICT = Path("/proc/sys/net/vrf/strict_mode")
_DEVICE = "link add bl-probe type veth peer name bl-peer\nlink set bl-probe up\n"


def namespace() -> str:
    """A network namespace can be made and entered."""
    with netns.anonymous():
        return "works"


def link(kind: str, options: str = "") -> Callable[[], str]:
    """A probe that makes a device of this kind."""

    def probe() -> str:
        with netns.anonymous():
            run(("ip", "link", "add", f"bl-{kind[:10]}", "type", kind, *options.split()))
        return "works"

    return probe


def qdisc(kind: str, options: str = "") -> Callable[[], str]:
    """A probe that puts a qdisc of this kind on a device."""

    def probe() -> str:
        with netns.anonymous():
            run(("tc", "qdisc", "replace", "dev", "lo", "root", kind, *options.split()))
        return "works"

    return probe


def route(encap: str) -> Callable[[], str]:
    """A probe that installs an IPv6 route with this `encap`."""

    def probe() -> str:
        with netns.anonymous():
            _install(encap)
        return "works"

    return probe


def vrf_route(encap: str, table: int) -> Callable[[], str]:
    """As `route`, with a VRF over the table, which has to be the only one (RFC 8986 §4.7 wants one table for a SID)."""

    def probe() -> str:
        with netns.anonymous():
            run(("ip", "link", "add", "bl-vrf", "up", "type", "vrf", "table", str(table)))
            _VRF_STRICT.write_text("1")
            _install(encap)
        return "works"

    return probe


def _install(encap: str) -> None:
    commands = f"{_DEVICE}route add fc00:0:1::/48 encap {encap} dev bl-probe\n"
    run(("ip", "-6", "-batch", "-"), stdin=commands)


def netem() -> str:
    """Everything that the netem engine asks of the kernel works."""
    if refusal := netem_refusal():
        raise AbsentError(refusal)
    return "works"


def tun() -> str:
    """A TUN device can be opened."""
    with netns.anonymous():
        descriptor = os.open("/dev/net/tun", os.O_RDWR)
        try:
            fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", b"bl-tun", _IFF_TUN_NO_PI))
        finally:
            os.close(descriptor)
    return "works"


def af_packet() -> str:
    """A raw packet socket can be opened."""
    with netns.anonymous(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL)):
        return "works"


def nftables() -> str:
    """A rule set with a raw payload match can be loaded."""
    with netns.anonymous():
        run(("nft", "-f", "-"), stdin=_RULESET)
    return "works"


def tc_bpf() -> str:
    """A tc program (two instructions: return 0) passes libbpf and the kernel's verifier."""
    try:
        libbpf = ctypes.CDLL("libbpf.so.1", use_errno=True)
    except OSError:
        raise AbsentError("no libbpf.so.1") from None
    program = (_BPF_PROG_TYPE_SCHED_CLS, b"bl_probe", b"GPL", _RETURN_ZERO, ctypes.c_size_t(2), None)
    descriptor = libbpf.bpf_prog_load(*program)
    if descriptor < 0:
        raise OSError(-descriptor, os.strerror(-descriptor))
    os.close(descriptor)
    return "works"


def ovs_datapath() -> str:
    """The kernel has Open vSwitch's datapath."""
    with netns.anonymous():
        run(("ovs-dpctl", "add-dp", "bl-ovs"))
    return "works"


def sched_fifo() -> str:
    """A thread may become a real-time one; this one is, for a moment."""
    before, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    os.sched_setscheduler(0, before, parameters)
    return "permitted"
