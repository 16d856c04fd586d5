"""The API as an OpenAPI 3.1 document, made from its endpoints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from controllers.northbound.answers import ProblemView
from controllers.northbound.endpoints import Endpoint
from controllers.northbound.problems import MEDIA_TYPE

PATH = "/v1/openapi.json"
_REFERENCE = "#/components/schemas/{model}"

Json = dict[str, Any]


def document(endpoints: Sequence[Endpoint]) -> Json:
    """The document of an API with these endpoints."""
    paths: dict[str, Json] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    bodies = [(endpoint.body, "validation") for endpoint in endpoints if endpoint.body]
    answers = [(endpoint.answer, "serialization") for endpoint in endpoints if endpoint.answer]
    models: Any = [*bodies, *answers, (ProblemView, "serialization")]
    _, schemas = models_json_schema(models, ref_template=_REFERENCE)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Bearerlab controller", "version": "1"},
        "paths": paths,
        "components": {"schemas": schemas["$defs"]},
    }


def _operation(endpoint: Endpoint) -> Json:
    operation: Json = {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "parameters": [*_parameters(endpoint.where, "path"), *_parameters(endpoint.query, "query")],
        "responses": dict(_responses(endpoint)),
    }
    if endpoint.body:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": _ref(endpoint.body)}}}
    return operation


def _parameters(model: type[BaseModel], place: str) -> Iterator[Json]:
    schema = model.model_json_schema()
    for name, properties in schema.get("properties", {}).items():
        yield {"name": name, "in": place, "required": name in schema.get("required", ()), "schema": properties}


def _responses(endpoint: Endpoint) -> Iterator[tuple[str, Json]]:
    content = {"application/json": {"schema": _ref(endpoint.answer)}} if endpoint.answer else None
    yield (
        str(int(endpoint.status)),
        {"description": endpoint.status.phrase, **({"content": content} if content else {})},
    )
    for status in endpoint.errors:
        yield str(int(status)), _problem(status.phrase)
    yield "default", _problem("Anything else that is wrong")


def _problem(description: str) -> Json:
    return {"description": description, "content": {MEDIA_TYPE: {"schema": _ref(ProblemView)}}}


def _ref(model: type[BaseModel]) -> Json:
    return {"$ref": _REFERENCE.format(model=model.__name__)}
