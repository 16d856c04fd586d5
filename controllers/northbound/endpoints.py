"""What the API has: a row for each endpoint, from which routes and OpenAPI document are made."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from pydantic import BaseModel, Field

from controllers.northbound.answers import (
    Answer,
    Counters,
    PathAnswer,
    Policies,
    PolicyView,
    SubjectsView,
    Tenants,
    Topology,
)
from controllers.northbound.bodies import Body, Color, PolicyBody, PolicyName, WindowsBody

ROOT = "/v1"


class Nothing(Body):
    """No parameters."""


class Strict(Body):
    """How to add."""

    strict: bool = Field(default=False, description="Refuse a policy without a valid path, instead of keeping it.")


class PathQuery(Body):
    """From where to where."""

    headend: str
    endpoint: str
    color: Color | None = Field(default=None, description="Of the policy; without, the way is the IGP's.")


class OfRouter(Body):
    """Which counters."""

    router: str | None = Field(default=None, description="Of this router only.")


@dataclass(frozen=True)
class Endpoint:
    """One request: `name` is the operation's. `where` are the parameters in the path, `query` those behind `?`."""

    name: str
    method: str
    path: str
    summary: str
    answer: type[Answer] | None
    status: HTTPStatus = HTTPStatus.OK
    where: type[BaseModel] = Nothing
    query: type[BaseModel] = Nothing
    body: type[BaseModel] | None = None
    errors: tuple[HTTPStatus, ...] = ()
    names: str = ""
    """The operation that says which names in a body are unknown, if something else is wrong with it."""

    def __str__(self) -> str:
        """`GET /v1/topology`."""
        return f"{self.method} {self.path}"


_ONE_POLICY = f"{ROOT}/policies/{{headend}}/{{color}}/{{endpoint}}"

ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("topology", "GET", f"{ROOT}/topology", "Routers with their SIDs, and links", Topology),
    Endpoint("policies", "GET", f"{ROOT}/policies", "All SR Policies and what became of them", Policies),
    Endpoint(
        "add_policy",
        "POST",
        f"{ROOT}/policies",
        "Add an SR Policy, in place of the one with its headend, color and endpoint",
        PolicyView,
        status=HTTPStatus.CREATED,
        query=Strict,
        body=PolicyBody,
        names="unknown_names",
        errors=(HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT),
    ),
    Endpoint("policy", "GET", _ONE_POLICY, "One policy", PolicyView, where=PolicyName, errors=(HTTPStatus.NOT_FOUND,)),
    Endpoint(
        "remove_policy",
        "DELETE",
        _ONE_POLICY,
        "Remove a policy; its traffic goes by the IGP",
        None,
        status=HTTPStatus.NO_CONTENT,
        where=PolicyName,
        errors=(HTTPStatus.NOT_FOUND,),
    ),
    Endpoint(
        "path",
        "GET",
        f"{ROOT}/path",
        "The way of packets from headend to endpoint: hops, delay, SIDs, outer header",
        PathAnswer,
        query=PathQuery,
        errors=(HTTPStatus.NOT_FOUND,),
    ),
    Endpoint("counters", "GET", f"{ROOT}/counters", "Packets for each SID", Counters, query=OfRouter),
    Endpoint("subjects", "GET", f"{ROOT}/measurement/subjects", "Links and segment lists to be measured", SubjectsView),
    Endpoint(
        "windows",
        "POST",
        f"{ROOT}/measurement/windows",
        "What measurement has found; windows of what is not measured any more are passed over",
        None,
        status=HTTPStatus.NO_CONTENT,
        body=WindowsBody,
        errors=(HTTPStatus.BAD_REQUEST,),
    ),
    Endpoint("tenants", "GET", f"{ROOT}/tenants", "VPNs: attachments and routes", Tenants),
)
