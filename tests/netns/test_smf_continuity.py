"""What packets see of idle periods, path switches, QoS flows and restarts, with SMF, UPFs and gNB as processes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, closing, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from core_stub.gtpu import GPdu, decapsulate
from testbed import netns
from tests.support.user_plane import (
    ANYCAST,
    CLOUD,
    EDGE,
    PSA,
    SMF,
    UE,
    WITHIN_S,
    Capture,
    Echo,
    Process,
    ask,
    gnb,
    name,
    network,
    process,
    ue_socket,
    upf,
)

pytestmark = pytest.mark.netns

MEC_FLOW = f"permit out ip from {ANYCAST}/32 to assigned"
PORT = 5001


class Core:
    """The network functions; each can be ended and started again."""

    def __init__(self, directory: Path, **of_edge: object) -> None:
        self._starts: dict[str, Callable[[], Any]] = {
            "edge": lambda: upf("edge", EDGE, directory),
            "psa": lambda: upf("psa", PSA, directory),
            "smf": lambda: smf(directory, **of_edge),
            "gnb": lambda: gnb(directory),
        }
        self._stacks: dict[str, AsyncExitStack] = {}
        self.running: dict[str, Process] = {}

    async def start(self, function: str) -> None:
        stack = AsyncExitStack()
        self.running[function] = await stack.enter_async_context(self._starts[function]())
        self._stacks[function] = stack

    async def stop(self, function: str) -> None:
        await self._stacks.pop(function).aclose()

    async def close(self) -> None:
        for function in reversed(list(self._stacks)):
            await self.stop(function)

    async def call(self, function: str, method: str, path: str, body: object = None) -> Any:
        status, answer = await self.running[function].call(method, path, body)
        assert status < 300, answer
        return answer

    async def event(self, function: str, kind: str, count: int = 1) -> dict[str, Any]:
        return await self.running[function].event(kind, count)


def smf(directory: Path, **of_edge: object) -> Any:
    """An SMF with a database, that soon finds out about a UPF that has restarted or died."""
    upfs = [
        {"name": "upf-cloud", "address": PSA, "dnn": ["internet"], "role": "psa", "dnai": "cloud"},
        {"name": "upf-edge", "address": EDGE, "dnai": "edge", **of_edge},
    ]
    n4 = {"server": [{"address": SMF}], "client": {"upf": upfs}}
    config = {
        "pfcp": n4 | {"heartbeat": "200ms", "t1": "500ms"},
        "sbi": {"server": [{"address": SMF}]},
        "session": [
            {
                "subnet": "10.45.0.0/16",
                "dnn": "internet",
                "ambr": {"uplink": "1Gbit", "downlink": "1Gbit"},
                "charging": {"rating_group": 5, "volume_threshold": 10**9, "period": 1},
            }
        ],
        "management": {"socket": str(directory / "net.sock")},
        "ulcl": {"guard": "50ms"},
        "db": str(directory / "smf.db"),
    }
    return process("net", "core_stub.smf", {"smf": config}, directory)


def run_on_core(directory: Path, scenario: Callable[[Core], Awaitable[None]], **of_edge: object) -> None:
    """Run `scenario` in namespaces of its own, with the UE attached and something that answers in both networks.

    `of_edge` are settings of the SMF for the UPF at the edge.
    """

    async def whole() -> None:
        core = Core(directory, **of_edge)
        try:
            for function in ("edge", "psa", "smf", "gnb"):
                await core.start(function)
            await core.event("smf", "all_associated")
            await core.call("gnb", "POST", "/attach", {"ue": "ue1", "dnn": "internet", "sscMode": 2})
            with closing(Echo("mec", "dn")), closing(Capture("n3bridge")) as n4:
                await scenario(core)
                wrong = "pfcp && (_ws.malformed || _ws.expert.severity >= 0x600000)"
                assert n4.dissect(directory, wrong, "frame.number", "_ws.expert.message") == []
        finally:
            await core.close()

    with network():
        asyncio.run(whole())


def from_the_network(*payloads: bytes) -> None:
    """A host of the data network sends packets to the UE."""
    with netns.entered(name("dn")), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
        for payload in payloads:
            sending.sendto(payload, (UE, PORT))


async def at_the_ue(count: int) -> list[bytes]:
    """What the UE receives of it."""
    loop = asyncio.get_running_loop()
    with netns.entered(name("ue")):
        receiving = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    with receiving:
        receiving.bind((UE, PORT))
        return [await asyncio.wait_for(loop.sock_recv(receiving, 2048), WITHIN_S) for _ in range(count)]


def test_an_idle_ue_is_paged_and_gets_what_was_buffered(tmp_path: Path) -> None:
    async def scenario(core: Core) -> None:
        await core.call("gnb", "POST", "/deactivate", {"ue": "ue1"})
        assert (await core.call("smf", "GET", "/sessions"))[0]["state"] == "inactive"
        receiving = asyncio.create_task(at_the_ue(3))
        await asyncio.sleep(0)
        from_the_network(b"1", b"2", b"3")
        assert await receiving == [b"1", b"2", b"3"]
        assert (await core.event("smf", "paging"))["ue"] == "ue1"
        await core.event("gnb", "service_request")
        assert (await core.call("smf", "GET", "/sessions"))[0]["state"] == "active"
        assert await ask(b"?", CLOUD) == b"dn:?"

    run_on_core(tmp_path, scenario)


def test_an_idle_ue_that_sends_asks_for_service_first(tmp_path: Path) -> None:
    async def scenario(core: Core) -> None:
        await core.call("gnb", "POST", "/deactivate", {"ue": "ue1"})
        assert await ask(b"?", CLOUD) == b"dn:?"
        await core.event("gnb", "service_request")
        assert [event for event in core.running["smf"].events if event["event"] == "paging"] == []

    run_on_core(tmp_path, scenario)


def test_a_path_switch_ends_the_old_tunnel_with_an_end_marker(tmp_path: Path) -> None:
    async def scenario(core: Core) -> None:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as target:
            target.bind((SMF, 2152))
            url = f"http://{SMF}:7777/nsmf-pdusession/v1/sm-contexts/1/modify"
            new = {"n3": {"teid": 0x1234, "ipv4": SMF}}
            async with aiohttp.ClientSession() as http, http.post(url, json=new) as response:
                assert response.status == 200
            from_the_network(b"after")
            message = decapsulate(await asyncio.wait_for(loop.sock_recv(target, 2048), WITHIN_S))
        assert isinstance(message, GPdu)
        assert (message.teid, message.qfi, message.payload[-5:]) == (0x1234, 1, b"after")
        faults = (await core.call("gnb", "GET", "/sessions"))["faults"]
        assert faults == {"end marker": 1}

    run_on_core(tmp_path, scenario)


async def marked(core: Core, address: str, directory: Path) -> list[str]:
    """The QFIs of a question on N3, and of its answer."""
    directory.mkdir()
    with closing(Capture("gnb")) as capture:
        assert await ask(b"?", address) == b"dn:?"
        fields = ("gtp.ext_hdr.pdu_ses_con.qos_flow_id",)
        return [qfi for (qfi,) in capture.dissect(directory, "gtp && udp.port == 5000", *fields)]


def test_a_qos_flow_is_marked_both_ways(tmp_path: Path) -> None:
    async def scenario(core: Core) -> None:
        flow = {"supi": "ue1", "qfi": 7, "sdf": [f"permit out 17 from {CLOUD}/32 5000 to assigned"]}
        await core.call("smf", "POST", "/flows", flow)
        assert await marked(core, CLOUD, tmp_path / "cloud") == ["7", "7"]
        assert await marked(core, ANYCAST, tmp_path / "anycast") == ["1", "1"]
        await core.call("smf", "DELETE", "/flows/ue1/7")
        assert await marked(core, CLOUD, tmp_path / "after") == ["1", "1"]

    run_on_core(tmp_path, scenario)


def test_a_upf_that_restarts_has_its_sessions_again_without_the_gnb_noticing(tmp_path: Path) -> None:
    async def scenario(core: Core) -> None:
        before = (await core.call("gnb", "GET", "/sessions"))["sessions"]
        with ue_socket() as asking:
            asking.connect((CLOUD, 5000))
            traffic = asyncio.create_task(_traffic(asking))
            await core.stop("psa")
            await core.start("psa")
            assert (await core.event("smf", "session_restored"))["upf"] == "upf-cloud"
            assert await ask(b"?", CLOUD) == b"dn:?"
            traffic.cancel()
        after = (await core.call("gnb", "GET", "/sessions"))["sessions"]
        for session in (*before, *after):
            del session["uplink"]["packets"], session["downlink"]["packets"]
        assert after == before
        assert [event for event in core.running["smf"].events if event["event"] == "session_lost"] == []

    run_on_core(tmp_path, scenario)


async def _traffic(asking: socket.socket) -> None:
    """Packets all the time, whether or not they arrive."""
    while True:
        with suppress(OSError):
            asking.send(b"?")
        await asyncio.sleep(0.01)


def test_an_smf_that_restarts_knows_its_sessions_and_restores_them(tmp_path: Path) -> None:
    async def scenario(core: Core) -> None:
        await core.call("smf", "POST", "/ulcl", {"supi": "ue1", "upf": "upf-edge", "sdf": [MEC_FLOW]})
        before = await core.call("smf", "GET", "/sessions")
        await core.stop("smf")
        assert await ask(b"?", ANYCAST) == b"mec:?"
        await core.start("smf")
        await core.event("smf", "session_restored", 2)
        assert await core.call("smf", "GET", "/sessions") == before
        assert await ask(b"?", ANYCAST) == b"mec:?"
        assert await ask(b"?", CLOUD) == b"dn:?"
        # It goes on as if nothing had been.
        await core.call("smf", "DELETE", "/ulcl/ue1")
        assert await ask(b"?", ANYCAST) == b"dn:?"
        await core.call("gnb", "POST", "/detach", {"ue": "ue1"})
        assert (await core.call("psa", "GET", "/sessions"))["sessions"] == []

    run_on_core(tmp_path, scenario)


def test_another_upf_takes_the_session_of_one_that_has_died(tmp_path: Path) -> None:
    async def scenario(core: Core) -> None:
        assert await ask(b"?", ANYCAST) == b"dn:?"
        await core.stop("psa")
        moved = await core.event("smf", "session_moved")
        assert (moved["old"], moved["psa"]) == ("upf-cloud", "upf-edge")
        assert (await core.event("gnb", "n3_path_switched"))["new"]["ipv4"] == EDGE
        # With the address that it had.
        assert await ask(b"?", ANYCAST) == b"mec:?"

    run_on_core(tmp_path, scenario, role="psa")


def test_ssc_mode_2_makes_the_session_anew_at_another_psa(tmp_path: Path) -> None:
    async def scenario(core: Core) -> None:
        assert await ask(b"?", ANYCAST) == b"dn:?"
        await core.call("smf", "POST", "/psa", {"supi": "ue1"})
        again = await core.event("gnb", "pdu_session_established", 2)
        assert (again["ue_ipv4"], again["uplink"]["ipv4"]) == (UE, EDGE)
        assert await ask(b"?", ANYCAST) == b"mec:?"
        assert (await core.call("psa", "GET", "/sessions"))["sessions"] == []

    run_on_core(tmp_path, scenario, role="psa")


def test_what_is_used_is_reported_and_summed(tmp_path: Path) -> None:
    async def scenario(core: Core) -> None:
        for _ in range(5):
            assert await ask(b"x" * 1000, CLOUD) == b"dn:" + b"x" * 1000
        await core.event("smf", "usage_report")
        usage: dict[str, Any] = {}

        async def total() -> int:
            (session,) = await core.call("smf", "GET", "/sessions")
            (account,) = session["usage"]
            usage.update(account)
            return int(account["total"])

        deadline = asyncio.get_running_loop().time() + WITHIN_S
        # IPv4 and UDP headers count too, and the name of the node that answers.
        while await total() < 5 * (1028 + 1031):
            assert asyncio.get_running_loop().time() < deadline, usage
            await asyncio.sleep(0.05)
        assert (usage["rating_group"], usage["uplink"], usage["downlink"]) == (5, 5 * 1028, 5 * 1031)

    run_on_core(tmp_path, scenario)
