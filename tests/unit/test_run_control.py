"""What `bearerlab impair` asks a running lab, and the answers."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testbed.links.profile import LinkProfile
from testbed.record import RunRecord
from testbed.run.control import NAME, Control, control, nodes_json
from testbed.run.links import Links
from testbed.run.management import exchange
from tests.support.lab_plans import five_nodes
from tests.support.memory_engine import Engine
from topologies.tiers import PRESETS

SLOW = LinkProfile(delay_ms=1)
NODES = nodes_json(five_nodes(SLOW), {node.name: f"bl-lab-{node.name}" for node in five_nodes(SLOW).nodes})


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def links(tmp_path: Path, engine: Engine) -> Iterator[Links]:
    with Links(five_nodes(SLOW), engine, RunRecord.create(tmp_path / "run")) as running:
        yield running


@pytest.fixture
def requests(links: Links) -> Control:
    return Control(NODES, links, PRESETS)


def test_nodes_come_with_what_it_takes_to_reach_them(requests: Control) -> None:
    status, answer = requests.handle("GET", "/nodes", b"")
    assert status == 200
    r1 = next(node for node in answer["nodes"] if node["name"] == "r1")
    assert (r1["role"], r1["namespace"]) == ("router", "bl-lab-r1")
    assert r1["addresses"] == [str(address) for address in r1["addresses"] if "/" not in address] != []


def change(**parameters: Any) -> bytes:
    return json.dumps({"change": parameters}).encode()


def test_show(requests: Control) -> None:
    status, answer = requests.handle("GET", "/links", b"")
    assert status == 200
    (link,) = answer["links"]
    assert (link["name"], link["state"], link["text"], link["changed"]) == ("r1-r2", "up", "1 ms", False)


def test_a_change_adds_to_the_last_one(requests: Control, engine: Engine) -> None:
    assert requests.handle("POST", "/links/r1-r2", change(delay="20ms"))[0] == 200
    status, answer = requests.handle("POST", "/links/r1-r2", change(up={"loss": "1%"}))
    assert (status, answer["text"], answer["changed"]) == (200, "up: 20 ms, loss 1%; down: 20 ms", True)
    assert engine.changes[-1] == ("r1-r2", LinkProfile(delay_ms=20, loss=0.01), LinkProfile(delay_ms=20))
    assert requests.handle("POST", "/links/r1-r2/reset", b"")[1]["text"] == "1 ms"
    assert engine.changes[-1] == ("r1-r2", SLOW, SLOW)


def test_files_are_looked_up_beside_the_caller(requests: Control, engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "loss.txt").write_text("01")
    body = json.dumps({"change": {"loss": {"trace": "loss.txt"}}, "beside": str(tmp_path)}).encode()
    assert requests.handle("POST", "/links/r1-r2", body)[0] == 200
    assert engine.changes[-1][1].loss_trace == (False, True)


@pytest.mark.parametrize(
    ("target", "body", "problem"),
    [
        ("/links/r9", change(delay="1ms"), ("r9", "no link of this name")),
        ("/links/h1-r1", change(delay="1ms"), ("h1-r1", "a plain veth pair")),
        ("/links/r9/reset", b"", ("r9", "no link of this name")),
        ("/links/r1-r2", change(delay="-1ms"), ("delay", '"-1ms"')),
        ("/links/r1-r2", change(loss={"p": 7, "r": 1}), ("loss.p", "7")),
        ("/links/r1-r2", change(queue="9ms"), ("queue", '"9ms" without a rate')),
        ("/links/r1-r2", change(mtu=1500), ("mtu", "an unknown key")),
        ("/links/r1-r2", change(preset="mars"), ("preset", '"mars"')),
        ("/links/r1-r2", change(up={"jitter_table": "gone"}), ("up.jitter_table", '"gone": No such file or directory')),
        ("/links/r1-r2", b"{", ("body", "b'{'")),
        ("/links/r1-r2", b"[1]", ("body", "b'[1]'")),
        ("/elsewhere", b"", ("POST /elsewhere", "an unknown request")),
    ],
)
def test_what_is_wrong_changes_nothing(
    requests: Control, engine: Engine, target: str, body: bytes, problem: tuple[str, str]
) -> None:
    status, answer = requests.handle("POST", target, body)
    assert status == 400
    (found,) = answer["problems"]
    assert (found["where"], found["got"]) == problem
    assert found["want"]
    assert engine.changes == []


def test_an_engine_that_fails_is_not_the_callers_fault(requests: Control, engine: Engine) -> None:
    engine.broken = True
    assert requests.handle("POST", "/links/r1-r2", change(delay="2ms")) == (500, {"detail": "link r1-r2: broken"})


def test_a_body_that_comes_late_is_awaited(links: Links, tmp_path: Path) -> None:
    with control(tmp_path, NODES, links, PRESETS), socket.socket(socket.AF_UNIX) as client:
        client.settimeout(0.2)
        client.connect(str(tmp_path / NAME))
        client.sendall(b"GET /links HTTP/1.0\r\nContent-Length: 4\r\n\r\n")
        with pytest.raises(TimeoutError):
            client.recv(1)
        client.sendall(b"null")
        client.settimeout(10)
        assert client.recv(12) == b"HTTP/1.0 200"


def test_over_a_socket_that_outlives_nonsense(links: Links, tmp_path: Path) -> None:
    with control(tmp_path, NODES, links, PRESETS):
        for nonsense in (b"garbage\r\n\r\n", b"POST /links/r1-r2 HTTP/1.1\r\nContent-Length: 99\r\n\r\nhalf"):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(tmp_path / NAME))
                client.sendall(nonsense)
        status, text = exchange(tmp_path / NAME, "GET", "/links")
    assert status == 200
    assert json.loads(text)["links"][0]["name"] == "r1-r2"
