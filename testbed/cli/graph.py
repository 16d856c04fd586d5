"""`bearerlab graph`: the topology of a scenario as a drawing or as data. No root."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from testbed.cli.options import ScenarioFile, Settings
from testbed.report.graph import draw
from testbed.run import load_plan


class Format(StrEnum):
    """What to draw with."""

    SVG = "svg"
    DOT = "dot"
    MERMAID = "mermaid"
    JSON = "json"


def command(
    file: ScenarioFile,
    settings: Settings = [],  # noqa: B006
    form: Annotated[Format, typer.Option("--format", help="What to print.")] = Format.MERMAID,
) -> None:
    """Print a scenario's topology."""
    _, planned = load_plan(file, settings)
    typer.echo(draw(planned, form.value))
