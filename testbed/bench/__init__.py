"""What this machine can do, against a baseline measured in the same run: figures and ratios, never assertions.

figures.py  the values of a result, its table and JSON     boot.py  start and stop of topologies against stock Mininet
"""

from __future__ import annotations

from collections.abc import Callable

from testbed.bench.boot import bench_boot
from testbed.bench.figures import Bench, render

__all__ = ["BENCHES", "Bench", "render"]

BENCHES: dict[str, Callable[[], Bench]] = {"boot": bench_boot}
"""What `bearerlab bench` can measure."""
