"""Where a result comes from: the commit, the kernel, the versions, the host."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

_PACKAGES = ("bearerlab", "os-ken", "pycrate", "pyroute2", "scapy", "topohub")


def provenance(*, engine: str, seed: int, scenario_file: Path) -> dict[str, Any]:
    """What a reader needs to repeat the run."""
    return {
        "commit": _git("rev-parse", "HEAD"),
        "modified": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "scenario_file": str(scenario_file),
        "seed": seed,
        "engine": engine,
        "command": sys.argv,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "versions": {package: version(package) for package in _PACKAGES},
    }


def cpu_times() -> dict[str, int]:
    """Clock ticks since boot by kind, all processors together (/proc/stat); `steal` is what the hypervisor took."""
    fields = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:]
    names = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
    return dict(zip(names, map(int, fields), strict=False))


def shares(before: dict[str, int], after: dict[str, int]) -> dict[str, float]:
    """How the processors' time between two readings was spent, as shares of 1: `busy`, `steal`."""
    spent = {name: after[name] - before[name] for name in before}
    total = max(1, sum(spent.values()))
    idle = spent["idle"] + spent["iowait"]
    return {"busy": round(1 - (idle + spent["steal"]) / total, 4), "steal": round(spent["steal"] / total, 4)}


def _git(*arguments: str) -> str:
    checkout = Path(__file__).parent
    try:
        result = subprocess.run(["git", *arguments], cwd=checkout, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return result.stdout.strip()
