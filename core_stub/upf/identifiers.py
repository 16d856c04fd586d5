"""What belongs to one session at a time: SEIDs, TEIDs, UE addresses; and which are chosen for new ones."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import IPv4Address
from random import Random

from core_stub.pfcp.ies import Cause, CreatePdr, FTeid, IeType, RuleType
from core_stub.upf.errors import RuleError
from core_stub.upf.networks import Networks
from core_stub.upf.session import Session, n6_address


class Identifiers:
    """Who has which TEID and UE address. `random` chooses: numbers of before a restart must not come again soon."""

    def __init__(self, gtpu_address: IPv4Address, networks: Networks, random: Random) -> None:
        self._gtpu_address = gtpu_address
        self._networks = networks
        self._random = random
        self._teid_owners: dict[int, int] = {}
        self._ue_owners: dict[IPv4Address, int] = {}

    def unused_seid(self, taken: Collection[int]) -> int:
        """An SEID that is none of `taken`."""
        return self._unused(taken)

    def chooser(self, up_seid: int) -> SessionChooser:
        """What chooses for the session `up_seid`."""
        return SessionChooser(self, up_seid)

    def check(self, session: Session) -> None:
        """RuleError if a UE address of `session` belongs to another one."""
        for pdr in session.pdrs:
            address = n6_address(pdr)
            if address and self._ue_owners.get(address, session.up_seid) != session.up_seid:
                raise RuleError(RuleType.PDR, pdr.pdr_id, f"UE address {address} belongs to another session")

    def move(self, before: Session | None, after: Session | None) -> None:
        """A session has become another, or came (`before` None), or went (`after` None)."""
        old_teids, old_addresses = (before.teids, before.n6_addresses) if before else (set(), set())
        new_teids, new_addresses = (after.teids, after.n6_addresses) if after else (set(), set())
        for teid in old_teids - new_teids:
            del self._teid_owners[teid]
        for address in old_addresses - new_addresses:
            del self._ue_owners[address]
        if after:
            for teid in new_teids - old_teids:
                self._teid_owners[teid] = after.up_seid
            for address in new_addresses - old_addresses:
                self._ue_owners[address] = after.up_seid

    def f_teid(self, up_seid: int, pdr: CreatePdr, wanted: FTeid, taken: Collection[int]) -> FTeid:
        """As `Chooser.f_teid`, for the session `up_seid`."""
        if wanted.choose:
            if wanted.choose_ipv6 and not wanted.choose_ipv4:
                raise RuleError(
                    RuleType.PDR,
                    pdr.pdr_id,
                    "an F-TEID over IPv6; this UPF has GTP-U over IPv4",
                    cause=Cause.INVALID_F_TEID_ALLOCATION_OPTION,
                    offending_ie=IeType.F_TEID,
                )
            return FTeid(
                self._unused(self._teid_owners, taken),
                self._gtpu_address,
                choose=True,
                choose_id=wanted.choose_id,
            )
        if wanted.ipv4 != self._gtpu_address:
            detail = f"F-TEID at {wanted.ipv4 or wanted.ipv6}; GTP-U of this UPF is at {self._gtpu_address}"
            raise RuleError(RuleType.PDR, pdr.pdr_id, detail)
        if wanted.teid == 0:
            raise RuleError(RuleType.PDR, pdr.pdr_id, "TEID 0, which is for signalling (TS 29.281 §5.1)")
        if self._teid_owners.get(wanted.teid, up_seid) != up_seid:
            raise RuleError(RuleType.PDR, pdr.pdr_id, f"TEID {wanted.teid} belongs to another session")
        return FTeid(wanted.teid, self._gtpu_address)

    def ue_address(self, pdr: CreatePdr) -> IPv4Address:
        """As `Chooser.ue_address`."""
        instance = pdr.pdi.network_instance
        self._networks.check(instance, RuleType.PDR, pdr.pdr_id)
        address = self._networks.free_address(instance, self._ue_owners)
        if address is None:
            raise RuleError(
                RuleType.PDR,
                pdr.pdr_id,
                f"no UE address is left for {instance or 'the default network'}",
                cause=Cause.ALL_DYNAMIC_ADDRESSES_ARE_OCCUPIED,
            )
        return address

    def _unused(self, *taken: Collection[int]) -> int:
        while True:
            number = self._random.getrandbits(32)
            if number and not any(number in numbers for numbers in taken):
                return number


class SessionChooser:
    """The `Chooser` of one session."""

    def __init__(self, identifiers: Identifiers, up_seid: int) -> None:
        self._identifiers = identifiers
        self._up_seid = up_seid

    def f_teid(self, pdr: CreatePdr, wanted: FTeid, taken: Collection[int]) -> FTeid:
        """As `Chooser.f_teid`."""
        return self._identifiers.f_teid(self._up_seid, pdr, wanted, taken)

    def ue_address(self, pdr: CreatePdr) -> IPv4Address:
        """As `Chooser.ue_address`."""
        return self._identifiers.ue_address(pdr)
