"""What measured windows change: the delay that a link advertises, and whether a segment list gets packets through.

Path computation must not follow every wobble. A link's least delay (RFC 8570 §4.2) is advertised again if it differs
from the advertised one by more than a threshold (§5); smaller changes are suppressed (§6), and time has to pass between
two (§7). A list is down after so many windows in a row without any answer, and up after as many with answers, so that
one that comes and goes stays as it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from controllers.srv6.lsdb import LinkId
from controllers.srv6.network import Measurement
from controllers.srv6.selection import ListId

_GAIN = 0.3
"""Of the newest window in a link's loss."""


@dataclass(frozen=True)
class Window:
    """What became of the STAMP probes (RFC 8762) that were sent in a window of time; delays are one way, of those that
    were answered."""

    sent: int
    received: int
    least_us: float | None = None
    mean_us: float | None = None


@dataclass(frozen=True)
class LinkWindow:
    """A window of probes across one link."""

    link: LinkId
    window: Window


@dataclass(frozen=True)
class ListWindow:
    """A window of probes along a segment list."""

    list: ListId
    window: Window


MeasuredWindow = LinkWindow | ListWindow


@dataclass(frozen=True)
class LinkDelay:
    """The link has to be advertised with this delay."""

    link: LinkId
    delay_us: int


@dataclass(frozen=True)
class ListDown:
    """No packet gets through along the list."""

    list: ListId


@dataclass(frozen=True)
class ListUp:
    """Packets get through along the list again."""

    list: ListId


Finding = LinkDelay | ListDown | ListUp


@dataclass(frozen=True)
class _Liveness:
    """A list, and how many of its last windows in a row speak against what it is taken for."""

    up: bool = True
    against: int = 0


class Telemetry:
    """Damps measurements. `advertised` is the delay of each link, in µs; lists are up until they are found down.

    Times are in seconds, of any clock that only goes on.
    """

    def __init__(self, rules: Measurement, advertised: Mapping[LinkId, int]) -> None:
        self._rules = rules
        self._advertised = dict(advertised)
        self._advertised_at: dict[LinkId, float] = {}
        self._lists: dict[ListId, _Liveness] = {}
        self._losses: dict[LinkId, float] = {}

    @property
    def unanswered(self) -> frozenset[ListId]:
        """The lists that are down."""
        return frozenset(list_ for list_, liveness in self._lists.items() if not liveness.up)

    def loss(self, link: LinkId) -> float:
        """The share of probes across `link` that were not answered, damped."""
        return self._losses.get(link, 0.0)

    def measured(self, measured: MeasuredWindow, now: float) -> Finding | None:
        """What follows from a window; KeyError for one of a link that there is not."""
        if isinstance(measured, LinkWindow):
            self._lose(measured.link, measured.window)
            return self._link(measured.link, measured.window, now)
        return self._list(measured.list, measured.window)

    def retain(self, lists: Iterable[ListId]) -> None:
        """Forget all lists but `lists`: the others are no longer measured, and will be up if they are again."""
        kept = set(lists)
        self._lists = {list_: liveness for list_, liveness in self._lists.items() if list_ in kept}

    def _lose(self, link: LinkId, window: Window) -> None:
        if window.sent:
            known = self._losses.get(link, 0.0)
            self._losses[link] = known + _GAIN * (1 - window.received / window.sent - known)

    def _link(self, link: LinkId, window: Window, now: float) -> LinkDelay | None:
        old = self._advertised[link]
        if window.least_us is None or now - self._advertised_at.get(link, -math.inf) < self._rules.hold_ms / 1000:
            return None
        new = round(window.least_us)
        if abs(new - old) < max(self._rules.threshold * old, self._rules.least_us):
            return None
        self._advertised[link], self._advertised_at[link] = new, now
        return LinkDelay(link, new)

    def _list(self, list_: ListId, window: Window) -> ListDown | ListUp | None:
        if not window.sent:
            return None
        liveness = self._lists.get(list_, _Liveness())
        against = liveness.against + 1 if liveness.up != (window.received > 0) else 0
        if against < self._rules.lost_windows:
            self._lists[list_] = _Liveness(liveness.up, against)
            return None
        self._lists[list_] = _Liveness(not liveness.up)
        return ListDown(list_) if liveness.up else ListUp(list_)
