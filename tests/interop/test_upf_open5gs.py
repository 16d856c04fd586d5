"""What Open5GS's SMF sent in the captures, put to our UPF: each request gets the answer that the SMF needs."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from core_stub.pfcp import codec
from core_stub.pfcp.ies import Cause, FTeid, SeReqFlags
from core_stub.pfcp.messages import (
    SessionDeletionRequest,
    SessionDeletionResponse,
    SessionEstablishmentRequest,
    SessionEstablishmentResponse,
    SessionModificationRequest,
    SessionModificationResponse,
)
from core_stub.upf.rules import Buffer, Encapsulate
from tests.support.pfcp import udp_payloads
from tests.support.upf import GTPU, N4, Upf

pytestmark = pytest.mark.interop

CAPTURES = Path(__file__).parent / "open5gs"
SESSION_REQUESTS = SessionEstablishmentRequest | SessionModificationRequest | SessionDeletionRequest


def requests(capture: str) -> list[SESSION_REQUESTS]:
    """The session requests of a capture, without retransmissions."""
    frames = [frame for data in udp_payloads(CAPTURES / f"{capture}.pcap") for frame in codec.frames(data)]
    unique = {(frame.header.message_type, frame.header.sequence): frame for frame in frames}
    messages = map(codec.decode, unique.values())
    return [message for message in messages if isinstance(message, SESSION_REQUESTS)]


def replayed(upf: Upf, capture: str) -> list[object]:
    """The answers; requests about the session go to the SEID that we gave it."""
    answers: list[object] = []
    seids: dict[int, int] = {}
    for request in requests(capture):
        if isinstance(request, SessionEstablishmentRequest):
            answer = upf.establish(replace(request, seid=0))
            if answer.up_f_seid:
                seids[request.cp_f_seid.seid] = answer.up_f_seid.seid
            answers.append(answer)
        elif isinstance(request, SessionModificationRequest):
            seid = request.seid if request.seid == 0xDEAD else list(seids.values())[-1]
            answers.append(upf.modify(replace(request, seid=seid)))
        else:
            answers.append(upf.delete(SessionDeletionRequest(list(seids.values())[-1])))
    return answers


@pytest.mark.parametrize("capture", ["smfd277-fakecore-upfd-head", "upfd-head-urr-report"])
def test_a_whole_session_is_accepted(capture: str) -> None:
    upf = Upf()
    answers = replayed(upf, capture)
    assert answers
    for answer in answers:
        assert isinstance(answer, SessionEstablishmentResponse | SessionModificationResponse | SessionDeletionResponse)
        assert answer.cause is Cause.REQUEST_ACCEPTED, answer


def test_every_pdr_with_choose_is_answered_and_the_shared_ones_alike() -> None:
    upf = Upf()
    (request,) = (r for r in requests("smfd277-fakecore-upfd-head") if isinstance(r, SessionEstablishmentRequest))
    response = upf.establish(request)
    assert response.up_f_seid
    assert response.up_f_seid.ipv4 == N4
    f_teids = {pdr.pdr_id: pdr.f_teid for pdr in response.created_pdrs}
    assert f_teids.keys() == {2, 3, 4}
    assert f_teids[2] == f_teids[4] != f_teids[3]
    assert all(f_teid and f_teid.ipv4 == GTPU for f_teid in f_teids.values())


def test_idle_and_active_by_the_smfs_own_modifications() -> None:
    upf = Upf()
    actions = []
    for request in requests("smfd277-fakecore-upfd-head"):
        if isinstance(request, SessionEstablishmentRequest):
            seid = upf.established(request)
        elif isinstance(request, SessionModificationRequest):
            upf.modify(replace(request, seid=seid))
        else:
            break
        actions.append(upf.rules(seid)[1].action)
    assert [type(action) for action in actions[:3]] == [Buffer, Encapsulate, Buffer]


def test_a_session_is_restored_with_its_own_identifiers() -> None:
    """Without FTUP the SMF picks F-TEIDs at the N4 address; with the flag RESTI it wants its old UP SEID back."""
    (request,) = (r for r in requests("smfd277-noftup") if isinstance(r, SessionEstablishmentRequest))
    pdrs = tuple(
        replace(pdr, pdi=replace(pdr.pdi, f_teid=FTeid(pdr.pdi.f_teid.teid, GTPU) if pdr.pdi.f_teid else None))
        for pdr in request.create_pdrs
    )
    upf = Upf()
    restored = upf.establish(replace(request, seid=0x1234, create_pdrs=pdrs, flags=SeReqFlags.RESTI))
    assert restored.up_f_seid
    assert (restored.cause, restored.up_f_seid.seid, restored.created_pdrs) == (Cause.REQUEST_ACCEPTED, 0x1234, ())
    assert upf.rules(0x1234)[2].match.teid == 2524


def test_f_teids_at_another_address_are_refused() -> None:
    (request,) = (r for r in requests("smfd277-noftup") if isinstance(r, SessionEstablishmentRequest))
    response = Upf().establish(request)
    assert (response.cause, response.failed_rule_id) == (Cause.RULE_CREATION_MODIFICATION_FAILURE, (0, 2))
    assert IPv4Address("10.250.0.3") != GTPU
