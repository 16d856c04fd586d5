"""How the doctor's findings are shown: a table of one line each with remedies below it, or JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from testbed.doctor.capability import NEEDS_ROOT, Capability


def render(capabilities: Iterable[Capability]) -> RenderableType:
    """A line per capability: name, whether it is there, who needs it, a version; below, how to get what is not there.

    The lines fit into 80 columns, remedies are never broken. Why a probe failed is in the JSON.
    """
    found = tuple(capabilities)
    table = Table(box=None, pad_edge=False)
    table.add_column("capability", min_width=_widest(capability.name for capability in found), no_wrap=True)
    table.add_column("", min_width=len("MISSING"), no_wrap=True)
    table.add_column("needed by", min_width=_widest(capability.needed_by for capability in found), no_wrap=True)
    # The only column that wraps where a terminal is narrow.
    table.add_column("finding", overflow="fold")
    for capability in found:
        finding = "" if _is_absent(capability) else capability.detail
        table.add_row(capability.name, _mark(capability), capability.needed_by, escape(finding))
    return Group(table, *_remedies(filter(_is_absent, found)))


def _remedies(absent: Iterable[Capability]) -> Iterator[RenderableType]:
    """Each remedy once, with what it is for."""
    names: dict[str, list[str]] = {}
    for capability in absent:
        names.setdefault(capability.remedy, []).append(capability.name)
    if not names:
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("how to get it", min_width=_widest(names), no_wrap=True)
    table.add_column("what", overflow="fold")
    for remedy, of in names.items():
        table.add_row(escape(remedy), ", ".join(of))
    yield Text()
    yield table


def to_json(capabilities: Iterable[Capability]) -> str:
    """The list of capabilities with all of their fields."""
    return json.dumps([asdict(capability) for capability in capabilities], indent=2)


def _widest(texts: Iterable[str]) -> int:
    return max(map(len, texts), default=0)


def _is_absent(capability: Capability) -> bool:
    """Whether that is known."""
    return not capability.present and capability.detail != NEEDS_ROOT


def _mark(capability: Capability) -> str:
    if capability.present:
        return "[green]yes[/]"
    if capability.detail == NEEDS_ROOT:
        return "[yellow]?[/]"
    return "[bold red]MISSING[/]" if capability.required else "[yellow]no[/]"
