"""Any sequence of requests: what is rejected changes nothing, and what is gone leaves nothing."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

from hypothesis import given
from hypothesis import strategies as st

from core_stub.pfcp.ies import (
    ApplyAction,
    Cause,
    CreateFar,
    CreatePdr,
    CreateQer,
    CreateUrr,
    FSeid,
    FTeid,
    Interface,
    MeasurementMethod,
    Pdi,
    ReportingTriggers,
    SdfFilter,
    UeIpAddress,
    UpdateFar,
    UpdatePdr,
    UpdateUrr,
    Volume,
)
from core_stub.pfcp.messages import (
    SessionDeletionRequest,
    SessionEstablishmentRequest,
    SessionModificationRequest,
)
from tests.support.upf import GTPU, Upf, establishment, to_n6, tunnelling

IDS = st.integers(1, 3)
ADDRESSES = st.sampled_from([IPv4Address("10.45.0.2"), IPv4Address("10.45.0.3")])
UE_ADDRESSES = st.builds(UeIpAddress, ADDRESSES) | st.just(UeIpAddress(choose_ipv4=True))
F_TEIDS = (
    st.none()
    | st.builds(FTeid, st.integers(1, 3), st.just(GTPU))
    | st.builds(FTeid, choose=st.just(True), choose_ipv4=st.just(True), choose_id=st.none() | st.just(5))
)
FILTERS = st.sampled_from([(), (SdfFilter("permit out 17 from any to assigned", 1),), (SdfFilter(bidirectional_id=1),)])
PDIS = st.builds(
    Pdi,
    st.sampled_from([Interface.ACCESS, Interface.CORE]),
    F_TEIDS,
    st.sampled_from([None, "internet", "elsewhere"]),
    UE_ADDRESSES,
    FILTERS,
)
PDRS = st.builds(
    CreatePdr,
    IDS,
    st.integers(0, 9),
    PDIS,
    IDS,
    urr_ids=st.sampled_from([(), (1,)]),
    activate_predefined_rules=st.sampled_from([(), (), ("slow",)]),
)
ACTIONS = st.sampled_from([ApplyAction.DROP, ApplyAction.FORW, ApplyAction.BUFF | ApplyAction.NOCP])
FORWARDING = st.builds(tunnelling, st.just(Interface.ACCESS), IDS, st.just("198.51.100.1")) | st.just(
    to_n6(1).forwarding
)
FARS = st.builds(CreateFar, IDS, ACTIONS, FORWARDING)
URR = CreateUrr(1, MeasurementMethod.VOLUM, ReportingTriggers.VOLTH, volume_threshold=Volume(100))
ESTABLISHMENTS = st.builds(
    lambda seid, pdrs, fars: replace(
        establishment(*pdrs, *fars, cp_seid=seid, qers=(CreateQer(1),)), create_urrs=(URR,)
    ),
    IDS,
    st.lists(PDRS, max_size=3),
    st.lists(FARS, max_size=3),
)
MODIFICATIONS = st.builds(
    SessionModificationRequest,
    st.integers(0, 2),
    st.none() | st.builds(FSeid, IDS, st.just(IPv4Address("192.0.2.9"))),
    remove_pdrs=st.lists(IDS, max_size=1).map(tuple),
    remove_urrs=st.sampled_from([(), (), (1,)]),
    create_pdrs=st.lists(PDRS, max_size=1).map(tuple),
    create_fars=st.lists(FARS, max_size=1).map(tuple),
    update_pdrs=st.lists(st.builds(UpdatePdr, IDS, pdi=st.none() | PDIS), max_size=1).map(tuple),
    update_fars=st.lists(st.builds(UpdateFar, IDS, ACTIONS, st.none() | FORWARDING), max_size=1).map(tuple),
    update_urrs=st.lists(st.builds(UpdateUrr, st.just(1)), max_size=1).map(tuple),
    query_urrs=st.sampled_from([(), (), (1,)]),
)
DELETIONS = st.builds(SessionDeletionRequest, st.integers(0, 2))
REQUESTS = st.lists(ESTABLISHMENTS | MODIFICATIONS | DELETIONS, max_size=12)


def addressed(
    upf: Upf, request: SessionModificationRequest | SessionDeletionRequest
) -> SessionModificationRequest | SessionDeletionRequest:
    """With the SEID of the session whose place the request names, if there is one."""
    seids = sorted(session.up_seid for session in upf.control.sessions)
    return replace(request, seid=seids[request.seid] if request.seid < len(seids) else 0xBAD)


def state(upf: Upf) -> object:
    applied = {seid: rules for seid, rules in upf.user_plane.applied.items() if rules.rules}
    return sorted(upf.control.sessions, key=lambda session: session.up_seid), applied


def namesake(upf: Upf, request: SessionEstablishmentRequest) -> bool:
    return any(session.cp_f_seid == request.cp_f_seid for session in upf.control.sessions)


def check(upf: Upf) -> None:
    """Nothing belongs to two sessions, and the user plane has what the sessions say."""
    sessions = list(upf.control.sessions)
    for identifiers in ([s.teids for s in sessions], [s.n6_addresses for s in sessions]):
        assert len(set().union(*identifiers)) == sum(map(len, identifiers))
    applied = {seid for seid, rules in upf.user_plane.applied.items() if rules.rules}
    assert applied == {session.up_seid for session in sessions if session.pdrs}


@given(REQUESTS)
def test_what_is_rejected_changes_nothing_and_what_is_gone_leaves_nothing(
    requests: list[SessionEstablishmentRequest | SessionModificationRequest | SessionDeletionRequest],
) -> None:
    upf = Upf()
    for request in requests:
        before = state(upf)
        if isinstance(request, SessionEstablishmentRequest):
            replaces = namesake(upf, request)
            cause = upf.establish(request).cause
        else:
            replaces = False
            response = upf.control.handle(("192.0.2.9", 8805), addressed(upf, request), upf.now)
            cause = response.cause  # type: ignore[union-attr]
        if cause is not Cause.REQUEST_ACCEPTED and not replaces:
            assert state(upf) == before
        check(upf)
    for session in list(upf.control.sessions):
        upf.delete(SessionDeletionRequest(session.up_seid))
    assert state(upf) == ([], {})
    assert upf.control.get_timer() is None
    everything = (
        CreatePdr(1, 1, Pdi(Interface.CORE, ue_ip_address=UeIpAddress(IPv4Address("10.45.0.2"))), 1),
        CreatePdr(2, 1, Pdi(Interface.CORE, ue_ip_address=UeIpAddress(IPv4Address("10.45.0.3"))), 1),
        *(CreatePdr(teid + 2, 1, Pdi(Interface.ACCESS, FTeid(teid, GTPU)), 1) for teid in (1, 2, 3)),
    )
    upf.established(establishment(*everything, to_n6(1)))
