"""Charging (TS 32.255 in little): the URRs of a charging rule, and what they report, by rating group; pure.

A quota is given in slices of the rule's `volume_quota`, until `total_volume` is given; then the UPF lets no more pass
(TS 29.244 §5.2.2.2.1).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from core_stub.pfcp.ies import (
    CreateUrr,
    MeasurementMethod,
    ReportingTriggers,
    UpdateUrr,
    UsageReport,
    UsageReportTrigger,
    Volume,
)
from core_stub.smf.session import ChargingRule

_QUOTA_USED_UP = UsageReportTrigger.VOLQU | UsageReportTrigger.TIMQU


@dataclass(frozen=True, slots=True)
class Account:
    """What a session has used of a rating group, in octets and seconds, and the octets of quota given so far."""

    rating_group: int
    uplink: int = 0
    downlink: int = 0
    total: int = 0
    duration: int = 0
    reports: int = 0
    granted: int = 0

    def after(self, report: UsageReport) -> Account:
        """With what `report` says was used since the one before it."""
        volume = report.volume
        uplink, downlink, total = (volume.uplink, volume.downlink, volume.total) if volume else (0, 0, 0)
        return replace(
            self,
            uplink=self.uplink + (uplink or 0),
            downlink=self.downlink + (downlink or 0),
            total=self.total + (total if total is not None else (uplink or 0) + (downlink or 0)),
            duration=self.duration + (report.duration or 0),
            reports=self.reports + 1,
        )

    def with_slice(self, rule: ChargingRule) -> Account:
        """With the next slice of the rule's quota; what was given before is used up, or lost with a UPF."""
        if rule.volume_quota is None:
            return self
        return replace(self, granted=self.total + next_slice(self, rule))


def next_slice(account: Account, rule: ChargingRule) -> int:
    """Octets of quota that can be given now; 0 if all of it was."""
    quota = rule.volume_quota or 0
    return quota if rule.total_volume is None else max(0, min(quota, rule.total_volume - account.total))


def left_of(rule: ChargingRule, account: Account) -> ChargingRule:
    """The rule for a UPF where the session starts afresh, with the quota that can be given now."""
    if rule.volume_quota is None:
        return rule
    return replace(rule, volume_quota=next_slice(account, rule))


def urr(urr_id: int, rule: ChargingRule) -> CreateUrr:
    """What the UPF has to measure and report for the rule (TS 29.244 §5.2.2)."""
    triggers = ReportingTriggers(0)
    for trigger, value in (
        (ReportingTriggers.PERIO, rule.period),
        (ReportingTriggers.VOLTH, rule.volume_threshold),
        (ReportingTriggers.TIMTH, rule.time_threshold),
        (ReportingTriggers.VOLQU, rule.volume_quota),
        (ReportingTriggers.TIMQU, rule.time_quota),
    ):
        if value is not None:
            triggers |= trigger
    timed = rule.time_threshold is not None or rule.time_quota is not None
    return CreateUrr(
        urr_id,
        MeasurementMethod.VOLUM | MeasurementMethod.DURAT if timed else MeasurementMethod.VOLUM,
        triggers,
        volume_threshold=_volume(rule.volume_threshold),
        volume_quota=_volume(rule.volume_quota),
        time_threshold=rule.time_threshold,
        time_quota=rule.time_quota,
        measurement_period=rule.period,
    )


def is_used_up(report: UsageReport) -> bool:
    """True if the UPF waits for more quota."""
    return bool(report.trigger & _QUOTA_USED_UP)


def another_slice(urr_id: int, rule: ChargingRule, octets: int) -> UpdateUrr:
    """More quota for a URR that has used its own up."""
    volume = Volume(total=octets) if rule.volume_quota is not None else None
    return UpdateUrr(urr_id, volume_quota=volume, time_quota=rule.time_quota)


def _volume(octets: int | None) -> Volume | None:
    return None if octets is None else Volume(total=octets)
