"""The one rule model that every user plane applies: what PDRs, FARs, QERs, URRs and BARs of a session come to.

Control resolves the IEs of N4 into these plain frozen values; a user plane looks a packet up by the TEID it came in or
by the UE address it goes to, tries the rules found in order of precedence, and does with the packet, in this order:

    count it for the PDR → drop it if its gate is closed → police it → drop it, or take the way of `exhausted`, if a
    quota is spent → count it for the URRs → act

What is buffered is policed and counted for the URRs only when it leaves, and then it is only counted. No rule is a
drop. What a user plane has to say of its own it says by the events below.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import NamedTuple

from core_stub.gtpu import Tunnel
from core_stub.sdf import FlowFilter


@dataclass(frozen=True, slots=True)
class Match:
    """What a packet must be. Exactly one of the two ways in is given.

    `teid`: it comes in a G-PDU for this TEID (and, with `ue_address`, its inner source is that address). Without
    `teid`: it comes from N6 for `ue_address`. `filters` are in the direction of the packet; one has to fit, none fits
    all. `qfis`, the same, for packets that bring a QFI.
    """

    teid: int | None = None
    ue_address: IPv4Address | None = None
    filters: tuple[FlowFilter, ...] = ()
    qfis: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Drop:
    """Discard: Apply Action DROP, or a closed gate."""


@dataclass(frozen=True, slots=True)
class Decapsulate:
    """Hand the inner packet to N6, at the device of this name."""

    device: str


@dataclass(frozen=True, slots=True)
class Encapsulate:
    """Send it in `tunnel`. A tunnel without QFI keeps the one that the packet came with."""

    tunnel: Tunnel


@dataclass(frozen=True, slots=True)
class Buffer:
    """Keep it, in the queue of the FAR, while that holds less than `packets` and `octets`; what comes then is dropped.

    With `notify` the first packet of a queue is told as `FirstBuffered`. Once the rule forwards again, everything in
    the queue goes before any later packet.
    """

    far_id: int
    packets: int
    octets: int
    notify: bool


Action = Drop | Decapsulate | Encapsulate | Buffer


@dataclass(frozen=True, slots=True)
class Rate:
    """The maximum bit rate of a QER in one direction, for all rules that name it together: a token bucket.

    `bucket` tells the session's buckets apart: the QER ID, or a text for a predefined rule. `burst` in octets is what
    may pass at once after a pause.
    """

    bucket: int | str
    is_uplink: bool
    kbps: int
    burst: int


@dataclass(frozen=True, slots=True)
class Rule:
    """A resolved PDR, or one of the predefined rules that it activates (then several have its `pdr_id`)."""

    pdr_id: int
    precedence: int
    match: Match
    action: Action
    is_uplink: bool = False
    rates: tuple[Rate, ...] = ()
    urr_ids: tuple[int, ...] = ()
    exhausted: Action = Drop()
    """What is done instead of `action` once a meter of `urr_ids` is past its `stop`."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Counts of a meter since it was made; it is passed as soon as one is reached. None is never reached."""

    total: int | None = None
    uplink: int | None = None
    downlink: int | None = None
    packets: int | None = None


NEVER = Mark()
AT_ONCE = Mark(total=0)


@dataclass(frozen=True, slots=True)
class Meter:
    """What is counted for a URR: octets and packets that went on, in each direction.

    `tell` is told once as `BudgetSpent`, at the packet that reaches it or, if it has been reached already, when the
    rules are applied. From the packet after the one that reaches `stop`, rules take the way of `exhausted`. A change of
    `since`, a time, makes the next packet the first one of the reading.
    """

    urr_id: int
    since: float = 0.0
    tell: Mark = NEVER
    stop: Mark = NEVER


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules of one session, lowest precedence value (tried first) first; none takes the session away.

    `end_markers` are tunnels on which an end marker has to follow the last packet that took the old rules.
    `drop_buffered` empties all queues. `acted_on` are FARs whose queue tells its next packet as if it were the first.
    """

    seid: int
    rules: tuple[Rule, ...] = ()
    meters: tuple[Meter, ...] = ()
    end_markers: tuple[Tunnel, ...] = ()
    drop_buffered: bool = False
    acted_on: frozenset[int] = frozenset()


class Counter(NamedTuple):
    """What matched a PDR so far; `octets` of inner packets."""

    packets: int = 0
    octets: int = 0


class Reading(NamedTuple):
    """A meter as it stands: since it was made, but `first` and `last`, the times of packets, since `Meter.since`."""

    uplink: int = 0
    downlink: int = 0
    uplink_packets: int = 0
    downlink_packets: int = 0
    first: float | None = None
    last: float | None = None

    @property
    def total(self) -> int:
        """Octets of both directions."""
        return self.uplink + self.downlink

    @property
    def packets(self) -> int:
        """Packets of both directions."""
        return self.uplink_packets + self.downlink_packets


UNREAD = Reading()


class FirstBuffered(NamedTuple):
    """A packet that matched `pdr_id` has been buffered, and nobody has been told of its queue yet."""

    seid: int
    pdr_id: int


class BudgetSpent(NamedTuple):
    """The `tell` of a meter has been reached."""

    seid: int
    urr_id: int


class ErrorIndicated(NamedTuple):
    """GTP-U at `peer` says that it has no tunnel `teid` (TS 29.281 §7.3.1)."""

    peer: IPv4Address
    teid: int


class EchoAnswered(NamedTuple):
    """GTP-U at `peer` has answered an Echo Request (TS 29.281 §7.2.2)."""

    peer: IPv4Address


SessionsEvent = FirstBuffered | BudgetSpent | ErrorIndicated
UserPlaneEvent = SessionsEvent | EchoAnswered
