"""`lab.sock` in a lab's directory: what `bearerlab impair` and `core` talk to while the lab runs. JSON over HTTP.

    GET  /nodes                  every node: its role, namespace and addresses
    GET  /links                  every link that can be changed
    POST /links/{name}           {"change": as in a scenario's `impair`, "beside": folder of its files} → the link
    POST /links/{name}/reset     → the link

A request that is wrong is answered with 400 and `{"problems": [{"where", "got", "want", "hint"}]}`, anything else that
fails with 500 and `{"detail"}`; the lab goes on.
"""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from testbed.errors import BearerlabError, InputError, Problem
from testbed.plan.describe import describe
from testbed.plan.model import Plan, PlannedNode
from testbed.plan.profiles import Known, Presets, changed
from testbed.plan.queues import queue_problems
from testbed.run.links import Links
from testbed.scenario.load import change_from

NAME = "lab.sock"
LARGEST_BODY = 1_000_000
_BY = "bearerlab impair"

Handler = Callable[[str, str, bytes], tuple[int, Any]]


class Control:
    """The requests; `handle` is all of it without sockets."""

    def __init__(self, nodes: Sequence[dict[str, Any]], links: Links, presets: Presets) -> None:
        self._nodes, self._links, self._presets = nodes, links, presets

    def handle(self, method: str, target: str, body: bytes) -> tuple[int, Any]:
        """Status and answer of a request."""
        try:
            return HTTPStatus.OK, self._answer(method, target, body)
        except InputError as error:
            return HTTPStatus.BAD_REQUEST, {"problems": [asdict(problem) for problem in error.problems]}
        except BearerlabError as error:
            return HTTPStatus.INTERNAL_SERVER_ERROR, {"detail": str(error)}

    def _answer(self, method: str, target: str, body: bytes) -> Any:
        match method, [unquote(part) for part in target.strip("/").split("/")]:
            case "GET", ["nodes"]:
                return {"nodes": self._nodes}
            case "GET", ["links"]:
                return {"links": [self._shown(name) for name in self._links.names]}
            case "POST", ["links", name]:
                self._change(name, body)
                return self._shown(name)
            case "POST", ["links", name, "reset"]:
                self._links.reset(name, by=_BY)
                return self._shown(name)
        want = "GET /nodes, GET /links, POST /links/NAME or POST /links/NAME/reset"
        raise InputError(NAME, [Problem(f"{method} {target}", "an unknown request", want)])

    def _change(self, name: str, body: bytes) -> None:
        planned = self._links.planned(name)
        asked = _parsed(body)
        change, files = change_from(name, asked["change"], Path(str(asked.get("beside", "/"))), self._presets.by_name)
        known = Known(self._presets, files)
        behaviour = changed(self._links.behaviour(name), change, planned.distance_km, known)
        if problems := tuple(queue_problems("", change, behaviour, planned.mtu)):
            raise InputError(name, problems)
        self._links.set(name, behaviour, by=_BY)

    def _shown(self, name: str) -> dict[str, Any]:
        planned, behaviour = self._links.planned(name), self._links.behaviour(name)
        return {
            "name": name,
            "tier": planned.tier,
            "state": "up" if self._links.is_up(name) else "down",
            "text": describe(behaviour),
            "changed": behaviour != planned.behaviour,
            "a_to_b": asdict(behaviour.a_to_b.profile),
            "b_to_a": asdict(behaviour.b_to_a.profile),
        }


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        asked = json.loads(body)
    except ValueError:
        asked = None
    if not isinstance(asked, dict) or not isinstance(asked.get("change"), dict):
        raise InputError(NAME, [Problem("body", repr(body[:80]), 'JSON such as {"change": {"delay": "20ms"}}')])
    return asked


def nodes_json(plan: Plan, namespaces: Mapping[str, str]) -> list[dict[str, Any]]:
    """What `GET /nodes` answers."""
    return [
        {
            "name": node.name,
            "role": node.role,
            "namespace": namespaces[node.name],
            "addresses": [address.partition("/")[0] for address in _addresses(node)],
        }
        for node in plan.nodes
    ]


def _addresses(node: PlannedNode) -> Iterator[str]:
    """Those of its interfaces first, then what it has on `lo`: its own if it is a router, services if it is a host."""
    yield from (address for port in node.interfaces for address in port.addresses)
    yield from node.loopback


@contextmanager
def control(directory: Path, nodes: Sequence[dict[str, Any]], links: Links, presets: Presets) -> Iterator[None]:
    """Serve in threads for the time of the body."""
    handle = Control(nodes, links, presets).handle

    class Requests(_Requests):
        answer = staticmethod(handle)

    with _Server(str(directory / NAME), Requests) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    # Somebody who connects and says nothing must not keep the lab from ending.
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is its own problem."""


class _Requests(BaseHTTPRequestHandler):
    answer: Handler
    timeout = 30

    def do_GET(self) -> None:
        self._reply()

    def do_POST(self) -> None:
        self._reply()

    def _reply(self) -> None:
        # A body is read in any case: a client still sending one when the connection closes would see a broken pipe.
        length = self.headers.get("Content-Length", "0")
        body = self.rfile.read(min(int(length) if length.isdigit() else 0, LARGEST_BODY))
        status, answer = self.answer(self.command, self.path, body)
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        """Nothing: what was changed is in the run's events."""
