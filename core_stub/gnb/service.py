"""PDU sessions of the gNB's UEs: attach and detach, idle and paging, switches of N3, handover."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from itertools import count
from typing import Any

from core_stub.gnb.smf import N3, QosRule, SmContextCreated, SmfClient, SmfError, Wish
from core_stub.gnb.userplane import GnbUserPlane
from core_stub.gtpu import PduType, Tunnel

log = logging.getLogger(__name__)

_END_MARKER_WITHIN_S = 10.0
"""How long downlink is taken for a UE that was handed over."""


class UnknownError(Exception):
    """There is no such UE, or it has no such session."""


class AttachedError(Exception):
    """The UE has a session."""


@dataclass(frozen=True)
class PduSession:
    """A session of `ue`: `uplink` is the UPF's F-TEID, `downlink` ours, or None while the UE is idle."""

    ue: str
    ipv4: IPv4Address
    sm_context_ref: str
    qfi: int
    uplink: N3
    downlink: N3 | None
    wish: Wish
    pdu_session_id: int = 1
    flows: tuple[QosRule, ...] = ()


Report = Callable[..., None]
"""(event, **fields): something happened that the lab wants to know."""


class Gnb:
    """The sessions by SM context, one procedure at a time for each UE. `callback` is our URL for others."""

    def __init__(  # noqa: PLR0913 - all by name
        self,
        *,
        ues: Iterable[str],
        address: IPv4Address,
        smf: SmfClient,
        user_plane: GnbUserPlane,
        report: Report,
        callback: str,
    ) -> None:
        self._locks = {ue: asyncio.Lock() for ue in ues}
        self._address = address
        self._smf = smf
        self._user_plane = user_plane
        self._report = report
        self._callback = callback
        self._teids = count(1)
        self._sessions: dict[str, PduSession] = {}
        self._leaving: dict[int, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        loop = asyncio.get_running_loop()
        user_plane.on_waiting = lambda ue, address: _call(loop, self._on_waiting, ue, address)
        user_plane.on_end_marker = lambda teid: _call(loop, self._on_end_marker, teid)

    @property
    def sessions(self) -> Iterable[PduSession]:
        """The sessions as they are now."""
        return tuple(self._sessions.values())

    # -- for the lab --------------------------------------------------------------------------------------------------

    async def attach(self, ue: str, wish: Wish) -> PduSession:
        """Establish a PDU session (TS 23.502 §4.3.2); UnknownError, AttachedError, SmfError."""
        async with self._lock(ue):
            if self._of(ue):
                raise AttachedError(f"{ue} has a PDU session")
            return await self._establish(ue, wish, 1)

    async def detach(self, ue: str) -> None:
        """Release the PDU sessions of `ue`; they are gone here even if the SMF could not be told (SmfError)."""
        async with self._lock(ue):
            sessions = self._of(ue)
            if not sessions:
                raise UnknownError(f"{ue} has no PDU session")
            for session in sessions:
                self._forget(session)
            for session in sessions:
                await self._smf.release(session.sm_context_ref)

    async def deactivate(self, ue: str) -> None:
        """AN release (TS 23.502 §4.2.6): `ue` is idle until it sends, or is paged; UnknownError, SmfError."""
        async with self._lock(ue):
            active = [session for session in self._of(ue) if session.downlink is not None]
            if not active:
                raise UnknownError(f"{ue} has no PDU session that is active")
            for session in active:
                await self._smf.deactivate(session.sm_context_ref)
                self._become_idle(session)

    async def hand_over(self, ue: str, to_target: Callable[[PduSession], Awaitable[None]]) -> None:
        """Xn handover, source side: downlink is still taken until the end marker comes; SmfError if it stays here."""
        async with self._lock(ue):
            session = self._only(ue)
            if session.downlink is None:
                raise UnknownError(f"{ue} is idle: there is nothing to hand over")
            # The end marker may be here before the target's answer.
            self._leaving[session.downlink.teid] = ue
            try:
                await to_target(session)
            except SmfError:
                del self._leaving[session.downlink.teid]
                raise
            if self._sessions.pop(session.sm_context_ref, None) is None:
                self._leaving.pop(session.downlink.teid, None)  # the SMF has released it meanwhile
                return
            self._user_plane.disconnect(ue, session.ipv4)
            # The end marker may be lost on its way.
            asyncio.get_running_loop().call_later(_END_MARKER_WITHIN_S, self._on_end_marker, session.downlink.teid)

    async def take_over(self, handed: PduSession) -> PduSession:
        """Xn handover, target side (TS 23.502 §4.9.1.2): uplink from now on, downlink once the SMF has switched."""
        async with self._lock(handed.ue):
            if self._of(handed.ue):
                raise AttachedError(f"{handed.ue} has a PDU session")
            session = self._with_user_plane(handed)
            try:
                context = await self._smf.activate(session.sm_context_ref, _downlink(session), self._callback)
            except SmfError:
                self._drop(session)
                raise
            session = self._updated(self._still(session.sm_context_ref), context.n3, context.flows)
            self._report("handed_over", ue=session.ue, ref=session.sm_context_ref, downlink=n3_json(session.downlink))
            return session

    # -- for the SMF --------------------------------------------------------------------------------------------------

    def switch_path(self, sm_context_ref: str, n3: N3) -> None:
        """Send uplink to `n3` from the next packet on (TS 23.502 §4.3.5.4, step 6)."""
        session = self._known(sm_context_ref)
        self._updated(session, n3, session.flows)
        self._report("n3_path_switched", ue=session.ue, old=n3_json(session.uplink), new=n3_json(n3))

    def set_flows(self, sm_context_ref: str, flows: tuple[QosRule, ...]) -> None:
        """Mark uplink by these QoS rules from the next packet on."""
        session = self._known(sm_context_ref)
        self._updated(session, session.uplink, flows)
        self._report("qos_rules", ue=session.ue, ref=sm_context_ref, qfis=[rule.qfi for rule in flows])

    def page(self, sm_context_ref: str) -> None:
        """Have the UE ask for its user plane, if it is idle."""
        session = self._known(sm_context_ref)
        self._report("paged", ue=session.ue, ref=sm_context_ref)
        self._spawn(self._request_service(session.ue, sm_context_ref))

    def release(self, sm_context_ref: str, *, reactivate: bool) -> None:
        """The SMF has released the session; with `reactivate` the UE asks for another (TS 23.502 §4.3.4.2)."""
        session = self._known(sm_context_ref)
        self._forget(session)
        if reactivate:
            self._spawn(self._establish_again(session))

    def replace(self, sm_context_ref: str, lifetime_s: float) -> None:
        """The UE makes another session to the same DNN, before the SMF releases this one (TS 23.502 §4.3.5.2)."""
        session = self._known(sm_context_ref)
        self._report("pdu_session_expires", ue=session.ue, ref=sm_context_ref, lifetime_s=lifetime_s)
        self._spawn(self._establish_another(session))

    # -- parts of them ------------------------------------------------------------------------------------------------

    async def _establish(self, ue: str, wish: Wish, number: int, replaces: int | None = None) -> PduSession:
        created = await self._smf.create(
            supi=ue, wish=wish, gnb=self._callback, pdu_session_id=number, replaces=replaces
        )
        session = await self._activate(ue, wish, number, created)
        self._report(
            "pdu_session_established",
            ue=ue,
            ref=session.sm_context_ref,
            ue_ipv4=session.ipv4,
            uplink=n3_json(session.uplink),
            downlink=n3_json(session.downlink),
        )
        return session

    async def _activate(self, ue: str, wish: Wish, number: int, created: SmContextCreated) -> PduSession:
        """Both directions, then tell the SMF where downlink goes."""
        ref = created.sm_context_ref
        session = self._with_user_plane(
            PduSession(ue, created.ue_ipv4, ref, created.qfi, created.n3, None, wish, number, created.flows)
        )
        try:
            await self._smf.activate(ref, _downlink(session))
        except SmfError:
            self._drop(session)
            await self._give_back(ref)
            raise
        return self._still(ref)

    def _still(self, sm_context_ref: str) -> PduSession:
        """The session after a call to the SMF, which may have released it meanwhile: SmfError then."""
        session = self._sessions.get(sm_context_ref)
        if session is None:
            raise SmfError(f"the SMF has released SM context {sm_context_ref} while it was being activated")
        return session

    async def _request_service(self, ue: str, sm_context_ref: str) -> None:
        """Service request (TS 23.502 §4.2.3.2); until it succeeds the UE is idle."""
        async with self._lock(ue):
            session = self._sessions.get(sm_context_ref)
            if session is None or session.downlink is not None:
                return
            downlink = N3(teid=next(self._teids), ipv4=self._address)
            self._user_plane.set_downlink(downlink.teid, ue)
            try:
                context = await self._smf.activate(sm_context_ref, downlink)
            except SmfError as error:
                self._user_plane.end_downlink(downlink.teid)
                self._user_plane.wait(ue, session.ipv4)
                self._report("service_request_failed", ue=ue, ref=sm_context_ref, reason=str(error))
                return
            now = self._sessions.get(sm_context_ref)
            if now is None:
                self._user_plane.end_downlink(downlink.teid)
                return
            # N3 may have been switched since the SMF answered.
            uplink = context.n3 if now.uplink == session.uplink else now.uplink
            self._updated(replace(now, downlink=downlink), uplink, context.flows)
            self._report("service_request", ue=ue, ref=sm_context_ref, downlink=n3_json(downlink))

    async def _establish_again(self, session: PduSession) -> None:
        async with self._lock(session.ue):
            await self._try_to_establish(session, session.pdu_session_id, None)

    async def _establish_another(self, session: PduSession) -> None:
        async with self._lock(session.ue):
            taken = {other.pdu_session_id for other in self._of(session.ue)}
            free = min(set(range(1, 16)) - taken)
            await self._try_to_establish(session, free, session.pdu_session_id)

    async def _try_to_establish(self, old: PduSession, number: int, replaces: int | None) -> None:
        try:
            await self._establish(old.ue, old.wish, number, replaces)
        except SmfError as error:
            self._report("pdu_session_failed", ue=old.ue, reason=str(error))

    def _with_user_plane(self, session: PduSession) -> PduSession:
        """`session` with a tunnel of ours for downlink."""
        downlink = N3(teid=next(self._teids), ipv4=self._address)
        self._user_plane.set_downlink(downlink.teid, session.ue)
        return self._updated(replace(session, downlink=downlink), session.uplink, session.flows)

    def _updated(self, session: PduSession, uplink: N3, flows: tuple[QosRule, ...]) -> PduSession:
        session = replace(session, uplink=uplink, flows=flows)
        self._sessions[session.sm_context_ref] = session
        if session.downlink is not None:
            tunnel = Tunnel(uplink.ipv4, uplink.teid, session.qfi, PduType.UPLINK)
            self._user_plane.set_uplink(session.ue, session.ipv4, tunnel, flows)
        return session

    def _become_idle(self, session: PduSession) -> None:
        # N3 may have been switched meanwhile, or the session released.
        now = self._sessions.get(session.sm_context_ref)
        if now is None:
            return
        self._user_plane.wait(session.ue, session.ipv4)
        if session.downlink is not None:
            self._user_plane.end_downlink(session.downlink.teid)
        self._sessions[session.sm_context_ref] = replace(now, downlink=None)
        self._report("ue_idle", ue=session.ue, ref=session.sm_context_ref)

    def _forget(self, session: PduSession) -> None:
        self._drop(session)
        self._report("pdu_session_released", ue=session.ue, ref=session.sm_context_ref)

    def _drop(self, session: PduSession) -> None:
        if self._sessions.pop(session.sm_context_ref, None) is None:
            return  # the SMF has released it meanwhile
        self._user_plane.disconnect(session.ue, session.ipv4)
        if session.downlink is not None:
            self._user_plane.end_downlink(session.downlink.teid)

    async def _give_back(self, sm_context_ref: str) -> None:
        try:
            await self._smf.release(sm_context_ref)
        except SmfError as error:
            log.warning("a session that failed could not be released: %s", error)

    def _on_waiting(self, ue: str, address: IPv4Address) -> None:
        """An idle UE has something to send."""
        for session in self._of(ue):
            if session.ipv4 == address:
                self._spawn(self._request_service(ue, session.sm_context_ref))

    def _on_end_marker(self, teid: int) -> None:
        """Nothing more comes for a UE that was handed over (TS 23.501 §5.8.2.9), or is waited for."""
        ue = self._leaving.pop(teid, None)
        if ue is not None:
            self._user_plane.end_downlink(teid)
            self._report("handover_complete", ue=ue, teid=teid)

    def _of(self, ue: str) -> list[PduSession]:
        return [session for session in self._sessions.values() if session.ue == ue]

    def _only(self, ue: str) -> PduSession:
        sessions = self._of(ue)
        if len(sessions) != 1:
            raise UnknownError(f"{ue} has {len(sessions)} PDU sessions; want one")
        return sessions[0]

    def _known(self, sm_context_ref: str) -> PduSession:
        if sm_context_ref not in self._sessions:
            raise UnknownError(f"no PDU session has the SM context {sm_context_ref}")
        return self._sessions[sm_context_ref]

    def _lock(self, ue: str) -> asyncio.Lock:
        if ue not in self._locks:
            raise UnknownError(f"{ue} is no UE of this gNB; want one of {', '.join(self._locks)}")
        return self._locks[ue]

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def n3_json(n3: N3 | None) -> dict[str, object] | None:
    """`{"teid": 1, "ipv4": "10.0.0.1"}`."""
    return n3.model_dump(mode="json") if n3 else None


def _downlink(session: PduSession) -> N3:
    assert session.downlink is not None, "a session with a user plane has both directions"
    return session.downlink


def _call(loop: asyncio.AbstractEventLoop, call: Callable[..., None], *arguments: object) -> None:
    """From the packet thread into the event loop, which may have ended."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(call, *arguments)
