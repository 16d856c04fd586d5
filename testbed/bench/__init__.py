"""What this machine can do, against a baseline measured in the same run: figures and ratios, never assertions.

figures.py  the values of a result, its table and JSON     boot.py  start and stop of topologies against stock Mininet
link.py     an emulated link against a plain veth pair: load.py sends and stamps UDP, tcp.py TCP, pairs.py is their lab
pfcp.py     life cycles of PFCP sessions against our UPF; pfcp_client.py is who asks for them,
            pfcp_codec.py measures the codec against pycrate
sdwan.py    the overlay: sdwan_lab.py has its labs, sdwan_switchover.py cuts, sdwan_flows.py programs,
            sdwan_planning.py plans states of sdwan_states.py
srv6.py     SRv6 in the kernel and under its controller: srv6_line.py forwards, srv6_networks.py has whole networks
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from testbed.bench.boot import bench_boot
from testbed.bench.figures import Bench, render
from testbed.bench.link import bench_link
from testbed.bench.pfcp import bench_pfcp
from testbed.bench.srv6 import bench_srv6


def bench_sdwan() -> Bench:
    """Measure the overlay. It is loaded when it is wanted: its solver says its name and licence then."""
    measure: Callable[[], Bench] = import_module("testbed.bench.sdwan").bench_sdwan
    return measure()


__all__ = ["BENCHES", "Bench", "render"]

BENCHES: dict[str, Callable[[], Bench]] = {
    "boot": bench_boot,
    "link": bench_link,
    "pfcp": bench_pfcp,
    "sdwan": bench_sdwan,
    "srv6": bench_srv6,
}
"""What `bearerlab bench` can measure."""
