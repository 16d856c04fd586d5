"""What this machine can do, against a baseline measured in the same run: figures and ratios, never assertions.

figures.py  the values of a result, its table and JSON     boot.py  start and stop of topologies against stock Mininet
link.py     an emulated link against a plain veth pair: load.py sends and stamps UDP, tcp.py TCP, pairs.py is their lab
"""

from __future__ import annotations

from collections.abc import Callable

from testbed.bench.boot import bench_boot
from testbed.bench.figures import Bench, render
from testbed.bench.link import bench_link

__all__ = ["BENCHES", "Bench", "render"]

BENCHES: dict[str, Callable[[], Bench]] = {"boot": bench_boot, "link": bench_link}
"""What `bearerlab bench` can measure."""
