"""Errors as problem details (RFC 9457): what is wrong, all of it, and what there is instead."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus
from typing import TypeVar

from aiohttp import web
from aiohttp.typedefs import Middleware
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from controllers.kernel.commands import CommandError
from controllers.northbound.answers import ProblemView
from controllers.northbound.store import StoreError
from controllers.srv6.policy import PolicyError
from controllers.srv6.sids import SidError
from testbed.errors import Problem
from testbed.validation import Location, problem, unknown_key

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Model = TypeVar("Model", bound=BaseModel)

_log = logging.getLogger(__name__)

_STATUS: dict[type[Exception], HTTPStatus] = {
    PolicyError: HTTPStatus.BAD_REQUEST,
    SidError: HTTPStatus.CONFLICT,
    CommandError: HTTPStatus.INTERNAL_SERVER_ERROR,
    StoreError: HTTPStatus.INTERNAL_SERVER_ERROR,
}

MEDIA_TYPE = "application/problem+json"


class RequestError(Exception):
    """A request that is answered with `status`; `problems` are all that is wrong with it."""

    def __init__(self, status: HTTPStatus, detail: str, problems: tuple[str, ...] = ()) -> None:
        self.status, self.detail, self.problems = status, detail, problems
        super().__init__(detail)

    def and_more(self, more: Iterable[Problem]) -> RequestError:
        """With `more` problems, but for those of places that have one already."""
        wrong = {text.partition(": ")[0] for text in self.problems}
        found = (*self.problems, *(str(problem) for problem in more if problem.where not in wrong))
        return RequestError(self.status, "; ".join(found), found)


def read(model: type[Model], what: str, data: bytes | dict[str, str]) -> Model:
    """A body (JSON text) or a query as a `model`; RequestError with everything that is wrong."""
    try:
        return model.model_validate_json(data) if isinstance(data, bytes) else model.model_validate(data)
    except ValidationError as error:
        details = error.errors(include_url=False)
        # A list is called too short when what is in it is wrong.
        causes = [each for each in details if not any(_is_inside(other["loc"], each["loc"]) for other in details)]
        found = tuple(str(_problem(detail, what, model)) for detail in causes)
        raise RequestError(HTTPStatus.BAD_REQUEST, "; ".join(found), found) from error


def middleware(there_is: str) -> Middleware:
    """Answers every error with problem details; `there_is` lists the endpoints for those who ask for another."""

    @web.middleware
    async def explain(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as error:
            return _of_http(request, error, there_is)
        except RequestError as error:
            return _response(error.status, error.detail, error.problems)
        except tuple(_STATUS) as error:
            status = next(status for kind, status in _STATUS.items() if isinstance(error, kind))
            return _response(status, str(error))
        except Exception as error:
            _log.exception("%s %s failed", request.method, request.path)
            detail = f"{request.method} {request.path}: {type(error).__name__}: {error}; the log has more"
            return _response(HTTPStatus.INTERNAL_SERVER_ERROR, detail)

    return explain


def _of_http(request: web.Request, error: web.HTTPException, there_is: str) -> web.Response:
    if isinstance(error, web.HTTPNotFound):
        return _response(HTTPStatus.NOT_FOUND, f"there is no {request.path}; there is {there_is}")
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = " or ".join(sorted(error.allowed_methods - {"HEAD"}))
        answer = _response(HTTPStatus.METHOD_NOT_ALLOWED, f"{request.method} {request.path}: want {allowed}")
        answer.headers["Allow"] = error.headers["Allow"]  # RFC 9110 §15.5.6
        return answer
    return _response(HTTPStatus(error.status), f"{request.method} {request.path}: {error.reason}")


def _response(status: HTTPStatus, detail: str, problems: tuple[str, ...] = ()) -> web.Response:
    view = ProblemView(status=status, title=status.phrase, detail=detail, problems=problems)
    return web.Response(status=status, text=view.model_dump_json(exclude_defaults=True), content_type=MEDIA_TYPE)


def _is_inside(inner: Location, outer: Location) -> bool:
    return len(inner) > len(outer) and inner[: len(outer)] == outer


def _problem(detail: ErrorDetails, what: str, model: type[BaseModel]) -> Problem:
    if detail["type"] == "json_invalid":
        return Problem(what, "no JSON", f"a JSON object ({detail['ctx']['error']})")
    if detail["type"] == "extra_forbidden":
        return unknown_key(model.model_json_schema(), detail["loc"])
    return problem(detail, detail["loc"] or (what,))
