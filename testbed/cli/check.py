"""`bearerlab check`: is this scenario file right? No root."""

from __future__ import annotations

from typing import Annotated

import typer

from testbed.cli.options import ScenarioFile, Settings
from testbed.run import load_plan
from testbed.scenario.schema import schema_text
from testbed.units import counted


def print_schema(wanted: bool) -> None:
    """Print the JSON Schema of scenario files and leave, if `--schema` was given."""
    if wanted:
        typer.echo(schema_text(), nl=False)
        raise typer.Exit


def command(
    file: ScenarioFile,
    settings: Settings = [],  # noqa: B006
    _schema: Annotated[
        bool,
        typer.Option("--schema", callback=print_schema, is_eager=True, help="Print the JSON Schema of scenario files."),
    ] = False,
) -> None:
    """Check a scenario file; every problem is reported, with its place in the file."""
    scenario, planned = load_plan(file, settings)
    typer.echo(
        f"{file}: {scenario.name} is right: {counted(len(planned.nodes), 'node')}, "
        f"{counted(len(planned.links), 'link')}, {counted(len(scenario.timeline), 'step')}, "
        f"{counted(len(scenario.expect), 'expectation')}"
    )
