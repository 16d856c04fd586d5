"""`bearerlab run`: run a scenario, print what came out, end with 0 if every expectation holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from testbed.cli.options import ScenarioFile, Seed, Settings
from testbed.report import summary_table
from testbed.run import run
from testbed.run.progress import Progress


def command(
    file: ScenarioFile,
    out: Annotated[Path | None, typer.Option(help="Run directory; runs/<name>-<time> by default.")] = None,
    settings: Settings = [],  # noqa: B006
    seed: Seed = None,
) -> None:
    """Run a scenario on this host's kernel and report numbers, a pass or fail, and report.html."""
    console = Console()
    result, directory = run(file, out=out, settings=settings, seed=seed, progress=Progress(console))
    console.print(summary_table(result))
    console.print(f"report: {directory / 'report.html'}", soft_wrap=True, highlight=False)
    raise typer.Exit(4 if not result.valid else 0 if result.passed else 1)
