"""Requests to the network functions' management sockets: JSON over HTTP over a Unix socket in the lab's directory."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from testbed.errors import RunInvalidError
from testbed.run.inbox import POLL_S
from testbed.unixhttp import UnixConnection


def exchange(path: Path, method: str, target: str, body: Any = None, *, timeout: float = 60.0) -> tuple[int, str]:
    """Status and text of the answer at the socket `path`; RunInvalidError if there is none."""
    connection = UnixConnection(path, timeout)
    try:
        text = None if body is None else json.dumps(body)
        connection.request(method, target, text, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read().decode()
    except (OSError, http.client.HTTPException) as error:
        text = f"{path.stem} did not answer {method} {target}: {error}"
        raise RunInvalidError(text, process=path.stem) from error
    finally:
        connection.close()


def request(path: Path, method: str, target: str, body: Any = None, *, timeout: float = 60.0) -> Any:
    """The JSON answer of the function that listens on the socket at `path`; RunInvalidError says why it refused."""
    function = path.stem
    status, text = exchange(path, method, target, body, timeout=timeout)
    if status >= http.client.BAD_REQUEST:
        raise RunInvalidError(f"{function} refused {method} {target}: {_detail(text)}", process=function)
    return json.loads(text) if text else None


def watched_request(path: Path, method: str, target: str, body: Any = None, *, alive: Callable[[], None]) -> Any:
    """As `request`, while `alive` is called: if a process has died, that is the error, not what it led to."""
    executor = ThreadPoolExecutor(max_workers=1)
    answer = executor.submit(request, path, method, target, body)
    # The request ends with the function that it asks, at the latest when the lab is taken down: not waited for here.
    executor.shutdown(wait=False)
    while not answer.done():
        alive()
        wait([answer], POLL_S)
    if answer.exception():
        alive()
    return answer.result()


def _detail(text: str) -> str:
    """The sentence in a problem document (RFC 9457), or the whole answer."""
    try:
        problem = json.loads(text)
    except json.JSONDecodeError:
        return text
    return str(problem.get("detail") or problem.get("title") or text) if isinstance(problem, dict) else text
