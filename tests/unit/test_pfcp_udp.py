"""The asyncio shell on loopback: what the NFs see of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from ipaddress import IPv4Address

import pytest

from core_stub.errors import LocalProtocolError, PfcpTimeoutError, RemoteProtocolError
from core_stub.pfcp.events import AssociationDown, AssociationUp, Event
from core_stub.pfcp.ies import Cause, FSeid, NodeId, NodeReportType, UpFeatures
from core_stub.pfcp.messages import (
    AssociationUpdateRequest,
    AssociationUpdateResponse,
    NfRequest,
    NodeReportRequest,
    NodeReportResponse,
    PfdManagementRequest,
    PfdManagementResponse,
    Response,
    SessionDeletionRequest,
    SessionDeletionResponse,
    SessionEstablishmentResponse,
)
from core_stub.pfcp.transactions import Address
from core_stub.pfcp.udp import PfcpNode
from tests.support.pfcp import establishment
from tests.support.pfcp_samples import SMF_NODE, UPF_NODE

Handler = Callable[[Address, NfRequest], Response]
LOOPBACK = "127.0.0.1"


@asynccontextmanager
async def nodes(handle: Handler | None, events: list[Event]) -> AsyncIterator[tuple[PfcpNode, Address]]:
    """An associated SMF, and the address of the UPF that `handle` makes."""
    async with AsyncExitStack() as stack:
        upf = PfcpNode(
            address=LOOPBACK, port=0, node_id=UPF_NODE, up_features=UpFeatures.FTUP, handle=handle, t1=0.05
        )  # fmt: skip
        smf = PfcpNode(address=LOOPBACK, port=0, node_id=SMF_NODE, on_event=events.append, t1=0.05)
        await stack.enter_async_context(upf)
        await stack.enter_async_context(smf)
        await smf.associate(upf.local_address)
        yield smf, upf.local_address


def run(body: Callable[[], Awaitable[None]]) -> None:
    async def within() -> None:
        async with asyncio.timeout(5):
            await body()

    asyncio.run(within())


def accept(peer: Address, request: NfRequest) -> Response:
    return SessionEstablishmentResponse(1, UPF_NODE, Cause.REQUEST_ACCEPTED, up_f_seid=FSeid(7, IPv4Address(LOOPBACK)))


def refuse(peer: Address, request: NfRequest) -> Response:
    raise RemoteProtocolError(Cause.RULE_CREATION_MODIFICATION_FAILURE, "no such rule", 1)


def break_down(peer: Address, request: NfRequest) -> Response:
    raise ZeroDivisionError


def answer_nonsense(peer: Address, request: NfRequest) -> Response:
    return SessionEstablishmentResponse(1 << 70, NodeId(""), Cause.REQUEST_ACCEPTED)


@pytest.mark.parametrize(
    ("handle", "cause", "offending_ie"),
    [
        (accept, Cause.REQUEST_ACCEPTED, None),
        (refuse, Cause.RULE_CREATION_MODIFICATION_FAILURE, 1),
        (break_down, Cause.SYSTEM_FAILURE, None),
        (answer_nonsense, Cause.SYSTEM_FAILURE, None),
        (None, Cause.SERVICE_NOT_SUPPORTED, None),
    ],
)
def test_a_request_gets_what_the_handler_decides(handle: Handler | None, cause: Cause, offending_ie: int) -> None:
    async def body() -> None:
        async with nodes(handle, []) as (smf, upf):
            response = await smf.request(upf, establishment(1))
        assert isinstance(response, SessionEstablishmentResponse)
        assert (response.seid, response.cause, response.offending_ie) == (1, cause, offending_ie)

    run(body)


def test_the_association_is_reported_and_released() -> None:
    async def body() -> None:
        events: list[Event] = []
        async with nodes(None, events) as (smf, upf):
            await smf.release(upf)
            assert [type(event) for event in events] == [AssociationUp, AssociationDown]
            with pytest.raises(LocalProtocolError):
                await smf.request(upf, establishment(1))

    run(body)


def test_other_session_requests_are_refused_by_their_own_response() -> None:
    async def body() -> None:
        async with nodes(refuse, []) as (smf, upf):
            response = await smf.request(upf, SessionDeletionRequest(7))
        assert response == SessionDeletionResponse(0, Cause.RULE_CREATION_MODIFICATION_FAILURE, 1)

    run(body)


def test_updates_are_answered_and_pfds_and_node_reports_are_the_handlers() -> None:
    async def body() -> None:
        async with nodes(refuse, []) as (smf, upf):
            updated = await smf.request(upf, AssociationUpdateRequest(SMF_NODE))
            pfds = await smf.request(upf, PfdManagementRequest())
            report = await smf.request(upf, NodeReportRequest(SMF_NODE, NodeReportType.UPFR))
        failure = Cause.RULE_CREATION_MODIFICATION_FAILURE
        assert updated == AssociationUpdateResponse(UPF_NODE, Cause.REQUEST_ACCEPTED, UpFeatures.FTUP)
        assert pfds == PfdManagementResponse(failure, 1, UPF_NODE)
        assert report == NodeReportResponse(UPF_NODE, failure, 1)

    run(body)


def test_a_peer_that_never_answers_times_out() -> None:
    async def body() -> None:
        async with AsyncExitStack() as stack:
            smf, _ = await stack.enter_async_context(nodes(accept, []))
            loop = asyncio.get_running_loop()
            transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=(LOOPBACK, 0))
            stack.callback(transport.close)
            address = transport.get_extra_info("sockname")
            with pytest.raises(PfcpTimeoutError, match="no association within"):
                await smf.associate(address, within=0.3)

    run(body)


def test_closing_ends_what_waits() -> None:
    async def body() -> None:
        async with nodes(accept, []) as (smf, upf):
            waiting = asyncio.ensure_future(smf.request(upf, establishment(1)))
            await asyncio.sleep(0)
        with pytest.raises(PfcpTimeoutError):
            await waiting

    run(body)


def test_associating_with_a_peer_that_starts_later_succeeds() -> None:
    async def body() -> None:
        late = PfcpNode(address="127.0.0.77", port=0, node_id=UPF_NODE)
        async with late:
            address = late.local_address
        async with PfcpNode(address=LOOPBACK, port=0, node_id=SMF_NODE, t1=0.05, n1=50) as smf:
            waiting = asyncio.ensure_future(smf.associate(address))
            await asyncio.sleep(0)
            async with PfcpNode(address=address[0], port=address[1], node_id=UPF_NODE):
                await waiting

    run(body)
