"""The table of sessions: found by reference, by UE, by SEID; their UE addresses; what is kept of them on disk."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from itertools import count

from core_stub.pfcp.ies import UsageReport
from core_stub.smf.charging import Account
from core_stub.smf.config import SessionPool, SmfConfig
from core_stub.smf.pools import AddressPool
from core_stub.smf.session import PduSession, State
from core_stub.smf.store import Store, Stored

log = logging.getLogger(__name__)


@dataclass
class Pool:
    """UE addresses and what the configuration says of their sessions."""

    config: SessionPool
    addresses: AddressPool


@dataclass(slots=True)
class Entry:
    """A session; there are many, so it is kept small.

    `ends` are our SEIDs at every UPF that ever had a part of it: always the same, so that a session which could not be
    cleared away there is replaced by the next. `doubtful` are UPFs where one may be left, `gone` those that have
    forgotten their part. `accounts` are by rating group. `paging` is an object of its own for each paging, while that
    waits for the UE. `heard` are the last usage reports, each with our SEID at the UPF that sent it. One that
    `is_reloaded` was read from disk, and a procedure may have been under way when it was written last.
    """

    session: PduSession
    pool: Pool
    ends: dict[str, int]
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    doubtful: frozenset[str] = frozenset()
    gone: frozenset[str] = frozenset()
    accounts: dict[int, Account] = field(default_factory=dict)
    paging: object | None = None
    heard: tuple[tuple[int, UsageReport], ...] = ()
    is_reloaded: bool = False


class SessionTable:
    """Sessions; every change of one goes through `add`, `update` and `remove`, and so to disk."""

    def __init__(self, config: SmfConfig, store: Store | None) -> None:
        self.pools = [Pool(pool, pool.pool()) for pool in config.session if isinstance(pool.subnet, IPv4Network)]
        self.per_upf: Counter[str] = Counter()
        self._store = store
        self._entries: dict[str, Entry] = {}
        self._by_ue: dict[str, dict[int, Entry]] = {}
        self._by_seid: dict[int, Entry] = {}
        self._quarantine: dict[tuple[str, IPv4Address], tuple[Pool, set[str]]] = {}
        self._refs = count(1)
        self._seids = count(1)
        if store is not None:
            self._load(store)

    def __iter__(self) -> Iterator[Entry]:
        """All sessions, oldest first; the table may change meanwhile."""
        return iter(list(self._entries.values()))

    def get(self, ref: str) -> Entry | None:
        """The session with this reference."""
        return self._entries.get(ref)

    def of_ue(self, supi: str) -> dict[int, Entry]:
        """The sessions of a UE, by PDU session ID."""
        return self._by_ue.get(supi, {})

    def by_seid(self, cp_seid: int) -> Entry | None:
        """The session that has this SEID at one of its UPFs."""
        return self._by_seid.get(cp_seid)

    def new_ref(self) -> str:
        """A reference that no session had."""
        return str(next(self._refs))

    def new_seid(self) -> int:
        """An SEID of ours that no session had."""
        return next(self._seids)

    def seid_at(self, entry: Entry, upf: str) -> int:
        """Our SEID for this session at this UPF."""
        if upf not in entry.ends:
            entry.ends[upf] = self.new_seid()
            self._by_seid[entry.ends[upf]] = entry
        return entry.ends[upf]

    def add(self, entry: Entry) -> None:
        """A new session."""
        self._enter(entry)
        self._keep(entry)

    def update(self, entry: Entry, session: PduSession) -> None:
        """What a procedure made of the session."""
        before, entry.session = entry.session, session
        if session.psa is not before.psa or session.ulcl is not before.ulcl:
            self._count(before, -1)
            self._count(session, 1)
        self._keep(entry)

    def remove(self, entry: Entry) -> None:
        """The session is released, and its address too."""
        request, ref = entry.session.context.request, entry.session.context.ref
        del self._entries[ref]
        sessions = self._by_ue[request.supi]
        del sessions[request.pdu_session_id]
        if not sessions:
            del self._by_ue[request.supi]
        for seid in entry.ends.values():
            self._by_seid.pop(seid, None)
        self._count(entry.session, -1)
        self.give_back(entry.pool, entry.session.context.ue_ipv4, entry.doubtful)
        if self._store is not None:
            self._store.remove(ref)

    def give_back(self, pool: Pool, address: IPv4Address, doubtful: Collection[str]) -> None:
        """Return a UE's address; not before the UPFs are lost that may have a session with it, and refuse another."""
        if doubtful:
            self._quarantine[str(pool.config.subnet), address] = (pool, set(doubtful))
        else:
            pool.addresses.release(address)

    def upf_lost(self, upf: str) -> None:
        """Nothing is left at `upf` of sessions that could not be deleted there."""
        for key, (pool, upfs) in list(self._quarantine.items()):
            upfs.discard(upf)
            if not upfs:
                del self._quarantine[key]
                pool.addresses.release(key[1])

    def _enter(self, entry: Entry) -> None:
        request, ref = entry.session.context.request, entry.session.context.ref
        self._entries[ref] = entry
        self._by_ue.setdefault(request.supi, {})[request.pdu_session_id] = entry
        for seid in entry.ends.values():
            self._by_seid[seid] = entry
        self._count(entry.session, 1)

    def _count(self, session: PduSession, change: int) -> None:
        for n4 in session.n4_sessions:
            self.per_upf[n4.upf] += change

    def _keep(self, entry: Entry) -> None:
        if self._store is not None and entry.session.state is not State.RELEASED:
            pool = str(entry.pool.config.subnet)
            ends, accounts = tuple(entry.ends.items()), tuple(entry.accounts.values())
            self._store.put(Stored(entry.session, pool, ends, accounts))

    def _load(self, store: Store) -> None:
        """All as it was, but for the UPFs: they forget it at our new Recovery Time Stamp (TS 23.527 §4.2)."""
        ref, seid = 0, 0
        for stored in store.load():
            session = stored.session
            pool = self._pool_with(stored.pool, session.context.ue_ipv4)
            if pool is None:
                log.warning("session %s is forgotten: no pool has its address any more", session.context.ref)
                store.remove(session.context.ref)
                continue
            accounts = {account.rating_group: account for account in stored.accounts}
            entry = Entry(session, pool, dict(stored.ends), accounts=accounts, is_reloaded=True)
            entry.gone = frozenset(n4.upf for n4 in session.n4_sessions)
            self._enter(entry)
            ref, seid = max(ref, int(session.context.ref)), max(seid, *entry.ends.values())
        self._refs, self._seids = count(ref + 1), count(seid + 1)

    def _pool_with(self, subnet: str, address: IPv4Address) -> Pool | None:
        """The pool that the address was of, with it in use again; None if the configuration has no such one now."""
        for pool in self.pools:
            if str(pool.config.subnet) == subnet:
                with suppress(KeyError):
                    pool.addresses.take(address)
                    return pool
        return None
