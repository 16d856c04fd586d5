"""The one rule model that every user plane applies: what PDRs, FARs and QERs of a session come to.

Control resolves the IEs of N4 into these plain frozen values; a user plane looks a packet up by the TEID it came in or
by the UE address it goes to, tries the rules found in order of precedence, counts and acts. No rule is a drop.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

from core_stub.gtpu import Tunnel
from core_stub.upf.sdf import FlowFilter


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class Drop:
    """Discard: Apply Action DROP, a closed gate, or BUFF where the user plane does not buffer."""


@dataclass(frozen=True)
class Decapsulate:
    """Hand the inner packet to N6."""


@dataclass(frozen=True)
class Encapsulate:
    """Send it in `tunnel`. A tunnel without QFI keeps the one that the packet came with."""

    tunnel: Tunnel


Action = Drop | Decapsulate | Encapsulate


@dataclass(frozen=True)
class Rule:
    """A resolved PDR."""

    pdr_id: int
    precedence: int
    match: Match
    action: Action


@dataclass(frozen=True)
class Rules:
    """All rules of one session, lowest precedence value (tried first) first; none takes the session away.

    `end_markers` are tunnels on which an end marker has to follow the last packet that took the old rules.
    """

    seid: int
    rules: tuple[Rule, ...] = ()
    end_markers: tuple[Tunnel, ...] = ()


@dataclass(frozen=True)
class Counter:
    """What matched a PDR so far; `octets` of inner packets."""

    packets: int = 0
    octets: int = 0
