"""The usage of all URRs of a session together: who reports when, and who along with it (§5.2.2.4, linked URRs)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from core_stub.pfcp.ies import CreateUrr, ReportingTriggers, UpdateUrr, UsageReport, UsageReportTrigger
from core_stub.upf.rules import UNREAD, Meter, Reading
from core_stub.upf.usage import Usage, due, meter, observed, opened, report, reported, updated

Triggers = Mapping[int, UsageReportTrigger]
"""URR ID → why it reports."""


@dataclass(frozen=True, slots=True)
class Accounts:
    """The usages of a session, in the order of their URRs."""

    usages: tuple[Usage, ...] = ()

    def meters(self) -> tuple[Meter, ...]:
        """What the user plane has to count."""
        return tuple(map(meter, self.usages))

    def due(self) -> float | None:
        """When `settled` has to be asked, whatever the user plane says."""
        return min((time for usage in self.usages if (time := due(usage)) is not None), default=None)

    def edited(self, urrs: Iterable[CreateUrr], updates: Iterable[UpdateUrr], now: float) -> Accounts:
        """For the URRs that the session has now; those that are new begin."""
        before = {usage.urr.urr_id: usage for usage in self.usages}
        changes = {update.urr_id: update for update in updates}
        usages = []
        for urr in urrs:
            usage = before.get(urr.urr_id)
            if usage is None:
                usage = opened(urr, now)
            elif urr.urr_id in changes:
                usage = updated(usage, urr, changes[urr.urr_id], now)
            usages.append(usage)
        return Accounts(tuple(usages))

    def settled(self, readings: Mapping[int, Reading], now: float) -> tuple[Accounts, Triggers]:
        """With these readings, and which URRs have to report."""
        usages, triggers = [], {}
        for before in self.usages:
            usage, trigger = observed(before, readings.get(before.urr.urr_id, UNREAD), now)
            usages.append(usage)
            if trigger:
                triggers[usage.urr.urr_id] = trigger
        return Accounts(tuple(usages)), triggers

    def reported(
        self, readings: Mapping[int, Reading], now: float, triggers: Triggers, ntp: Callable[[float], int]
    ) -> tuple[Accounts, tuple[UsageReport, ...]]:
        """The reports of the URRs in `triggers` and of those that are linked to them, and what is left afterwards."""
        triggers = {**self._linked(triggers), **triggers}
        usages, reports = [], []
        for before in self.usages:
            usage, urr_id = before, before.urr.urr_id
            if urr_id in triggers:
                reading = readings.get(urr_id, UNREAD)
                reports.append(report(before, reading, now, triggers[urr_id], ntp))
                usage = reported(before, reading, now)
            usages.append(usage)
        return Accounts(tuple(usages)), tuple(reports)

    def closed(
        self, urr_ids: Collection[int], readings: Mapping[int, Reading], now: float, ntp: Callable[[float], int]
    ) -> tuple[UsageReport, ...]:
        """The last reports of URRs that go."""
        reports = []
        for before in self.usages:
            if before.urr.urr_id in urr_ids:
                reading = readings.get(before.urr.urr_id, UNREAD)
                usage, trigger = observed(before, reading, now)
                reports.append(report(usage, reading, now, trigger | UsageReportTrigger.TERMR, ntp))
        return tuple(reports)

    def _linked(self, triggers: Triggers) -> Triggers:
        return {
            usage.urr.urr_id: UsageReportTrigger.LIUSA
            for usage in self.usages
            if ReportingTriggers.LIUSA in usage.urr.triggers
            and not triggers.keys().isdisjoint(usage.urr.linked_urr_ids)
        }
