"""A PDU session as a frozen value, and its states as a table.

INACTIVE           no user plane to the gNB: downlink is buffered at the PSA, and makes the SMF page (TS 23.502 §4.2.3)
ACTIVE             gNB -N3- PSA
LOCAL_BREAKOUT     gNB -N3- UL CL at the edge -N9- PSA, with local N6s at the edge
INACTIVE_BREAKOUT  the same without the gNB: downlink is buffered at the UL CL
LOST               a UPF has forgotten its part, and no other could take it; all that is left to do is to release it
RELEASED           gone from every UPF
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from ipaddress import IPv4Address
from types import MappingProxyType

from core_stub.pfcp.ies import FTeid, InterfaceType


class State(Enum):
    """See the head of this module."""

    INACTIVE = "inactive"
    ACTIVE = "active"
    LOCAL_BREAKOUT = "local-breakout"
    INACTIVE_BREAKOUT = "local-breakout-inactive"
    LOST = "lost"
    RELEASED = "released"


class Operation(Enum):
    """What can be asked for on a session; ACTIVATE on an active session is a path switch."""

    ACTIVATE = "activate"
    DEACTIVATE = "deactivate"
    ADD_FLOW = "add a QoS flow"
    REMOVE_FLOW = "remove a QoS flow"
    INSERT_ULCL = "insert a UL CL"
    RELOCATE_ULCL = "relocate the UL CL"
    REMOVE_ULCL = "remove the UL CL"
    REPLACE_PSA = "replace the PSA"
    RELEASE = "release"


TRANSITIONS: Mapping[tuple[State, Operation], State] = MappingProxyType(
    {
        (State.INACTIVE, Operation.ACTIVATE): State.ACTIVE,
        # Asked again, as after a lost answer, it is done already.
        (State.INACTIVE, Operation.DEACTIVATE): State.INACTIVE,
        (State.INACTIVE, Operation.ADD_FLOW): State.INACTIVE,
        (State.INACTIVE, Operation.REMOVE_FLOW): State.INACTIVE,
        (State.INACTIVE, Operation.RELEASE): State.RELEASED,
        (State.ACTIVE, Operation.ACTIVATE): State.ACTIVE,
        (State.ACTIVE, Operation.DEACTIVATE): State.INACTIVE,
        (State.ACTIVE, Operation.ADD_FLOW): State.ACTIVE,
        (State.ACTIVE, Operation.REMOVE_FLOW): State.ACTIVE,
        (State.ACTIVE, Operation.INSERT_ULCL): State.LOCAL_BREAKOUT,
        (State.ACTIVE, Operation.REPLACE_PSA): State.ACTIVE,
        (State.ACTIVE, Operation.RELEASE): State.RELEASED,
        (State.LOCAL_BREAKOUT, Operation.ACTIVATE): State.LOCAL_BREAKOUT,
        (State.LOCAL_BREAKOUT, Operation.DEACTIVATE): State.INACTIVE_BREAKOUT,
        (State.LOCAL_BREAKOUT, Operation.ADD_FLOW): State.LOCAL_BREAKOUT,
        (State.LOCAL_BREAKOUT, Operation.REMOVE_FLOW): State.LOCAL_BREAKOUT,
        (State.LOCAL_BREAKOUT, Operation.RELOCATE_ULCL): State.LOCAL_BREAKOUT,
        (State.LOCAL_BREAKOUT, Operation.REMOVE_ULCL): State.ACTIVE,
        (State.LOCAL_BREAKOUT, Operation.REPLACE_PSA): State.LOCAL_BREAKOUT,
        (State.LOCAL_BREAKOUT, Operation.RELEASE): State.RELEASED,
        (State.INACTIVE_BREAKOUT, Operation.ACTIVATE): State.LOCAL_BREAKOUT,
        (State.INACTIVE_BREAKOUT, Operation.DEACTIVATE): State.INACTIVE_BREAKOUT,
        (State.INACTIVE_BREAKOUT, Operation.ADD_FLOW): State.INACTIVE_BREAKOUT,
        (State.INACTIVE_BREAKOUT, Operation.REMOVE_FLOW): State.INACTIVE_BREAKOUT,
        (State.INACTIVE_BREAKOUT, Operation.RELEASE): State.RELEASED,
        (State.LOST, Operation.RELEASE): State.RELEASED,
    }
)


@dataclass(frozen=True, slots=True)
class N4Session:
    """A PFCP session at the UPF called `upf`: our SEID and the one that the UPF chose, 0 as long as it has not.

    A UPF where the session was `restored` was told its F-TEIDs instead of choosing them, and knows no CHOOSE IDs.
    """

    upf: str
    cp_seid: int
    up_seid: int = 0
    restored: bool = False


@dataclass(frozen=True, slots=True)
class Uplink:
    """A way into a PSA, on N3 or on N9: the PDR of the default flow, and the F-TEID, which the PSA chooses."""

    pdr_id: int
    f_teid: FTeid
    interface_type: InterfaceType


@dataclass(frozen=True, slots=True)
class Rates:
    """Bit rates in kbit/s, as on the wire (TS 29.244 §8.2.8)."""

    uplink: int
    downlink: int


@dataclass(frozen=True, slots=True)
class ChargingRule:
    """What a URR measures: octets and seconds; None means not.

    Thresholds and the period make reports; a quota used up makes the UPF stop until it gets another, and `total_volume`
    is the sum of what is given.
    """

    rating_group: int
    volume_threshold: int | None = None
    time_threshold: int | None = None
    period: int | None = None
    volume_quota: int | None = None
    time_quota: int | None = None
    total_volume: int | None = None


@dataclass(frozen=True, slots=True)
class QosFlow:
    """A QoS flow (TS 23.501 §5.7). Slot 0 is the default flow, which takes what no other does.

    The slot numbers the flow's rules in every UPF; 5QI and GBR concern the gNB too. Flow descriptions are those of
    TS 29.212 §5.4.2, a lower precedence is matched first.
    """

    slot: int
    qfi: int
    five_qi: int = 9
    flow_descriptions: tuple[str, ...] = ()
    precedence: int = 65535
    mbr: Rates | None = None
    gbr: Rates | None = None
    charging: ChargingRule | None = None


@dataclass(frozen=True, slots=True)
class LocalPsa:
    """An additional PSA behind the UL CL, on N9, for these flows; `number` is that of the UL CL's rules for it."""

    number: int
    n4: N4Session
    uplink: Uplink
    flow_descriptions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UlCl:
    """The UL CL at the edge: its F-TEIDs towards the gNB (N3) and towards the PSAs (N9).

    `flow_descriptions` leave at its own N6, where it is a local PSA too; what the `local_psas` take goes to theirs.
    """

    n4: N4Session
    n3: FTeid
    n9: FTeid
    flow_descriptions: tuple[str, ...]
    local_psas: tuple[LocalPsa, ...] = ()


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """What a gNB asks for, on behalf of the UE; `snssai` is (SST, SD), `gnb` the URL of the gNB's API."""

    supi: str
    pdu_session_id: int
    dnn: str
    snssai: tuple[int, int | None]
    gnb: str
    ssc_mode: int | None = None
    dnai: str | None = None
    replaces: int | None = None
    """The PDU session ID of the session that this one replaces (SSC mode 3, TS 23.502 §4.3.5.2)."""


@dataclass(frozen=True, slots=True)
class SmContext:
    """What was asked for and what the SMF decided on it; only a path switch changes it, which may bring another gNB."""

    ref: str
    request: SessionRequest
    qfi: int
    ue_ipv4: IPv4Address
    ssc_mode: int = 1
    ambr: Rates | None = None
    charging: ChargingRule | None = None

    @property
    def default_flow(self) -> QosFlow:
        """The flow of everything that no other flow takes."""
        return QosFlow(0, self.qfi, mbr=self.ambr, charging=self.charging)


@dataclass(frozen=True, slots=True)
class PduSession:
    """A PDU session; `gnb_f_teid` is None while the gNB has no user plane for it.

    `last_pdr_id` is the highest PDR ID of the default flow ever used at the PSA: numbers are not used twice, so that a
    PDR which could not be removed is in nobody's way. `leftovers` are PFCP sessions that should have been deleted and
    could not be. `flows` are those beside the default flow.
    """

    context: SmContext
    psa: N4Session
    uplink: Uplink
    last_pdr_id: int
    state: State = State.INACTIVE
    gnb_f_teid: FTeid | None = None
    ulcl: UlCl | None = None
    leftovers: tuple[N4Session, ...] = ()
    flows: tuple[QosFlow, ...] = ()

    @property
    def n4_sessions(self) -> tuple[N4Session, ...]:
        """The PFCP sessions that carry this session's packets."""
        if self.ulcl is None:
            return (self.psa,)
        return (self.psa, self.ulcl.n4, *(local.n4 for local in self.ulcl.local_psas))

    @property
    def all_flows(self) -> tuple[QosFlow, ...]:
        """The default flow and the others."""
        return (self.context.default_flow, *self.flows)

    @property
    def n3(self) -> FTeid:
        """Where the gNB sends uplink packets."""
        return self.ulcl.n3 if self.ulcl else self.uplink.f_teid

    @property
    def n3_upf(self) -> N4Session:
        """The UPF that sends downlink packets to the gNB."""
        return self.ulcl.n4 if self.ulcl else self.psa

    def with_n4(self, n4: N4Session) -> PduSession:
        """With this PFCP session at its UPF, in place of the one before."""
        if n4.upf == self.psa.upf:
            return replace(self, psa=n4)
        assert self.ulcl is not None, "a session without UL CL has its PSA only"
        if n4.upf == self.ulcl.n4.upf:
            return replace(self, ulcl=replace(self.ulcl, n4=n4))
        local_psas = (replace(psa, n4=n4) if psa.n4.upf == n4.upf else psa for psa in self.ulcl.local_psas)
        return replace(self, ulcl=replace(self.ulcl, local_psas=tuple(local_psas)))
