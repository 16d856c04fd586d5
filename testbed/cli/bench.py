"""`bearerlab bench`: measure this machine against a baseline taken in the same run."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console

from testbed.bench import BENCHES, render
from testbed.cli.options import Json

What = StrEnum("What", {name.upper(): name for name in BENCHES})  # type: ignore[misc]


def command(what: Annotated[What, typer.Argument(help="What to measure.")], as_json: Json = False) -> None:
    """Measure and print ratios; nothing is asserted."""
    bench = BENCHES[what.value]()
    if as_json:
        typer.echo(json.dumps(bench.as_json(), indent=2))
    else:
        Console().print(render(bench))
