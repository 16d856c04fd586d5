"""How the doctor's findings are shown: a table of one line each, or JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict

from rich.markup import escape
from rich.table import Table

from testbed.doctor.capability import NEEDS_ROOT, Capability


def render(capabilities: Iterable[Capability]) -> Table:
    """A line per capability: name, whether it is there, who needs it, and a version or how to get it.

    Why a probe failed is in the JSON.
    """
    found = tuple(capabilities)
    table = Table(box=None, pad_edge=False)
    table.add_column("capability", min_width=_widest(capability.name for capability in found), no_wrap=True)
    table.add_column("", min_width=len("MISSING"), no_wrap=True)
    table.add_column("needed by", min_width=_widest(capability.needed_by for capability in found), no_wrap=True)
    # The only column that wraps where a terminal is narrow.
    table.add_column("finding, or remedy", overflow="fold")
    for capability in found:
        tried = capability.detail != NEEDS_ROOT
        finding = capability.remedy if tried and not capability.present else capability.detail
        table.add_row(capability.name, _mark(capability), capability.needed_by, escape(finding))
    return table


def to_json(capabilities: Iterable[Capability]) -> str:
    """The list of capabilities with all of their fields."""
    return json.dumps([asdict(capability) for capability in capabilities], indent=2)


def _widest(texts: Iterable[str]) -> int:
    return max(map(len, texts), default=0)


def _mark(capability: Capability) -> str:
    if capability.present:
        return "[green]yes[/]"
    if capability.detail == NEEDS_ROOT:
        return "[yellow]?[/]"
    return "[bold red]MISSING[/]" if capability.required else "[yellow]no[/]"
