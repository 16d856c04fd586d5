"""A PFCP session as a frozen value (TS 29.244 §5.2): each request makes a new one or raises, so a rejected request
changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import TypeVar

from core_stub.errors import RemoteProtocolError
from core_stub.pfcp.ies import (
    Cause,
    CreatedPdr,
    CreateFar,
    CreatePdr,
    CreateQer,
    CreateUrr,
    ForwardingParameters,
    FSeid,
    FTeid,
    UpdateFar,
    UpdatePdr,
)
from core_stub.pfcp.messages import SessionEstablishmentRequest, SessionModificationRequest

ChooseFTeid = Callable[[FTeid, Collection[int]], FTeid]
"""(what a PDR asks for, TEIDs taken in this request) → the F-TEID that this UPF gives it; ValueError if it cannot."""


class RuleType(IntEnum):
    """Rule ID Type of Failed Rule ID (§8.2.80)."""

    PDR = 0
    FAR = 1
    QER = 2
    URR = 3


class RuleError(RemoteProtocolError):
    """A rule that cannot be created, changed or removed; carries what goes into Failed Rule ID."""

    def __init__(self, kind: RuleType, rule_id: int, detail: str) -> None:
        self.failed_rule_id = (int(kind), rule_id)
        super().__init__(Cause.RULE_CREATION_MODIFICATION_FAILURE, f"{kind.name} {rule_id}: {detail}")


@dataclass(frozen=True)
class Usage:
    """Octets measured so far."""

    uplink: int = 0
    downlink: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.uplink + other.uplink, self.downlink + other.downlink)


@dataclass(frozen=True)
class Session:
    """The rules of a session by ID. `f_teids` are the local ones by PDR, `past_usage` of PDRs now gone by URR."""

    up_seid: int
    cp_f_seid: FSeid
    dnn: str | None = None
    pdrs: Mapping[int, CreatePdr] = field(default_factory=dict)
    fars: Mapping[int, CreateFar] = field(default_factory=dict)
    qers: Mapping[int, CreateQer] = field(default_factory=dict)
    urrs: Mapping[int, CreateUrr] = field(default_factory=dict)
    f_teids: Mapping[int, FTeid] = field(default_factory=dict)
    past_usage: Mapping[int, Usage] = field(default_factory=dict)

    @property
    def teids(self) -> frozenset[int]:
        """The local TEIDs of all PDRs."""
        return frozenset(f_teid.teid for f_teid in self.f_teids.values())

    def created_pdrs(self, before: Session | None = None) -> tuple[CreatedPdr, ...]:
        """A Created PDR for every PDR that asked for an F-TEID, also where several share one by CHOOSE ID."""
        known = before.f_teids if before else {}
        return tuple(
            CreatedPdr(pdr_id, f_teid)
            for pdr_id, f_teid in self.f_teids.items()
            if known.get(pdr_id) != f_teid and _asks(self.pdrs[pdr_id])
        )


def established(request: SessionEstablishmentRequest, up_seid: int, choose: ChooseFTeid) -> Session:
    """The session that `request` asks for."""
    return _with_f_teids(
        Session(
            up_seid,
            request.cp_f_seid,
            request.apn_dnn,
            pdrs=_added({}, RuleType.PDR, request.create_pdrs, lambda pdr: pdr.pdr_id),
            fars=_added({}, RuleType.FAR, request.create_fars, lambda far: far.far_id),
            qers=_added({}, RuleType.QER, request.create_qers, lambda qer: qer.qer_id),
            urrs=_added({}, RuleType.URR, request.create_urrs, lambda urr: urr.urr_id),
        ),
        {pdr.pdr_id for pdr in request.create_pdrs},
        choose,
    )


def modified(session: Session, request: SessionModificationRequest, choose: ChooseFTeid) -> Session:
    """`session` as `request` leaves it: removals first, then creations, then updates."""
    pdrs = _removed(session.pdrs, RuleType.PDR, request.remove_pdrs)
    fars = _removed(session.fars, RuleType.FAR, request.remove_fars)
    qers = _removed(session.qers, RuleType.QER, request.remove_qers)
    urrs = _removed(session.urrs, RuleType.URR, request.remove_urrs)
    pdrs = _added(pdrs, RuleType.PDR, request.create_pdrs, lambda pdr: pdr.pdr_id)
    fars = _added(fars, RuleType.FAR, request.create_fars, lambda far: far.far_id)
    qers = _added(qers, RuleType.QER, request.create_qers, lambda qer: qer.qer_id)
    urrs = _added(urrs, RuleType.URR, request.create_urrs, lambda urr: urr.urr_id)
    for pdr in request.update_pdrs:
        pdrs[pdr.pdr_id] = _updated_pdr(_known(pdrs, RuleType.PDR, pdr.pdr_id), pdr)
    for far in request.update_fars:
        fars[far.far_id] = _updated_far(_known(fars, RuleType.FAR, far.far_id), far)
    new = replace(session, cp_f_seid=request.cp_f_seid or session.cp_f_seid, pdrs=pdrs, fars=fars, qers=qers, urrs=urrs)
    touched = {pdr.pdr_id for pdr in request.create_pdrs} | {pdr.pdr_id for pdr in request.update_pdrs if pdr.pdi}
    return _with_f_teids(new, touched, choose)


Created = TypeVar("Created", CreatePdr, CreateFar, CreateQer, CreateUrr)
Value = TypeVar("Value", CreatePdr, CreateFar, ForwardingParameters)


def _added(
    table: Mapping[int, Created], kind: RuleType, new: Iterable[Created], rule_id: Callable[[Created], int]
) -> dict[int, Created]:
    result = dict(table)
    for rule in new:
        if rule_id(rule) in result:
            raise RuleError(kind, rule_id(rule), "created a second time")
        result[rule_id(rule)] = rule
    return result


def _removed(table: Mapping[int, Created], kind: RuleType, rule_ids: Iterable[int]) -> dict[int, Created]:
    result = dict(table)
    for rule_id in rule_ids:
        _known(result, kind, rule_id)
        del result[rule_id]
    return result


def _known(table: Mapping[int, Created], kind: RuleType, rule_id: int) -> Created:
    if rule_id not in table:
        raise RuleError(kind, rule_id, "there is none with this ID")
    return table[rule_id]


def _given(value: Value, update: object, *names: str) -> Value:
    """`value` with those of the fields `names` that `update` brings; None means as before."""
    changes = {name: getattr(update, name) for name in names if getattr(update, name) is not None}
    return replace(value, **changes)


def _updated_pdr(pdr: CreatePdr, update: UpdatePdr) -> CreatePdr:
    return _given(pdr, update, "precedence", "pdi", "far_id", "outer_header_removal", "urr_ids", "qer_ids")


def _updated_far(far: CreateFar, update: UpdateFar) -> CreateFar:
    new = _given(far, update, "apply_action", "bar_id")
    if update.forwarding is None:
        return new
    names = ("destination_interface", "network_instance", "outer_header_creation", "destination_interface_type")
    return replace(new, forwarding=_given(far.forwarding or ForwardingParameters(), update.forwarding, *names))


def _asks(pdr: CreatePdr) -> bool:
    return pdr.pdi.f_teid is not None and pdr.pdi.f_teid.choose


def _with_f_teids(session: Session, touched: Collection[int], choose: ChooseFTeid) -> Session:
    """Give every touched PDR its local F-TEID; PDRs with the same CHOOSE ID share one (§8.2.3)."""
    f_teids = {pdr_id: known for pdr_id, known in session.f_teids.items() if pdr_id in session.pdrs}
    shared: dict[int | None, FTeid] = {
        pdr.pdi.f_teid.choose_id: f_teids[pdr_id]
        for pdr_id, pdr in session.pdrs.items()
        if pdr_id in f_teids and pdr_id not in touched and pdr.pdi.f_teid and pdr.pdi.f_teid.choose_id is not None
    }
    for pdr_id in sorted(touched):
        wanted = session.pdrs[pdr_id].pdi.f_teid
        f_teids.pop(pdr_id, None)
        if wanted is None:
            continue
        try:
            taken = {f_teid.teid for f_teid in f_teids.values()}
            f_teids[pdr_id] = shared.get(wanted.choose_id) or choose(wanted, taken)
        except ValueError as error:
            raise RuleError(RuleType.PDR, pdr_id, str(error)) from error
        if wanted.choose_id is not None:
            shared[wanted.choose_id] = f_teids[pdr_id]
    return replace(session, f_teids=f_teids)
