"""The client of the wire process, against a socket that answers what a test tells it to."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testbed.links.engine import DirectionCounters, EmulatedLink, LinkCounters, LinkEngineError
from testbed.links.profile import GilbertElliott, LinkProfile, Queue
from testbed.links.wire import BINARY, WireEngine, wire_argv

THERE = LinkProfile(
    delay_ms=9.9, jitter_ms=0.5, loss_bursts=GilbertElliott(0.01, 0.2), rate_bps=10**9, queue=Queue(ms=20)
)
LINK = EmulatedLink("core", "wA", "wB", THERE, LinkProfile())
OK: dict[str, Any] = {"ok": True}


class Server:
    """Takes one connection, keeps the requests, and answers with `replies`; then it closes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.replies: list[dict[str, Any]] = []
        self.requests: list[dict[str, Any]] = []
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        connection = self._listener.accept()[0]
        with connection, connection.makefile("rw") as stream:
            for line in stream:
                self.requests.append(json.loads(line))
                if not self.replies:
                    return
                stream.write(json.dumps(self.replies.pop(0)) + "\n")
                stream.flush()

    def close(self) -> None:
        self._thread.join(timeout=5)
        self._listener.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "wire.sock")
    yield server
    server.close()


@pytest.fixture
def engine(server: Server) -> Iterator[WireEngine]:
    engine = WireEngine(server.path)
    yield engine
    engine.close()


def test_the_command_line_names_the_socket_and_the_seed() -> None:
    assert wire_argv(Path("/run/x.sock"), 7) == (str(BINARY), "--control", "/run/x.sock", "--seed", "7")


def test_a_link_is_added_with_both_profiles(server: Server, engine: WireEngine) -> None:
    server.replies = [OK]
    engine.add([LINK])
    request = server.requests[0]
    assert {key: request[key] for key in ("op", "name", "a", "b")} == {
        "op": "add",
        "name": "core",
        "a": "wA",
        "b": "wB",
    }
    there = {key.removeprefix("a_to_b."): value for key, value in request.items() if key.startswith("a_to_b.")}
    assert there == {
        "delay_ms": 9.9,
        "jitter_ms": 0.5,
        "distribution": "normal",
        "reorder": False,
        "loss": 0.0,
        "loss_bursts.p": 0.01,
        "loss_bursts.r": 0.2,
        "loss_bursts.loss_bad": 1.0,
        "loss_bursts.loss_good": 0.0,
        "duplicate": 0.0,
        "corrupt": 0.0,
        "rate_bps": 10**9,
        "queue.ms": 20,
        "queue.discipline": "tail-drop",
    }
    assert "b_to_a.rate_bps" not in request


def test_a_refusal_names_the_link_and_the_reason(server: Server, engine: WireEngine) -> None:
    server.replies = [OK, {"ok": False, "error": "wA: already an end of link core"}]
    with pytest.raises(LinkEngineError, match=r"^link other: wA: already an end of link core$") as error:
        engine.add([LINK, EmulatedLink("other", "wA", "wC", THERE, THERE)])
    assert error.value.link == "other"


def test_counters_keep_their_order_and_all_their_fields(server: Server, engine: WireEngine) -> None:
    there = DirectionCounters(10, 1000, 1, 2, 0.5, 40.0, 3, 4, 5, 6, ((0.5, 9), (40.0, 1)))
    back = DirectionCounters(0, 0, 0, 0, None, None)
    names = ("zulu", "alpha")
    links = [{"name": name, "up": True, "a_to_b": vars(there), "b_to_a": vars(back)} for name in names]
    server.replies = [{"ok": True, "links": links}]
    assert engine.counters() == tuple(LinkCounters(name, there, back) for name in names)


def test_a_link_is_cut_and_mended(server: Server, engine: WireEngine) -> None:
    server.replies = [OK, OK]
    engine.set_up("core", up=False)
    engine.set_up("core", up=True)
    assert server.requests == [{"op": "down", "name": "core"}, {"op": "up", "name": "core"}]


def test_a_process_that_goes_away_is_an_error_of_the_link(server: Server, engine: WireEngine) -> None:
    with pytest.raises(LinkEngineError, match=r"^link core: the wire process has closed its control socket$"):
        engine.change("core", THERE, THERE)


def test_closing_removes_every_link(server: Server, engine: WireEngine) -> None:
    server.replies = [OK, OK, OK, OK]
    engine.add([LINK, EmulatedLink("other", "wC", "wD", THERE, THERE)])
    engine.close()
    assert {request["name"] for request in server.requests if request["op"] == "remove"} == {"core", "other"}


def test_closing_after_the_process_has_gone_is_no_error(server: Server) -> None:
    server.replies = [OK]
    engine = WireEngine(server.path)
    engine.add([LINK])
    engine.close()


def test_no_process_is_said_with_its_socket(tmp_path: Path) -> None:
    with pytest.raises(LinkEngineError, match=r"no wire process answers at .*/none.sock"):
        WireEngine(tmp_path / "none.sock")
