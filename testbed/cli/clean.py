"""`bearerlab clean`: remove what labs that crashed have left behind, and nothing else."""

from __future__ import annotations

from typing import Annotated

import typer

from testbed.lab.clean import clean
from testbed.units import counted


def command(
    lab: Annotated[
        str | None, typer.Argument(help="A lab's id, as `bearerlab inspect` shows it; all crashed labs by default.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="The named lab, even if its run is alive: end it.")] = False,
) -> None:
    """Remove the namespaces, processes and files of labs whose run has died."""
    removed = clean(lab, force=force)
    for gone in removed:
        typer.echo(
            f"removed lab {gone.run_id}: {counted(len(gone.namespaces), 'namespace')}, "
            f"{counted(len(gone.processes), 'process', 'processes')}, {counted(len(gone.paths), 'file')}"
        )
    if not removed:
        typer.echo(f"nothing to clean: {f'there is no lab {lab}' if lab else 'no lab was left behind'}")
