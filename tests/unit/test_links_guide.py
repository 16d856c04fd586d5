"""The examples of docs/guides/links.md are right."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent
from typing import Any

import yaml

from tests.support.scenario import SCENARIOS, problems
from topologies.tiers import NAMED

GUIDE = (SCENARIOS.parent / "docs" / "guides" / "links.md").read_text(encoding="utf-8")


def blocks() -> list[Any]:
    return [yaml.safe_load(dedent(text)) for text in re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)]


def test_every_block_is_part_of_a_right_scenario() -> None:
    found = blocks()
    assert len(found) == 5
    for block in found:
        # A list stands for more overrides.
        part = {"links": {"override": block}} if isinstance(block, list) else block
        assert problems({"name": "guide", "topology": {"name": "metro"}, **part}) == ()


def test_the_trace_is_there() -> None:
    names = re.findall(r"traces/[a-z0-9-]+\.txt", GUIDE)
    assert names
    assert all((Path(SCENARIOS) / name).is_file() for name in names)


def test_every_named_preset_is_explained() -> None:
    assert re.findall(r"^\| `([a-z0-9-]+)` \|[^|]*\| (?:ITU|ETSI|IEEE|RFC|Michel)", GUIDE, re.MULTILINE) == list(NAMED)
