"""What a UPF says of its own, and with its answers: usage, downlink data, error indications."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from math import inf

import pytest

from core_stub.pfcp.ies import (
    ApplyAction,
    Cause,
    CreateBar,
    CreateFar,
    CreateUrr,
    DownlinkDataReport,
    FTeid,
    Interface,
    MeasurementMethod,
    ReportingTriggers,
    ReportType,
    RuleType,
    SmReqFlags,
    SrRspFlags,
    UpdateBar,
    UpdateFar,
    UpdateQer,
    UpdateUrr,
    UsageReport,
    UsageReportTrigger,
    Volume,
    VolumeMeasurement,
)
from core_stub.pfcp.messages import (
    SessionDeletionRequest,
    SessionEstablishmentRequest,
    SessionModificationRequest,
    SessionReportRequest,
    SessionReportResponse,
)
from core_stub.upf.reporting import MOST_UNANSWERED, Report
from core_stub.upf.rules import (
    AT_ONCE,
    BudgetSpent,
    Buffer,
    Decapsulate,
    Drop,
    ErrorIndicated,
    FirstBuffered,
    Mark,
    Meter,
    Reading,
)
from tests.support.upf import CP_SEID, SMF, Upf, downlink, establishment, to_n6, to_tunnel, tunnelling, uplink

VOLUM = MeasurementMethod.VOLUM
R, T = ReportingTriggers, UsageReportTrigger
GNB = "198.51.100.1"
ACCEPTED = SessionReportResponse(1, Cause.REQUEST_ACCEPTED)


@pytest.fixture
def upf() -> Upf:
    return Upf()


def metered(*urrs: CreateUrr) -> SessionEstablishmentRequest:
    """Two PDRs, both of which count for all of `urrs`."""
    ids = tuple(urr.urr_id for urr in urrs)
    pdrs = (replace(uplink(2, 2), urr_ids=ids), downlink(1, 1, urr_ids=ids))
    request = establishment(*pdrs, to_n6(2), to_tunnel(1, Interface.ACCESS, 5, GNB))
    return replace(request, create_urrs=urrs)


def threshold(urr_id: int = 1, octets: int = 1000, **more: object) -> CreateUrr:
    triggers = R.VOLTH | R.VOLQU | R.LIUSA
    return CreateUrr(urr_id, VOLUM, triggers, volume_threshold=Volume(octets), **more)  # type: ignore[arg-type]


def buffering(*, bar: CreateBar | None = None, action: ApplyAction = ApplyAction.BUFF | ApplyAction.NOCP) -> Upf:
    upf = Upf()
    far = CreateFar(1, action, tunnelling(Interface.ACCESS, 5, GNB), bar_id=bar.bar_id if bar else None)
    request = establishment(downlink(1, 1), far)
    upf.established(replace(request, create_bars=(bar,) if bar else ()))
    return upf


def seid_of(upf: Upf) -> int:
    (session,) = upf.control.sessions
    return session.up_seid


def spend(upf: Upf, uplink: int = 0, downlink: int = 0, urr_id: int = 1) -> list[Report]:
    """The reports after the meter of a URR has reached its mark with these counts."""
    seid = seid_of(upf)
    readings = upf.user_plane.meters.setdefault(seid, {})
    readings[urr_id] = Reading(uplink, downlink, 1, 1, upf.now, upf.now)
    upf.control.on_user_plane(BudgetSpent(seid, urr_id), upf.now)
    return upf.reports()


# -- usage --------------------------------------------------------------------------------------------------------


def test_the_user_plane_is_told_what_to_count(upf: Upf) -> None:
    seid = upf.established(metered(threshold(volume_quota=Volume(5000))))
    rules = upf.user_plane.applied[seid]
    assert [rule.urr_ids for rule in rules.rules] == [(1,), (1,)]
    assert rules.meters == (Meter(1, 1000.0, Mark(total=1000), Mark(total=5000)),)


def test_a_spent_budget_is_reported_and_the_next_one_begins(upf: Upf) -> None:
    seid = upf.established(metered(threshold()))
    upf.now += 5
    (report,) = spend(upf, 400, 700)
    assert (report.peer, report.up_seid) == (SMF, seid)
    assert report.request == SessionReportRequest(
        CP_SEID,
        ReportType.USAR,
        usage_reports=(
            UsageReport(
                1,
                0,
                T.VOLTH,
                VolumeMeasurement(1100, 400, 700),
                start_time=3_900_001_000,
                end_time=3_900_001_005,
                time_of_first_packet=3_900_001_005,
                time_of_last_packet=3_900_001_005,
            ),
        ),
    )
    assert upf.user_plane.applied[seid].meters == (Meter(1, 1005.0, Mark(total=2100)),)
    assert upf.reports() == []
    (report,) = spend(upf, 1400, 900)
    (usage,) = report.request.usage_reports
    assert (usage.sequence, usage.volume) == (1, VolumeMeasurement(1200, 1000, 200))


def test_a_mark_that_changed_meanwhile_is_nothing_to_report(upf: Upf) -> None:
    upf.established(metered(threshold()))
    assert spend(upf, 10) == []
    upf.control.on_user_plane(BudgetSpent(404, 1), upf.now)
    assert upf.reports() == []


def test_a_quota_that_is_spent_stops_the_session(upf: Upf) -> None:
    seid = upf.established(metered(threshold(octets=5000, volume_quota=Volume(1000))))
    (report,) = spend(upf, 1000)
    assert report.request.usage_reports[0].trigger == T.VOLQU
    assert upf.user_plane.applied[seid].meters[0].stop == AT_ONCE
    upf.modify(SessionModificationRequest(seid, update_urrs=(UpdateUrr(1, volume_quota=Volume(500)),)))
    assert upf.user_plane.applied[seid].meters[0].stop == Mark(total=1500)


def test_a_far_may_say_what_is_done_without_quota(upf: Upf) -> None:
    request = metered(threshold(volume_quota=Volume(1000), quota_action_far_id=3))
    seid = upf.established(replace(request, create_fars=(*request.create_fars, to_n6(3))))
    assert upf.rules(seid)[1].exhausted == Decapsulate("n6")
    other = upf.established(replace(metered(threshold()), cp_f_seid=replace(request.cp_f_seid, seid=CP_SEID)))
    assert upf.rules(other)[1].exhausted == Drop()


def test_every_urr_of_a_pdr_has_to_be_there(upf: Upf) -> None:
    request = metered(threshold(1, quota_action_far_id=1), threshold(2))
    response = upf.establish(replace(request, create_urrs=request.create_urrs[:1]))
    assert (response.cause, response.failed_rule_id) == (Cause.RULE_CREATION_MODIFICATION_FAILURE, (RuleType.PDR, 2))


def test_a_linked_urr_reports_along(upf: Upf) -> None:
    upf.established(metered(threshold(1), threshold(2, 9000, linked_urr_ids=(1,)), threshold(3, 9000)))
    (report,) = spend(upf, 1000)
    assert [(usage.urr_id, usage.trigger) for usage in report.request.usage_reports] == [(1, T.VOLTH), (2, T.LIUSA)]


def test_a_period_reports_by_the_clock(upf: Upf) -> None:
    urr = CreateUrr(1, VOLUM, R.PERIO, measurement_period=60)
    seid = upf.established(metered(urr))
    assert upf.control.get_timer() == 1060.0
    upf.wait_until(1185.0)
    reports = [report.request.usage_reports[0] for report in upf.reports()]
    assert [(report.trigger, report.sequence) for report in reports] == [(T.PERIO, 0), (T.PERIO, 1), (T.PERIO, 2)]
    upf.delete(SessionDeletionRequest(seid))
    assert upf.control.get_timer() is None


def test_queries_are_answered_at_once(upf: Upf) -> None:
    seid = upf.established(metered(threshold(1), threshold(2), threshold(3)))
    upf.user_plane.meters[seid] = {urr: Reading(urr, 0, 1, 0) for urr in (1, 2, 3)}
    response = upf.modify(SessionModificationRequest(seid, query_urrs=(2,)))
    assert [(usage.urr_id, usage.trigger) for usage in response.usage_reports] == [(2, T.IMMER)]
    response = upf.modify(SessionModificationRequest(seid, flags=SmReqFlags.QAURR))
    assert [(usage.urr_id, usage.sequence) for usage in response.usage_reports] == [(1, 0), (2, 1), (3, 0)]
    assert [usage.volume for usage in response.usage_reports] == [
        VolumeMeasurement(1, 1, 0),
        VolumeMeasurement(0, 0, 0),
        VolumeMeasurement(3, 3, 0),
    ]


def test_a_query_says_what_else_there_was_to_say(upf: Upf) -> None:
    seid = upf.established(metered(threshold()))
    upf.user_plane.meters[seid] = {1: Reading(1000, 0, 1, 0)}
    (usage,) = upf.modify(SessionModificationRequest(seid, query_urrs=(1,))).usage_reports
    assert usage.trigger == T.IMMER | T.VOLTH
    upf.control.on_user_plane(BudgetSpent(seid, 1), upf.now)
    assert upf.reports() == []


def test_urrs_that_go_report_for_the_last_time(upf: Upf) -> None:
    seid = upf.established(metered(threshold(1), threshold(2)))
    upf.user_plane.meters[seid] = {1: Reading(1, 0, 1, 0), 2: Reading(2, 0, 1, 0)}
    pdrs = tuple(replace(pdr, urr_ids=(2,)) for pdr in metered(threshold(2)).create_pdrs)
    response = upf.modify(
        SessionModificationRequest(seid, remove_pdrs=(1, 2), create_pdrs=pdrs, remove_urrs=(1,)),
    )
    assert [(usage.urr_id, usage.trigger) for usage in response.usage_reports] == [(1, T.TERMR)]
    deleted = upf.delete(SessionDeletionRequest(seid))
    assert [(usage.urr_id, usage.trigger) for usage in deleted.usage_reports] == [(2, T.TERMR)]


def test_usage_that_nobody_took_comes_with_the_next_message(upf: Upf, caplog: pytest.LogCaptureFixture) -> None:
    seid = upf.established(metered(threshold()))
    (first,) = spend(upf, 1000)
    upf.control.on_answer(first, None, upf.now)
    assert "does not answer to a report of USAR" in caplog.text
    (second,) = spend(upf, 2000)
    assert [usage.sequence for usage in second.request.usage_reports] == [0, 1]
    upf.control.on_answer(second, replace(ACCEPTED, cause=Cause.SYSTEM_FAILURE), upf.now)
    deleted = upf.delete(SessionDeletionRequest(seid))
    assert [usage.sequence for usage in deleted.usage_reports] == [0, 1, 2]
    assert [usage.volume.total for usage in deleted.usage_reports if usage.volume] == [1000, 1000, 0]


def test_usage_that_nobody_ever_takes_stays_as_much_as_one_message_holds(
    upf: Upf, caplog: pytest.LogCaptureFixture
) -> None:
    seid = upf.established(metered(threshold()))
    for number in range(1, MOST_UNANSWERED + 3):
        (report,) = spend(upf, 1000 * number)
        upf.control.on_answer(report, replace(ACCEPTED, cause=Cause.SYSTEM_FAILURE), upf.now)
    assert caplog.text.count("1 usage reports that nobody took are given up") == 2
    told = [usage.sequence for usage in upf.delete(SessionDeletionRequest(seid)).usage_reports]
    assert told == list(range(2, MOST_UNANSWERED + 3))


def test_usage_that_was_taken_comes_no_more(upf: Upf) -> None:
    seid = upf.established(metered(threshold()))
    (report,) = spend(upf, 1000)
    upf.control.on_answer(report, ACCEPTED, upf.now)
    assert [usage.sequence for usage in upf.delete(SessionDeletionRequest(seid)).usage_reports] == [1]


def test_a_session_that_the_cp_function_does_not_know_is_deleted(upf: Upf) -> None:
    upf.established(metered(threshold()))
    (report,) = spend(upf, 1000)
    upf.control.on_answer(report, SessionReportResponse(0, Cause.SESSION_CONTEXT_NOT_FOUND), upf.now)
    assert list(upf.control.sessions) == []
    assert upf.events[-1].kind == "session_deleted"


# -- downlink data ------------------------------------------------------------------------------------------------


def test_the_first_buffered_packet_is_reported() -> None:
    upf = buffering()
    upf.control.on_user_plane(FirstBuffered(seid_of(upf), 1), upf.now)
    (report,) = upf.reports()
    assert report.request == SessionReportRequest(CP_SEID, ReportType.DLDR, DownlinkDataReport((1,)))


def test_a_notification_that_was_not_heard_is_repeated_at_the_next_packet() -> None:
    upf = buffering()
    seid = seid_of(upf)
    upf.control.on_user_plane(FirstBuffered(seid, 1), upf.now)
    upf.control.on_answer(upf.reports()[0], None, upf.now)
    assert upf.user_plane.applied[seid].acted_on == {1}


@pytest.mark.parametrize("pdr_id", [1, 9])
def test_nothing_is_reported_that_does_not_buffer_any_more(pdr_id: int) -> None:
    upf = buffering()
    seid = seid_of(upf)
    upf.modify(SessionModificationRequest(seid, update_fars=(UpdateFar(1, ApplyAction.FORW),)))
    upf.control.on_user_plane(FirstBuffered(seid, pdr_id), upf.now)
    upf.control.on_user_plane(FirstBuffered(404, 1), upf.now)
    assert upf.reports() == []


def test_a_notification_may_be_delayed() -> None:
    upf = buffering(bar=CreateBar(1, notification_delay_ms=500))
    seid = seid_of(upf)
    upf.control.on_user_plane(FirstBuffered(seid, 1), upf.now)
    assert (upf.reports(), upf.control.get_timer()) == ([], 1000.5)
    upf.wait_until(1001.0)
    assert len(upf.reports()) == 1
    upf.control.on_user_plane(FirstBuffered(seid, 1), upf.now)
    upf.modify(SessionModificationRequest(seid, update_fars=(UpdateFar(1, ApplyAction.FORW),)))
    upf.wait_until(1002.0)
    assert upf.reports() == [], "the UE sent something of its own before the notification"


def test_a_bar_says_how_much_to_buffer() -> None:
    upf = buffering(bar=CreateBar(1, suggested_packets=7))
    seid = seid_of(upf)
    assert upf.rules(seid)[1].action == Buffer(1, 7, 7 * 2048, notify=True)
    upf.modify(SessionModificationRequest(seid, update_bars=(UpdateBar(1, suggested_packets=9),)))
    assert upf.rules(seid)[1].action == Buffer(1, 9, 9 * 2048, notify=True)
    assert upf.user_plane.applied[seid].acted_on == {1}


def test_a_response_may_extend_the_buffering() -> None:
    upf = buffering(bar=CreateBar(1, suggested_packets=7))
    seid = seid_of(upf)
    upf.control.on_user_plane(FirstBuffered(seid, 1), upf.now)
    (report,) = upf.reports()
    update = UpdateBar(1, buffering_duration=30.0, buffering_suggested_packets=50)
    upf.control.on_answer(report, replace(ACCEPTED, update_bar=update), upf.now)
    assert upf.rules(seid)[1].action == Buffer(1, 50, 50 * 2048, notify=True)
    assert not upf.user_plane.applied[seid].drop_buffered
    upf.wait_until(1030.0)
    assert upf.user_plane.applied[seid].drop_buffered, "the DL Buffering Duration is over"


def test_the_end_of_buffering_is_for_what_was_buffered_then() -> None:
    upf = buffering(bar=CreateBar(1))
    seid = seid_of(upf)
    upf.control.on_user_plane(FirstBuffered(seid, 1), upf.now)
    upf.control.on_answer(upf.reports()[0], replace(ACCEPTED, update_bar=UpdateBar(1, buffering_duration=30)), upf.now)
    upf.modify(SessionModificationRequest(seid, update_fars=(UpdateFar(1, ApplyAction.FORW),)))
    assert upf.control.get_timer() is None


@pytest.mark.parametrize("update", [UpdateBar(1, buffering_duration=inf), UpdateBar(9, buffering_duration=1.0)])
def test_buffering_without_an_end(update: UpdateBar) -> None:
    upf = buffering(bar=CreateBar(1))
    upf.control.on_user_plane(FirstBuffered(seid_of(upf), 1), upf.now)
    upf.control.on_answer(upf.reports()[0], replace(ACCEPTED, update_bar=update), upf.now)
    assert upf.control.get_timer() is None


def test_a_response_or_a_modification_may_drop_what_is_buffered() -> None:
    upf = buffering()
    seid = seid_of(upf)
    upf.control.on_user_plane(FirstBuffered(seid, 1), upf.now)
    upf.control.on_answer(upf.reports()[0], replace(ACCEPTED, flags=SrRspFlags.DROBU), upf.now)
    assert upf.user_plane.applied[seid].drop_buffered
    upf.modify(SessionModificationRequest(seid, update_qers=(UpdateQer(1, qfi=2),)))
    assert not upf.user_plane.applied[seid].drop_buffered
    assert upf.user_plane.applied[seid].acted_on == frozenset()
    upf.modify(SessionModificationRequest(seid, flags=SmReqFlags.DROBU, update_fars=(UpdateFar(1),)))
    assert upf.user_plane.applied[seid].drop_buffered
    assert upf.user_plane.applied[seid].acted_on == {1}


# -- error indications --------------------------------------------------------------------------------------------

INDICATED = ErrorIndicated(IPv4Address(GNB), 5)


def test_an_error_indication_is_reported_once_before_the_cp_function_acts(upf: Upf) -> None:
    seid = upf.established(metered(threshold()))
    upf.control.on_user_plane(INDICATED, upf.now)
    upf.control.on_user_plane(INDICATED, upf.now)
    (report,) = upf.reports()
    assert report.request == SessionReportRequest(
        CP_SEID, ReportType.ERIR, error_indication_f_teids=(FTeid(5, IPv4Address(GNB)),)
    )
    upf.modify(SessionModificationRequest(seid, update_fars=(UpdateFar(1, ApplyAction.FORW),)))
    upf.control.on_user_plane(INDICATED, upf.now)
    assert len(upf.reports()) == 1


def test_an_error_indication_that_was_not_heard_is_repeated(upf: Upf) -> None:
    upf.established(metered(threshold()))
    upf.control.on_user_plane(INDICATED, upf.now)
    upf.control.on_answer(upf.reports()[0], None, upf.now)
    upf.control.on_user_plane(INDICATED, upf.now)
    assert len(upf.reports()) == 1


@pytest.mark.parametrize("event", [ErrorIndicated(IPv4Address(GNB), 6), ErrorIndicated(IPv4Address("192.0.2.7"), 5)])
def test_an_error_indication_for_nobodys_tunnel_is_nothing(upf: Upf, event: ErrorIndicated) -> None:
    upf.established(metered(threshold()))
    upf.control.on_user_plane(event, upf.now)
    assert upf.reports() == []


def test_tunnels_are_found_as_long_as_they_are_there(upf: Upf) -> None:
    seid = upf.established(metered(threshold()))
    moved = UpdateFar(1, forwarding=tunnelling(Interface.ACCESS, 6, GNB))
    upf.modify(SessionModificationRequest(seid, update_fars=(moved,)))
    upf.control.on_user_plane(INDICATED, upf.now)
    assert upf.reports() == []
    upf.control.on_user_plane(ErrorIndicated(IPv4Address(GNB), 6), upf.now)
    assert len(upf.reports()) == 1
    upf.delete(SessionDeletionRequest(seid))
    upf.control.on_user_plane(ErrorIndicated(IPv4Address(GNB), 6), upf.now)
    assert upf.reports() == []
