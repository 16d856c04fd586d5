"""The PFCP association with one peer (TS 29.244 §6.2.6 to §6.2.8) and its heartbeats (§6.2.2), as a table.

    IDLE ──ASSOCIATE──▶ SETTING_UP ──SETUP_ACCEPTED──▶ UP ──RELEASE──▶ RELEASING ──RELEASED──▶ IDLE
    IDLE ──SETUP_REQUESTED (by the peer, and accepted)──▶ UP ──RELEASE_REQUESTED──▶ IDLE
    UP ──HEARTBEAT_LOST (path failure) or PEER_RESTARTED (another recovery time stamp)──▶ IDLE

§6.2.6.2.2: a setup request from a peer that is associated overwrites the association, whatever its recovery time
stamp, and ends the sessions (SET_UP_ANEW, or RESTARTED_AND_SET_UP), unless it asks to retain them or is the other half
of a set-up from both sides (SETUP_REQUESTED).

Signals that start with a verb are ours, those in the past tense are the peer's or the clock's. What the table does not
list is an error: of our caller (`LocalProtocolError`) or of the peer (`RemoteProtocolError`), as `FAULTS` says.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from core_stub.errors import LocalProtocolError, RemoteProtocolError
from core_stub.pfcp.ies import Cause
from core_stub.pfcp.messages import AssociationSetupRequest, AssociationSetupResponse


class State(Enum):
    """What the two nodes agree on, as far as we know."""

    IDLE = auto()
    SETTING_UP = auto()
    UP = auto()
    RELEASING = auto()


class Signal(Enum):
    """What happens to an association."""

    ASSOCIATE = auto()
    SETUP_REQUESTED = auto()
    SET_UP_ANEW = auto()
    RESTARTED_AND_SET_UP = auto()
    SETUP_ACCEPTED = auto()
    SETUP_FAILED = auto()
    UPDATE_REQUESTED = auto()
    RELEASE = auto()
    RELEASE_REQUESTED = auto()
    RELEASED = auto()
    HEARTBEAT_ANSWERED = auto()
    HEARTBEAT_LOST = auto()
    PEER_RESTARTED = auto()
    DISOWNED = auto()
    """The peer says that there is no association: it lost ours."""


class Effect(Enum):
    """What the endpoint has to do about a transition."""

    SEND_SETUP = auto()
    SEND_RELEASE = auto()
    REPORT_UP = auto()
    REPORT_DOWN = auto()
    REPORT_FAILED = auto()
    REPORT_RESTARTED = auto()
    SET_UP_AGAIN = auto()
    """If it was we who set it up before."""


Step = tuple[State, tuple[Effect, ...]]

_STAY_IDLE: Step = (State.IDLE, ())
_STAY_UP: Step = (State.UP, ())
_STAY_RELEASING: Step = (State.RELEASING, ())
_STAY_SETTING_UP: Step = (State.SETTING_UP, ())
_UP: Step = (State.UP, (Effect.REPORT_UP,))
_DOWN: Step = (State.IDLE, (Effect.REPORT_DOWN,))

TRANSITIONS: dict[tuple[State, Signal], Step] = {
    (State.IDLE, Signal.ASSOCIATE): (State.SETTING_UP, (Effect.SEND_SETUP,)),
    (State.IDLE, Signal.SETUP_REQUESTED): _UP,
    (State.IDLE, Signal.SET_UP_ANEW): _UP,
    (State.IDLE, Signal.RESTARTED_AND_SET_UP): _UP,
    # Answers to what was asked before the association ended: too late to matter.
    (State.IDLE, Signal.SETUP_ACCEPTED): _STAY_IDLE,
    (State.IDLE, Signal.SETUP_FAILED): _STAY_IDLE,
    (State.IDLE, Signal.RELEASED): _STAY_IDLE,
    (State.IDLE, Signal.HEARTBEAT_ANSWERED): _STAY_IDLE,
    (State.IDLE, Signal.HEARTBEAT_LOST): _STAY_IDLE,
    (State.IDLE, Signal.PEER_RESTARTED): _STAY_IDLE,
    (State.IDLE, Signal.DISOWNED): _STAY_IDLE,
    (State.SETTING_UP, Signal.SETUP_ACCEPTED): _UP,
    # Both sides may ask at once (§6.2.6.3): whichever is answered first makes the association.
    (State.SETTING_UP, Signal.SETUP_REQUESTED): _UP,
    (State.SETTING_UP, Signal.SET_UP_ANEW): _UP,
    (State.SETTING_UP, Signal.RESTARTED_AND_SET_UP): _UP,
    (State.SETTING_UP, Signal.SETUP_FAILED): (State.IDLE, (Effect.REPORT_FAILED,)),
    (State.SETTING_UP, Signal.RELEASED): _STAY_SETTING_UP,
    (State.SETTING_UP, Signal.HEARTBEAT_ANSWERED): _STAY_SETTING_UP,
    (State.SETTING_UP, Signal.HEARTBEAT_LOST): _STAY_SETTING_UP,
    (State.SETTING_UP, Signal.PEER_RESTARTED): _STAY_SETTING_UP,
    (State.SETTING_UP, Signal.DISOWNED): _STAY_SETTING_UP,
    (State.UP, Signal.SETUP_REQUESTED): _STAY_UP,
    (State.UP, Signal.SET_UP_ANEW): (State.UP, (Effect.REPORT_DOWN, Effect.REPORT_UP)),
    (State.UP, Signal.RESTARTED_AND_SET_UP): (State.UP, (Effect.REPORT_RESTARTED, Effect.REPORT_UP)),
    (State.UP, Signal.UPDATE_REQUESTED): _STAY_UP,
    (State.UP, Signal.SETUP_ACCEPTED): _STAY_UP,
    (State.UP, Signal.SETUP_FAILED): _STAY_UP,
    (State.UP, Signal.RELEASE): (State.RELEASING, (Effect.SEND_RELEASE,)),
    (State.UP, Signal.RELEASE_REQUESTED): _DOWN,
    (State.UP, Signal.RELEASED): _STAY_UP,
    (State.UP, Signal.HEARTBEAT_ANSWERED): _STAY_UP,
    (State.UP, Signal.HEARTBEAT_LOST): _DOWN,
    (State.UP, Signal.PEER_RESTARTED): (State.IDLE, (Effect.REPORT_RESTARTED, Effect.SET_UP_AGAIN)),
    (State.UP, Signal.DISOWNED): (State.IDLE, (Effect.REPORT_DOWN, Effect.SET_UP_AGAIN)),
    # §6.2.8: sessions end with the association, whether or not the peer answers the release.
    (State.RELEASING, Signal.RELEASED): _DOWN,
    (State.RELEASING, Signal.RELEASE_REQUESTED): _DOWN,
    (State.RELEASING, Signal.PEER_RESTARTED): _DOWN,
    (State.RELEASING, Signal.DISOWNED): _STAY_RELEASING,
    (State.RELEASING, Signal.RESTARTED_AND_SET_UP): (State.UP, (Effect.REPORT_DOWN, Effect.REPORT_UP)),
    (State.RELEASING, Signal.UPDATE_REQUESTED): _STAY_RELEASING,
    (State.RELEASING, Signal.SETUP_ACCEPTED): _STAY_RELEASING,
    (State.RELEASING, Signal.SETUP_FAILED): _STAY_RELEASING,
    (State.RELEASING, Signal.HEARTBEAT_ANSWERED): _STAY_RELEASING,
    (State.RELEASING, Signal.HEARTBEAT_LOST): _STAY_RELEASING,
}

FAULTS: dict[tuple[State, Signal], Cause | str] = {
    (State.IDLE, Signal.RELEASE): "there is no association to release",
    (State.IDLE, Signal.UPDATE_REQUESTED): Cause.NO_ESTABLISHED_PFCP_ASSOCIATION,
    (State.IDLE, Signal.RELEASE_REQUESTED): Cause.NO_ESTABLISHED_PFCP_ASSOCIATION,
    (State.SETTING_UP, Signal.ASSOCIATE): "the association is being set up already",
    (State.SETTING_UP, Signal.RELEASE): "the association is still being set up",
    (State.SETTING_UP, Signal.UPDATE_REQUESTED): Cause.NO_ESTABLISHED_PFCP_ASSOCIATION,
    (State.SETTING_UP, Signal.RELEASE_REQUESTED): Cause.NO_ESTABLISHED_PFCP_ASSOCIATION,
    (State.UP, Signal.ASSOCIATE): "the association is up already",
    (State.RELEASING, Signal.ASSOCIATE): "the association is being released",
    (State.RELEASING, Signal.RELEASE): "the association is being released already",
    (State.RELEASING, Signal.SETUP_REQUESTED): Cause.REQUEST_REJECTED,
    (State.RELEASING, Signal.SET_UP_ANEW): Cause.REQUEST_REJECTED,
}
"""What is wrong about the pairs that are no transition: a cause if the peer is at fault, a text if our caller is."""


@dataclass
class Association:
    """The association with one peer; `initiator` says that we set it up (the CP function usually does)."""

    state: State = State.IDLE
    initiator: bool = False
    setup: AssociationSetupRequest | AssociationSetupResponse | None = None
    """What the peer said of itself, as updated since."""
    recovery_time_stamp: int | None = None
    asked_at: float | None = None
    """When we last asked for the association."""
    disowned_at: float | None = None
    """When the peer last said that it has none."""
    awaited: int | None = None
    """The sequence number of our heartbeat, setup or release that the peer has not answered yet."""
    heartbeat_due: float | None = None
    """When to send the next heartbeat; None while one is outstanding, or while the association is not up."""

    def on(self, signal: Signal) -> tuple[Effect, ...]:
        """Take the transition; raises `LocalProtocolError` or `RemoteProtocolError` where there is none."""
        step = TRANSITIONS.get((self.state, signal))
        if step is None:
            fault = FAULTS[self.state, signal]
            if isinstance(fault, Cause):
                raise RemoteProtocolError(fault, f"{signal.name} while the association is {self.state.name}")
            raise LocalProtocolError(fault)
        self.state, effects = step
        if self.state is not State.UP:
            self.heartbeat_due = None
        return effects

    def has_restarted(self, recovery_time_stamp: int) -> bool:
        """§6.2.2, TS 23.527 §4.2: another time stamp than the one we know means that the peer lost its sessions."""
        known, self.recovery_time_stamp = self.recovery_time_stamp, recovery_time_stamp
        return known is not None and known != recovery_time_stamp

    def is_from_before(self, recovery_time_stamp: int) -> bool:
        """Whether a time stamp is earlier than the one we know, as in a request that the peer sent before it restarted.

        The clock of 32 bits wraps in 2036.
        """
        known = self.recovery_time_stamp
        return known is not None and 0 < (known - recovery_time_stamp) % _TIME_STAMPS < _TIME_STAMPS // 2


_TIME_STAMPS = 1 << 32
