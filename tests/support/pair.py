"""The smallest scenario: two hosts and the 200 km between them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from testbed.plan.model import Plan
from testbed.run import load_plan

LINK = "h1-h2"
PAIR = {
    "name": "pair",
    "nodes": [{"name": "h1", "role": "host"}, {"name": "h2", "role": "host"}],
    "links": [{"a": "h1", "b": "h2", "tier": "access", "distance": "200km"}],
}


def scenario(folder: Path, links: dict[str, Any], timeline: list[dict[str, Any]] | None = None, **more: Any) -> Path:
    """A scenario file with that pair in `folder`."""
    (folder / "pair.yml").write_text(yaml.safe_dump(PAIR))
    data = {"name": "pair", "topology": {"file": "pair.yml"}, "links": links, "timeline": timeline or []}
    (folder / "scenario.yml").write_text(yaml.safe_dump(data | more))
    return folder / "scenario.yml"


def planned(folder: Path, links: dict[str, Any], timeline: list[dict[str, Any]] | None = None) -> Plan:
    """The plan of such a scenario."""
    return load_plan(scenario(folder, links, timeline))[1]
