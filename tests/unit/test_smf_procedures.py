"""Procedures of TS 23.502: order of steps, what each message carries, no moment without a path, and rollback."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import IPv4Address
from itertools import count

import pytest

from core_stub.errors import RemoteProtocolError
from core_stub.pfcp.ies import (
    ApplyAction,
    CreateBar,
    CreatedPdr,
    CreateQer,
    FSeid,
    FTeid,
    Interface,
    InterfaceType,
    NodeId,
    OuterHeaderCreationDescription,
    OuterHeaderRemoval,
    PdnType,
    SdfFilter,
)
from core_stub.pfcp.messages import (
    SessionDeletionRequest,
    SessionEstablishmentRequest,
    SessionModificationRequest,
)
from core_stub.smf.procedures import lifecycle, ulcl
from core_stub.smf.procedures.steps import chosen
from core_stub.smf.procedures.ulcl import Insertion
from core_stub.smf.run import Ports, ProcedureError, Step
from core_stub.smf.session import N4Session, PduSession, SessionRequest, SmContext, State
from tests.support.smf import GNB, MEC_FLOW, World

SMF = IPv4Address("10.1.0.2")
UE = IPv4Address("10.45.0.2")
CONTEXT = SmContext("1", SessionRequest("ue1", 1, "internet", (1, None), "http://10.1.0.7:7778"), 1, UE)
GUARD_S = 0.2
DRAFT = lifecycle.draft(CONTEXT, N4Session("upf-cloud", 11))
INSERTION = Insertion(N4Session("upf-edge", 12), (MEC_FLOW,))
FAULTS = ["rejected", "request lost", "answer lost"]


class Bench:
    """The procedures on a `World`, with a clock that counts."""

    def __init__(self) -> None:
        self.world = World()
        self.steps: list[Step] = []
        clock = count(1000)
        now, sleep = (lambda: float(next(clock))), self.world.sleep
        self.ports = Ports(SMF, GUARD_S, self.world, self.world, self.steps.append, now, sleep)

    def active(self) -> PduSession:
        """An active session with the PSA in the cloud; the record starts after it."""
        session = asyncio.run(lifecycle.establish(self.ports, DRAFT))
        self.world.gnb_n3 = session.n3
        session = asyncio.run(lifecycle.activate(self.ports, session, GNB))
        self.forget()
        return session

    def broken_out(self) -> PduSession:
        """A session with its UL CL at the edge; the record starts after it."""
        session = self.insert(self.active())
        self.forget()
        return session

    def insert(self, session: PduSession) -> PduSession:
        return asyncio.run(ulcl.insert_ulcl(self.ports, session, INSERTION))

    def remove(self, session: PduSession) -> PduSession:
        assert session.ulcl is not None
        return asyncio.run(ulcl.remove_ulcl(self.ports, session, session.ulcl))

    def forget(self) -> None:
        self.world.calls.clear()
        self.steps.clear()

    def always_connected(self) -> None:
        """From now on every operation must leave a path up and a path down."""

        def check() -> None:
            assert self.world.uplink_path()[-1:] == ["upf-cloud"], self.world.calls[-1]
            assert self.world.downlink_path()[-1:] == ["gnb"], self.world.calls[-1]

        self.world.after_each = check

    def messages(self) -> list[tuple[str, object]]:
        return [
            (whom, type(what).__name__ if whom not in ("sleep", "gnb") else what) for whom, what in self.world.calls
        ]


@pytest.fixture
def bench() -> Bench:
    return Bench()


# -- establishment, activation, release -----------------------------------------------------------------------------


def test_establishment_carries_what_an_open5gs_upf_needs(bench: Bench) -> None:
    session = asyncio.run(lifecycle.establish(bench.ports, DRAFT))
    ((upf, request),) = bench.world.calls
    assert upf == "upf-cloud"
    assert isinstance(request, SessionEstablishmentRequest)
    assert (request.seid, request.node_id, request.cp_f_seid) == (0, NodeId(SMF), FSeid(11, SMF))
    assert (request.pdn_type, request.apn_dnn, request.snssai) == (PdnType.IPV4, "internet", (1, None))
    assert request.create_qers == (CreateQer(1, qfi=1),)
    assert request.create_bars == (CreateBar(1),)
    downlink, uplink = request.create_pdrs
    assert (downlink.pdr_id, downlink.precedence, downlink.far_id, downlink.qer_ids) == (1, 65535, 1, (1,))
    assert downlink.pdi.source_interface is Interface.CORE
    assert downlink.pdi.source_interface_type is InterfaceType.N6
    assert downlink.pdi.ue_ip_address is not None
    assert (downlink.pdi.ue_ip_address.ipv4, downlink.pdi.ue_ip_address.is_destination) == (UE, True)
    assert (uplink.pdr_id, uplink.precedence, uplink.far_id, uplink.qer_ids) == (2, 65535, 2, (1,))
    assert uplink.outer_header_removal is OuterHeaderRemoval.GTPU_UDP_IP
    assert uplink.pdi.source_interface is Interface.ACCESS
    assert uplink.pdi.source_interface_type is InterfaceType.N3_3GPP_ACCESS
    assert uplink.pdi.network_instance == "internet"
    assert uplink.pdi.qfis == (1,)
    assert uplink.pdi.f_teid is not None
    assert uplink.pdi.f_teid.choose
    buffer, to_n6 = request.create_fars
    assert (buffer.apply_action, buffer.bar_id) == (ApplyAction.BUFF | ApplyAction.NOCP, 1)
    assert to_n6.apply_action is ApplyAction.FORW
    assert to_n6.forwarding is not None
    assert to_n6.forwarding.destination_interface is Interface.CORE
    assert to_n6.forwarding.destination_interface_type is InterfaceType.N6
    assert session.state is State.INACTIVE
    assert session.n3 == bench.world.upfs["upf-cloud"][session.psa.up_seid].f_teids[2]


def test_activation_sends_downlink_to_the_gnb(bench: Bench) -> None:
    session = asyncio.run(lifecycle.establish(bench.ports, DRAFT))
    assert bench.world.downlink_path() == []
    session = asyncio.run(lifecycle.activate(bench.ports, session, GNB))
    request = bench.world.calls[-1][1]
    assert isinstance(request, SessionModificationRequest)
    assert request.seid == session.psa.up_seid
    (far,) = request.update_fars
    assert (far.far_id, far.apply_action) == (1, ApplyAction.FORW)
    assert far.forwarding is not None
    assert far.forwarding.destination_interface is Interface.ACCESS
    assert far.forwarding.destination_interface_type is InterfaceType.N3_3GPP_ACCESS
    header = far.forwarding.outer_header_creation
    assert header is not None
    assert header.description is OuterHeaderCreationDescription.GTPU_UDP_IPV4
    assert (header.teid, header.ipv4) == (GNB.teid, GNB.ipv4)
    assert bench.world.downlink_path() == ["upf-cloud", "gnb"]
    assert (session.state, session.gnb_f_teid) == (State.ACTIVE, GNB)


def test_a_path_switch_behind_a_ulcl_changes_the_downlink_of_the_ulcl(bench: Bench) -> None:
    session = bench.broken_out()
    elsewhere = FTeid(0x99, IPv4Address("10.1.0.8"))
    session = asyncio.run(lifecycle.activate(bench.ports, session, elsewhere))
    assert bench.messages() == [("upf-edge", "SessionModificationRequest")]
    assert (session.state, session.gnb_f_teid) == (State.LOCAL_BREAKOUT, elsewhere)


def test_release_deletes_the_session_at_every_upf(bench: Bench) -> None:
    session = asyncio.run(lifecycle.release(bench.ports, bench.broken_out()))
    assert session.state is State.RELEASED
    assert bench.messages() == [("upf-edge", "SessionDeletionRequest"), ("upf-cloud", "SessionDeletionRequest")]
    assert bench.world.upfs == {"upf-cloud": {}, "upf-edge": {}}


def test_a_release_whose_answer_was_lost_can_be_repeated(bench: Bench) -> None:
    session = bench.broken_out()
    bench.world.fault = (0, "answer lost")
    with pytest.raises(ProcedureError, match="release: step delete_ulcl: upf-edge does not answer"):
        asyncio.run(lifecycle.release(bench.ports, session))
    assert asyncio.run(lifecycle.release(bench.ports, session)).state is State.RELEASED


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failed_establishment_leaves_nothing(bench: Bench, fault: str) -> None:
    bench.world.fault = (0, fault)
    with pytest.raises(ProcedureError, match="step establish_psa"):
        asyncio.run(lifecycle.establish(bench.ports, DRAFT))
    assert bench.world.upfs["upf-cloud"] == {}


# -- insertion --------------------------------------------------------------------------------------------------------


def test_insertion_step_by_step(bench: Bench) -> None:
    bench.insert(bench.active())
    n3 = next(iter(bench.world.upfs["upf-edge"].values())).f_teids[2]
    assert bench.messages() == [
        ("upf-cloud", "SessionModificationRequest"),
        ("upf-edge", "SessionEstablishmentRequest"),
        ("upf-cloud", "SessionModificationRequest"),
        ("gnb", n3),
        ("sleep", GUARD_S),
        ("upf-cloud", "SessionModificationRequest"),
    ]
    assert [(step.procedure, step.step) for step in bench.steps] == [
        ("ulcl_insertion", "open_n9_uplink"),
        ("ulcl_insertion", "establish_ulcl"),
        ("ulcl_insertion", "move_downlink_to_ulcl"),
        ("ulcl_insertion", "switch_n3_to_ulcl"),
        ("ulcl_insertion", "guard"),
        ("ulcl_insertion", "close_n3_uplink"),
    ]
    assert [step.t for step in bench.steps] == sorted(step.t for step in bench.steps)


def test_insertion_what_the_psa_is_told(bench: Bench) -> None:
    before = bench.active()
    session = bench.insert(before)
    opened, moved, closed = [what for whom, what in bench.world.calls if whom == "upf-cloud"]
    assert isinstance(opened, SessionModificationRequest)
    (pdr,) = opened.create_pdrs
    assert (pdr.pdr_id, pdr.far_id, pdr.precedence) == (3, 2, 65535)
    assert pdr.pdi.source_interface is Interface.ACCESS
    assert pdr.pdi.source_interface_type is InterfaceType.N9_FOR_ROAMING
    # With the CHOOSE ID of the first way in, an Open5GS UPF would answer with the F-TEID that is there already.
    assert pdr.pdi.f_teid == FTeid(choose=True, choose_ipv4=True, choose_id=3)
    assert isinstance(moved, SessionModificationRequest)
    assert moved.update_fars[0].forwarding is not None
    header = moved.update_fars[0].forwarding.outer_header_creation
    assert header is not None
    assert session.ulcl is not None
    assert FTeid(header.teid or 0, header.ipv4) == session.ulcl.n9
    assert isinstance(closed, SessionModificationRequest)
    assert closed.remove_pdrs == (before.uplink.pdr_id,)
    assert {request.seid for request in (opened, moved, closed)} == {session.psa.up_seid}


def test_insertion_what_the_ulcl_is_told(bench: Bench) -> None:
    session = bench.insert(bench.active())
    (request,) = [what for _, what in bench.world.calls if isinstance(what, SessionEstablishmentRequest)]
    assert request.cp_f_seid == FSeid(12, SMF)
    local_downlink, default, local, n9_downlink = sorted(request.create_pdrs, key=lambda pdr: pdr.pdr_id)
    assert local.precedence < default.precedence
    assert local.pdi.sdf_filters == (SdfFilter(MEC_FLOW),)
    assert default.pdi.sdf_filters == ()
    assert local.pdi.f_teid == default.pdi.f_teid
    assert local.pdi.f_teid is not None
    assert local.pdi.f_teid.choose_id is not None
    assert local_downlink.pdi.source_interface_type is InterfaceType.N6
    assert n9_downlink.pdi.source_interface is Interface.CORE
    assert n9_downlink.pdi.f_teid == FTeid(choose=True, choose_ipv4=True, choose_id=4)
    assert local.pdi.f_teid.choose_id != 4
    assert n9_downlink.outer_header_removal is OuterHeaderRemoval.GTPU_UDP_IP
    fars = {far.far_id: far.forwarding for far in request.create_fars}
    to_gnb, to_psa, to_n6 = (fars[pdr.far_id or 0] for pdr in (local_downlink, default, local))
    assert n9_downlink.far_id == local_downlink.far_id
    assert to_gnb is not None
    assert to_psa is not None
    assert to_n6 is not None
    assert to_gnb.outer_header_creation is not None
    assert to_gnb.outer_header_creation.teid == GNB.teid
    assert to_psa.outer_header_creation is not None
    assert to_psa.outer_header_creation.teid == session.uplink.f_teid.teid
    assert to_psa.destination_interface is Interface.CORE
    assert to_n6.outer_header_creation is None


def test_insertion_never_breaks_the_path(bench: Bench) -> None:
    session = bench.active()
    assert bench.world.uplink_path() == ["upf-cloud"]
    bench.always_connected()
    session = bench.insert(session)
    assert bench.world.uplink_path() == ["upf-edge", "upf-cloud"]
    assert bench.world.downlink_path() == ["upf-cloud", "upf-edge", "gnb"]
    assert bench.world.downlink_path("upf-edge") == ["upf-edge", "gnb"]
    assert session.state is State.LOCAL_BREAKOUT


def test_the_old_path_stays_for_the_guard_time(bench: Bench) -> None:
    session = bench.active()
    old = session.n3
    during: list[bool] = []

    def old_path_is_open() -> None:
        if bench.world.calls[-1][0] == "sleep":
            during.append(old in next(iter(bench.world.upfs["upf-cloud"].values())).f_teids.values())

    bench.world.after_each = old_path_is_open
    bench.insert(session)
    assert during == [True]
    assert old not in next(iter(bench.world.upfs["upf-cloud"].values())).f_teids.values()


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(
    ("call", "step"),
    [*enumerate(["open_n9_uplink", "establish_ulcl", "move_downlink_to_ulcl", "switch_n3_to_ulcl"])],
)
def test_a_failed_insertion_goes_back(bench: Bench, call: int, step: str, fault: str) -> None:
    session = bench.active()
    before = bench.world.snapshot()
    bench.always_connected()
    bench.world.fault = (call, fault)
    with pytest.raises(ProcedureError, match=f"ulcl_insertion: step {step}: .*; rolled back") as caught:
        bench.insert(session)
    assert not caught.value.committed
    assert bench.world.snapshot() == before
    # The session is as good as before: the next attempt succeeds.
    bench.world.fault = None
    assert caught.value.session is not None
    assert bench.insert(caught.value.session).state is State.LOCAL_BREAKOUT


def test_a_failure_names_the_cause_of_the_upf(bench: Bench) -> None:
    session = bench.active()
    bench.world.fault = (1, "rejected")
    with pytest.raises(ProcedureError) as caught:
        bench.insert(session)
    assert str(caught.value) == (
        "ulcl_insertion: step establish_ulcl: upf-edge answered SessionEstablishmentRequest with cause 75 "
        "(NO_RESOURCES_AVAILABLE); rolled back"
    )


@pytest.mark.parametrize("fault", FAULTS)
def test_an_old_path_that_cannot_be_closed_does_not_undo_the_new_one(bench: Bench, fault: str) -> None:
    session = bench.active()
    bench.always_connected()
    bench.world.fault = (4, fault)
    with pytest.raises(ProcedureError, match=r"step close_n3_uplink: .*; the new path stays") as caught:
        bench.insert(session)
    inserted = caught.value.session
    assert inserted is not None
    assert inserted.state is State.LOCAL_BREAKOUT
    assert bench.world.uplink_path() == ["upf-edge", "upf-cloud"]
    # What is left over is in nobody's way.
    bench.world.fault = None
    assert bench.insert(bench.remove(inserted)).state is State.LOCAL_BREAKOUT


def test_a_rollback_gives_packets_on_n9_time_before_the_ulcl_goes(bench: Bench) -> None:
    session = bench.active()
    bench.world.fault = (3, "rejected")
    with pytest.raises(ProcedureError):
        bench.insert(session)
    assert bench.messages()[-4:] == [
        ("upf-cloud", "SessionModificationRequest"),
        ("sleep", GUARD_S),
        ("upf-edge", "SessionDeletionRequest"),
        ("upf-cloud", "SessionModificationRequest"),
    ]


def test_trouble_while_rolling_back_is_told_and_does_not_stop_the_rest(bench: Bench) -> None:
    session = bench.active()

    def lose_the_edge() -> None:
        if bench.world.calls[-1][0] == "sleep":
            bench.world.associated.discard("upf-edge")

    bench.world.after_each = lose_the_edge
    bench.world.fault = (3, "rejected")
    with pytest.raises(ProcedureError, match="rolled back; rolling back: upf-edge is not associated"):
        bench.insert(session)
    assert set(next(iter(bench.world.upfs["upf-cloud"].values())).pdrs) == {1, 2}


# -- removal ----------------------------------------------------------------------------------------------------------


def test_removal_step_by_step(bench: Bench) -> None:
    session = bench.broken_out()
    removed = bench.remove(session)
    assert bench.messages() == [
        ("upf-cloud", "SessionModificationRequest"),
        ("gnb", removed.n3),
        ("upf-cloud", "SessionModificationRequest"),
        ("sleep", GUARD_S),
        ("upf-edge", "SessionDeletionRequest"),
        ("upf-cloud", "SessionModificationRequest"),
    ]
    assert [step.step for step in bench.steps] == [
        "open_n3_uplink",
        "switch_n3_to_psa",
        "move_downlink_to_gnb",
        "guard",
        "delete_ulcl",
        "close_n9_uplink",
    ]
    opened, closed = bench.world.calls[0][1], bench.world.calls[-1][1]
    assert isinstance(opened, SessionModificationRequest)
    assert opened.create_pdrs[0].pdi.source_interface_type is InterfaceType.N3_3GPP_ACCESS
    assert isinstance(closed, SessionModificationRequest)
    assert closed.remove_pdrs == (session.uplink.pdr_id,)


def test_removal_never_breaks_the_path_and_leaves_what_was_before(bench: Bench) -> None:
    session = bench.broken_out()
    bench.always_connected()
    session = bench.remove(session)
    assert bench.world.uplink_path() == ["upf-cloud"]
    assert bench.world.downlink_path() == ["upf-cloud", "gnb"]
    assert bench.world.upfs["upf-edge"] == {}
    assert (session.state, session.ulcl) == (State.ACTIVE, None)
    (psa,) = bench.world.upfs["upf-cloud"].values()
    assert list(psa.f_teids.values()) == [session.n3]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("call", "step"), [*enumerate(["open_n3_uplink", "switch_n3_to_psa", "move_downlink_to_gnb"])])
def test_a_failed_removal_goes_back(bench: Bench, call: int, step: str, fault: str) -> None:
    session = bench.broken_out()
    before = bench.world.snapshot()
    bench.always_connected()
    bench.world.fault = (call, fault)
    with pytest.raises(ProcedureError, match=f"ulcl_removal: step {step}: .*; rolled back") as caught:
        bench.remove(session)
    assert bench.world.snapshot() == before
    bench.world.fault = None
    assert caught.value.session is not None
    assert replace(caught.value.session, last_pdr_id=session.last_pdr_id) == session
    assert bench.remove(caught.value.session).state is State.ACTIVE


def test_a_rollback_of_a_removal_gives_packets_on_n3_time_before_the_psa_closes_it(bench: Bench) -> None:
    session = bench.broken_out()
    bench.world.fault = (2, "rejected")
    with pytest.raises(ProcedureError):
        bench.remove(session)
    assert bench.messages()[-3:] == [
        ("gnb", session.n3),
        ("sleep", GUARD_S),
        ("upf-cloud", "SessionModificationRequest"),
    ]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("call", "step"), [(3, "delete_ulcl"), (4, "close_n9_uplink")])
def test_a_ulcl_that_cannot_be_cleared_away_does_not_come_back(bench: Bench, call: int, step: str, fault: str) -> None:
    session = bench.broken_out()
    bench.always_connected()
    bench.world.fault = (call, fault)
    with pytest.raises(ProcedureError, match=f"step {step}: .*; the new path stays") as caught:
        bench.remove(session)
    assert caught.value.session is not None
    assert caught.value.session.state is State.ACTIVE
    assert bench.world.uplink_path() == ["upf-cloud"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_ulcl_left_over_is_deleted_before_the_next_is_inserted(bench: Bench, fault: str) -> None:
    session = bench.broken_out()
    bench.world.fault = (3, fault)
    with pytest.raises(ProcedureError, match="step delete_ulcl") as caught:
        bench.remove(session)
    bench.world.fault = None
    bench.forget()
    left = caught.value.session
    assert left is not None
    assert [n4.upf for n4 in left.leftovers] == ["upf-edge"]
    inserted = bench.insert(left)
    assert bench.steps[0].step == "delete_leftover"
    assert isinstance(bench.world.calls[0][1], SessionDeletionRequest)
    assert (inserted.leftovers, len(bench.world.upfs["upf-edge"])) == ((), 1)


def test_a_ulcl_left_over_is_deleted_with_the_session(bench: Bench) -> None:
    session = bench.broken_out()
    bench.world.fault = (3, "request lost")
    with pytest.raises(ProcedureError) as caught:
        bench.remove(session)
    bench.world.fault = None
    assert caught.value.session is not None
    asyncio.run(lifecycle.release(bench.ports, caught.value.session))
    assert bench.world.upfs == {"upf-cloud": {}, "upf-edge": {}}


@pytest.mark.parametrize("f_teid", [FTeid(0, UE), FTeid(7, IPv4Address(0)), FTeid(7), None])
def test_an_f_teid_that_leads_nowhere_is_none(f_teid: FTeid | None) -> None:
    created = (CreatedPdr(1, FTeid(6, UE)), CreatedPdr(2, f_teid), CreatedPdr(3, FTeid(8, UE)))
    assert chosen("upf-cloud", created, 3) == FTeid(8, UE)
    with pytest.raises(RemoteProtocolError, match="upf-cloud chose no IPv4 F-TEID for PDR 2"):
        chosen("upf-cloud", created, 2)


def test_insertion_and_removal_can_be_repeated(bench: Bench) -> None:
    session = bench.active()
    bench.always_connected()
    for _ in range(3):
        session = bench.remove(bench.insert(session))
    (psa,) = bench.world.upfs["upf-cloud"].values()
    assert len(psa.pdrs) == 2
    assert not any(isinstance(what, SessionDeletionRequest) for whom, what in bench.world.calls if whom == "upf-cloud")
