"""Idle UEs and gNBs that change: AN release, paging, service request, path switch, error indications."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from core_stub.pfcp.ies import ApplyAction, Cause, DownlinkDataReport, FTeid, ReportType, SmReqFlags
from core_stub.pfcp.messages import SessionModificationRequest, SessionReportRequest
from core_stub.smf.session import State
from tests.support.polling import eventually_async
from tests.support.smf import GNB, smf_yaml
from tests.support.smf_rig import INSERT, N3, Rig, run_on_rig

BUFFER = ApplyAction.BUFF | ApplyAction.NOCP


def modifications(rig: Rig, upf: str) -> list[SessionModificationRequest]:
    """The modifications of sessions at a UPF so far."""
    return [what for whom, what in rig.world.calls if whom == upf and isinstance(what, SessionModificationRequest)]


async def report_downlink(rig: Rig, upf: str = "upf-cloud") -> None:
    """The UPF has buffered a first packet; returns when all is done that follows."""
    (session,) = rig.smf.sessions
    (n4,) = (n4 for n4 in session.n4_sessions if n4.upf == upf)
    report = SessionReportRequest(n4.cp_seid, ReportType.DLDR, DownlinkDataReport((1,)))
    assert rig.smf.reports.take(upf, report).cause is Cause.REQUEST_ACCEPTED
    await rig.smf.core.settled()


def test_deactivation_buffers_and_activation_sends(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        context = await rig.active()
        assert await rig.modify(context, {"upCnxState": "DEACTIVATED"}) == (200, {"upCnxState": "DEACTIVATED"})
        (update,) = modifications(rig, "upf-cloud")[-1].update_fars
        assert (update.far_id, update.apply_action, update.bar_id) == (1, BUFFER, 1)
        assert rig.world.downlink_path() == []
        assert (rig.smf.sessions[0].state, rig.smf.sessions[0].gnb_f_teid) == (State.INACTIVE, None)
        assert (await rig.modify(context, N3))[0] == 200
        assert rig.world.downlink_path() == ["upf-cloud", "gnb"]
        # A service request is no path switch.
        (update,) = modifications(rig, "upf-cloud")[-1].update_fars
        assert update.forwarding is not None
        assert not update.forwarding.send_end_marker
        kinds = rig.kinds("session_activated", "session_deactivated", "path_switched")
        assert kinds == ["session_activated", "session_deactivated", "session_activated"]

    run_on_rig(tmp_path, scenario)


def test_behind_a_ulcl_it_is_the_ulcl_that_buffers(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        context = await rig.active()
        assert (await rig.post("/ulcl", INSERT))[0] == 200
        await rig.modify(context, {"upCnxState": "DEACTIVATED"})
        (edge,) = rig.world.upfs["upf-edge"].values()
        assert edge.fars[1].apply_action == BUFFER
        await report_downlink(rig, "upf-edge")
        assert rig.world.asked == [("page", "1")]
        await rig.modify(context, N3)
        assert rig.world.downlink_path() == ["upf-cloud", "upf-edge", "gnb"]

    run_on_rig(tmp_path, scenario)


def test_downlink_for_an_idle_ue_makes_the_smf_page_once(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.idle()
        (session,) = rig.smf.sessions
        report = SessionReportRequest(session.psa.cp_seid, ReportType.DLDR, DownlinkDataReport((1,)))
        for _ in range(2):
            rig.smf.reports.take("upf-cloud", report)
        await rig.smf.core.settled()
        assert rig.world.asked == [("page", "1")]
        assert rig.event("paging") == {"event": "paging", "ue": "ue1", "ref": "1"}
        # Packets that come later page again.
        await report_downlink(rig)
        assert rig.world.asked == [("page", "1")] * 2

    run_on_rig(tmp_path, scenario)


def test_a_late_report_of_an_active_session_pages_nobody(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        await report_downlink(rig)
        assert rig.world.asked == []

    run_on_rig(tmp_path, scenario)


@pytest.mark.parametrize("fault", ["rejected", "request lost", "answer lost"])
def test_a_ue_paged_in_vain_has_its_packets_dropped(tmp_path: Path, fault: str) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.idle()
        rig.world.fault = (len(rig.world.calls), fault)
        await report_downlink(rig)
        last = modifications(rig, "upf-cloud")[-1]
        assert last.flags == SmReqFlags.DROBU
        assert last.update_fars[0].apply_action == BUFFER
        assert rig.kinds("paging_failed") == ["paging_failed"]
        # The next packet is another chance.
        await report_downlink(rig)
        assert ("page", "1") in rig.world.asked

    run_on_rig(tmp_path, scenario)


def test_a_ue_that_does_not_answer_its_paging_has_its_packets_dropped(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.idle()
        await report_downlink(rig)
        assert ("sleep", 2.5) in rig.world.calls
        assert rig.event("paging_failed")["reason"] == "no service request"
        assert modifications(rig, "upf-cloud")[-1].flags == SmReqFlags.DROBU

    data = smf_yaml()
    data["smf"]["paging"] = {"within": "2.5s"}
    run_on_rig(tmp_path, scenario, data)


def test_a_ue_that_answers_its_paging_keeps_its_packets(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.idle()
        entry = rig.smf.core.known("1")

        def answer() -> None:
            active = replace(entry.session, state=State.ACTIVE, gnb_f_teid=GNB)
            rig.smf.core.table.update(entry, active)

        # While the SMF waits for it.
        rig.world.after_each = answer
        await report_downlink(rig)
        assert rig.kinds("paging", "paging_failed") == ["paging"]
        assert all(modification.flags is None for modification in modifications(rig, "upf-cloud"))

    run_on_rig(tmp_path, scenario)


def test_a_ue_that_is_idle_again_is_paged_again(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        context = await rig.idle()
        waiting, go_on = asyncio.Event(), asyncio.Event()
        whole_time = rig.smf.core.ports.sleep

        async def sleep(seconds: float) -> None:
            waiting.set()
            await go_on.wait()
            await whole_time(seconds)

        rig.smf.core.ports = replace(rig.smf.core.ports, sleep=sleep)
        (session,) = rig.smf.sessions
        report = SessionReportRequest(session.psa.cp_seid, ReportType.DLDR, DownlinkDataReport((1,)))
        rig.smf.reports.take("upf-cloud", report)
        await waiting.wait()
        await rig.modify(context, N3)
        await rig.modify(context, {"upCnxState": "DEACTIVATED"})
        # The first paging still waits, and says nothing about the second.
        rig.smf.reports.take("upf-cloud", report)
        await eventually_async(lambda: rig.world.asked, lambda asked: len(asked) == 2)
        await rig.modify(context, N3)
        go_on.set()
        await rig.smf.core.settled()
        assert rig.kinds("paging", "paging_failed") == ["paging"] * 2
        assert all(modification.flags is None for modification in modifications(rig, "upf-cloud"))

    run_on_rig(tmp_path, scenario)


def test_a_path_switch_sends_an_end_marker_and_brings_another_gnb(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        context = await rig.active()
        target = {"n3": {"teid": 0x99, "ipv4": "10.1.0.8"}, "gnb": "http://10.1.0.8:7778"}
        status, answer = await rig.modify(context, target)
        assert (status, answer["n3"]) == (200, context["n3"])
        (update,) = modifications(rig, "upf-cloud")[-1].update_fars
        assert update.forwarding is not None
        assert update.forwarding.send_end_marker
        (session,) = rig.smf.sessions
        assert session.gnb_f_teid == FTeid(0x99, IPv4Address("10.1.0.8"))
        assert session.context.request.gnb == "http://10.1.0.8:7778"
        assert rig.kinds("path_switched") == ["path_switched"]

    run_on_rig(tmp_path, scenario)


@pytest.mark.parametrize("fault", ["rejected", "request lost"])
def test_a_path_switch_that_fails_leaves_the_session_with_its_gnb(tmp_path: Path, fault: str) -> None:
    async def scenario(rig: Rig) -> None:
        context = await rig.active()
        rig.world.fault = (len(rig.world.calls), fault)
        target = {"n3": {"teid": 0x99, "ipv4": "10.1.0.8"}, "gnb": "http://10.1.0.8:7778"}
        status, problem = await rig.modify(context, target)
        assert (status, problem["step"]) == (500 if fault == "rejected" else 504, "send_downlink_to_gnb")
        (session,) = rig.smf.sessions
        assert (session.gnb_f_teid, session.context.request.gnb) == (GNB, "http://10.1.0.7:7778")

    run_on_rig(tmp_path, scenario)


def test_an_error_indication_of_the_gnb_makes_the_session_idle(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        (session,) = rig.smf.sessions
        report = SessionReportRequest(session.psa.cp_seid, ReportType.ERIR, error_indication_f_teids=(GNB,))
        rig.smf.reports.take("upf-cloud", report)
        await rig.smf.core.settled()
        assert rig.smf.sessions[0].state is State.INACTIVE
        await report_downlink(rig)
        assert rig.world.asked == [("page", "1")]

    run_on_rig(tmp_path, scenario)


def test_an_error_indication_about_a_tunnel_of_before_changes_nothing(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        (session,) = rig.smf.sessions
        old = (FTeid(0x11, GNB.ipv4),)
        report = SessionReportRequest(session.psa.cp_seid, ReportType.ERIR, error_indication_f_teids=old)
        rig.smf.reports.take("upf-cloud", report)
        await rig.smf.core.settled()
        assert rig.smf.sessions[0].state is State.ACTIVE

    run_on_rig(tmp_path, scenario)


@pytest.mark.parametrize("data", [{}, {**N3, "upCnxState": "DEACTIVATED"}, {"upCnxState": "ACTIVATED"}])
def test_a_modification_that_says_nothing_clear(tmp_path: Path, data: dict[str, object]) -> None:
    async def scenario(rig: Rig) -> None:
        context = await rig.active()
        status, problem = await rig.modify(context, data)
        assert (status, problem["cause"]) == (400, "MANDATORY_IE_INCORRECT")

    run_on_rig(tmp_path, scenario)
