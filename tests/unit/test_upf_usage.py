"""Usage of a URR: thresholds, quotas, time, stillness; on a clock that stands where the test puts it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from core_stub.upf.rules import AT_ONCE, NEVER, UNREAD, Mark, Reading
from core_stub.upf.tables import merged
from core_stub.upf.usage import due, meter, observed, opened, report, reported, updated

R, T = ReportingTriggers, UsageReportTrigger
VOLUM, DURAT = MeasurementMethod.VOLUM, MeasurementMethod.DURAT
START = 100.0


class Urr:
    """A URR with a meter, driven as the control drives it."""

    def __init__(self, triggers: ReportingTriggers, method: MeasurementMethod = VOLUM, **more: object) -> None:
        self.now = START
        self.reading = UNREAD
        self.usage = opened(CreateUrr(1, method, triggers, **more), self.now)  # type: ignore[arg-type]
        self.reports: list[UsageReport] = []

    def packet(self, uplink: int = 0, downlink: int = 0) -> None:
        """A packet now; the meter tells if that reaches its mark."""
        stop = meter(self.usage).stop
        if _reached(stop, self.reading):
            return
        before = self.reading
        first = before.first if before.first is not None and before.first >= self.usage.started else self.now
        self.reading = Reading(
            before.uplink + uplink,
            before.downlink + downlink,
            before.uplink_packets + bool(uplink),
            before.downlink_packets + bool(downlink),
            first,
            self.now,
        )
        if _reached(meter(self.usage).tell, self.reading):
            self.settle()

    def settle(self) -> None:
        self.usage, trigger = observed(self.usage, self.reading, self.now)
        if trigger:
            self.report(trigger)

    def report(self, trigger: UsageReportTrigger) -> None:
        self.reports.append(report(self.usage, self.reading, self.now, trigger, int))
        self.usage = reported(self.usage, self.reading, self.now)

    def wait(self, seconds: float) -> None:
        """Let time pass; what is due happens when it is due."""
        until = self.now + seconds
        while (time := due(self.usage)) is not None and time <= until:
            self.now = max(self.now, time)
            self.settle()
        self.now = until

    def update(self, **changes: object) -> None:
        update = UpdateUrr(1, **changes)  # type: ignore[arg-type]
        self.usage = updated(self.usage, merged(self.usage.urr, update), update, self.now)

    @property
    def triggers(self) -> list[UsageReportTrigger]:
        return [report.trigger for report in self.reports]


def _reached(mark: Mark, reading: Reading) -> bool:
    pairs = (
        (mark.total, reading.total),
        (mark.uplink, reading.uplink),
        (mark.downlink, reading.downlink),
        (mark.packets, reading.packets),
    )
    return any(limit is not None and count >= limit for limit, count in pairs)


# -- volume -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("threshold", "uplink", "downlink"),
    [
        (Volume(total=100), 40, 60),
        (Volume(uplink=40), 40, 1),
        (Volume(downlink=60), 1, 60),
        (Volume(100, 1000), 50, 50),
    ],
)
def test_a_volume_threshold_reports_again_and_again(threshold: Volume, uplink: int, downlink: int) -> None:
    urr = Urr(R.VOLTH, volume_threshold=threshold)
    for _ in range(3):
        urr.now += 1
        urr.packet(uplink=uplink)
        urr.packet(downlink=downlink)
    urr.settle()
    assert urr.triggers[0] == T.VOLTH
    used = sum(report.volume.total or 0 for report in urr.reports if report.volume)
    assert [report.sequence for report in urr.reports] == list(range(len(urr.reports)))
    assert used + (urr.reading.total - urr.usage.base.total) == 3 * (uplink + downlink)
    assert len(urr.reports) == 3


def test_a_report_says_when_and_how_much() -> None:
    urr = Urr(R.VOLTH, DURAT | VOLUM, volume_threshold=Volume(100), measurement_information=MeasurementInformation.MNOP)
    urr.wait(2)
    urr.packet(uplink=30)
    urr.wait(3)
    urr.packet(downlink=70)
    (report,) = urr.reports
    assert report == UsageReport(
        urr_id=1,
        sequence=0,
        trigger=T.VOLTH,
        volume=VolumeMeasurement(100, 30, 70, 2, 1, 1),
        duration=3,
        start_time=100,
        end_time=105,
        time_of_first_packet=102,
        time_of_last_packet=105,
    )


def test_packets_are_told_only_where_they_are_asked_for() -> None:
    urr = Urr(R.VOLTH, volume_threshold=Volume(1))
    urr.packet(uplink=5)
    assert urr.reports[0].volume == VolumeMeasurement(5, 5, 0)
    assert urr.reports[0].duration is None


def test_a_threshold_without_its_trigger_is_silent() -> None:
    urr = Urr(R(0), volume_threshold=Volume(1), time_threshold=1)
    assert meter(urr.usage).tell == NEVER
    urr.packet(uplink=5)
    urr.wait(5)
    urr.settle()
    assert urr.reports == []


def test_a_threshold_of_nothing_is_not_reached_for_ever() -> None:
    urr = Urr(R.VOLTH | R.TIMTH, DURAT | VOLUM, volume_threshold=Volume(0, 0, 10), time_threshold=0)
    urr.packet(uplink=5)
    urr.wait(100)
    assert urr.reports == []
    urr.packet(downlink=10)
    assert urr.triggers == [T.VOLTH]


# -- quota --------------------------------------------------------------------------------------------------------


def test_a_volume_quota_is_reported_once_and_stops() -> None:
    urr = Urr(R.VOLQU, volume_quota=Volume(100))
    for _ in range(5):
        urr.packet(uplink=60)
    assert urr.triggers == [T.VOLQU]
    assert urr.reading.uplink == 120
    assert meter(urr.usage).stop == AT_ONCE
    urr.settle()
    assert urr.triggers == [T.VOLQU]


def test_a_quota_outlives_the_reports_of_its_threshold() -> None:
    urr = Urr(R.VOLTH | R.VOLQU, volume_threshold=Volume(40), volume_quota=Volume(100))
    for _ in range(12):
        urr.packet(downlink=10)
    assert urr.triggers == [T.VOLTH, T.VOLTH, T.VOLQU]
    assert urr.reading.downlink == 100


def test_a_new_quota_counts_from_the_last_report() -> None:
    urr = Urr(R.VOLQU, volume_quota=Volume(100))
    urr.packet(uplink=100)
    urr.update(volume_quota=Volume(50))
    assert meter(urr.usage).stop == Mark(total=150)
    urr.packet(uplink=50)
    urr.packet(uplink=50)
    assert urr.triggers == [T.VOLQU, T.VOLQU]
    assert urr.reading.uplink == 150


def test_a_quota_stops_even_if_nobody_wants_to_know() -> None:
    urr = Urr(R(0), volume_quota=Volume(10))
    urr.packet(uplink=10)
    urr.packet(uplink=10)
    assert (urr.reading.uplink, urr.reports) == (10, [])


def test_no_quota_left_stops_at_once() -> None:
    urr = Urr(R.VOLQU, volume_quota=Volume(0))
    urr.packet(uplink=10)
    assert urr.reading == UNREAD


def test_a_time_quota_stops_when_its_time_is_over() -> None:
    urr = Urr(R.TIMQU, DURAT, time_quota=10)
    urr.wait(50)
    assert urr.reports == []
    urr.packet(uplink=1)
    urr.wait(9)
    urr.packet(uplink=1)
    assert urr.reports == []
    urr.wait(1)
    assert (urr.triggers, urr.reports[0].duration) == ([T.TIMQU], 10)
    urr.packet(uplink=1)
    assert urr.reading.uplink == 2
    urr.update(time_quota=5)
    urr.packet(uplink=1)
    urr.wait(5)
    assert (urr.triggers, urr.reports[1].duration) == ([T.TIMQU, T.TIMQU], 5)


# -- time ---------------------------------------------------------------------------------------------------------


def test_time_counts_from_the_first_packet() -> None:
    urr = Urr(R.TIMTH, DURAT, time_threshold=10)
    assert due(urr.usage) is None
    urr.wait(7)
    urr.packet(uplink=1)
    assert due(urr.usage) == START + 17
    urr.wait(30)
    assert urr.triggers == [T.TIMTH] * 3
    assert [report.duration for report in urr.reports] == [10, 10, 10]


def test_time_may_count_from_the_start() -> None:
    urr = Urr(R.TIMTH, DURAT, time_threshold=10, measurement_information=MeasurementInformation.ISTM)
    assert due(urr.usage) == START + 10


def test_time_does_not_count_while_traffic_is_still() -> None:
    urr = Urr(R.TIMTH, DURAT, time_threshold=10, inactivity_detection_time=3)
    urr.packet(uplink=1)
    urr.wait(2)
    urr.packet(uplink=1)
    urr.wait(100)
    assert (urr.reports, urr.usage.seconds) == ([], 5)
    urr.packet(uplink=1)
    urr.wait(2)
    urr.packet(uplink=1)
    urr.wait(3)
    assert (urr.triggers, urr.reports[0].duration, urr.now) == ([T.TIMTH], 10, START + 107)


def test_stillness_is_not_waited_for_where_it_makes_no_difference() -> None:
    # Due and never done, it would keep the event loop busy for ever.
    urr = Urr(R.VOLTH, inactivity_detection_time=1, measurement_information=MeasurementInformation.ISTM)
    assert due(urr.usage) is None


def test_start_and_stop_of_traffic() -> None:
    urr = Urr(R.START | R.STOPT, inactivity_detection_time=3)
    urr.packet(uplink=1)
    urr.packet(uplink=1)
    urr.wait(10)
    urr.packet(uplink=1)
    assert urr.triggers == [T.START, T.STOPT, T.START]


def test_periods_go_on_whatever_else_is_reported() -> None:
    urr = Urr(R.PERIO | R.VOLTH, measurement_period=10, volume_threshold=Volume(100))
    urr.wait(15)
    urr.packet(uplink=100)
    urr.wait(15)
    assert urr.triggers == [T.PERIO, T.VOLTH, T.PERIO, T.PERIO]
    assert [report.end_time for report in urr.reports] == [110, 115, 120, 130]


def test_a_clock_that_was_late_makes_one_report() -> None:
    urr = Urr(R.PERIO, measurement_period=10)
    urr.now += 35
    urr.settle()
    assert (urr.triggers, due(urr.usage)) == ([T.PERIO], START + 45)


def test_a_quota_is_held_no_longer_than_wanted() -> None:
    urr = Urr(R.QUHTI | R.VOLQU, volume_quota=Volume(100), quota_holding_time=10)
    urr.wait(5)
    urr.packet(uplink=1)
    urr.wait(9)
    assert urr.reports == []
    urr.wait(50)
    assert (urr.triggers, urr.reports[0].end_time) == ([T.QUHTI], 115)
    urr.packet(uplink=1)
    urr.wait(10)
    assert urr.triggers == [T.QUHTI, T.QUHTI]


def test_a_quota_is_held_as_long_as_wanted_though_traffic_is_still_earlier() -> None:
    urr = Urr(R.QUHTI, DURAT, time_quota=100, quota_holding_time=10, inactivity_detection_time=3)
    urr.packet(uplink=1)
    urr.wait(10)
    assert (urr.triggers, urr.reports[0].duration) == ([T.QUHTI], 3)


# -- in general ---------------------------------------------------------------------------------------------------

URRS = st.builds(
    Urr,
    st.sampled_from([R.VOLTH, R.VOLTH | R.PERIO, R.TIMTH | R.VOLTH | R.QUHTI, R.START | R.STOPT | R.VOLTH]),
    st.sampled_from([VOLUM, DURAT | VOLUM]),
    volume_threshold=st.builds(Volume, st.integers(1, 300)),
    measurement_period=st.integers(1, 20),
    time_threshold=st.integers(1, 20),
    quota_holding_time=st.integers(1, 20),
    inactivity_detection_time=st.none() | st.integers(1, 20),
    measurement_information=st.sampled_from([None, MeasurementInformation.ISTM]),
)
STEPS = st.lists(st.tuples(st.floats(0, 50), st.integers(0, 200), st.integers(0, 200)), max_size=30)


@given(URRS, STEPS)
def test_every_octet_is_reported_once(urr: Urr, steps: list[tuple[float, int, int]]) -> None:
    for seconds, uplink, downlink in steps:
        urr.wait(seconds)
        time = due(urr.usage)
        assert time is None or time > urr.now, "what is due has been done"
        urr.packet(uplink, downlink)
    urr.report(T.TERMR)
    assert [report.sequence for report in urr.reports] == list(range(len(urr.reports)))
    volumes = [report.volume for report in urr.reports if report.volume]
    assert sum(volume.uplink or 0 for volume in volumes) == urr.reading.uplink
    assert sum(volume.total or 0 for volume in volumes) == urr.reading.total
    times = [(report.start_time or 0, report.end_time or 0) for report in urr.reports]
    assert all(before[1] == after[0] for before, after in pairwise(times))
