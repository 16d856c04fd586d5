"""When a UPF is lost: its sessions are restored there once it is back, or taken by another (TS 23.527 §4.3, §4.6).

A UPF that has restarted is associated again at once and gets its sessions back as they were, so that neither gNB nor UE
notices. One that is silent gets some time to come back; then what it did is done elsewhere:

    PSA        another eligible UPF, with the same UE address; where its pool does not allow that, the UE is told to
               make its session anew (as in SSC mode 2); where there is no other, the same one with new F-TEIDs
    UL CL      none: gNB and PSA reach each other directly
    local PSA  none: its flows go to the PSA

Sessions that no UPF takes wait for theirs to come back. Those that it then refuses are lost.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

from core_stub.smf import selection
from core_stub.smf.charging import left_of
from core_stub.smf.core import Core, name
from core_stub.smf.procedures import lifecycle, recovery
from core_stub.smf.run import ProcedureError, RanError
from core_stub.smf.session import ChargingRule, N4Session, PduSession, State
from core_stub.smf.table import Entry

Action = Callable[[Entry, N4Session, str], Awaitable[None]]

_AT_ONCE = 64
"""Sessions that are restored side by side."""

_PATIENCE_S = 10.0
"""How long UPFs have to show up after our own restart, before their sessions go elsewhere."""


class Restoration:
    """Hears of UPFs that come and go."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._epochs: Counter[str] = Counter()
        self._slots = asyncio.Semaphore(_AT_ONCE)

    def start(self) -> None:
        """After our own restart: the sessions of before wait for their UPFs."""
        for upf in {upf for entry in self._core.table for upf in entry.gone}:
            self._core.spawn(self._reselect(upf, "not there after our restart", _PATIENCE_S))

    def epoch(self, upf: str) -> int:
        """Another number after every loss of the UPF."""
        return self._epochs[upf]

    def on_up(self, upf: str) -> None:
        """There is an association with `upf` (again)."""
        self._core.spawn(self._each(upf, self._restore))

    def on_restarted(self, upf: str) -> None:
        """`upf` has forgotten all sessions, and will be associated again."""
        self._forget(upf)

    def on_lost(self, upf: str, reason: str) -> None:
        """The association with `upf` has ended, and with it the sessions there (TS 29.244 §6.2.8)."""
        self._forget(upf)
        self._core.spawn(self._reselect(upf, reason, self._core.config.recovery.reselect_after / 1000))

    def _forget(self, upf: str) -> None:
        self._epochs[upf] += 1
        self._core.loads.forget(upf)
        self._core.table.upf_lost(upf)
        for entry in self._core.table:
            entry.doubtful -= {upf}
            left = tuple(n4 for n4 in entry.session.leftovers if n4.upf != upf)
            if left != entry.session.leftovers:
                self._core.table.update(entry, replace(entry.session, leftovers=left))
            # A procedure under way may be about to add a part there.
            if upf in (n4.upf for n4 in entry.session.n4_sessions) or entry.lock.locked():
                entry.gone |= {upf}

    async def _reselect(self, upf: str, reason: str, delay_s: float) -> None:
        await self._core.ports.sleep(delay_s)
        if not self._core.is_associated(upf):
            await self._each(upf, self._elsewhere, reason)

    async def _each(self, upf: str, action: Action, reason: str = "") -> None:
        entries = [entry for entry in self._core.table if upf in entry.gone]
        await asyncio.gather(*(self._one(entry, upf, action, reason) for entry in entries))

    async def _one(self, entry: Entry, upf: str, action: Action, reason: str) -> None:
        async with entry.lock, self._slots:
            is_there = self._core.table.get(entry.session.context.ref) is entry
            if not is_there or entry.session.state is State.LOST or upf not in entry.gone:
                return
            n4 = next((n4 for n4 in entry.session.n4_sessions if n4.upf == upf), None)
            if n4 is None:
                entry.gone -= {upf}  # it has no part there any more
            else:
                await action(entry, n4, reason)

    # -- with the session's lock held ---------------------------------------------------------------------------------

    async def _restore(self, entry: Entry, n4: N4Session, _reason: str) -> None:
        """As it was, at the UPF that is back; it may be gone again before we are done."""
        core, epoch = self._core, self._epochs[n4.upf]
        before = entry.session
        try:
            restored = await recovery.restore(core.ports, _with_quota_left(entry), n4)
        except ProcedureError as error:
            core.report_failure(error, before.context)
            if core.is_associated(n4.upf) and self._epochs[n4.upf] == epoch:
                await self._elsewhere(entry, n4, str(error.failure))
            return
        if self._epochs[n4.upf] == epoch:
            entry.gone -= {n4.upf}
        self._settle(entry, _with_rules_of(before, restored))
        core.emit("session_restored", **name(before.context), upf=n4.upf)
        if entry.is_reloaded and n4.upf == restored.n3_upf.upf:
            await self._remind_gnb(entry)

    async def _remind_gnb(self, entry: Entry) -> None:
        """We may have ended between the switch of N3 and the end of its procedure, of which nothing is left now."""
        entry.is_reloaded = False
        if entry.session.gnb_f_teid is not None:
            with suppress(RanError):
                await self._core.ports.ran.switch_n3(entry.session, entry.session.n3)

    async def _elsewhere(self, entry: Entry, n4: N4Session, reason: str) -> None:
        """Another UPF does what the one of `n4` did, or none."""
        core, session = self._core, entry.session
        epoch, ulcl = self._epochs[n4.upf], session.ulcl
        try:
            if n4.upf == session.psa.upf:
                await self._replace_psa(entry, n4)
            elif ulcl is not None and n4.upf == ulcl.n4.upf:
                self._move(entry, n4, await recovery.bypass_ulcl(core.ports, session, ulcl))
            elif ulcl is not None:
                (local_psa,) = (local for local in ulcl.local_psas if local.n4.upf == n4.upf)
                self._move(entry, n4, await recovery.drop_local_psa(core.ports, session, ulcl, local_psa))
        except ProcedureError as error:
            core.report_failure(error, session.context)
            if error.committed and error.session is not None:
                self._move(entry, n4, error.session)
            elif core.is_associated(n4.upf):
                core.lose(entry, n4.upf, reason)
        if self._epochs[n4.upf] != epoch and n4.upf in (part.upf for part in entry.session.n4_sessions):
            entry.gone |= {n4.upf}  # it has taken the session anew, and is gone again

    async def _replace_psa(self, entry: Entry, n4: N4Session) -> None:
        core = self._core
        context = entry.session.context
        request = context.request
        candidates = selection.anchors(core.config, entry.pool.config, request.dnn)
        others = [upf for upf in candidates if upf.label != n4.upf]
        target = selection.choose(others, core.is_associated, core.loads, request.dnai)
        if target is None and not self._other_pool_has_psa(entry, n4):
            # A UPF that cannot have the session back as it was may take it with other F-TEIDs.
            target = selection.choose(candidates, core.is_associated, core.loads)
        if target is not None:
            before, psa = entry.session, core.end_at(entry, target.label)
            session = _with_quota_left(entry)
            if session.ulcl is not None and session.ulcl.n4.upf in entry.gone:
                session = recovery.without_ulcl(session)
            replaced = await recovery.replace_psa(core.ports, session, psa)
            self._move(entry, n4, _with_rules_of(before, replaced))
        elif self._other_pool_has_psa(entry, n4):
            await self._start_anew(entry)

    def _other_pool_has_psa(self, entry: Entry, n4: N4Session) -> bool:
        core, request = self._core, entry.session.context.request
        return any(
            upf.label != n4.upf and core.is_associated(upf.label)
            for pool in core.table.pools
            if pool.config.dnn in (request.dnn, None) and (pool.config.sst, pool.config.sd) == request.snssai
            for upf in selection.anchors(core.config, pool.config, request.dnn)
        )

    async def _start_anew(self, entry: Entry) -> None:
        """TS 23.502 §4.3.5.1: the address cannot move, so the UE shall ask for a session with another."""
        core, session = self._core, entry.session
        core.table.update(entry, await lifecycle.release(core.ports, session, entry.gone))
        core.table.remove(entry)
        core.report_session("session_released", session)
        try:
            await core.ports.ran.release(session, reactivate=True)
        except RanError as error:
            core.emit("session_lost", **name(session.context), upf=session.psa.upf, reason=str(error))

    def _move(self, entry: Entry, n4: N4Session, session: PduSession) -> None:
        entry.gone &= {part.upf for part in session.n4_sessions} - {n4.upf}
        self._settle(entry, session)
        self._core.emit("session_moved", **name(session.context), old=n4.upf, psa=session.psa.upf)

    def _settle(self, entry: Entry, session: PduSession) -> None:
        """The UPFs have started measuring anew, with the quota that was left."""
        for flow in session.all_flows:
            if flow.charging is not None and flow.charging.rating_group in entry.accounts:
                account = entry.accounts[flow.charging.rating_group]
                entry.accounts[account.rating_group] = account.with_slice(flow.charging)
        self._core.table.update(entry, session)


def _with_quota_left(entry: Entry) -> PduSession:
    """The session with charging rules as a UPF is to start with them now."""

    def left(rule: ChargingRule | None) -> ChargingRule | None:
        account = rule and entry.accounts.get(rule.rating_group)
        return left_of(rule, account) if rule and account else rule

    session = entry.session
    context = replace(session.context, charging=left(session.context.charging))
    flows = tuple(replace(flow, charging=left(flow.charging)) for flow in session.flows)
    return replace(session, context=context, flows=flows)


def _with_rules_of(before: PduSession, session: PduSession) -> PduSession:
    return replace(session, context=before.context, flows=before.flows)
