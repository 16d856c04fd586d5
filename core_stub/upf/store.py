"""The table of sessions, all that finds one in it, and the one way in which a session changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

from core_stub.gtpu import Tunnel
from core_stub.pfcp.ies import FSeid, UsageReport
from core_stub.upf.accounting import Accounts
from core_stub.upf.identifiers import Identifiers
from core_stub.upf.rules import Reading, Rule, Rules
from core_stub.upf.session import Session
from core_stub.upf.userplane.base import UserPlane

Peer = tuple[str, int]
"""Address and UDP port of a CP function."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A session, what it comes to, and whose it is.

    `unanswered` are usage reports that the CP function did not take.
    """

    peer: Peer
    session: Session
    rules: tuple[Rule, ...]
    accounts: Accounts
    unanswered: tuple[UsageReport, ...] = ()


class SessionStore:
    """Sessions by UP SEID; `put` and `drop` keep the indexes and the user plane in step with them."""

    def __init__(self, identifiers: Identifiers, user_plane: UserPlane) -> None:
        self.identifiers = identifiers
        self._user_plane = user_plane
        self._entries: dict[int, Entry] = {}
        self._by_peer: dict[str, dict[FSeid, int]] = {}
        self._by_tunnel: dict[tuple[IPv4Address, int], int] = {}

    def get(self, seid: int) -> Entry | None:
        """The session with this UP SEID."""
        return self._entries.get(seid)

    def all(self) -> Iterable[Entry]:
        """Every session, as they are now."""
        return list(self._entries.values())

    def of_peer(self, address: str) -> Iterable[Entry]:
        """The sessions of the CP function at an address."""
        return [self._entries[seid] for seid in self._by_peer.get(address, {}).values()]

    def namesake(self, peer: Peer, cp_f_seid: FSeid) -> Entry | None:
        """The session to which `peer` has given this F-SEID."""
        return self._entries.get(self._by_peer.get(peer[0], {}).get(cp_f_seid, 0))

    def sending_to(self, peer: IPv4Address, teid: int) -> Entry | None:
        """The session that sends to this tunnel."""
        return self._entries.get(self._by_tunnel.get((peer, teid), 0))

    def far_ends(self) -> Mapping[IPv4Address, set[Peer]]:
        """Where sessions send to, and whose they are. Walks through all of them."""
        found: dict[IPv4Address, set[Peer]] = {}
        for (address, _), seid in self._by_tunnel.items():
            found.setdefault(address, set()).add(self._entries[seid].peer)
        return found

    def unused_seid(self) -> int:
        """An SEID for a new session."""
        return self.identifiers.unused_seid(self._entries)

    def put(
        self,
        entry: Entry,
        *,
        end_markers: tuple[Tunnel, ...] = (),
        drop_buffered: bool = False,
        acted_on: frozenset[int] = frozenset(),
    ) -> Mapping[int, Reading]:
        """Store a session as it is now, and have the user plane follow; the last readings of URRs that went."""
        seid = entry.session.up_seid
        before = self._entries.get(seid)
        self._entries[seid] = entry
        self._index(before, entry)
        return self._user_plane.apply(
            Rules(seid, entry.rules, entry.accounts.meters(), end_markers, drop_buffered, acted_on)
        )

    def replace(self, entry: Entry) -> None:
        """Store a session of which nothing has changed that concerns the user plane."""
        self._entries[entry.session.up_seid] = entry

    def drop(self, entry: Entry) -> Mapping[int, Reading]:
        """Forget a session; the last readings of its URRs."""
        seid = entry.session.up_seid
        del self._entries[seid]
        self._index(entry, None)
        return self._user_plane.apply(Rules(seid))

    def _index(self, before: Entry | None, after: Entry | None) -> None:
        """What a modification leaves alone is the very same object, and needs nothing here."""
        old, new = before.session if before else None, after.session if after else None
        if not (old and new and old.pdrs is new.pdrs):
            self.identifiers.move(old, new)
        if not (old and new and old.fars is new.fars):
            self._index_tunnels(old, new)
        if not (old and new and old.cp_f_seid is new.cp_f_seid):
            if before:
                del self._by_peer[before.peer[0]][before.session.cp_f_seid]
            if after:
                self._by_peer.setdefault(after.peer[0], {})[after.session.cp_f_seid] = after.session.up_seid

    def _index_tunnels(self, old: Session | None, new: Session | None) -> None:
        for tunnel in old.tunnels if old else ():
            if old and self._by_tunnel.get(tunnel) == old.up_seid:
                del self._by_tunnel[tunnel]
        for tunnel in new.tunnels if new else ():
            if new:
                self._by_tunnel[tunnel] = new.up_seid
