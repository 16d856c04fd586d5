"""`bearerlab report`: make result.json, report.html and junit.xml of a run directory again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from testbed.report import render, summary_table


def command(directory: Annotated[Path, typer.Argument(help="A run directory.", metavar="DIR")]) -> None:
    """Judge a run directory again and render its report; no root, nothing runs."""
    console = Console()
    result = render(directory)
    console.print(summary_table(result))
    console.print(f"report: {directory / 'report.html'}", soft_wrap=True, highlight=False)
    raise typer.Exit(4 if not result.valid else 0 if result.passed else 1)
