"""Buffers, gates, rates, quotas and reports of a UPF process, by real packets; the test plays SMF and gNB."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from core_stub.gtpu import EchoRequest, GPdu, echo_response, error_indication
from core_stub.pfcp.ies import (
    ApplicationPfds,
    ApplyAction,
    Cause,
    CreateBar,
    CreateFar,
    CreateUrr,
    DownlinkDataReport,
    FTeid,
    GateStatus,
    Interface,
    MeasurementMethod,
    NodeId,
    PfdContents,
    RemoteGtpuPeer,
    ReportingTriggers,
    ReportType,
    UeIpAddress,
    UpdateFar,
    UpdateQer,
    UpdateUrr,
    UsageReportTrigger,
    Volume,
)
from core_stub.pfcp.messages import (
    NfRequest,
    NodeReportRequest,
    NodeReportResponse,
    PfdManagementRequest,
    PfdManagementResponse,
    Response,
    SessionDeletionRequest,
    SessionDeletionResponse,
    SessionEstablishmentRequest,
    SessionEstablishmentResponse,
    SessionModificationRequest,
    SessionReportRequest,
    SessionReportResponse,
)
from core_stub.pfcp.transactions import Address
from core_stub.pfcp.udp import PfcpNode
from tests.netns.test_upf_userplane import GNB_TEID, GnbEnd, run, udp
from tests.support.polling import eventually_async
from tests.support.upf import CP_SEID, downlink, establishment, to_n6, to_tunnel, tunnelling, uplink
from tests.support.user_plane import ANYCAST, GNB, PSA, SMF, UE, WITHIN_S, Echo, Process, dn_socket, process, upf

pytestmark = pytest.mark.netns

BUFFER = ApplyAction.BUFF | ApplyAction.NOCP
TO_GNB = to_tunnel(1, Interface.ACCESS, GNB_TEID, GNB)
VOLUM = MeasurementMethod.VOLUM
DISCARD = 9


@dataclass
class Rig:
    """A PSA with one session, and both ends of its packets."""

    psa: Process
    node: PfcpNode
    gnb: GnbEnd
    reports: list[SessionReportRequest]
    seid: int
    f_teid: FTeid

    async def modify(self, **changes: object) -> None:
        request = SessionModificationRequest(self.seid, **changes)  # type: ignore[arg-type]
        response = await self.node.request((PSA, 8805), request)
        assert response.cause is Cause.REQUEST_ACCEPTED

    async def report(self, count: int = 1) -> SessionReportRequest:
        """The `count`th report, as soon as it is there."""
        return (await eventually_async(lambda: self.reports, lambda seen: len(seen) >= count, WITHIN_S))[count - 1]

    async def pdrs(self) -> dict[int, int]:
        """PDR ID → packets."""
        _, shown = await self.psa.call("GET", f"/sessions/{self.seid}")
        return {pdr["id"]: pdr["packets"] for pdr in shown["pdrs"]}

    async def until_counted(self, pdr_id: int, packets: int) -> None:
        async def counted() -> int:
            return (await self.pdrs())[pdr_id]

        async with asyncio.timeout(WITHIN_S):
            while await counted() < packets:
                await asyncio.sleep(0.01)

    def send_uplink(self, count: int, size: int = 100) -> None:
        """Packets that nobody answers: not even by ICMP, since somebody takes them."""
        for _ in range(count):
            self.gnb.send_uplink(self.f_teid, udp(bytes(size - 28), port=DISCARD))


@asynccontextmanager
async def rig(directory: Path, request: SessionEstablishmentRequest) -> AsyncIterator[Rig]:
    reports: list[SessionReportRequest] = []

    def handle(peer: Address, message: NfRequest) -> Response:
        assert isinstance(message, SessionReportRequest)
        assert message.seid == CP_SEID
        reports.append(message)
        return SessionReportResponse(seids[0], Cause.REQUEST_ACCEPTED)

    seids: list[int] = []
    async with (
        upf("psa", PSA, directory) as psa,
        PfcpNode(address=SMF, node_id=NodeId(IPv4Address(SMF)), handle=handle) as node,
    ):
        await node.associate((PSA, 8805), within=WITHIN_S)
        response = await node.request((PSA, 8805), request)
        assert isinstance(response, SessionEstablishmentResponse)
        assert response.up_f_seid, response
        seids.append(response.up_f_seid.seid)
        f_teids = [pdr.f_teid for pdr in response.created_pdrs if pdr.f_teid]
        with closing(GnbEnd()) as gnb, dn_socket(DISCARD):
            yield Rig(psa, node, gnb, reports, seids[0], f_teids[0])


def session(*, far: CreateFar = TO_GNB, urrs: tuple[CreateUrr, ...] = ()) -> SessionEstablishmentRequest:
    ids = tuple(urr.urr_id for urr in urrs)
    pdrs = (replace(uplink(2, 2), urr_ids=ids), downlink(1, 1, urr_ids=ids))
    return replace(establishment(*pdrs, to_n6(2), far), create_urrs=urrs)


# -- buffers ------------------------------------------------------------------------------------------------------


def test_buffered_packets_come_first_and_nothing_overtakes(tmp_path: Path) -> None:
    """Packets go on coming while the queue is flushed."""

    async def test() -> None:
        buffering = CreateFar(1, BUFFER, bar_id=1)
        request = replace(session(far=buffering), create_bars=(CreateBar(1, suggested_packets=200),))
        async with rig(tmp_path, request) as upf_rig:
            with dn_socket() as server:
                count = 400

                async def send() -> None:
                    for number in range(count):
                        server.sendto(b"%d" % number, (UE, 4000))
                        await asyncio.sleep(0.0005)

                sending = asyncio.create_task(send())
                report = await upf_rig.report()
                assert (report.report_type, report.downlink_data_report) == (
                    ReportType.DLDR,
                    DownlinkDataReport((1,)),
                )
                await upf_rig.until_counted(1, 100)
                await upf_rig.modify(update_fars=(UpdateFar(1, ApplyAction.FORW, TO_GNB.forwarding),))
                received = [int(await upf_rig.gnb.receive_payload()) for _ in range(count)]
                await sending
                assert received == list(range(count))
                assert len(upf_rig.reports) == 1, "the SMF is told once"

    run(test)


def test_a_buffer_is_bounded_and_can_be_dropped(tmp_path: Path) -> None:
    async def test() -> None:
        request = replace(session(far=CreateFar(1, BUFFER, bar_id=1)), create_bars=(CreateBar(1, suggested_packets=5),))
        async with rig(tmp_path, request) as upf_rig:
            with dn_socket() as server:
                for number in range(8):
                    server.sendto(b"%d" % number, (UE, 4000))
                await upf_rig.until_counted(1, 8)
                _, shown = await upf_rig.psa.call("GET", f"/sessions/{upf_rig.seid}")
                assert shown["fars"][1]["buffered"] == {"packets": 5, "bytes": 5 * 29}
                await upf_rig.modify(update_fars=(UpdateFar(1, ApplyAction.FORW, TO_GNB.forwarding),))
                assert [int(await upf_rig.gnb.receive_payload()) for _ in range(5)] == [0, 1, 2, 3, 4]
                await upf_rig.modify(update_fars=(UpdateFar(1, BUFFER),))
                server.sendto(b"lost", (UE, 4000))
                await upf_rig.report(2)
                await upf_rig.modify(update_fars=(UpdateFar(1, ApplyAction.DROP),))
                await upf_rig.modify(update_fars=(UpdateFar(1, ApplyAction.FORW),))
                server.sendto(b"last", (UE, 4000))
                assert await upf_rig.gnb.receive_payload() == b"last"

    run(test)


# -- QoS ----------------------------------------------------------------------------------------------------------


def test_a_closed_gate_lets_nothing_pass_in_its_direction(tmp_path: Path) -> None:
    async def test() -> None:
        async with rig(tmp_path, session()) as upf_rig:
            with closing(Echo("dn")), dn_socket() as server:
                closed = UpdateQer(1, gate_uplink=GateStatus.CLOSED, gate_downlink=GateStatus.OPEN)
                await upf_rig.modify(update_qers=(closed,))
                upf_rig.gnb.send_uplink(upf_rig.f_teid, udp(b"closed"))
                await upf_rig.until_counted(2, 1)
                server.sendto(b"downlink", (UE, 4000))
                assert await upf_rig.gnb.receive_payload() == b"downlink"
                opened = UpdateQer(1, gate_uplink=GateStatus.OPEN, gate_downlink=GateStatus.OPEN)
                await upf_rig.modify(update_qers=(opened,))
                upf_rig.gnb.send_uplink(upf_rig.f_teid, udp(b"open"))
                assert await upf_rig.gnb.receive_payload() == b"dn:open"

    run(test)


def test_a_maximum_bit_rate_bounds_the_octets(tmp_path: Path) -> None:
    """The burst, and then the rate: what passed is bounded by how long it took, whatever the machine's speed."""

    async def test() -> None:
        kbps, size, count = 2_000, 1_000, 600
        urr = CreateUrr(1, VOLUM, ReportingTriggers(0))
        async with rig(tmp_path, session(urrs=(urr,))) as upf_rig:
            await upf_rig.modify(update_qers=(UpdateQer(1, mbr_uplink_kbps=kbps, mbr_downlink_kbps=kbps),))
            loop = asyncio.get_running_loop()
            begun = loop.time()
            for sent in range(count):
                upf_rig.send_uplink(1, size)
                if sent % 10 == 0:
                    await asyncio.sleep(0.01)
            await upf_rig.until_counted(2, count)
            seconds = loop.time() - begun
            _, shown = await upf_rig.psa.call("GET", f"/sessions/{upf_rig.seid}")
            passed = shown["urrs"][0]["uplink"]["bytes"]
            burst, rate = kbps * 125 // 10, kbps * 125
            assert burst - size <= passed <= burst + seconds * rate
            assert passed < count * size, "the policer had something to do"

    run(test)


# -- usage --------------------------------------------------------------------------------------------------------


def test_a_volume_threshold_is_reported(tmp_path: Path) -> None:
    async def test() -> None:
        urr = CreateUrr(1, VOLUM, ReportingTriggers.VOLTH, volume_threshold=Volume(1000))
        async with rig(tmp_path, session(urrs=(urr,))) as upf_rig:
            upf_rig.send_uplink(12)
            await upf_rig.report()
            upf_rig.send_uplink(13)
            second = await upf_rig.report(2)
            reports = [report.usage_reports[0] for report in (upf_rig.reports[0], second)]
            assert [report.trigger for report in reports] == [UsageReportTrigger.VOLTH] * 2
            assert [report.sequence for report in reports] == [0, 1]
            await upf_rig.until_counted(2, 25)
            response = await upf_rig.node.request((PSA, 8805), SessionDeletionRequest(upf_rig.seid))
            assert isinstance(response, SessionDeletionResponse)
            usage = [report for sent in upf_rig.reports for report in sent.usage_reports]
            usage += response.usage_reports
            assert usage[-1].trigger & UsageReportTrigger.TERMR
            assert sum(report.volume.uplink or 0 for report in usage if report.volume) == 2500

    run(test)


def test_an_exhausted_quota_drops_until_there_is_more(tmp_path: Path) -> None:
    async def test() -> None:
        urr = CreateUrr(1, VOLUM, ReportingTriggers.VOLQU, volume_quota=Volume(1000))
        async with rig(tmp_path, session(urrs=(urr,))) as upf_rig:
            with closing(Echo("dn")):
                upf_rig.send_uplink(30)
                report = (await upf_rig.report()).usage_reports[0]
                assert report.trigger == UsageReportTrigger.VOLQU
                await upf_rig.until_counted(2, 30)
                _, shown = await upf_rig.psa.call("GET", f"/sessions/{upf_rig.seid}")
                assert (shown["urrs"][0]["quota_spent"], shown["urrs"][0]["uplink"]["bytes"]) == (True, 1000)
                await upf_rig.modify(update_urrs=(UpdateUrr(1, volume_quota=Volume(1000)),))
                upf_rig.gnb.send_uplink(upf_rig.f_teid, udp(b"again"))
                assert await upf_rig.gnb.receive_payload() == b"dn:again"

    run(test)


def test_a_period_is_reported_by_the_clock(tmp_path: Path) -> None:
    async def test() -> None:
        urr = CreateUrr(1, VOLUM, ReportingTriggers.PERIO, measurement_period=1)
        async with rig(tmp_path, session(urrs=(urr,))) as upf_rig:
            await upf_rig.report(2)
            reports = [report.usage_reports[0] for report in upf_rig.reports[:2]]
            assert [report.trigger for report in reports] == [UsageReportTrigger.PERIO] * 2
            assert reports[0].end_time == reports[1].start_time

    run(test)


# -- errors and the rest ------------------------------------------------------------------------------------------


def test_an_error_indication_of_the_gnb_is_reported_once(tmp_path: Path) -> None:
    async def test() -> None:
        async with rig(tmp_path, session()) as upf_rig:
            with dn_socket() as server:
                for number in range(3):
                    server.sendto(b"%d" % number, (UE, 4000))
                    await upf_rig.gnb.receive_payload()
                    upf_rig.gnb.send(error_indication(GNB_TEID, IPv4Address(GNB)), PSA)
                report = await upf_rig.report()
                assert report.report_type is ReportType.ERIR
                assert report.error_indication_f_teids == (FTeid(GNB_TEID, IPv4Address(GNB)),)
                moved = tunnelling(Interface.ACCESS, GNB_TEID + 1, GNB)
                await upf_rig.modify(update_fars=(UpdateFar(1, forwarding=moved),))
                server.sendto(b"moved", (UE, 4000))
                message, _ = await upf_rig.gnb.receive()
                assert isinstance(message, GPdu)
                assert message.teid == GNB_TEID + 1
                assert len(upf_rig.reports) == 1

    run(test)


def test_an_address_of_the_upf_and_an_application_by_pfds(tmp_path: Path) -> None:
    async def test() -> None:
        chosen = downlink(1, 1)
        chosen = replace(chosen, pdi=replace(chosen.pdi, ue_ip_address=UeIpAddress(choose_ipv4=True)))
        request = replace(session(), create_pdrs=(uplink(2, 2), chosen))
        async with rig(tmp_path, request) as upf_rig:
            flow = PfdContents(f"permit out 17 from {ANYCAST} 5000 to assigned")
            pfds = PfdManagementRequest((ApplicationPfds("echo", ((flow,),)),))
            assert await upf_rig.node.request((PSA, 8805), pfds) == PfdManagementResponse(Cause.REQUEST_ACCEPTED)
            detecting = uplink(3, 3, precedence=10, f_teid=None)
            detecting = replace(detecting, pdi=replace(detecting.pdi, application_id="echo"))
            dropping = CreateFar(3, ApplyAction.DROP)
            await upf_rig.modify(create_pdrs=(detecting,), create_fars=(dropping,))
            with closing(Echo("dn", port=5000)), closing(Echo("dn", port=5001)):
                upf_rig.gnb.send_uplink(upf_rig.f_teid, udp(b"blocked", source="10.45.0.1"))
                upf_rig.gnb.send_uplink(upf_rig.f_teid, udp(b"free", source="10.45.0.1", port=5001))
                assert await upf_rig.gnb.receive_payload() == b"dn:free"
                assert (await upf_rig.pdrs())[3] == 1
                _, shown = await upf_rig.psa.call("GET", f"/sessions/{upf_rig.seid}")
                assert {pdr["id"]: pdr["ue_ipv4"] for pdr in shown["pdrs"]}[1] == "10.45.0.1"

    run(test)


def test_a_session_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    async def test() -> None:
        async with rig(tmp_path, session()) as upf_rig:
            status, problem = await upf_rig.psa.call("GET", "/sessions/404")
            assert (status, problem["status"], problem["cause"]) == (404, 404, "CONTEXT_NOT_FOUND")
            assert problem["detail"] == "no session with UP SEID 404"

    run(test)


def test_a_path_that_does_not_answer_is_reported(tmp_path: Path) -> None:
    async def test() -> None:
        reports: list[NodeReportRequest] = []

        def handle(peer: Address, message: NfRequest) -> Response:
            assert isinstance(message, NodeReportRequest)
            reports.append(message)
            return NodeReportResponse(NodeId(IPv4Address(SMF)), Cause.REQUEST_ACCEPTED)

        server = {"server": [{"address": PSA}]}
        config = {"pfcp": server, "gtpu": {**server, "echo": "50ms"}, "session": [{"subnet": "10.45.0.0/16"}]}
        async with (
            process("psa", "core_stub.upf", {"upf": config}, tmp_path),
            PfcpNode(address=SMF, node_id=NodeId(IPv4Address(SMF)), handle=handle) as node,
        ):
            await node.associate((PSA, 8805), within=WITHIN_S)
            assert (await node.request((PSA, 8805), session())).cause is Cause.REQUEST_ACCEPTED
            with closing(GnbEnd()) as gnb:
                message, _ = await gnb.receive()
                assert isinstance(message, EchoRequest)
                gnb.send(echo_response(message.sequence), PSA)
            await eventually_async(lambda: reports, bool, 20.0)
            assert reports[0].path_failures == (RemoteGtpuPeer(IPv4Address(GNB)),)

    run(test)
