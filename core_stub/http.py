"""The HTTP side of the network functions: bodies in, problem details (RFC 9457) out, applications on their sockets."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar

from aiohttp import web
from aiohttp.typedefs import Middleware
from pydantic import BaseModel, ValidationError

from testbed.errors import Problem
from testbed.validation import problem

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class ProblemDetails:
    """An error as the client sees it; `cause` is from TS 29.500 §5.2.7.2 or TS 29.502 §6.1.3 where those have one."""

    status: HTTPStatus
    detail: str
    cause: str | None = None
    more: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> web.Response:
        """As `application/problem+json`."""
        body = {"status": self.status.value, "title": self.status.phrase, "detail": self.detail}
        cause = {"cause": self.cause} if self.cause else {}
        text = json.dumps(body | cause | dict(self.more))
        return web.Response(status=self.status, text=text, content_type="application/problem+json")


class BodyError(Exception):
    """A body that is not what the request wants; carries all of its problems."""


def problems(explain: Callable[[Exception], ProblemDetails | None]) -> Middleware:
    """A middleware that answers every error with problem details; `explain` knows those of the application."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except BodyError as error:
            details = ProblemDetails(HTTPStatus.BAD_REQUEST, str(error), "MANDATORY_IE_INCORRECT")
        except web.HTTPException as error:
            cause = "RESOURCE_URI_STRUCTURE_NOT_FOUND" if error.status == HTTPStatus.NOT_FOUND else None
            details = ProblemDetails(HTTPStatus(error.status), f"{request.method} {request.path}", cause)
        except Exception as error:
            explained = explain(error)
            if explained is None:
                raise
            details = explained
        return details.response()

    return middleware


async def parsed(request: web.Request, model: type[Model]) -> Model:
    """The request's JSON body as a `model`; BodyError."""
    try:
        return model.model_validate(await request.json())
    except ValidationError as error:
        found = (problem(detail, detail["loc"] or ("body",)) for detail in error.errors(include_url=False))
        raise BodyError("; ".join(map(str, found))) from error
    except ValueError as error:
        raise BodyError(str(Problem("body", "no JSON", "a JSON object"))) from error


def detail_of(text: str) -> str:
    """What an error's body says: the `detail` of problem details, else all of it."""
    try:
        return str(json.loads(text)["detail"])
    except (ValueError, KeyError, TypeError):
        return text


@asynccontextmanager
async def http_on_socket(app: web.Application, path: Path) -> AsyncIterator[None]:
    """Serve `app` on the Unix socket at `path`, which goes away afterwards; OSError that names it if it cannot be."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        try:
            await web.UnixSite(runner, str(path)).start()
        except OSError as error:
            raise OSError(error.errno, error.strerror, f"management socket {path}") from error
        yield
    finally:
        await runner.cleanup()
        path.unlink(missing_ok=True)


@asynccontextmanager
async def http_on_tcp(app: web.Application, address: str, port: int) -> AsyncIterator[None]:
    """Serve `app` at `address` and `port`."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, address, port).start()
        yield
    finally:
        await runner.cleanup()
