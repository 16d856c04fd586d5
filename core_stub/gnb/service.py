"""PDU sessions of the gNB's UEs: attach, detach and the switch of the N3 path."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from itertools import count

from core_stub.gnb.smf import N3, SmContextCreated, SmfClient, SmfError
from core_stub.gnb.userplane import GnbUserPlane
from core_stub.gtpu import PduType, Tunnel

log = logging.getLogger(__name__)


class UnknownError(Exception):
    """There is no such UE, or it has no such session."""


class AttachedError(Exception):
    """The UE has a session."""


@dataclass(frozen=True)
class PduSession:
    """A session of `ue`: `uplink` is the UPF's F-TEID, `downlink` ours."""

    ue: str
    ipv4: IPv4Address
    sm_context_ref: str
    qfi: int
    uplink: N3
    downlink: N3


Report = Callable[..., None]
"""(event, **fields): something happened that the lab wants to know."""


class Gnb:
    """The sessions by UE, one procedure at a time each."""

    def __init__(
        self, *, ues: Iterable[str], address: IPv4Address, smf: SmfClient, user_plane: GnbUserPlane, report: Report
    ) -> None:
        self._locks = {ue: asyncio.Lock() for ue in ues}
        self._address = address
        self._smf = smf
        self._user_plane = user_plane
        self._report = report
        self._teids = count(1)
        self._sessions: dict[str, PduSession] = {}

    @property
    def sessions(self) -> Iterable[PduSession]:
        """The sessions as they are now."""
        return tuple(self._sessions.values())

    async def attach(self, ue: str, *, dnn: str, sst: int, callback: str) -> PduSession:
        """Establish a PDU session (TS 23.502 §4.3.2); UnknownError, AttachedError, SmfError."""
        async with self._lock(ue):
            if ue in self._sessions:
                raise AttachedError(f"{ue} has a PDU session")
            created = await self._smf.create(supi=ue, dnn=dnn, sst=sst, gnb=callback)
            session = await self._activate(ue, created)
        self._report(
            "pdu_session_established",
            ue=ue,
            ref=session.sm_context_ref,
            ue_ipv4=session.ipv4,
            uplink=n3_json(session.uplink),
            downlink=n3_json(session.downlink),
        )
        return session

    async def detach(self, ue: str) -> None:
        """Release the PDU session of `ue`; it is gone here even if the SMF could not be told (SmfError)."""
        async with self._lock(ue):
            session = self._sessions.pop(ue, None)
            if session is None:
                raise UnknownError(f"{ue} has no PDU session")
            self._user_plane.disconnect(ue, session.downlink.teid)
            self._report("pdu_session_released", ue=ue, ref=session.sm_context_ref)
            await self._smf.release(session.sm_context_ref)

    def switch_path(self, sm_context_ref: str, n3: N3) -> None:
        """Send uplink to `n3` from the next packet on (TS 23.502 §4.3.5.4, step 6)."""
        for session in self._sessions.values():
            if session.sm_context_ref == sm_context_ref:
                break
        else:
            raise UnknownError(f"no PDU session has the SM context {sm_context_ref}")
        self._sessions[session.ue] = replace(session, uplink=n3)
        self._user_plane.set_uplink(session.ue, _tunnel(n3, session.qfi))
        self._report("n3_path_switched", ue=session.ue, old=n3_json(session.uplink), new=n3_json(n3))

    async def _activate(self, ue: str, created: SmContextCreated) -> PduSession:
        """Both directions, then tell the SMF where downlink goes."""
        downlink = N3(teid=next(self._teids), ipv4=self._address)
        session = PduSession(ue, created.ue_ipv4, created.sm_context_ref, created.qfi, created.n3, downlink)
        self._sessions[ue] = session
        self._user_plane.set_downlink(downlink.teid, ue)
        self._user_plane.set_uplink(ue, _tunnel(created.n3, created.qfi))
        try:
            await self._smf.modify(created.sm_context_ref, downlink)
        except SmfError:
            del self._sessions[ue]
            self._user_plane.disconnect(ue, downlink.teid)
            await self._give_back(created.sm_context_ref)
            raise
        return self._sessions[ue]

    async def _give_back(self, sm_context_ref: str) -> None:
        try:
            await self._smf.release(sm_context_ref)
        except SmfError as error:
            log.warning("a session that failed could not be released: %s", error)

    def _lock(self, ue: str) -> asyncio.Lock:
        if ue not in self._locks:
            raise UnknownError(f"{ue} is no UE of this gNB; want one of {', '.join(self._locks)}")
        return self._locks[ue]


def n3_json(n3: N3) -> dict[str, object]:
    """`{"teid": 1, "ipv4": "10.0.0.1"}`."""
    return n3.model_dump(mode="json")


def _tunnel(n3: N3, qfi: int) -> Tunnel:
    return Tunnel(n3.ipv4, n3.teid, qfi, PduType.UPLINK)
