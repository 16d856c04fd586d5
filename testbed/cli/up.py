"""`bearerlab up`: start a scenario's lab and hand it over in Mininet's CLI."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from testbed.cli.options import ScenarioFile, Seed, Settings
from testbed.run import up
from testbed.run.progress import Progress


def command(
    file: ScenarioFile,
    out: Annotated[Path | None, typer.Option(help="Run directory; runs/<name>-<time> by default.")] = None,
    settings: Settings = [],  # noqa: B006
    seed: Seed = None,
) -> None:
    """Start everything but the timeline and the probes, and open Mininet's CLI; leaving it takes the lab down."""
    up(file, out=out, settings=settings, seed=seed, progress=Progress(Console()))
