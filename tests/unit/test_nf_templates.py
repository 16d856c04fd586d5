"""A network function's configuration as a template: variables by `--set`, and what is said where one is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from core_stub.config import load_config, template_variables
from core_stub.upf.config import UpfFile
from testbed.errors import InputError

TEMPLATE = """
upf:
  pfcp: {server: [{address: {{ address }}}]}
  gtpu: {server: [{address: {{ address }}}]}
  session: [{% for pool in pools %}{subnet: {{ pool }}, dnn: internet}{% endfor %}]
  mtu: {{ mtu }}
  management: {socket: /tmp/upf.sock}
"""


@pytest.fixture
def template(tmp_path: Path) -> Path:
    path = tmp_path / "upf.yaml.j2"
    path.write_text(TEMPLATE)
    return path


def test_variables_are_yaml() -> None:
    settings = ["address=192.0.2.1", "mtu=1400", "pools=[10.45.0.0/16]", "text=a=b", "empty="]
    assert template_variables(settings) == {
        "address": "192.0.2.1",
        "mtu": 1400,
        "pools": ["10.45.0.0/16"],
        "text": "a=b",
        "empty": None,
    }


def test_all_settings_that_are_none_are_told() -> None:
    with pytest.raises(InputError) as caught:
        template_variables(["mtu=1400", "mtu", "=1400", "upf.mtu=1400"])
    assert [str(problem) for problem in caught.value.problems] == [
        f"{setting}: got no name of a variable; want NAME=VALUE" for setting in ("mtu", "=1400", "upf.mtu=1400")
    ]


def test_a_value_that_is_not_yaml_is_told() -> None:
    with pytest.raises(InputError, match=r"--set pools: line 1, column 2: .*want valid YAML"):
        template_variables(["pools=["])


def test_a_template_takes_its_variables(template: Path) -> None:
    upf = load_config(template, UpfFile, {"address": "192.0.2.1", "mtu": 1400, "pools": ["10.45.0.0/16"]}).upf
    assert (str(upf.pfcp.server[0].address), upf.mtu) == ("192.0.2.1", 1400)


def test_a_missing_variable_is_told_with_the_way_to_give_it(template: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_config(template, UpfFile, {"mtu": 1400})
    assert str(caught.value) == (
        f"{template}: line 3: got 'address' is undefined; want every variable given (give it with --set NAME=VALUE)"
    )


@pytest.mark.parametrize("function", ["upf", "smf", "gnb"])
def test_every_network_function_takes_settings(template: Path, function: str) -> None:
    settings = ("--set", "address=nowhere", "--set", "mtu=1400", "--set", "pools=[]")
    argv = [sys.executable, "-m", f"core_stub.{function}", "--config", str(template), *settings]
    result = subprocess.run(argv, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert result.returncode == InputError.exit_code
    assert result.stderr.startswith(f"{template}: {function}")
