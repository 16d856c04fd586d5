"""The association's table: complete, and the same as its errors say."""

from __future__ import annotations

from itertools import product

import pytest

from core_stub.errors import LocalProtocolError, RemoteProtocolError
from core_stub.pfcp.association import FAULTS, TRANSITIONS, Association, Effect, Signal, State
from core_stub.pfcp.ies import Cause

PAIRS = list(product(State, Signal))
OWN = {Signal.ASSOCIATE, Signal.RELEASE}


@pytest.mark.parametrize(("state", "signal"), PAIRS, ids=lambda value: value.name)
def test_every_pair_is_a_transition_or_an_error(state: State, signal: Signal) -> None:
    association = Association(state)
    assert ((state, signal) in TRANSITIONS) != ((state, signal) in FAULTS)
    if (state, signal) in TRANSITIONS:
        assert association.on(signal) == TRANSITIONS[state, signal][1]
        assert association.state is TRANSITIONS[state, signal][0]
        return
    with pytest.raises(LocalProtocolError if signal in OWN else RemoteProtocolError):
        association.on(signal)
    assert association.state is state


@pytest.mark.parametrize(
    ("signals", "state", "effects"),
    [
        ([Signal.ASSOCIATE, Signal.SETUP_ACCEPTED], State.UP, (Effect.REPORT_UP,)),
        ([Signal.ASSOCIATE, Signal.SETUP_FAILED], State.IDLE, (Effect.REPORT_FAILED,)),
        ([Signal.SETUP_REQUESTED], State.UP, (Effect.REPORT_UP,)),
        ([Signal.SETUP_REQUESTED, Signal.SETUP_REQUESTED], State.UP, ()),
        ([Signal.SETUP_REQUESTED, Signal.HEARTBEAT_LOST], State.IDLE, (Effect.REPORT_DOWN,)),
        ([Signal.SETUP_REQUESTED, Signal.RELEASE_REQUESTED], State.IDLE, (Effect.REPORT_DOWN,)),
        ([Signal.SETUP_REQUESTED, Signal.RELEASE, Signal.RELEASED], State.IDLE, (Effect.REPORT_DOWN,)),
        (
            [Signal.SETUP_REQUESTED, Signal.PEER_RESTARTED],
            State.IDLE,
            (Effect.REPORT_RESTARTED, Effect.SET_UP_AGAIN),
        ),
    ],
)
def test_the_life_of_an_association(signals: list[Signal], state: State, effects: tuple[Effect, ...]) -> None:
    association = Association()
    for signal in signals:
        last = association.on(signal)
    assert (association.state, last) == (state, effects)


def test_a_release_without_an_association_has_the_cause_of_the_specification() -> None:
    with pytest.raises(RemoteProtocolError) as raised:
        Association().on(Signal.RELEASE_REQUESTED)
    assert raised.value.cause is Cause.NO_ESTABLISHED_PFCP_ASSOCIATION


def test_only_another_time_stamp_than_the_known_one_is_a_restart() -> None:
    association = Association()
    assert [association.has_restarted(stamp) for stamp in (5, 5, 6, 6)] == [False, False, True, False]
