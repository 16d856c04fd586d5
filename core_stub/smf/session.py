"""A PDU session as a frozen value, and its states as a table.

INACTIVE        established at the PSA; downlink is buffered until the gNB's F-TEID is known
ACTIVE          gNB -N3- PSA
LOCAL_BREAKOUT  gNB -N3- UL CL at the edge -N9- PSA, with a local N6 at the edge
LOST            a UPF has forgotten its part: its association has ended; all that is left to do is to release it
RELEASED        gone from every UPF
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address
from types import MappingProxyType

from core_stub.pfcp.ies import FTeid


class State(Enum):
    """See the head of this module."""

    INACTIVE = "inactive"
    ACTIVE = "active"
    LOCAL_BREAKOUT = "local-breakout"
    LOST = "lost"
    RELEASED = "released"


class Operation(Enum):
    """What can be asked for on a session; ACTIVATE on an active session is a path switch."""

    ACTIVATE = "activate"
    INSERT_ULCL = "insert a UL CL"
    REMOVE_ULCL = "remove the UL CL"
    RELEASE = "release"


TRANSITIONS: Mapping[tuple[State, Operation], State] = MappingProxyType(
    {
        (State.INACTIVE, Operation.ACTIVATE): State.ACTIVE,
        (State.INACTIVE, Operation.RELEASE): State.RELEASED,
        (State.ACTIVE, Operation.ACTIVATE): State.ACTIVE,
        (State.ACTIVE, Operation.INSERT_ULCL): State.LOCAL_BREAKOUT,
        (State.ACTIVE, Operation.RELEASE): State.RELEASED,
        (State.LOCAL_BREAKOUT, Operation.ACTIVATE): State.LOCAL_BREAKOUT,
        (State.LOCAL_BREAKOUT, Operation.REMOVE_ULCL): State.ACTIVE,
        (State.LOCAL_BREAKOUT, Operation.RELEASE): State.RELEASED,
        (State.LOST, Operation.RELEASE): State.RELEASED,
    }
)


@dataclass(frozen=True)
class CpEnd:
    """Our end of a PFCP session: the address of N4, which is our Node ID too, and the SEID that we chose."""

    address: IPv4Address
    seid: int


@dataclass(frozen=True)
class N4Session:
    """A PFCP session at the UPF called `upf`: our SEID and the one that the UPF chose."""

    upf: str
    cp_seid: int
    up_seid: int


@dataclass(frozen=True)
class Uplink:
    """Where uplink packets enter the PSA: the PDR and the F-TEID that the PSA chose for it, on N3 or on N9."""

    pdr_id: int
    f_teid: FTeid


@dataclass(frozen=True)
class UlCl:
    """The UL CL with local PSA at the edge: its F-TEIDs towards the gNB (N3) and towards the PSA (N9)."""

    n4: N4Session
    n3: FTeid
    n9: FTeid
    flow_descriptions: tuple[str, ...]


@dataclass(frozen=True)
class SessionRequest:
    """What a gNB asks for, on behalf of the UE; `snssai` is (SST, SD), `gnb` the URL of the gNB's API."""

    supi: str
    pdu_session_id: int
    dnn: str
    snssai: tuple[int, int | None]
    gnb: str


@dataclass(frozen=True)
class SmContext:
    """What was asked for and what the SMF decided on it; stays the same as long as the session lives."""

    ref: str
    request: SessionRequest
    qfi: int
    ue_ipv4: IPv4Address


@dataclass(frozen=True)
class PduSession:
    """A PDU session; `gnb_f_teid` is None until the gNB told it.

    `last_pdr_id` is the highest PDR ID ever used at the PSA: numbers are not used twice, so that a PDR which could not
    be removed is in nobody's way. `leftovers` are PFCP sessions that should have been deleted and could not be.
    """

    context: SmContext
    psa: N4Session
    uplink: Uplink
    last_pdr_id: int
    state: State = State.INACTIVE
    gnb_f_teid: FTeid | None = None
    ulcl: UlCl | None = None
    leftovers: tuple[N4Session, ...] = ()

    @property
    def n4_sessions(self) -> tuple[N4Session, ...]:
        """The PFCP sessions that carry this session's packets."""
        return (self.psa, self.ulcl.n4) if self.ulcl else (self.psa,)

    @property
    def n3(self) -> FTeid:
        """Where the gNB sends uplink packets."""
        return self.ulcl.n3 if self.ulcl else self.uplink.f_teid

    @property
    def n3_upf(self) -> N4Session:
        """The UPF that sends downlink packets to the gNB."""
        return self.ulcl.n4 if self.ulcl else self.psa
