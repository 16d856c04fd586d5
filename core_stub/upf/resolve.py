"""A session's PDRs, FARs, QERs, URRs and BARs to the `Rule`s of a user plane; what does not fit together is rejected.

packets        → sdf.py, predefined.py          what a PDR takes
FAR, BAR       → Action                          what is done with it
QER            → gate, Rate, QFI of the tunnel
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from core_stub.errors import RemoteProtocolError
from core_stub.pfcp.ies import (
    Cause,
    CreateFar,
    CreatePdr,
    CreateQer,
    GateStatus,
    IeType,
    Interface,
    OuterHeaderRemoval,
    RuleType,
    SdfFilter,
    UpdatePdr,
)
from core_stub.sdf import FlowDescriptionError, FlowFilter, parse_flow_description
from core_stub.upf.actions import Actions
from core_stub.upf.errors import RuleError
from core_stub.upf.networks import Networks
from core_stub.upf.predefined import Applications, PredefinedRule
from core_stub.upf.rules import Action, Drop, Match, Rate, Rule
from core_stub.upf.session import Session

_DROP = Drop()
_GTPU_REMOVALS = {None, OuterHeaderRemoval.GTPU_UDP_IPV4, OuterHeaderRemoval.GTPU_UDP_IP}
_BURST_S = 0.1
"""How much of a maximum bit rate may pass at once: what TCP has in flight on a path of that round-trip time."""
_LEAST_BURST = 15_000
"""Octets: ten packets of full size."""


@dataclass(frozen=True)
class Resolver:
    """What sessions are resolved with: all that the configuration and PFDs hold for them."""

    networks: Networks
    applications: Applications
    predefined: Mapping[str, PredefinedRule]

    def check_applications(self, pdrs: Iterable[CreatePdr | UpdatePdr]) -> None:
        """RuleError for PDRs of a request that name an application which nobody has described."""
        for pdr in pdrs:
            application_id = pdr.pdi.application_id if pdr.pdi else None
            if application_id is not None and self.applications.filters(application_id) is None:
                raise RuleError(
                    RuleType.PDR,
                    pdr.pdr_id,
                    f'no PFDs for the application "{application_id}"',
                    cause=Cause.UNKNOWN_APPLICATION_ID,
                    offending_ie=IeType.APPLICATION_ID,
                )

    def resolve(self, session: Session, kept: tuple[Rule, ...] = ()) -> tuple[Rule, ...]:
        """The rules of `session`, lowest precedence value first; RemoteProtocolError for what cannot be applied.

        The rules of PDRs that are among `kept` are as they were.
        """
        rules = (*kept, *_Resolution(self, session).rules({rule.pdr_id for rule in kept}))
        return tuple(sorted(rules, key=lambda rule: (rule.precedence, rule.pdr_id)))


def unchanged(before: Session, rules: tuple[Rule, ...], after: Session) -> tuple[Rule, ...]:
    """The `rules` of `before` that are those of `after` too, where that has other FARs and is else the very same.

    That is a UE which becomes active or idle, or moves: what happens most.
    """
    tables = (before.pdrs, after.pdrs), (before.qers, after.qers), (before.urrs, after.urrs), (before.bars, after.bars)
    if any(old is not new for old, new in tables) or any(urr.quota_action_far_id for urr in after.urrs):
        return ()
    fars = {far.far_id for far in after.fars if any(far is old for old in before.fars)}
    pdr_ids = {pdr.pdr_id for pdr in after.pdrs if pdr.far_id in fars}
    return tuple(rule for rule in rules if rule.pdr_id in pdr_ids)


class _Resolution:
    """One session on its way through."""

    def __init__(self, resolver: Resolver, session: Session) -> None:
        self._resolver = resolver
        self._session = session
        self._qers = {qer.qer_id: qer for qer in session.qers}
        self._urrs = {urr.urr_id: urr for urr in session.urrs}
        self._fars = {far.far_id: far for far in session.fars}
        self._actions = Actions(session, resolver.networks)
        self._referred: dict[int, SdfFilter] | None = None

    def rules(self, kept: Collection[int]) -> Iterable[Rule]:
        self._actions.check()
        for pdr in self._session.pdrs:
            if pdr.pdr_id not in kept:
                yield from self._rules(pdr)

    def _rules(self, pdr: CreatePdr) -> Iterable[Rule]:
        """The PDR's own rule and those of the predefined ones that it activates.

        Without filters of its own a PDR that activates predefined rules says only where they apply.
        """
        _check_way_in(pdr, self._resolver.networks)
        is_uplink = _is_uplink(pdr)
        qers = self._qers_of(pdr)
        qfi = self._qfi(pdr, qers)
        action, exhausted = self._action(pdr, qfi), self._exhausted(pdr, qfi)
        rates = _rates(qers, is_uplink=is_uplink)
        gate = action if all(_gate(qer, is_uplink=is_uplink) is GateStatus.OPEN for qer in qers) else _DROP
        filters = self._filters(pdr)
        match = self._match(pdr, filters or ())
        own = Rule(pdr.pdr_id, pdr.precedence, match, gate, is_uplink, rates, pdr.urr_ids, exhausted)
        for name in pdr.activate_predefined_rules:
            yield _activated(self._predefined(pdr, name), own)
        if filters is not None and (filters or not pdr.activate_predefined_rules):
            yield own

    def _match(self, pdr: CreatePdr, filters: tuple[FlowFilter, ...]) -> Match:
        pdi = pdr.pdi
        ue = pdi.ue_ip_address
        # From a tunnel the UE address is checked where it is the source (§8.2.62, S/D): nobody borrows another's.
        ue_address = ue.ipv4 if ue and (pdi.f_teid is None or not ue.is_destination) else None
        return Match(pdi.f_teid.teid if pdi.f_teid else None, ue_address, filters, pdi.qfis)

    # -- what a PDR takes ---------------------------------------------------------------------------------------------

    def _filters(self, pdr: CreatePdr) -> tuple[FlowFilter, ...] | None:
        """None if nothing can fit: the PFDs of its application have gone."""
        filters = tuple(self._filter(pdr, sdf) for sdf in pdr.pdi.sdf_filters)
        application_id = pdr.pdi.application_id
        if application_id is None:
            return filters
        detected = self._resolver.applications.filters(application_id)
        if detected is None:
            return filters or None
        return filters + _directed(detected, is_uplink=_is_uplink(pdr))

    def _filter(self, pdr: CreatePdr, sdf: SdfFilter) -> FlowFilter:
        # §8.2.5: a filter with the ID alone means the one that came with both.
        if sdf.bidirectional_id is not None and sdf == SdfFilter(bidirectional_id=sdf.bidirectional_id):
            referred = self._referred_filters().get(sdf.bidirectional_id)
            if referred is None:
                raise RuleError(RuleType.PDR, pdr.pdr_id, f"SDF Filter ID {sdf.bidirectional_id} without a description")
            sdf = referred
        try:
            return _flow_filter(sdf, is_uplink=_is_uplink(pdr))
        except FlowDescriptionError as error:
            raise RuleError(RuleType.PDR, pdr.pdr_id, str(error), offending_ie=IeType.SDF_FILTER) from error

    def _referred_filters(self) -> dict[int, SdfFilter]:
        if self._referred is None:
            self._referred = {
                sdf.bidirectional_id: sdf
                for pdr in self._session.pdrs
                for sdf in pdr.pdi.sdf_filters
                if sdf.bidirectional_id is not None and sdf.flow_description is not None
            }
        return self._referred

    def _predefined(self, pdr: CreatePdr, name: str) -> PredefinedRule:
        rule = self._resolver.predefined.get(name)
        if rule is None:
            raise RuleError(
                RuleType.PDR,
                pdr.pdr_id,
                f'no predefined rule has the name "{name}"',
                cause=Cause.UNKNOWN_PRE_DEFINED_RULE,
                offending_ie=IeType.ACTIVATE_PREDEFINED_RULES,
            )
        return rule

    # -- what is done with it -----------------------------------------------------------------------------------------

    def _action(self, pdr: CreatePdr, qfi: int | None) -> Action:
        if pdr.far_id is None:
            raise RemoteProtocolError(Cause.CONDITIONAL_IE_MISSING, f"PDR {pdr.pdr_id} without FAR ID", IeType.FAR_ID)
        return self._actions.action(self._far(pdr, pdr.far_id), qfi)

    def _exhausted(self, pdr: CreatePdr, qfi: int | None) -> Action:
        for urr_id in pdr.urr_ids:
            if urr_id not in self._urrs:
                raise RuleError(RuleType.PDR, pdr.pdr_id, f"URR {urr_id} does not exist")
        for urr_id in pdr.urr_ids:
            far_id = self._urrs[urr_id].quota_action_far_id
            if far_id is not None:
                return self._actions.action(self._far(pdr, far_id), qfi)
        return _DROP

    def _far(self, pdr: CreatePdr, far_id: int) -> CreateFar:
        far = self._fars.get(far_id)
        if far is None:
            raise RuleError(RuleType.PDR, pdr.pdr_id, f"FAR {far_id} does not exist")
        return far

    def _qers_of(self, pdr: CreatePdr) -> list[CreateQer]:
        for qer_id in pdr.qer_ids:
            if qer_id not in self._qers:
                raise RuleError(RuleType.PDR, pdr.pdr_id, f"QER {qer_id} does not exist")
        return [self._qers[qer_id] for qer_id in pdr.qer_ids]

    def _qfi(self, pdr: CreatePdr, qers: list[CreateQer]) -> int | None:
        """The QFI to mark: of the PDR's QERs or, for what the CP function sends to the UE, of any.

        A router advertisement comes without QER and QFI, and a gNB takes nothing without.
        """
        if pdr.pdi.source_interface is Interface.CP_FUNCTION:
            qers = [*qers, *self._session.qers]
        return next((qer.qfi for qer in qers if qer.qfi is not None), None)


def _check_way_in(pdr: CreatePdr, networks: Networks) -> None:
    pdi = pdr.pdi
    networks.check(pdi.network_instance, RuleType.PDR, pdr.pdr_id)
    if pdi.f_teid is None and (pdi.ue_ip_address is None or pdi.ue_ip_address.ipv4 is None):
        detail = "neither F-TEID nor IPv4 UE address, by which this UPF finds the rules of a packet"
        raise RuleError(RuleType.PDR, pdr.pdr_id, detail)
    if pdr.outer_header_removal not in _GTPU_REMOVALS:
        detail = f"outer header {pdr.outer_header_removal!r}; this UPF takes GTP-U over IPv4 off"
        raise RuleError(RuleType.PDR, pdr.pdr_id, detail, offending_ie=IeType.OUTER_HEADER_REMOVAL)


def _is_uplink(pdr: CreatePdr) -> bool:
    return pdr.pdi.source_interface is Interface.ACCESS


@lru_cache(1024)
def _flow_filter(sdf: SdfFilter, *, is_uplink: bool) -> FlowFilter:
    """The filter for packets in the direction of its PDR; descriptions are written for the downlink (§5.2.1A.2A)."""
    described = parse_flow_description(sdf.flow_description) if sdf.flow_description is not None else FlowFilter()
    value, mask = divmod(sdf.traffic_class, 0x100) if sdf.traffic_class is not None else (0, 0)
    complete = FlowFilter(
        described.protocol,
        described.source,
        described.destination,
        None if sdf.traffic_class is None else (value, mask),
        sdf.spi,
        sdf.flow_label,
    )
    return complete.swapped() if is_uplink else complete


def _directed(filters: tuple[FlowFilter, ...], *, is_uplink: bool) -> tuple[FlowFilter, ...]:
    return tuple(flow_filter.swapped() for flow_filter in filters) if is_uplink else filters


def _gate(qer: CreateQer, *, is_uplink: bool) -> GateStatus:
    return qer.gate_uplink if is_uplink else qer.gate_downlink


def _rates(qers: Iterable[CreateQer], *, is_uplink: bool) -> tuple[Rate, ...]:
    limits = ((qer.qer_id, qer.mbr_uplink_kbps if is_uplink else qer.mbr_downlink_kbps) for qer in qers)
    # Open5GS sends 0 for a direction without a limit; what is to be stopped has a gate.
    return tuple(_rate(qer_id, kbps, is_uplink=is_uplink) for qer_id, kbps in limits if kbps)


def _activated(rule: PredefinedRule, own: Rule) -> Rule:
    """What is particular to a predefined rule, and else what the PDR says that activates it."""
    kbps = rule.mbr_uplink_kbps if own.is_uplink else rule.mbr_downlink_kbps
    bucket = f"{rule.name}/{own.pdr_id}"
    return replace(
        own,
        precedence=rule.precedence,
        match=replace(own.match, filters=_directed(rule.filters, is_uplink=own.is_uplink)),
        action=own.action if rule.is_open else _DROP,
        rates=(*own.rates, _rate(bucket, kbps, is_uplink=own.is_uplink)) if kbps else own.rates,
    )


@lru_cache(1024)
def _rate(bucket: int | str, kbps: int, *, is_uplink: bool) -> Rate:
    return Rate(bucket, is_uplink, kbps, max(int(kbps * 125 * _BURST_S), _LEAST_BURST))
