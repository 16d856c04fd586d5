"""Configuration files of the network functions: YAML to a pydantic model, all problems at once; what they share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field, ValidationError

from core_stub.sdf import parse_flow_description
from testbed.errors import InputError, Problem
from testbed.scenario.base import Strict
from testbed.scenario.template import parse_yaml, read_data
from testbed.validation import problem


class Section(Strict):
    """A mapping of the file: unknown keys are problems, values do not change."""


Port = Annotated[int, Field(ge=1, le=65535)]


def _described(text: str) -> str:
    parse_flow_description(text)
    return text


FlowDescription = Annotated[str, AfterValidator(_described)]
"""TS 29.212 §5.4.2: `permit out`, towards the UE; as it is written."""


class PfcpServer(Section):
    """Where N4 listens; the address is the Node ID too."""

    address: IPv4Address
    port: Port = 8805


class GtpuServer(Section):
    """Where GTP-U tunnels end; the port is 2152."""

    address: IPv4Address


class Gtpu(Section):
    """N3, and N9 at a UPF."""

    server: tuple[GtpuServer]


class Management(Section):
    """The Unix socket of the management API."""

    socket: Path


_KNOWN = "a key that this network function has"


def _required(model: type[Section]) -> list[str]:
    return [name for name, field in model.model_fields.items() if field.is_required()]


File = TypeVar("File", bound=Section)


def template_variables(settings: Sequence[str]) -> dict[str, Any]:
    """`["ue_mtu=1400"]` as `{"ue_mtu": 1400}`: the value is YAML. InputError for what is no setting."""
    split = {setting: setting.partition("=") for setting in settings}
    wrong = [setting for setting, (name, equals, _) in split.items() if not (equals and name.isidentifier())]
    if wrong:
        raise InputError("--set", [Problem(setting, "no name of a variable", "NAME=VALUE") for setting in wrong])
    return {name: parse_yaml(f"--set {name}", value) for name, _, value in split.values()}


def load_config(path: Path, model: type[File], variables: Mapping[str, Any]) -> File:
    """The file at `path` as a `model`, or the template if it ends in `.j2`; InputError with all of its problems."""
    data = read_data(path, variables)
    if not isinstance(data, dict):
        want = f"a mapping with the key {' and '.join(_required(model))}"
        raise InputError(str(path), [Problem("file", type(data).__name__, want)])
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise InputError(
            str(path), (problem(detail, known_keys=_KNOWN) for detail in error.errors(include_url=False))
        ) from error
