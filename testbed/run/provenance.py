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


def _git(*arguments: str) -> str:
    checkout = Path(__file__).parent
    try:
        result = subprocess.run(["git", *arguments], cwd=checkout, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return result.stdout.strip()
