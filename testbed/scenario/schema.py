"""The JSON Schema of scenario files; it ships as scenario.schema.json beside this module, for editors."""

from __future__ import annotations

import json
from pathlib import Path

from testbed.scenario.model import Scenario

SHIPPED = Path(__file__).with_name("scenario.schema.json")


def schema_text() -> str:
    """The schema as it ships."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Scenario.model_json_schema()}
    return json.dumps(schema, indent=2) + "\n"
