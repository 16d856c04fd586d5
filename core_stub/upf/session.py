"""A PFCP session as a frozen value (TS 29.244 §5.2): each request makes a new one or raises, so a rejected request
changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from operator import attrgetter
from typing import Any, Protocol

from core_stub.pfcp.ies import (
    CreateBar,
    CreatedPdr,
    CreateFar,
    CreatePdr,
    CreateQer,
    CreateUrr,
    ForwardingParameters,
    FSeid,
    FTeid,
    RuleType,
    UeIpAddress,
    UpdateFar,
    UpdatePdr,
)
from core_stub.pfcp.messages import SessionEstablishmentRequest, SessionModificationRequest
from core_stub.upf.tables import Edits, edited, merged


class Chooser(Protocol):
    """What a UPF chooses where the CP function does not (§5.5.3, §5.21); RuleError if it cannot."""

    def f_teid(self, pdr: CreatePdr, wanted: FTeid, taken: Collection[int]) -> FTeid:
        """An F-TEID like `wanted`, whose TEID is none of `taken`; one that was not to be chosen is checked."""

    def ue_address(self, pdr: CreatePdr) -> IPv4Address:
        """An address for the UE."""


@dataclass(frozen=True, slots=True)
class Session:
    """The rules of a session. PDRs have in their F-TEID and UE address what was chosen, with the CHOOSE flags left."""

    up_seid: int
    cp_f_seid: FSeid
    dnn: str | None = None
    pdrs: tuple[CreatePdr, ...] = ()
    fars: tuple[CreateFar, ...] = ()
    qers: tuple[CreateQer, ...] = ()
    urrs: tuple[CreateUrr, ...] = ()
    bars: tuple[CreateBar, ...] = ()

    @property
    def f_teids(self) -> Mapping[int, FTeid]:
        """The local F-TEIDs by PDR ID."""
        return {pdr.pdr_id: _plain(pdr.pdi.f_teid) for pdr in self.pdrs if pdr.pdi.f_teid}

    @property
    def teids(self) -> set[int]:
        """The local TEIDs of all PDRs."""
        return {pdr.pdi.f_teid.teid for pdr in self.pdrs if pdr.pdi.f_teid}

    @property
    def n6_addresses(self) -> set[IPv4Address]:
        """The UE addresses that packets from N6 are found by."""
        return {address for pdr in self.pdrs if (address := n6_address(pdr))}

    @property
    def tunnels(self) -> set[tuple[IPv4Address, int]]:
        """Where its FARs send to: address and TEID of the far ends."""
        return {tunnel for far in self.fars if (tunnel := _tunnel(far)) is not None}

    def created_pdrs(self, before: Session | None = None) -> tuple[CreatedPdr, ...]:
        """A Created PDR for every PDR for which something was chosen, also where several share an F-TEID."""
        if before and before.pdrs is self.pdrs:
            return ()
        known = {pdr.pdr_id: pdr for pdr in before.pdrs} if before else {}
        return tuple(
            CreatedPdr(
                pdr.pdr_id,
                _plain(pdr.pdi.f_teid) if pdr.pdi.f_teid and pdr.pdi.f_teid.choose else None,
                UeIpAddress(_address(pdr)) if _asks_for_address(pdr) else None,
            )
            for pdr in self.pdrs
            if (_asks_for_f_teid(pdr) or _asks_for_address(pdr)) and not _chose_alike(known.get(pdr.pdr_id), pdr)
        )


def n6_address(pdr: CreatePdr) -> IPv4Address | None:
    """The UE address by which packets from N6 are found to be for this PDR."""
    return _address(pdr) if pdr.pdi.f_teid is None else None


def established(request: SessionEstablishmentRequest, up_seid: int, chooser: Chooser) -> Session:
    """The session that `request` asks for."""
    return _edited(
        Session(up_seid, request.cp_f_seid, request.apn_dnn),
        SessionModificationRequest(
            up_seid,
            create_pdrs=request.create_pdrs,
            create_fars=request.create_fars,
            create_qers=request.create_qers,
            create_urrs=request.create_urrs,
            create_bars=request.create_bars,
        ),
        chooser,
    )


def modified(session: Session, request: SessionModificationRequest, chooser: Chooser) -> Session:
    """`session` as `request` leaves it: removals first, then creations, then updates."""
    return _edited(session, request, chooser)


def _edited(session: Session, request: SessionModificationRequest, chooser: Chooser) -> Session:
    pdrs, fars, qers, urrs, bars = (
        edited(kind, before(session), edits(request), updated) for kind, before, edits, updated in _KINDS
    )
    touched = {pdr.pdr_id for pdr in request.create_pdrs} | {pdr.pdr_id for pdr in request.update_pdrs if pdr.pdi}
    return Session(
        session.up_seid,
        request.cp_f_seid or session.cp_f_seid,
        session.dnn,
        pdrs=_with_choices(pdrs, touched, chooser) if touched else pdrs,
        fars=fars,
        qers=qers,
        urrs=urrs,
        bars=bars,
    )


def _updated_pdr(pdr: CreatePdr, update: UpdatePdr) -> CreatePdr:
    active = [name for name in pdr.activate_predefined_rules if name not in update.deactivate_predefined_rules]
    active += [name for name in update.activate_predefined_rules if name not in active]
    return merged(pdr, update, activate_predefined_rules=tuple(active))


def _updated_far(far: CreateFar, update: UpdateFar) -> CreateFar:
    if update.forwarding is None:
        return merged(far, update)
    forwarding = merged(far.forwarding or ForwardingParameters(), update.forwarding, send_end_marker=False)
    return merged(far, update, forwarding=forwarding)


def _with_choices(pdrs: Iterable[CreatePdr], touched: Collection[int], chooser: Chooser) -> tuple[CreatePdr, ...]:
    """`pdrs`, those that were `touched` with an F-TEID and UE address; the same CHOOSE ID shares one (§8.2.3)."""
    settled = [pdr for pdr in pdrs if pdr.pdr_id not in touched]
    shared = {pdr.pdi.f_teid.choose_id: pdr.pdi.f_teid for pdr in settled if pdr.pdi.f_teid}
    taken = {pdr.pdi.f_teid.teid for pdr in settled if pdr.pdi.f_teid}
    address = next((_address(pdr) for pdr in settled if _asks_for_address(pdr)), None)
    chosen = []
    for pdr in pdrs:
        pdi = pdr.pdi
        if pdr.pdr_id in touched and pdi.f_teid is not None:
            f_teid = shared.get(pdi.f_teid.choose_id) if pdi.f_teid.choose_id is not None else None
            f_teid = f_teid or chooser.f_teid(pdr, pdi.f_teid, taken)
            shared[f_teid.choose_id] = f_teid
            taken.add(f_teid.teid)
            pdi = replace(pdi, f_teid=f_teid)
        if pdr.pdr_id in touched and pdi.ue_ip_address is not None and pdi.ue_ip_address.choose_ipv4:
            address = address or chooser.ue_address(pdr)
            pdi = replace(pdi, ue_ip_address=replace(pdi.ue_ip_address, ipv4=address))
        chosen.append(pdr if pdi is pdr.pdi else replace(pdr, pdi=pdi))
    return tuple(chosen)


_KINDS: tuple[tuple[RuleType, Callable[[Session], Any], Callable[[object], Edits], Callable[..., Any]], ...] = tuple(
    (kind, attrgetter(name), attrgetter(f"remove_{name}", f"create_{name}", f"update_{name}"), updated)
    for kind, name, updated in (
        (RuleType.PDR, "pdrs", _updated_pdr),
        (RuleType.FAR, "fars", _updated_far),
        (RuleType.QER, "qers", merged),
        (RuleType.URR, "urrs", merged),
        (RuleType.BAR, "bars", merged),
    )
)
"""Of each kind of rules: its table in a session, what a request does to it, and what an update makes of a rule."""


def _asks_for_f_teid(pdr: CreatePdr) -> bool:
    return pdr.pdi.f_teid is not None and pdr.pdi.f_teid.choose


def _asks_for_address(pdr: CreatePdr) -> bool:
    return pdr.pdi.ue_ip_address is not None and pdr.pdi.ue_ip_address.choose_ipv4


def _address(pdr: CreatePdr) -> IPv4Address | None:
    return pdr.pdi.ue_ip_address.ipv4 if pdr.pdi.ue_ip_address else None


def _tunnel(far: CreateFar) -> tuple[IPv4Address, int] | None:
    """The far end of the FAR's tunnel."""
    creation = far.forwarding.outer_header_creation if far.forwarding else None
    if creation is None or creation.ipv4 is None or creation.teid is None:
        return None
    return creation.ipv4, creation.teid


def _chose_alike(one: CreatePdr | None, other: CreatePdr) -> bool:
    return one is not None and one.pdi.f_teid == other.pdi.f_teid and one.pdi.ue_ip_address == other.pdi.ue_ip_address


def _plain(f_teid: FTeid) -> FTeid:
    """Without the flags of its request."""
    return FTeid(f_teid.teid, f_teid.ipv4) if f_teid.choose else f_teid
