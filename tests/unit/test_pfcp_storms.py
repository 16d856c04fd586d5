"""Many nodes, many sessions, peers that restart or are silent: each question ends once, and nothing is left behind."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

from core_stub.pfcp.association import State
from core_stub.pfcp.events import (
    AssociationDown,
    AssociationFailed,
    AssociationUp,
    PeerRestarted,
    RequestTimedOut,
    ResponseReceived,
)
from core_stub.pfcp.ies import NodeId
from core_stub.pfcp.messages import SessionEstablishmentResponse
from tests.support.pfcp import SMF, UPF, FakeLink, endpoint, establishment
from tests.support.pfcp_samples import SMF_NODE, UPF_NODE

SESSIONS = 10_000
NODES = 500


def lossy(seed: int, loss: float = 0.05) -> str:
    return "".join(random.Random(seed).choices(".x", (1 - loss, loss), k=4099))


def link(fates: str, **settings: Any) -> FakeLink:
    return FakeLink(endpoint(SMF_NODE, **settings), endpoint(UPF_NODE, **settings), fates, repeat=True)


def test_ten_thousand_sessions_over_5_percent_loss_lose_nothing() -> None:
    between = link(lossy(5), heartbeat_interval=1000)
    between.smf.associate(UPF, between.now)
    between.run(10)
    between.events.clear()
    wanted = {between.smf.request(UPF, establishment(seid), between.now): seid for seid in range(1, SESSIONS + 1)}
    established: set[int] = set()
    tokens = Counter(wanted.keys())
    ends: Counter[int] = Counter()
    while len(established) < SESSIONS:
        between.run(2.5)
        for event in between.events:
            assert isinstance(event, ResponseReceived | RequestTimedOut)
            ends[event.token] += 1
            if isinstance(event, ResponseReceived):
                assert isinstance(event.message, SessionEstablishmentResponse)
                assert event.message.seid == wanted[event.token]
                established.add(event.message.seid)
            else:  # N1 transmissions were not enough: three losses of ten in a row happen to one in a thousand
                seid = wanted[event.token]
                token = between.smf.request(UPF, establishment(seid), between.now)
                wanted[token] = seid
                tokens[token] += 1
        between.events.clear()
    assert ends == tokens
    assert {request.cp_f_seid.seid for request in between.served} == established
    served_more_than_asked = Counter(r.cp_f_seid.seid for r in between.served) - Counter(wanted.values())
    assert not served_more_than_asked


def test_a_storm_of_associations_over_5_percent_loss_leaves_every_node_associated_once() -> None:
    between = link(lossy(7), heartbeat_interval=1000)
    addresses = [(f"10.1.{number // 250}.{number % 250}", 8805) for number in range(NODES)]
    between.others = {
        at: endpoint(NodeId(at[0]), started=number, heartbeat_interval=1000) for number, at in enumerate(addresses, 1)
    }
    for node in between.others.values():
        node.associate(UPF, between.now)
    waiting = dict(between.others)
    while waiting:
        between.run(7.5)
        for at, node in list(waiting.items()):
            if node.state(UPF) is State.IDLE:
                node.associate(UPF, between.now)
            elif node.state(UPF) is State.UP:
                del waiting[at]
    between.run(20)
    assert {between.upf.state(at) for at in addresses} == {State.UP}
    assert {node.state(UPF) for node in between.others.values()} == {State.UP}
    assert not [event for event in between.events if not isinstance(event, AssociationUp | AssociationFailed)]
    ups = Counter(event.peer for event in between.events if isinstance(event, AssociationUp))
    assert ups == {UPF: NODES, **dict.fromkeys(addresses, 1)}


def test_after_any_loss_of_heartbeats_both_sides_agree_again() -> None:
    between = link(lossy(11, 0.4), heartbeat_interval=1)
    for _ in range(300):
        if between.smf.state(UPF) is State.IDLE:
            between.smf.associate(UPF, between.now)
        between.run(2)
    assert Counter(type(event) for event in between.events)[AssociationDown] > 5
    between = FakeLink(between.smf, between.upf, now=between.now)
    between.run(30)
    assert between.smf.state(UPF) is between.upf.state(SMF) is State.UP


def test_a_peer_that_restarts_every_second_is_associated_again_every_time() -> None:
    between = link(".", heartbeat_interval=0.25)
    between.smf.associate(UPF, between.now)
    between.run(1)
    for started in range(2, 32):
        between.upf = endpoint(UPF_NODE, started=started, heartbeat_interval=0.25)
        between.run(1)
        assert between.smf.state(UPF) is between.upf.state(SMF) is State.UP
    seen_by_smf = [event for event in between.events if event.peer == UPF]
    assert [event.recovery_time_stamp for event in seen_by_smf if isinstance(event, AssociationUp)] == list(
        range(1, 32)
    )
    assert sum(isinstance(event, PeerRestarted) for event in seen_by_smf) == 30
    between.smf.release(UPF, between.now)
    between.run(1)
    assert between.smf.get_timer() is None


def test_a_peer_that_never_answers_costs_n1_datagrams_an_attempt_and_leaves_nothing() -> None:
    between = link("x")
    for attempt in range(1, 101):
        between.smf.associate(UPF, between.now)
        between.run(7.5)
        assert between.events == [AssociationFailed(UPF, "no answer")] * attempt
        assert len(between.sent(SMF)) == 3 * attempt
        assert between.smf.get_timer() is None
