"""UPF processes in namespaces: real PFCP, real GTP-U; the tests play SMF and gNB."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from core_stub.gtpu import (
    EchoResponse,
    EndMarker,
    ErrorIndication,
    GPdu,
    GtpuMessage,
    PduType,
    decapsulate,
    echo_request,
    encapsulate,
)
from core_stub.pfcp.ies import Cause, CreateFar, CreatePdr, FTeid, Interface, NodeId, UpdateFar
from core_stub.pfcp.messages import (
    SessionDeletionRequest,
    SessionDeletionResponse,
    SessionEstablishmentResponse,
    SessionModificationRequest,
    SessionModificationResponse,
)
from core_stub.pfcp.udp import PfcpNode
from testbed import netns
from tests.support.upf import choose, downlink, establishment, from_n9, to_n6, to_tunnel, tunnelling, uplink
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
    name,
    network,
    run_in,
    upf,
)

pytestmark = pytest.mark.netns

GNB_TEID = 0x4D


def run(test: Callable[[], Coroutine[Any, Any, None]], *, n3_mtu: int = 9000) -> None:
    with network(n3_mtu=n3_mtu):
        asyncio.run(test())


def udp(payload: bytes, *, destination: str = ANYCAST, source: str = UE, port: int = 5000) -> bytes:
    """An IPv4 packet of the UE; without a UDP checksum, which IPv4 allows."""
    total = 28 + len(payload)
    header = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, total, 1, 0, 64, 17, 0, *map(socket.inet_aton, (source, destination))
    )
    checksum: int = sum(struct.unpack("!10H", header))
    checksum = ~((checksum & 0xFFFF) + (checksum >> 16)) & 0xFFFF
    return (
        header[:10]
        + checksum.to_bytes(2)
        + header[12:]
        + struct.pack("!HHHH", 4000, port, 8 + len(payload), 0)
        + payload
    )


class GnbEnd:
    """GTP-U at the gNB's address, played by the test."""

    def __init__(self) -> None:
        with netns.entered(name("gnb")):
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind((GNB, 2152))

    def send(self, datagram: bytes, address: str) -> None:
        self._socket.sendto(datagram, (address, 2152))

    def send_uplink(self, f_teid: FTeid, packet: bytes) -> None:
        self.send(encapsulate(packet, teid=f_teid.teid, qfi=1, pdu_type=PduType.UPLINK), str(f_teid.ipv4))

    async def receive(self) -> tuple[GtpuMessage, str]:
        receiving = asyncio.get_running_loop().sock_recvfrom(self._socket, 65536)
        datagram, peer = await asyncio.wait_for(receiving, WITHIN_S)
        return decapsulate(datagram), peer[0]

    async def receive_payload(self) -> bytes:
        """What is behind IP and UDP in the next G-PDU."""
        message, _ = await self.receive()
        assert isinstance(message, GPdu)
        assert (message.teid, message.qfi) == (GNB_TEID, 1)
        return message.payload[28:]

    def close(self) -> None:
        self._socket.close()


@dataclass(frozen=True)
class N4Session:
    seid: int
    f_teids: dict[int, FTeid]


class SmfEnd:
    """N4, played by the test."""

    def __init__(self, node: PfcpNode) -> None:
        self.node = node

    async def establish(self, address: str, *rules: CreatePdr | CreateFar) -> N4Session:
        response = await self.node.request((address, 8805), establishment(*rules))
        assert isinstance(response, SessionEstablishmentResponse)
        assert response.cause is Cause.REQUEST_ACCEPTED
        assert response.up_f_seid
        return N4Session(
            response.up_f_seid.seid, {pdr.pdr_id: pdr.f_teid for pdr in response.created_pdrs if pdr.f_teid}
        )

    async def modify(self, address: str, request: SessionModificationRequest) -> SessionModificationResponse:
        response = await self.node.request((address, 8805), request)
        assert isinstance(response, SessionModificationResponse)
        return response


@asynccontextmanager
async def smf(*upfs: str) -> AsyncIterator[SmfEnd]:
    address = IPv4Address(SMF)
    async with PfcpNode(address=SMF, node_id=NodeId(address)) as node:
        for peer in upfs:
            await node.associate((peer, 8805), within=WITHIN_S)
        yield SmfEnd(node)


@asynccontextmanager
async def one_session(directory: Path) -> AsyncIterator[tuple[Process, SmfEnd, N4Session, GnbEnd]]:
    """A PSA with a session, an echo behind it, and the gNB's end."""
    async with upf("psa", PSA, directory) as psa, smf(PSA) as n4:
        with closing(Echo("dn")), closing(GnbEnd()) as gnb:
            session = await n4.establish(
                PSA, uplink(2, 2), downlink(1, 1), to_n6(2), to_tunnel(1, Interface.ACCESS, GNB_TEID, GNB)
            )
            yield psa, n4, session, gnb


def test_packets_go_both_ways_and_are_counted(tmp_path: Path) -> None:
    async def test() -> None:
        async with one_session(tmp_path) as (psa, n4, session, gnb):
            for number in range(20):
                gnb.send_uplink(session.f_teids[2], udp(b"%d" % number))
                assert await gnb.receive_payload() == b"dn:%d" % number
            _, shown = await psa.call("GET", "/sessions")
            counted = {pdr["id"]: (pdr["packets"], pdr["bytes"]) for pdr in shown["sessions"][0]["pdrs"]}
            assert counted == {1: (20, 20 * 28 + 10 * 4 + 10 * 5), 2: (20, 20 * 28 + 10 + 20)}
            established = await psa.event("session_established")
            assert (established["seid"], established["pdrs"]) == (session.seid, 2)
            deleted = await n4.node.request((PSA, 8805), SessionDeletionRequest(session.seid))
            assert isinstance(deleted, SessionDeletionResponse)
            await psa.event("session_deleted")
            assert (await psa.call("GET", "/sessions"))[1]["sessions"] == []

    run(test)


@pytest.mark.parametrize("n3_mtu", [9000, 1500], ids=["N3 with room", "N3 that has to fragment"])
def test_full_size_packets(tmp_path: Path, n3_mtu: int) -> None:
    async def test() -> None:
        async with one_session(tmp_path) as (_, _, session, gnb):
            for size in (1400, 1500):
                payload = bytes(size - 28 - 3)
                gnb.send_uplink(session.f_teids[2], udp(payload))
                assert await gnb.receive_payload() == b"dn:" + payload

    run(test, n3_mtu=n3_mtu)


def test_what_has_no_tunnel_is_answered_with_an_error_indication(tmp_path: Path) -> None:
    async def test() -> None:
        async with one_session(tmp_path) as (psa, _, session, gnb):
            unknown = session.f_teids[2].teid ^ 1
            gnb.send_uplink(FTeid(unknown, IPv4Address(PSA)), udp(b"lost"))
            assert await gnb.receive() == (ErrorIndication(unknown, IPv4Address(PSA)), PSA)
            for malformed in (b"", b"\x34\xff\x00", b"\x34\xff\x00\x00" + bytes(8)):
                gnb.send(malformed, PSA)
            gnb.send(echo_request(7), PSA)
            assert await gnb.receive() == (EchoResponse(7), PSA)
            faults = (await psa.call("GET", "/sessions"))[1]["faults"]
            assert faults == {"unknown TEID": 1, "malformed GTP-U": 3}

    run(test)


def test_end_markers_follow_the_last_packet_of_the_old_path(tmp_path: Path) -> None:
    async def test() -> None:
        async with one_session(tmp_path) as (_, n4, session, gnb):
            forwarding = tunnelling(Interface.ACCESS, GNB_TEID + 1, GNB)
            marked = UpdateFar(1, forwarding=replace(forwarding, send_end_marker=True))
            await n4.modify(PSA, SessionModificationRequest(session.seid, update_fars=(marked,)))
            assert await gnb.receive() == (EndMarker(GNB_TEID), PSA)
            gnb.send_uplink(session.f_teids[2], udp(b"x"))
            message, _ = await gnb.receive()
            assert isinstance(message, GPdu)
            assert message.teid == GNB_TEID + 1

    run(test)


def test_an_uplink_classifier_splits_between_its_own_n6_and_the_psa_on_n9(tmp_path: Path) -> None:
    async def test() -> None:
        async with upf("psa", PSA, tmp_path) as psa, upf("edge", EDGE, tmp_path) as edge, smf(PSA, EDGE) as n4:
            with closing(Echo("dn", "mec")), closing(GnbEnd()) as gnb, closing(Capture("edge")) as n9:
                at_psa = await n4.establish(
                    PSA, uplink(2, 2), downlink(1, 1), to_n6(2), to_tunnel(1, Interface.ACCESS, 1, EDGE)
                )
                at_edge = await n4.establish(
                    EDGE,
                    downlink(1, 1),
                    uplink(2, 2),
                    uplink(3, 3, precedence=100, flows=(f"permit out ip from {ANYCAST}/32 to assigned",)),
                    from_n9(4, 1),
                    to_tunnel(1, Interface.ACCESS, GNB_TEID, GNB),
                    to_tunnel(2, Interface.CORE, at_psa.f_teids[2].teid, PSA),
                    to_n6(3),
                )
                down = tunnelling(Interface.ACCESS, at_edge.f_teids[4].teid, EDGE)
                await n4.modify(
                    PSA, SessionModificationRequest(at_psa.seid, update_fars=(UpdateFar(1, forwarding=down),))
                )
                for destination, node in ((ANYCAST, b"mec"), (CLOUD, b"dn"), (ANYCAST, b"mec")):
                    gnb.send_uplink(at_edge.f_teids[2], udp(b"hello", destination=destination))
                    assert await gnb.receive_payload() == node + b":hello"
                packets = {
                    node: {
                        pdr["id"]: pdr["packets"]
                        for pdr in (await at.call("GET", "/sessions"))[1]["sessions"][0]["pdrs"]
                    }
                    for node, at in (("edge", edge), ("psa", psa))
                }
                assert packets == {"edge": {1: 2, 2: 1, 3: 2, 4: 1}, "psa": {1: 1, 2: 1}}
                on_n9 = n9.dissect(
                    tmp_path,
                    f"gtp.message == 0xff && ip.addr == {PSA}",
                    "ip.src",
                    "gtp.ext_hdr.pdu_ses_con.pdu_type",
                    "gtp.ext_hdr.pdu_ses_con.qos_flow_id",
                )
                assert on_n9 == [[EDGE, "1", "1"], [PSA, "0", "1"]]
                assert n9.dissect(tmp_path, "_ws.malformed || _ws.expert.severity >= error", "frame.number") == []

    run(test)


def test_the_qfi_of_a_packet_is_matched_and_kept_where_no_qer_sets_one(tmp_path: Path) -> None:
    async def test() -> None:
        async with upf("psa", PSA, tmp_path) as psa, smf(PSA) as n4:
            with closing(GnbEnd()) as gnb:
                marked = uplink(2, 2)
                back = replace(marked, qer_ids=(), pdi=replace(marked.pdi, qfis=(9,)))
                session = await n4.establish(PSA, back, to_tunnel(2, Interface.ACCESS, GNB_TEID, GNB))
                for qfi in (1, 9):
                    datagram = encapsulate(udp(b"x"), teid=session.f_teids[2].teid, qfi=qfi, pdu_type=PduType.UPLINK)
                    gnb.send(datagram, PSA)
                assert await gnb.receive() == (GPdu(GNB_TEID, udp(b"x"), 9), PSA)
                assert (await psa.call("GET", "/sessions"))[1]["faults"] == {"no PDR": 1}

    run(test)


def test_sessions_of_an_smf_that_goes_are_deleted(tmp_path: Path) -> None:
    async def test() -> None:
        async with one_session(tmp_path) as (psa, n4, session, gnb):
            await n4.node.release((PSA, 8805))
            down = await psa.event("association", count=2)
            assert (down["name"], down["state"]) == (SMF, "down")
            await psa.event("session_deleted")
            gnb.send_uplink(session.f_teids[2], udp(b"late"))
            assert await gnb.receive() == (ErrorIndication(session.f_teids[2].teid, IPv4Address(PSA)), PSA)

    run(test)


def test_a_rejection_reaches_the_smf(tmp_path: Path) -> None:
    async def test() -> None:
        async with one_session(tmp_path) as (_, n4, session, _):
            created = uplink(9, 2, f_teid=choose(), flows=("garbage",))
            response = await n4.modify(PSA, SessionModificationRequest(session.seid, create_pdrs=(created,)))
            assert response.cause is Cause.RULE_CREATION_MODIFICATION_FAILURE
            assert response.failed_rule_id == (0, 9)
            unknown = await n4.modify(PSA, SessionModificationRequest(session.seid ^ 1, remove_pdrs=(1,)))
            assert (unknown.seid, unknown.cause) == (0, Cause.SESSION_CONTEXT_NOT_FOUND)

    run(test)


def test_a_upf_that_loses_its_n6_device_ends_and_says_why(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ended: list[int] = []

    async def test() -> None:
        # What runs it wants it to end with 0.
        with pytest.raises(AssertionError):
            async with upf("psa", PSA, tmp_path) as psa:
                await asyncio.to_thread(run_in, "psa", "ip", "link", "delete", "n6")
                ended.append(await asyncio.wait_for(psa.process.wait(), WITHIN_S))

    run(test)
    assert ended == [1]
    assert "ERROR N6 device n6: [Errno 77] File descriptor in bad state; no packets" in capfd.readouterr().err


def test_a_second_upf_at_the_same_address_ends_with_a_message(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async def test() -> None:
        second = tmp_path / "second"
        second.mkdir()
        async with upf("psa", PSA, tmp_path):
            with pytest.raises(AssertionError, match="ended with 1 before ready"):
                async with upf("psa", PSA, second):
                    pytest.fail("it must not get here")

    run(test)
    assert f"core_stub.upf: [Errno 98] Address already in use: 'GTP-U at {PSA}'" in capfd.readouterr().err.splitlines()
