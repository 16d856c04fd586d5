"""The port N4 over real UDP on loopback: associations are made, lost, made again; requests go by the UPF's name."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address
from typing import Any

import pytest

from core_stub.config import PfcpServer
from core_stub.pfcp.ies import Cause, NodeId, ReportType
from core_stub.pfcp.messages import (
    NfRequest,
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
    lost: list[tuple[str, str]] = []

    async def scenario() -> None:
        async with upf() as peer:
            n4 = smf(peer.local_address, events)
            n4.on_lost = lambda name, reason: lost.append((name, reason))
            deletion = SessionDeletionRequest(1)
            with pytest.raises(NotAssociatedError, match="upf is not associated"):
                await n4.request("upf", deletion)
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


def test_a_session_report_reaches_the_smf() -> None:
    events: list[dict[str, Any]] = []

    async def scenario() -> None:
        async with upf() as peer:
            n4 = smf(peer.local_address, events)
            n4.on_report = lambda report: SessionReportResponse(report.seid + 1, Cause.REQUEST_ACCEPTED)
            async with n4.connected():
                await eventually_async(lambda: n4.associations["upf"][1])
                there = (str(SMF), peer.local_address[1])
                answer = await peer.request(there, SessionReportRequest(7, ReportType.DLDR))
                assert answer == SessionReportResponse(8, Cause.REQUEST_ACCEPTED)
                refused = await peer.request(there, SessionDeletionRequest(7))
                assert isinstance(refused, SessionDeletionResponse)
                assert refused.cause is Cause.SERVICE_NOT_SUPPORTED

    asyncio.run(scenario())
