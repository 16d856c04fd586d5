"""The topologies by name: a scenario's `topology` → a graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from testbed.errors import Problem
from testbed.graph import Graph
from testbed.scenario.base import Strict
from testbed.scenario.model import Topology
from testbed.validation import problem
from topologies.carrier import CarrierParams, carrier
from topologies.edgelist import read_edge_list
from topologies.file import read_topology
from topologies.graphml import read_graphml
from topologies.importers import ImportParams
from topologies.metro import MetroParams, ParameterError, metro
from topologies.sdwan import SdwanParams, sdwan
from topologies.sdwan_core import SdwanCoreParams, sdwan_core

P = TypeVar("P", bound=Strict)

TOPOLOGIES: dict[str, tuple[type[Strict], Callable[[Any], Graph]]] = {
    "carrier": (CarrierParams, carrier),
    "metro": (MetroParams, metro),
    "sdwan": (SdwanParams, sdwan),
    "sdwan-core": (SdwanCoreParams, sdwan_core),
}
"""Name → its parameters' model and the function from parameters to graph."""

IMPORTERS: dict[str, Callable[[Path, ImportParams], Graph]] = {".graphml": read_graphml, ".edges": read_edge_list}
"""How the name of a file of others ends → what reads it."""


class TopologyError(ValueError):
    """The topology does not exist or its parameters are wrong; carries all of the problems."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(map(str, problems)))


def resolve(topology: Topology, beside: Path) -> Graph:
    """The graph that a scenario in the folder `beside` asks for.

    TopologyError says what is wrong with its name or parameters, InputError what is wrong with its file.
    """
    if topology.file is None:
        return named(topology.name or "", topology.params)
    path = beside / topology.file
    if path.suffix not in IMPORTERS:
        return read_topology(path, topology.params)
    return _made(ImportParams, partial(IMPORTERS[path.suffix], path), topology.params)


def named(name: str, params: Mapping[str, Any]) -> Graph:
    """The graph of the topology `name` with `params`; TopologyError says what is wrong with either."""
    if name not in TOPOLOGIES:
        raise TopologyError((Problem("topology.name", f'"{name}"', f"one of {', '.join(TOPOLOGIES)}"),))
    return _made(*TOPOLOGIES[name], params)


def _made(model: type[P], build: Callable[[P], Graph], params: Mapping[str, Any]) -> Graph:
    """What `build` makes of `params`, which are to be a `model`."""
    try:
        return build(model.model_validate(dict(params)))
    except ValidationError as error:
        raise TopologyError(tuple(_parameter_problems(model, error))) from error
    except ParameterError as error:
        where = f"topology.params.{error.name}"
        raise TopologyError((Problem(where, f'"{params.get(error.name, "")}"', error.want),)) from error


def _parameter_problems(model: type[Strict], error: ValidationError) -> Iterator[Problem]:
    known = f"one of {', '.join(model.model_fields)}"
    for detail in error.errors(include_url=False):
        yield problem(detail, ("topology", "params", *detail["loc"]), known_keys=known)
