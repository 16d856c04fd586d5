"""Probes of programs and of Python: each is run, or imported, rather than looked for."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from testbed.doctor.capability import AbsentError

PYTHONS = ((3, 11), (3, 13))
"""The first and the last Python that we run on."""

_CHECKOUT = Path(__file__).parents[2]

_VERSION = re.compile(r"\d+(?:\.\d+)+\w*")


def run(argv: Sequence[str], stdin: str = "") -> str:
    """What a command prints, on both outputs; AbsentError with its first complaint if it fails or is not there."""
    try:
        done = subprocess.run(
            argv, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=10
        )
    except FileNotFoundError:
        raise AbsentError(f"no program {argv[0]}") from None
    except subprocess.TimeoutExpired:
        raise AbsentError(f"{argv[0]} hangs") from None
    if done.returncode != 0:
        lines = done.stdout.splitlines() or [f"{argv[0]} ended with {done.returncode}"]
        complaint = lines[-1] if argv[0].startswith("ovs") else lines[0]
        raise AbsentError(complaint.removeprefix("Error: "))
    return done.stdout


def program(*commands: Sequence[str]) -> Callable[[], str]:
    """A probe that runs commands which print a version; the detail is the first one's."""

    def probe() -> str:
        outputs = [run(command) for command in commands]
        version = _VERSION.search(outputs[0])
        return version[0] if version else "runs"

    return probe


def module(name: str) -> Callable[[], str]:
    """A probe that finds a Python module without running it."""

    def probe() -> str:
        try:
            spec = importlib.util.find_spec(name)
        except ModuleNotFoundError:
            spec = None
        if spec is None or spec.origin is None:
            raise AbsentError("not importable here")
        return "importable"

    return probe


def python() -> str:
    """The running Python is one that we support."""
    version = ".".join(map(str, sys.version_info[:3]))
    first, last = PYTHONS
    if not first <= sys.version_info[:2] <= last:
        raise AbsentError(f"{version}; want 3.{first[1]} to 3.{last[1]}")
    return version


def root() -> str:
    """The effective user is root."""
    if os.geteuid() != 0:
        raise AbsentError(f"running as user {os.geteuid()}")
    return "user 0"


def native(path: str, checkout: Path = _CHECKOUT) -> Callable[[], str]:
    """A probe of a program of our own: it is built and runs; without arguments it says how to call it."""
    binary = checkout / path

    def probe() -> str:
        if not binary.exists():
            raise AbsentError("not built")
        done = subprocess.run((binary,), capture_output=True, text=True, check=False, timeout=10)
        if f"usage: {binary.name}" not in done.stderr:
            raise AbsentError(done.stderr.partition("\n")[0] or f"ended with {done.returncode}")
        return "runs"

    return probe
