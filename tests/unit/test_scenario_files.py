"""What cannot even be read as a scenario: each with file and line."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from testbed.errors import InputError
from testbed.run import load_plan
from testbed.scenario.model import Scenario
from testbed.scenario.schema import SHIPPED, schema_text
from tests.support.scenario import LOCAL_BREAKOUT


def message(path: Path, text: str, *settings: str) -> str:
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_plan(path, settings)
    return str(caught.value)


def test_not_yaml(tmp_path: Path) -> None:
    assert "x.yml: line 2, column 2: got" in message(tmp_path / "x.yml", "name: [a\nb: }\n")


def test_no_mapping(tmp_path: Path) -> None:
    assert "file: got a list; want a mapping" in message(tmp_path / "x.yml", "- a\n")


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file or directory; want a readable file"):
        load_plan(tmp_path / "missing.yml")


def test_not_text(tmp_path: Path) -> None:
    (tmp_path / "x.yml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="bytes that are not UTF-8"):
        load_plan(tmp_path / "x.yml")


def test_a_name_used_twice(tmp_path: Path) -> None:
    text = "name: a\nservices:\n  web: {}\n  web: {}\n"
    assert 'line 4: got the name "web" a second time; want names used once' in message(tmp_path / "x.yml", text)


def test_template_syntax(tmp_path: Path) -> None:
    assert "x.yml.j2: line 2: got" in message(tmp_path / "x.yml.j2", "name: a\n{% for %}\n")


def test_template_variable_missing(tmp_path: Path) -> None:
    text = message(tmp_path / "x.yml.j2", "name: a\nseed: 1\ndescription: {{ what }}\n")
    assert "x.yml.j2: line 3: got 'what' is undefined; want every variable given" in text


def test_template_variable_given(tmp_path: Path) -> None:
    path = tmp_path / "x.yml.j2"
    path.write_text("name: a\ntopology: {name: metro, params: {ues: {{ users }}}}\n")
    assert len([node for node in load_plan(path, ["users=5"])[1].nodes if node.name.startswith("ue")]) == 5


def test_an_unreadable_setting(tmp_path: Path) -> None:
    assert "core: got [; want a YAML value" in message(tmp_path / "x.yml", "name: a\n", "core=[")


def test_every_field_has_a_description_and_an_example() -> None:
    schema = Scenario.model_json_schema()
    models = [schema, *schema["$defs"].values()]
    fields = [(model["title"], name, field) for model in models for name, field in model.get("properties", {}).items()]
    assert fields
    for model, name, field in fields:
        assert field.get("description"), (model, name)
        assert field.get("examples"), (model, name)


def test_the_shipped_schema_is_up_to_date() -> None:
    assert SHIPPED.read_text() == schema_text(), f"bearerlab check --schema > {SHIPPED}"


def test_the_shipped_scenario_is_valid_by_the_shipped_schema() -> None:
    data = yaml.safe_load(LOCAL_BREAKOUT.read_text(encoding="utf-8"))
    jsonschema.validate(data, json.loads(SHIPPED.read_text()))
