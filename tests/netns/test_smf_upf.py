"""The SMF, two UPFs and a gNB as processes in namespaces: a UL CL goes in and out under the packets of a UE."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.polling import eventually_async
from tests.support.user_plane import (
    ANYCAST,
    CLOUD,
    EDGE,
    GNB,
    PSA,
    SMF,
    UE,
    WITHIN_S,
    Capture,
    Echo,
    Process,
    ask,
    gnb,
    network,
    process,
    ue_socket,
    upf,
)

pytestmark = pytest.mark.netns

MEC_FLOW = f"permit out ip from {ANYCAST}/32 to assigned"
INSERT = {"supi": "ue1", "upf": "upf-edge", "sdf": [MEC_FLOW]}


@dataclass
class Core:
    """The network functions, and what passes on N3, N4 and N9."""

    smf: Process
    gnb: Process
    edge: Process
    psa: Process
    capture: Capture


def smf(directory: Path) -> Any:
    """The SMF, with its PSA and its edge UPF."""
    upfs = [
        {"name": "upf-cloud", "address": PSA, "dnn": ["internet"], "role": "psa", "dnai": "cloud"},
        {"name": "upf-edge", "address": EDGE, "dnai": "edge"},
    ]
    config = {
        "pfcp": {"server": [{"address": SMF}], "client": {"upf": upfs}},
        "sbi": {"server": [{"address": SMF}]},
        "session": [{"subnet": "10.45.0.0/16", "dnn": "internet"}],
        "management": {"socket": str(directory / "net.sock")},
        "ulcl": {"guard": "50ms"},
    }
    return process("net", "core_stub.smf", {"smf": config}, directory)


@asynccontextmanager
async def core(directory: Path) -> AsyncIterator[Core]:
    """Everything up and associated."""
    with closing(Capture("n3bridge")) as capture, closing(Echo("mec", "dn")):
        async with (
            upf("edge", EDGE, directory) as edge,
            upf("psa", PSA, directory) as psa,
            smf(directory) as running,
            gnb(directory) as radio,
        ):
            await running.event("all_associated")
            yield Core(running, radio, edge, psa, capture)


@asynccontextmanager
async def stream(address: str) -> AsyncIterator[list[int]]:
    """The UE asks again and again while the body runs; afterwards the list has the questions without an answer."""
    loop = asyncio.get_running_loop()
    unanswered: list[int] = []
    with ue_socket() as asking:
        asking.connect((address, 5000))
        loop.add_reader(asking, lambda: unanswered.remove(int(asking.recv(64).rpartition(b":")[2])))
        sending = loop.create_task(_send(asking, unanswered))
        try:
            yield unanswered
        finally:
            sending.cancel()
            with suppress(AssertionError):
                await eventually_async(lambda: unanswered, lambda left: not left, WITHIN_S)
            loop.remove_reader(asking)


async def _send(asking: socket.socket, unanswered: list[int]) -> None:
    for number in count():
        unanswered.append(number)
        asking.send(b"%d" % number)
        await asyncio.sleep(0.002)


def run_on_core(directory: Path, scenario: Callable[[Core], Awaitable[None]]) -> None:
    """Run `scenario` in namespaces of its own, with everything up and associated."""

    async def whole() -> None:
        async with core(directory) as running:
            await scenario(running)

    with network():
        asyncio.run(whole())


async def attached(core: Core) -> None:
    """Give the UE its session."""
    status, answer = await core.gnb.call("POST", "/attach", {"ue": "ue1", "dnn": "internet"})
    assert (status, answer["ueIpv4Address"]) == (200, UE), answer


def test_a_session_a_ulcl_and_back_without_losing_a_packet(tmp_path: Path) -> None:
    async def scenario(core: Core) -> None:
        await attached(core)
        assert await ask(b"?", ANYCAST) == b"dn:?"
        async with stream(ANYCAST) as anycast, stream(CLOUD) as cloud:
            status, inserted = await core.smf.call("POST", "/ulcl", INSERT)
            assert status == 200, inserted
            assert await ask(b"?", ANYCAST) == b"mec:?"
            assert await ask(b"?", CLOUD) == b"dn:?"
            status, removed = await core.smf.call("DELETE", "/ulcl/ue1")
            assert status == 200, removed
            assert await ask(b"?", ANYCAST) == b"dn:?"
        assert (anycast, cloud) == ([], [])
        assert (await core.gnb.call("POST", "/detach", {"ue": "ue1"}))[0] == 204
        for function in (core.psa, core.edge):
            assert (await function.call("GET", "/sessions"))[1]["sessions"] == []
        assert (await core.smf.call("GET", "/sessions"))[1] == []
        _check_n4(core.capture, tmp_path)

    run_on_core(tmp_path, scenario)


def _check_n4(capture: Capture, directory: Path) -> None:
    """tshark finds the messages in their order, and nothing wrong with any of them."""
    wrong = "pfcp && (_ws.malformed || _ws.expert.severity >= 0x600000)"
    assert capture.dissect(directory, wrong, "frame.number", "_ws.expert.message") == []
    requests = capture.dissect(directory, "pfcp.msg_type in {50, 52, 54}", "ip.dst", "pfcp.msg_type", "pfcp.seqno")
    # On a busy machine a request may be sent twice, with the same sequence number.
    assert [request[:2] for request in dict.fromkeys(map(tuple, requests))] == [
        (PSA, "50"),  # establishment
        (PSA, "52"),  # activation
        (PSA, "52"),  # insertion: the way in over N9
        (EDGE, "50"),
        (PSA, "52"),  # downlink to the UL CL
        (PSA, "52"),  # the way in over N3 closed
        (PSA, "52"),  # removal: the way in over N3
        (PSA, "52"),  # downlink to the gNB
        (EDGE, "54"),
        (PSA, "52"),  # the way in over N9 closed
        (PSA, "54"),
    ]
    assert capture.dissect(directory, "pfcp.cause && pfcp.cause != 1", "frame.number") == []


def test_what_the_functions_say_of_the_same_session_agrees(tmp_path: Path) -> None:
    async def scenario(core: Core) -> None:
        await attached(core)
        await core.smf.call("POST", "/ulcl", INSERT)
        ((session,), (at_gnb,)) = (
            (await core.smf.call("GET", "/sessions"))[1],
            (await core.gnb.call("GET", "/sessions"))[1]["sessions"],
        )
        assert session["state"] == "local-breakout"
        assert session["gnb"] == {key: at_gnb["downlink"][key] for key in ("teid", "ipv4")}
        assert session["ulcl"]["n3"] == {key: at_gnb["uplink"][key] for key in ("teid", "ipv4")}
        (at_edge,) = (await core.edge.call("GET", "/sessions"))[1]["sessions"]
        tunnels = {pdr["id"]: pdr["far"].get("tunnel") for pdr in at_edge["pdrs"]}
        assert tunnels == {1: session["gnb"], 2: session["psa"]["uplink"], 3: None, 4: session["gnb"]}
        (at_psa,) = (await core.psa.call("GET", "/sessions"))[1]["sessions"]
        assert [pdr["far"].get("tunnel") for pdr in at_psa["pdrs"]] == [session["ulcl"]["n9"], None]

    run_on_core(tmp_path, scenario)


def test_a_gnb_that_does_not_answer_leaves_the_session_as_it_was(tmp_path: Path) -> None:
    async def scenario(core: Core) -> None:
        # A session whose gNB is not there: nothing listens at this port.
        url = f"http://{SMF}:7777/nsmf-pdusession/v1/sm-contexts"
        request = {"supi": "ue2", "dnn": "internet", "snssai": {"sst": 1}, "pduSessionId": 1, "gnb": f"http://{GNB}:9"}
        async with aiohttp.ClientSession() as http:
            async with http.post(url, json=request) as response:
                context = await response.json()
            n3 = {"n3": {"teid": 7, "ipv4": GNB}}
            async with http.post(f"{url}/{context['smContextRef']}/modify", json=n3) as response:
                assert response.status == 200
        before = (await core.psa.call("GET", "/sessions"))[1]
        status, problem = await core.smf.call("POST", "/ulcl", INSERT | {"supi": "ue2"})
        assert (status, problem["cause"], problem["step"]) == (504, "PEER_NOT_RESPONDING", "switch_n3_to_ulcl")
        assert problem["detail"].endswith("rolled back")
        assert (await core.edge.call("GET", "/sessions"))[1]["sessions"] == []
        assert (await core.psa.call("GET", "/sessions"))[1] == before

    run_on_core(tmp_path, scenario)
