"""GTP-U paths to gNBs and other UPFs, watched by echoes (TS 29.281 §7.2.1, TS 23.527 §5.4); no I/O, no clock.

A path is asked every `interval_s`. One that leaves `N3` requests unanswered, `T3_S` apart, has failed; it goes on being
asked, and has recovered with the next answer.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Address

from core_stub.pfcp.ies import NodeId, NodeReportType, RemoteGtpuPeer
from core_stub.pfcp.messages import NodeReportRequest
from core_stub.upf.rules import EchoAnswered
from core_stub.upf.session import Session
from core_stub.upf.store import Peer, SessionStore
from core_stub.upf.userplane.base import UserPlane

log = logging.getLogger(__name__)

T3_S = 3.0
N3 = 3
LEAST_INTERVAL_S = 60.0
"""§7.2.1: no more often than that."""


@dataclass
class _Path:
    due: float
    unanswered: int = 0
    is_down: bool = False


@dataclass(frozen=True)
class Round:
    """What came of a look at the clock: peers to send an Echo Request to, and peers whose path has failed."""

    ask: tuple[IPv4Address, ...] = ()
    failed: tuple[IPv4Address, ...] = ()


class Paths:
    """The paths to the peers that sessions send to."""

    def __init__(self, interval_s: float = LEAST_INTERVAL_S, t3_s: float = T3_S) -> None:
        self._interval_s = interval_s
        self._t3_s = t3_s
        self._paths: dict[IPv4Address, _Path] = {}

    def due(self) -> float | None:
        """When `expire` wants to be called."""
        return min((path.due for path in self._paths.values()), default=None)

    def watch(self, peer: IPv4Address, now: float) -> None:
        """Sessions send to `peer`: the first question comes when a path has stood for an interval."""
        if peer not in self._paths:
            self._paths[peer] = _Path(now + self._interval_s)

    def expire(self, used: Collection[IPv4Address], now: float) -> Round:
        """Do what is due; paths that are not `used` any more are forgotten."""
        ask, failed = [], []
        for peer, path in list(self._paths.items()):
            if path.due > now:
                continue
            if peer not in used:
                del self._paths[peer]
            elif path.unanswered < N3:
                path.unanswered += 1
                path.due = now + self._t3_s
                ask.append(peer)
            else:
                if not path.is_down:
                    failed.append(peer)
                path.unanswered, path.is_down, path.due = 0, True, now + self._interval_s
        return Round(tuple(ask), tuple(failed))

    def answered(self, peer: IPv4Address, now: float) -> bool:
        """An Echo Response came; True if that path had failed and is back."""
        path = self._paths.get(peer)
        if path is None:
            return False
        was_down, path.is_down = path.is_down, False
        path.unanswered, path.due = 0, now + self._interval_s
        return was_down


@dataclass(frozen=True)
class NodeReport:
    """A request to send to `peer`, about no session; its answer changes nothing."""

    peer: Peer
    request: NodeReportRequest


class PathWatch:
    """`Paths` of the sessions in a store, and what the CP functions are told of them (TS 29.244 §7.4.5)."""

    def __init__(self, paths: Paths, store: SessionStore, user_plane: UserPlane, node_id: NodeId) -> None:
        self._paths = paths
        self._store = store
        self._user_plane = user_plane
        self._node_id = node_id
        self._outbox: list[NodeReport] = []
        self.get_timer = paths.due

    def watch(self, session: Session, now: float) -> None:
        """Watch where `session` sends to."""
        for address, _ in session.tunnels:
            self._paths.watch(address, now)

    def handle_timer(self, now: float) -> None:
        """Ask, and tell of failures."""
        due = self._paths.due()
        if due is None or due > now:
            return
        found = self._paths.expire(self._store.far_ends(), now)
        for peer in found.ask:
            self._user_plane.echo(peer)
        for peer in found.failed:
            log.warning("GTP-U path to %s has failed", peer)
            self._report(peer, NodeReportRequest(self._node_id, NodeReportType.UPFR, (RemoteGtpuPeer(peer),)))

    def on_answer(self, event: EchoAnswered, now: float) -> None:
        """A peer has answered."""
        if self._paths.answered(event.peer, now):
            log.warning("GTP-U path to %s is back", event.peer)
            remote = (RemoteGtpuPeer(event.peer),)
            self._report(event.peer, NodeReportRequest(self._node_id, NodeReportType.UPRR, path_recoveries=remote))

    def reports_to_send(self) -> list[NodeReport]:
        """Everything that has to be sent now, once."""
        reports, self._outbox = self._outbox, []
        return reports

    def _report(self, far_end: IPv4Address, request: NodeReportRequest) -> None:
        """To every CP function that has sessions on the path."""
        self._outbox += [NodeReport(peer, request) for peer in sorted(self._store.far_ends().get(far_end, ()))]
