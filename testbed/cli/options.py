"""Arguments and options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ScenarioFile = Annotated[Path, typer.Argument(help="A scenario file; .yml.j2 is a template.", metavar="FILE")]
Settings = Annotated[
    list[str], typer.Option("--set", help="Change a value of the file, e.g. core.guard=500ms.", metavar="KEY=VALUE")
]
Seed = Annotated[int | None, typer.Option("--seed", min=0, max=2**63 - 1, help="Use this seed instead of the file's.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
