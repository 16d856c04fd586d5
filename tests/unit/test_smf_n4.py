"""The port N4 over real UDP on loopback: associations are made, lost, made again; requests go by the UPF's name."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address
from typing import Any

import pytest

from core_stub.config import PfcpServer
from core_stub.pfcp.ies import (
    AssociationReleaseFlags,
    Cause,
    NodeId,
    NodeReportType,
    RemoteGtpuPeer,
    ReportType,
)
from core_stub.pfcp.messages import (
    AssociationUpdateRequest,
    NfRequest,
    NodeReportRequest,
    NodeReportResponse,
    Response,
    SessionDeletionRequest,
    SessionDeletionResponse,
    SessionReportRequest,
    SessionReportResponse,
)
from core_stub.pfcp.transactions import Address
from core_stub.pfcp.udp import PfcpNode
from core_stub.smf.config import Pfcp, PfcpClient, UpfClient
from core_stub.smf.n4 import PfcpN4
from core_stub.smf.run import NotAssociatedError
from tests.support.polling import eventually_async

SMF = IPv4Address("127.0.0.2")


def upf() -> PfcpNode:
    """A UPF that agrees to every deletion."""

    def handle(_: Address, request: NfRequest) -> Response:
        assert isinstance(request, SessionDeletionRequest)
        return SessionDeletionResponse(request.seid, Cause.REQUEST_ACCEPTED)

    return PfcpNode(address="127.0.0.1", port=0, node_id=NodeId("upf.example"), handle=handle)


def smf(peer: Address, events: list[dict[str, Any]]) -> PfcpN4:
    """An SMF that is to associate with `peer`, called "upf"."""

    def emit(event: str, **fields: object) -> None:
        events.append({"event": event, **fields})

    client = PfcpClient(upf=(UpfClient(name="upf", address=IPv4Address(peer[0]), port=peer[1]),))
    # A free port of the one loopback address is free at the other one too.
    return PfcpN4(Pfcp(server=(PfcpServer(address=SMF, port=peer[1]),), client=client), emit)


def test_an_association_is_made_and_made_again() -> None:
    events: list[dict[str, Any]] = []
    up: list[str] = []
    lost: list[tuple[str, str]] = []

    async def scenario() -> None:
        async with upf() as peer:
            n4 = smf(peer.local_address, events)
            n4.on_up = up.append
            n4.on_lost = lambda name, reason: lost.append((name, reason))
            deletion = SessionDeletionRequest(1)
            with pytest.raises(NotAssociatedError, match="upf is not associated"):
                await n4.request("upf", deletion)
            assert not n4.is_associated("upf of an earlier configuration")
            with pytest.raises(NotAssociatedError):
                await n4.request("upf of an earlier configuration", deletion)
            async with n4.connected():
                await eventually_async(lambda: n4.associations["upf"][1])
                assert await n4.request("upf", deletion) == SessionDeletionResponse(1, Cause.REQUEST_ACCEPTED)
                await peer.release((str(SMF), peer.local_address[1]))
                await eventually_async(lambda: events, lambda seen: len(seen) == 4)
                assert await n4.request("upf", deletion) == SessionDeletionResponse(1, Cause.REQUEST_ACCEPTED)

    asyncio.run(scenario())
    kinds = [(event["event"], event.get("name"), event.get("state")) for event in events]
    assert kinds == [
        ("association", "upf", "up"),
        ("all_associated", None, None),
        ("association", "upf", "down"),
        ("association", "upf", "up"),
    ]
    assert lost == [("upf", events[2]["reason"])]
    assert up == ["upf", "upf"]


def test_a_session_report_reaches_the_smf() -> None:
    events: list[dict[str, Any]] = []

    async def scenario() -> None:
        async with upf() as peer:
            n4 = smf(peer.local_address, events)
            n4.on_up = lambda name: None
            n4.on_report = lambda name, report: SessionReportResponse(report.seid + 1, Cause.REQUEST_ACCEPTED)
            async with n4.connected():
                await eventually_async(lambda: n4.associations["upf"][1])
                there = (str(SMF), peer.local_address[1])
                answer = await peer.request(there, SessionReportRequest(7, ReportType.DLDR))
                assert answer == SessionReportResponse(8, Cause.REQUEST_ACCEPTED)
                refused = await peer.request(there, SessionDeletionRequest(7))
                assert isinstance(refused, SessionDeletionResponse)
                assert refused.cause is Cause.SERVICE_NOT_SUPPORTED

    asyncio.run(scenario())


def test_a_configured_address_at_another_port_is_no_upf(caplog: pytest.LogCaptureFixture) -> None:
    events: list[dict[str, Any]] = []

    async def scenario() -> None:
        async with upf() as peer, upf() as stranger:
            n4 = smf(peer.local_address, events)
            n4.on_up = lambda name: None
            async with n4.connected():
                await eventually_async(lambda: n4.is_associated("upf"))
                there = (str(SMF), peer.local_address[1])
                await stranger.associate(there)
                answer = await stranger.request(there, SessionReportRequest(7, ReportType.DLDR))
                assert isinstance(answer, SessionReportResponse)
                assert answer.cause is Cause.REQUEST_REJECTED

    asyncio.run(scenario())
    assert [event["name"] for event in events if event["event"] == "association"] == ["upf"]
    assert "AssociationUp passed over" in caplog.text
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_what_a_upf_says_of_itself_is_heard() -> None:
    events: list[dict[str, Any]] = []
    node_id = NodeId("upf.example")
    gnb = RemoteGtpuPeer(IPv4Address("10.1.0.7"))

    async def scenario() -> None:
        async with upf() as peer:
            n4 = smf(peer.local_address, events)
            n4.on_up = lambda name: None
            async with n4.connected():
                await eventually_async(lambda: n4.is_associated("upf"))
                there = (str(SMF), peer.local_address[1])
                failure = NodeReportRequest(node_id, NodeReportType.UPFR, path_failures=(gnb,))
                answer = await peer.request(there, failure)
                assert isinstance(answer, NodeReportResponse)
                assert (answer.node_id, answer.cause) == (NodeId(SMF), Cause.REQUEST_ACCEPTED)
                recovery = NodeReportRequest(node_id, NodeReportType.UPRR, path_recoveries=(gnb,))
                await peer.request(there, recovery)
                # One that is about to leave is still there, but gets nothing new.
                leaving = AssociationUpdateRequest(node_id, release=AssociationReleaseFlags.SARR)
                await peer.request(there, leaving)
                await eventually_async(lambda: not n4.is_associated("upf"))
                assert n4.associations["upf"][1]

    asyncio.run(scenario())
    paths = [event for event in events if event["event"] == "gtpu_path"]
    assert paths == [
        {"event": "gtpu_path", "upf": "upf", "remote": "10.1.0.7", "state": "down"},
        {"event": "gtpu_path", "upf": "upf", "remote": "10.1.0.7", "state": "up"},
    ]
