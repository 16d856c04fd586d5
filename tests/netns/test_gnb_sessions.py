"""gNB and UPF as processes, a UE at the gNB's radio, and an SMF of the test's own between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, closing
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from core_stub.pfcp.ies import CreateFar, CreatePdr, FTeid, Interface, NodeId, UpdateFar
from core_stub.pfcp.messages import (
    SessionEstablishmentResponse,
    SessionModificationRequest,
    SessionModificationResponse,
)
from core_stub.pfcp.udp import PfcpNode
from tests.support.upf import downlink, establishment, to_n6, to_tunnel, uplink
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
    run_in,
    ue_socket,
    upf,
)

pytestmark = pytest.mark.netns


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with network():
        asyncio.run(test())


class OneSessionSmf:
    """As much of an SMF as one PDU session at the PSA needs; `fails` is the call to be refused."""

    def __init__(self, n4: PfcpNode) -> None:
        self._n4 = n4
        self.fails: str | None = None
        self.calls: list[str] = []
        self.seid = 0
        self.n3 = FTeid()
        self.gnb = ""

    def app(self) -> web.Application:
        app = web.Application()
        base = "/nsmf-pdusession/v1/sm-contexts"
        app.router.add_post(base, self._create)
        app.router.add_post(f"{base}/1/modify", self._modify)
        app.router.add_post(f"{base}/1/release", self._release)
        return app

    async def establish(self, upf: str, *rules: CreatePdr | CreateFar) -> tuple[int, FTeid]:
        response = await self._n4.request((upf, 8805), establishment(*rules))
        assert isinstance(response, SessionEstablishmentResponse)
        assert response.up_f_seid
        f_teid = next(pdr.f_teid for pdr in response.created_pdrs if pdr.pdr_id == 2)
        assert f_teid
        return response.up_f_seid.seid, f_teid

    async def switch_path(self, n3: FTeid) -> int:
        body = {"teid": n3.teid, "ipv4": str(n3.ipv4)}
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{self.gnb}/ngap-pdusession/v1/sessions/1/n3", json=body) as response,
        ):
            return response.status

    async def _create(self, request: web.Request) -> web.Response:
        body = await request.json()
        self._called("create")
        assert {"supi", "dnn", "snssai", "pduSessionId", "gnb"} == body.keys()
        self.gnb = body["gnb"]
        rules = (uplink(2, 2), downlink(1, 1), to_n6(2), CreateFar(1, to_n6(1).apply_action.BUFF))
        self.seid, self.n3 = await self.establish(PSA, *rules)
        n3 = {"teid": self.n3.teid, "ipv4": str(self.n3.ipv4)}
        answer = {"smContextRef": "1", "ueIpv4Address": UE, "qfi": 1, "n3": n3}
        return web.json_response(answer, status=201)

    async def _modify(self, request: web.Request) -> web.Response:
        n3 = (await request.json())["n3"]
        self._called("modify")
        forward = to_tunnel(1, Interface.ACCESS, n3["teid"], n3["ipv4"])
        update = UpdateFar(1, forward.apply_action, forward.forwarding)
        response = await self._n4.request((PSA, 8805), SessionModificationRequest(self.seid, update_fars=(update,)))
        assert isinstance(response, SessionModificationResponse)
        return web.json_response({"qfi": 1, "n3": {"teid": self.n3.teid, "ipv4": str(self.n3.ipv4)}})

    async def _release(self, _request: web.Request) -> web.Response:
        self._called("release")
        return web.Response(status=204)

    def _called(self, call: str) -> None:
        self.calls.append(call)
        if call == self.fails:
            raise web.HTTPServiceUnavailable(text="as the test wants it")


@asynccontextmanager
async def core(directory: Path, *upfs: str) -> AsyncIterator[tuple[Process, OneSessionSmf]]:
    """The gNB and the SMF; the UPFs are the test's."""
    async with PfcpNode(address=SMF, node_id=NodeId(IPv4Address(SMF))) as n4:
        for peer in upfs:
            await n4.associate((peer, 8805), within=WITHIN_S)
        smf = OneSessionSmf(n4)
        runner = web.AppRunner(smf.app(), access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, SMF, 7777).start()
            async with gnb(directory) as running:
                yield running, smf
        finally:
            await runner.cleanup()


async def attach(running: Process) -> None:
    status, body = await running.call("POST", "/attach", {"ue": "ue1", "dnn": "internet", "sst": 1})
    assert (status, body) == (200, {"ue": "ue1", "ueIpv4Address": UE, "smContextRef": "1"})


def test_a_ue_attaches_pings_and_detaches(tmp_path: Path) -> None:
    async def test() -> None:
        async with upf("psa", PSA, tmp_path), core(tmp_path, PSA) as (running, smf):
            with closing(Capture("gnb")) as n3:
                await attach(running)
                established = await running.event("pdu_session_established")
                assert established["uplink"] == {"teid": smf.n3.teid, "ipv4": PSA}
                for size in (56, 1372, 1472):
                    output = await asyncio.to_thread(
                        run_in, "ue", "ping", "-c", "5", "-i", "0.02", "-M", "do", "-s", str(size), CLOUD
                    )
                    assert " 0% packet loss" in output
                with closing(Echo("dn")):
                    assert await ask(b"x" * 1400, ANYCAST) == b"dn:" + b"x" * 1400
                session = (await running.call("GET", "/sessions"))[1]["sessions"][0]
                assert (session["uplink"]["packets"], session["downlink"]["packets"]) == (16, 16)
                assert await running.call("POST", "/detach", {"ue": "ue1"}) == (204, None)
                assert smf.calls == ["create", "modify", "release"]
                await running.event("pdu_session_released")
                containers = n3.dissect(tmp_path, "gtp.message == 0xff", "ip.src", "gtp.ext_hdr.pdu_ses_con.pdu_type")
                assert containers.count([GNB, "1"]) == containers.count([PSA, "0"]) == 16
                assert n3.dissect(tmp_path, "_ws.malformed || _ws.expert.severity >= error", "frame.number") == []

    run(test)


def test_a_path_switch_loses_no_packet(tmp_path: Path) -> None:
    async def test() -> None:
        async with (
            upf("psa", PSA, tmp_path),
            upf("edge", EDGE, tmp_path),
            core(tmp_path, PSA, EDGE) as (running, smf),
        ):
            await attach(running)
            session = (await running.call("GET", "/sessions"))[1]["sessions"][0]
            rules = (
                uplink(2, 2),
                downlink(1, 1),
                to_n6(2),
                to_tunnel(1, Interface.ACCESS, session["downlink"]["teid"], GNB),
            )
            _, edge_n3 = await smf.establish(EDGE, *rules)
            with closing(Echo("dn", "mec")), closing(ue_socket()) as ue:
                answers = asyncio.create_task(_answers(ue, 400))
                for number in range(400):
                    ue.sendto(b"%d" % number, (ANYCAST, 5000))
                    if number == 200:
                        assert await smf.switch_path(edge_n3) == 204
                    await asyncio.sleep(0.002)
                received = await asyncio.wait_for(answers, WITHIN_S)
            switched = await running.event("n3_path_switched")
            assert (switched["old"]["teid"], switched["new"]["ipv4"]) == (smf.n3.teid, EDGE)
            nodes = {int(number): node for node, number in (answer.split(b":") for answer in received)}
            assert nodes.keys() == set(range(400))
            assert set(nodes.values()) == {b"dn", b"mec"}
            assert (nodes[0], nodes[399]) == (b"dn", b"mec")

    run(test)


async def _answers(ue: Any, count: int) -> list[bytes]:
    loop = asyncio.get_running_loop()
    return [await loop.sock_recv(ue, 2048) for _ in range(count)]


def test_refusals_are_told_and_leave_nothing(tmp_path: Path) -> None:
    async def test() -> None:
        async with upf("psa", PSA, tmp_path), core(tmp_path, PSA) as (running, smf):
            body = {"ue": "ue1", "dnn": "internet"}
            for call, released in (("create", []), ("modify", ["release"])):
                smf.fails, smf.calls = call, []
                status, answer = await running.call("POST", "/attach", body)
                assert (status, smf.calls[-1:]) == (502, released or ["create"])
                assert "503" in answer["detail"]
                assert "as the test wants it" in answer["detail"]
            assert (await running.call("GET", "/sessions"))[1]["sessions"] == []

    run(test)


def test_calls_that_make_no_sense(tmp_path: Path) -> None:
    async def test() -> None:
        async with upf("psa", PSA, tmp_path), core(tmp_path, PSA) as (running, smf):
            assert (await running.call("POST", "/attach", {"ue": "nobody", "dnn": "internet"}))[0] == 404
            status, problem = await running.call("POST", "/attach", {"ue": "ue1", "dn": "internet"})
            assert (status, problem["cause"]) == (400, "MANDATORY_IE_INCORRECT")
            assert problem["detail"] == (
                "dnn: got nothing; want this key, which has to be there; dn: got an unknown key; want a known key"
            )
            assert (await running.call("POST", "/attach", "nonsense"))[0] == 400
            assert await running.call("POST", "/detach", {"ue": "ue1"}) == (
                404,
                {"status": 404, "title": "Not Found", "detail": "ue1 has no PDU session", "cause": "CONTEXT_NOT_FOUND"},
            )
            await attach(running)
            assert (await running.call("POST", "/attach", {"ue": "ue1", "dnn": "internet"}))[0] == 409
            assert await smf.switch_path(FTeid(0, IPv4Address(EDGE))) == 400
            assert smf.calls == ["create", "modify"]

    run(test)


def test_the_kernel_of_the_gnb_neither_forwards_nor_answers(tmp_path: Path) -> None:
    async def test() -> None:
        async with core(tmp_path) as (running, _):
            for target in (GNB, PSA):
                with pytest.raises(Exception, match="returned non-zero exit status 1"):
                    await asyncio.to_thread(run_in, "ue", "ping", "-c", "2", "-i", "0.05", "-W", "0.2", target)
            assert (await running.call("GET", "/sessions"))[1]["faults"] == {"no PDU session": 4}

    run(test)


def test_an_interface_that_is_not_there_is_named(tmp_path: Path) -> None:
    async def test() -> None:
        config = {
            "name": "gnb1",
            "gtpu": {"server": [{"address": GNB}]},
            "api": {"address": GNB},
            "smf": {"address": SMF},
            "ues": [{"name": "ue9", "interface": "ue9", "mac": "02:00:00:00:00:09"}],
            "management": {"socket": str(tmp_path / "gnb.sock")},
        }
        with pytest.raises(AssertionError, match="ended with 1 before ready"):
            async with process("gnb", "core_stub.gnb", {"gnb": config}, tmp_path):
                pytest.fail("it must not get here")

    run(test)


def test_downlink_waits_for_activation(tmp_path: Path) -> None:
    """Nothing of the UPF reaches a gNB that has not told its F-TEID."""

    async def test() -> None:
        async with upf("psa", PSA, tmp_path) as psa, core(tmp_path, PSA) as (_, smf):
            rules = (uplink(2, 2), downlink(1, 1), to_n6(2), CreateFar(1, to_n6(1).apply_action.BUFF))
            await smf.establish(PSA, *rules)
            with pytest.raises(Exception, match="returned non-zero exit status 1"):
                await asyncio.to_thread(run_in, "dn", "ping", "-c", "2", "-i", "0.05", "-W", "0.2", UE)
            pdrs = (await psa.call("GET", "/sessions"))[1]["sessions"][0]["pdrs"]
            assert {pdr["id"]: pdr["packets"] for pdr in pdrs} == {1: 2, 2: 0}

    run(test)
