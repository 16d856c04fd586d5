"""Usage of a URR (TS 29.244 §5.2.2) as a value: what a reading of its meter and the time make of it; no I/O.

A URR counts in two ways: what it used since its last report, for thresholds and for the report itself, and what it used
since its quota came, for the quota. Both are differences of readings (`base`, `quota_base`), and for time sums of the
stretches in which traffic flowed:

    still ──a packet──▶ flowing ──no packet for the Inactivity Detection Time──▶ still
      └──▶ flowing from the start, with ISTM (§8.2.68)

What has to be waited for is handed out as data: `meter` for counts, `due` for times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import reduce
from math import inf
from operator import or_

from core_stub.pfcp.ies import (
    CreateUrr,
    MeasurementInformation,
    MeasurementMethod,
    ReportingTriggers,
    UpdateUrr,
    UsageReport,
    UsageReportTrigger,
    Volume,
    VolumeMeasurement,
)
from core_stub.upf.rules import AT_ONCE, NEVER, UNREAD, Mark, Meter, Reading

NONE = UsageReportTrigger(0)
_WATCHES_TRAFFIC = int(ReportingTriggers.START | ReportingTriggers.STOPT | ReportingTriggers.QUHTI)


@dataclass(frozen=True, slots=True)
class Usage:
    """A URR and its usage. Times are those of control's clock, in seconds."""

    urr: CreateUrr
    started: float
    """When the usage that is to be reported next began."""
    sequence: int = 0
    base: Reading = UNREAD
    quota_base: Reading = UNREAD
    flowing_since: float | None = None
    """Since when time counts; None while the traffic is still."""
    still_at: int = 0
    """Packets counted when the traffic became still: one more makes a difference."""
    seconds: float = 0.0
    """Before `flowing_since`, since the last report."""
    quota_seconds: float = 0.0
    """The same, since the quota came."""
    last_packet: float = 0.0
    """Or when the quota came, if that was later."""
    next_period: float | None = None
    is_held: bool = False
    """The Quota Holding Time is over since then."""
    is_spent: bool = False
    """The quota is used up, and the CP function has been told."""


def opened(urr: CreateUrr, now: float) -> Usage:
    """The usage of a new URR."""
    return Usage(
        urr,
        started=now,
        flowing_since=now if _flows_at_once(urr) else None,
        last_packet=now,
        next_period=_next_period(urr, now),
    )


def updated(usage: Usage, urr: CreateUrr, update: UpdateUrr, now: float) -> Usage:
    """With `urr` as `update` leaves it. A new quota counts from the last report, which it answers (§5.2.2.2)."""
    new = replace(usage, urr=urr)
    if update.volume_quota is not None or update.time_quota is not None:
        since = now if usage.flowing_since is None and _flows_at_once(urr) else usage.flowing_since
        new = replace(
            new,
            quota_base=usage.base,
            quota_seconds=usage.seconds,
            flowing_since=since,
            last_packet=now,
            is_held=False,
            is_spent=False,
        )
    if update.measurement_period is not None or update.triggers is not None:
        new = replace(new, next_period=_next_period(urr, now))
    return new


def _flows_at_once(urr: CreateUrr) -> bool:
    return MeasurementInformation.ISTM in (urr.measurement_information or MeasurementInformation(0))


def _next_period(urr: CreateUrr, now: float) -> float | None:
    if ReportingTriggers.PERIO not in urr.triggers or not urr.measurement_period:
        return None
    return now + urr.measurement_period


# -- what to wait for ---------------------------------------------------------------------------------------------


def meter(usage: Usage) -> Meter:
    """What the user plane counts for it, tells and stops at."""
    urr = usage.urr
    marks = []
    if ReportingTriggers.VOLTH in urr.triggers:
        marks.append(_mark(usage.base, _threshold(urr)))
    quota = _mark(usage.quota_base, urr.volume_quota)
    if not usage.is_spent:
        marks.append(quota)
    if _is_waiting(usage):
        marks.append(Mark(packets=usage.still_at + 1))
    return Meter(urr.urr_id, usage.started, _first_of(marks), AT_ONCE if usage.is_spent else quota)


def due(usage: Usage) -> float | None:
    """When time alone will make a difference, so that `observed` has to be asked; None for never."""
    times = (usage.next_period, _flow_ends(usage), _hold_ends(usage), _threshold_ends(usage), _quota_ends(usage))
    return min((time for time in times if time is not None), default=None)


def _threshold(urr: CreateUrr) -> Volume | None:
    """Without zeros: nobody can mean to be told of nothing, again and again."""
    volume = urr.volume_threshold
    if volume is None or None not in (volume.total or None, volume.uplink or None, volume.downlink or None):
        return volume
    return Volume(volume.total or None, volume.uplink or None, volume.downlink or None)


def _mark(base: Reading, volume: Volume | None) -> Mark:
    if volume is None:
        return NEVER
    return Mark(
        None if volume.total is None else base.total + volume.total,
        None if volume.uplink is None else base.uplink + volume.uplink,
        None if volume.downlink is None else base.downlink + volume.downlink,
    )


def _first_of(marks: Iterable[Mark]) -> Mark:
    """The mark that is reached as soon as one of `marks` is."""
    real = [mark for mark in marks if mark != NEVER]
    if len(real) < 2:
        return real[0] if real else NEVER
    return Mark(
        min((mark.total for mark in real if mark.total is not None), default=None),
        min((mark.uplink for mark in real if mark.uplink is not None), default=None),
        min((mark.downlink for mark in real if mark.downlink is not None), default=None),
        min((mark.packets for mark in real if mark.packets is not None), default=None),
    )


def _watches_traffic(urr: CreateUrr) -> bool:
    return MeasurementMethod.DURAT in urr.method or bool(int(urr.triggers) & _WATCHES_TRAFFIC)


def _is_waiting(usage: Usage) -> bool:
    """Whether the next packet makes a difference."""
    return usage.is_held or (usage.flowing_since is None and _watches_traffic(usage.urr))


def _threshold_ends(usage: Usage) -> float | None:
    """When the time threshold is reached, if traffic goes on flowing; minus infinity for long ago."""
    urr = usage.urr
    if ReportingTriggers.TIMTH not in urr.triggers or not urr.time_threshold:
        return None
    return _ends(usage, urr.time_threshold - usage.seconds)


def _quota_ends(usage: Usage) -> float | None:
    """The same for the time quota."""
    if usage.urr.time_quota is None or usage.is_spent:
        return None
    return _ends(usage, usage.urr.time_quota - usage.quota_seconds)


def _ends(usage: Usage, seconds_left: float) -> float | None:
    if seconds_left <= 0:
        return -inf
    return None if usage.flowing_since is None else usage.flowing_since + seconds_left


def _flow_ends(usage: Usage) -> float | None:
    """When time stops counting, if no packet comes until then; never where nobody asks for time or traffic."""
    urr = usage.urr
    if usage.flowing_since is None or not urr.inactivity_detection_time or not _watches_traffic(urr):
        return None
    return max(usage.last_packet, usage.flowing_since) + urr.inactivity_detection_time


def _hold_ends(usage: Usage) -> float | None:
    """When an unused quota has been held long enough, if no packet comes until then."""
    urr = usage.urr
    if usage.is_held or ReportingTriggers.QUHTI not in urr.triggers or not urr.quota_holding_time:
        return None
    return usage.last_packet + urr.quota_holding_time


# -- what has happened --------------------------------------------------------------------------------------------


def observed(usage: Usage, reading: Reading, now: float) -> tuple[Usage, UsageReportTrigger]:
    """`usage` as `reading` and the time show it, and for what it has to be reported."""
    found: list[UsageReportTrigger] = []
    if _watches_traffic(usage.urr):
        usage, found = _with_traffic(usage, reading, now)
    found += _thresholds(usage, reading, now)
    quotas = [] if usage.is_spent else list(_quotas(usage, reading, now))
    if quotas:
        # Nothing passes any more: neither does time count.
        usage = replace(_still(usage, reading, now), is_spent=True)
    if usage.next_period is not None and now >= usage.next_period:
        found.append(UsageReportTrigger.PERIO)
        following = _next_period(usage.urr, usage.next_period)
        late = following is not None and following <= now
        usage = replace(usage, next_period=_next_period(usage.urr, now) if late else following)
    wanted = (trigger for trigger in (*found, *quotas) if _is_wanted(usage.urr, trigger))
    return usage, reduce(or_, wanted, NONE)


def _is_wanted(urr: CreateUrr, trigger: UsageReportTrigger) -> bool:
    """The Reporting Triggers and Usage Report Triggers that are looked at here have the same bits."""
    return bool(int(urr.triggers) & int(trigger))


def _with_traffic(usage: Usage, reading: Reading, now: float) -> tuple[Usage, list[UsageReportTrigger]]:
    """Traffic that has begun or become still."""
    found = []
    usage = replace(usage, last_packet=usage.last_packet if reading.last is None else reading.last)
    if _is_waiting(usage) and reading.packets > usage.still_at:
        if usage.flowing_since is None:
            usage = replace(usage, flowing_since=now)
            found.append(UsageReportTrigger.START)
        usage = replace(usage, is_held=False, still_at=reading.packets)
    if (hold := _hold_ends(usage)) is not None and now >= hold:
        usage = replace(usage, is_held=True, still_at=reading.packets)
        found.append(UsageReportTrigger.QUHTI)
    if (end := _flow_ends(usage)) is not None and now >= end:
        usage = _still(usage, reading, end)
        found.append(UsageReportTrigger.STOPT)
    return usage, found


def _still(usage: Usage, reading: Reading, until: float) -> Usage:
    """With time counted `until` then, and no further before another packet comes."""
    seconds = until - (usage.flowing_since if usage.flowing_since is not None else until)
    return replace(
        usage,
        flowing_since=None,
        still_at=reading.packets,
        seconds=usage.seconds + seconds,
        quota_seconds=usage.quota_seconds + seconds,
    )


def _thresholds(usage: Usage, reading: Reading, now: float) -> Iterable[UsageReportTrigger]:
    if _reaches(usage.base, reading, _threshold(usage.urr)):
        yield UsageReportTrigger.VOLTH
    if (end := _threshold_ends(usage)) is not None and now >= end:
        yield UsageReportTrigger.TIMTH


def _quotas(usage: Usage, reading: Reading, now: float) -> Iterable[UsageReportTrigger]:
    if _reaches(usage.quota_base, reading, usage.urr.volume_quota):
        yield UsageReportTrigger.VOLQU
    if (end := _quota_ends(usage)) is not None and now >= end:
        yield UsageReportTrigger.TIMQU


def _reaches(base: Reading, reading: Reading, volume: Volume | None) -> bool:
    return volume is not None and (
        (volume.total is not None and reading.total - base.total >= volume.total)
        or (volume.uplink is not None and reading.uplink - base.uplink >= volume.uplink)
        or (volume.downlink is not None and reading.downlink - base.downlink >= volume.downlink)
    )


# -- reports --------------------------------------------------------------------------------------------------------


def reported(usage: Usage, reading: Reading, now: float) -> Usage:
    """The usage after a report: counting begins anew (§5.2.2.3)."""
    return replace(
        usage,
        started=now,
        sequence=(usage.sequence + 1) % (1 << 32),
        base=reading,
        seconds=0.0,
        quota_seconds=usage.quota_seconds + _flowing_seconds(usage, now),
        flowing_since=None if usage.flowing_since is None else now,
    )


def report(
    usage: Usage, reading: Reading, now: float, trigger: UsageReportTrigger, ntp: Callable[[float], int]
) -> UsageReport:
    """What has been used since the last report. `ntp` tells times of day."""
    return UsageReport(
        usage.urr.urr_id,
        usage.sequence,
        trigger,
        volume=_volume(usage, reading) if MeasurementMethod.VOLUM in usage.urr.method else None,
        duration=_duration(usage, now) if MeasurementMethod.DURAT in usage.urr.method else None,
        start_time=ntp(usage.started),
        end_time=ntp(now),
        time_of_first_packet=None if reading.first is None else ntp(reading.first),
        time_of_last_packet=None if reading.last is None else ntp(reading.last),
    )


def _duration(usage: Usage, now: float) -> int:
    return round(usage.seconds + _flowing_seconds(usage, now))


def _flowing_seconds(usage: Usage, now: float) -> float:
    return 0.0 if usage.flowing_since is None else now - usage.flowing_since


def _volume(usage: Usage, reading: Reading) -> VolumeMeasurement:
    base = usage.base
    uplink, downlink = reading.uplink - base.uplink, reading.downlink - base.downlink
    if MeasurementInformation.MNOP not in (usage.urr.measurement_information or MeasurementInformation(0)):
        return VolumeMeasurement(uplink + downlink, uplink, downlink)
    up_packets = reading.uplink_packets - base.uplink_packets
    down_packets = reading.downlink_packets - base.downlink_packets
    return VolumeMeasurement(uplink + downlink, uplink, downlink, up_packets + down_packets, up_packets, down_packets)
