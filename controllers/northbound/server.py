"""The thread that serves the API: requests become questions to the thread of the core."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from http import HTTPStatus
from pathlib import Path
from typing import Any

from aiohttp import web
from pydantic import BaseModel

from controllers import threads
from controllers.kernel.counters import read_counters
from controllers.northbound import measurement, openapi, views
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
from controllers.northbound.bodies import PolicyBody, PolicyName, WindowsBody
from controllers.northbound.endpoints import Endpoint, OfRouter, PathQuery, Strict
from controllers.northbound.problems import RequestError, middleware, read
from controllers.northbound.references import known_names, known_routers, unknown_names
from controllers.northbound.store import PolicyStore
from controllers.srv6.controller import Controller, Effect
from controllers.srv6.policy import SrPolicy
from controllers.underlay import Underlay
from testbed.errors import Problem


class Operations:
    """The endpoints, by the names of `ENDPOINTS`: parameters in the path, query and body in, the answer out."""

    def __init__(self, underlay: Underlay, store: PolicyStore) -> None:
        self._underlay, self._store = underlay, store
        # What is done first may be installed last: the store has to end with what the core ends with.
        self._changing = asyncio.Lock()

    async def topology(self, *_: object) -> Topology:
        """Routers and links."""
        return await asyncio.wrap_future(self._underlay.ask(views.topology))

    async def tenants(self, *_: object) -> Tenants:
        """VPNs."""
        return await asyncio.wrap_future(self._underlay.ask(views.tenants))

    async def policies(self, *_: object) -> Policies:
        """All policies."""
        return await asyncio.wrap_future(self._underlay.ask(views.policies))

    async def policy(self, where: PolicyName, *_: object) -> PolicyView:
        """One policy."""
        return await asyncio.wrap_future(self._underlay.ask(lambda core: _found(core, where)))

    async def add_policy(self, _: object, query: Strict, body: PolicyBody) -> PolicyView:
        """Add a policy; RequestError if it has no valid path and that is asked for."""

        def put(core: Controller, _: float) -> list[Effect]:
            known_names(core, body)
            policy = body.policy(core.network.block)
            return _put_valid(core, policy) if query.strict else core.put_policy(policy)

        async with self._changing:
            added = await asyncio.wrap_future(self._underlay.ask(lambda core: _found(core, body), after=put))
            self._store.put(body.model_copy(update={"binding_sid": added.binding_sid}))
        return added

    async def unknown_names(self, data: bytes) -> tuple[Problem, ...]:
        """The names that the network does not have, of a policy whose body has other problems."""
        try:
            body = json.loads(data)
        except ValueError:
            return ()
        return await asyncio.wrap_future(self._underlay.ask(lambda core: tuple(unknown_names(core, body))))

    async def remove_policy(self, where: PolicyName, *_: object) -> None:
        """Remove a policy."""

        def remove(core: Controller, _: float) -> list[Effect]:
            _found(core, where)
            return core.remove_policy(where.id)

        async with self._changing:
            await asyncio.wrap_future(self._underlay.ask(lambda _: None, after=remove))
            self._store.remove(where.id)

    async def path(self, _: object, query: PathQuery, *__: object) -> PathAnswer:
        """The way of packets."""

        def find(core: Controller) -> PathAnswer:
            known_routers(core, {"headend": query.headend, "endpoint": query.endpoint})
            return views.path(core, query.headend, query.endpoint, query.color)

        return await asyncio.wrap_future(self._underlay.ask(find))

    async def counters(self, _: object, query: OfRouter, *__: object) -> Counters:
        """Packets for each SID."""

        def namespaces(core: Controller) -> dict[str, str]:
            if query.router is not None:
                known_routers(core, {"router": query.router})
            wanted = (each for each in core.network.routers if query.router in (None, each.name))
            return {router.name: router.namespace for router in wanted}

        asked = await asyncio.wrap_future(self._underlay.ask(namespaces))
        counted = await asyncio.to_thread(read_counters, asked)
        return await asyncio.wrap_future(self._underlay.ask(lambda core: views.counters(core, counted)))

    async def subjects(self, *_: object) -> SubjectsView:
        """What is to be measured."""
        return await asyncio.wrap_future(self._underlay.ask(measurement.subjects))

    async def windows(self, _: object, __: object, body: WindowsBody) -> None:
        """What measurement has found."""

        def measured(core: Controller, now: float) -> list[Effect]:
            return core.measured(measurement.windows(core, body.windows), now)

        await asyncio.wrap_future(self._underlay.ask(lambda _: None, after=measured))


Operation = Callable[[Any, Any, Any], Awaitable[Answer | None]]


More = Callable[[bytes], Awaitable[Sequence[Problem]]]
"""What else is wrong with a body that does not validate."""

Api = tuple[object, Sequence[Endpoint]]
"""Operations, and the endpoints that they are for: each is a method of that name."""


def application(*apis: Api) -> web.Application:
    """One API of several parts."""
    rows = [(operations, endpoint) for operations, endpoints in apis for endpoint in endpoints]
    endpoints = tuple(endpoint for _, endpoint in rows)
    there_is = ", ".join(map(str, (*endpoints, f"GET {openapi.PATH}")))
    app = web.Application(middlewares=[middleware(there_is)])
    document = openapi.document(endpoints)

    async def describe(_: web.Request) -> web.Response:
        return web.json_response(document)

    app.router.add_get(openapi.PATH, describe)
    for operations, endpoint in rows:
        more = getattr(operations, endpoint.names) if endpoint.names else None
        handler = _handler(endpoint, getattr(operations, endpoint.name), more)
        app.router.add_route(endpoint.method, endpoint.path, handler)
    return app


class Northbound:
    """Serves the API on `socket` until it is closed; OSError if it cannot."""

    def __init__(self, socket: Path, *apis: Api) -> None:
        self._socket = socket
        self._app = application(*apis)
        self._serving: Future[None] = Future()
        threads.start("northbound", lambda: asyncio.run(self._serve()))
        self._serving.result()

    def close(self) -> None:
        """Take the socket away; the thread ends with the process."""
        self._socket.unlink(missing_ok=True)

    async def _serve(self) -> None:
        runner = web.AppRunner(self._app, access_log=None)
        await runner.setup()
        try:
            await web.UnixSite(runner, str(self._socket)).start()
        except OSError as error:
            self._serving.set_exception(OSError(error.errno, error.strerror, str(self._socket)))
            return
        self._serving.set_result(None)
        await asyncio.Event().wait()


def _handler(
    endpoint: Endpoint, operation: Operation, more: More | None
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        where = read(endpoint.where, "path", dict(request.match_info))
        query = read(endpoint.query, "query", dict(request.query))
        body = await _body(endpoint.body, await request.read(), more) if endpoint.body else None
        answer = await operation(where, query, body)
        if answer is None:
            return web.Response(status=endpoint.status)
        text = answer.model_dump_json()
        return web.Response(status=endpoint.status, text=text, content_type="application/json")

    return handle


async def _body(model: type[BaseModel], data: bytes, more: More | None) -> BaseModel:
    try:
        return read(model, "body", data)
    except RequestError as error:
        raise error.and_more(await more(data) if more else ()) from error


def _found(core: Controller, name: PolicyName) -> PolicyView:
    try:
        return views.policy(core, name.id)
    except KeyError:
        known = ", ".join(str(each.id) for each in core.policies) or "none"
        raise RequestError(HTTPStatus.NOT_FOUND, f"there is no policy {name.id}; there is {known}") from None


def _put_valid(core: Controller, policy: SrPolicy) -> list[Effect]:
    """Add `policy` if it has a valid path; RequestError if not, and then nothing has changed."""
    before = next((each for each in core.policies if each.id == policy.id), None)
    effects = core.put_policy(policy)
    view = views.policy(core, policy.id)
    if view.state == "up":
        return effects
    if before is None:
        core.remove_policy(policy.id)
    else:
        core.put_policy(before)
    reasons = tuple(each.reason for each in view.invalid) or ("the network is converging; ask again",)
    raise RequestError(HTTPStatus.CONFLICT, f"policy {policy.id}: {'; '.join(reasons)}", reasons)
