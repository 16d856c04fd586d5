"""Charging: URRs from rules, usage summed by session and rating group, quota given until it is used up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core_stub.pfcp.ies import (
    CreateUrr,
    MeasurementMethod,
    ReportingTriggers,
    ReportType,
    UpdateUrr,
    UsageReport,
    UsageReportTrigger,
    Volume,
    VolumeMeasurement,
)
from core_stub.pfcp.messages import SessionEstablishmentRequest, SessionModificationRequest, SessionReportRequest
from core_stub.smf.charging import Account, another_slice, left_of, next_slice, urr
from core_stub.smf.session import ChargingRule
from tests.support.smf import MEC_FLOW, smf_yaml, with_more_upfs
from tests.support.smf_rig import INSERT, SM_CONTEXTS, Rig, run_on_rig


def charged(**rule: int) -> dict[str, Any]:
    """A configuration whose sessions are charged."""
    data = with_more_upfs(smf_yaml())
    data["smf"]["session"][0]["charging"] = {"rating_group": 5} | rule
    return data


def used(urr_id: int, uplink: int, downlink: int, trigger: UsageReportTrigger) -> UsageReport:
    """A usage report."""
    return UsageReport(urr_id, 0, trigger, VolumeMeasurement(uplink + downlink, uplink, downlink), duration=2)


async def report(rig: Rig, *reports: UsageReport, upf: str = "upf-cloud") -> None:
    """The UPF reports usage; returns when all is done that follows."""
    (session,) = rig.smf.sessions
    (n4,) = (n4 for n4 in session.n4_sessions if n4.upf == upf)
    rig.smf.reports.take(upf, SessionReportRequest(n4.cp_seid, ReportType.USAR, usage_reports=reports))
    await rig.smf.core.settled()


def grants(rig: Rig) -> list[UpdateUrr]:
    """The quota that was given after the start."""
    return [
        update
        for _, what in rig.world.calls
        if isinstance(what, SessionModificationRequest)
        for update in what.update_urrs
    ]


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        (
            ChargingRule(1, volume_threshold=1000),
            CreateUrr(7, MeasurementMethod.VOLUM, ReportingTriggers.VOLTH, volume_threshold=Volume(total=1000)),
        ),
        (
            ChargingRule(1, time_threshold=60, period=10),
            CreateUrr(
                7,
                MeasurementMethod.VOLUM | MeasurementMethod.DURAT,
                ReportingTriggers.PERIO | ReportingTriggers.TIMTH,
                time_threshold=60,
                measurement_period=10,
            ),
        ),
        (
            ChargingRule(1, volume_quota=5000, time_quota=30),
            CreateUrr(
                7,
                MeasurementMethod.VOLUM | MeasurementMethod.DURAT,
                ReportingTriggers.VOLQU | ReportingTriggers.TIMQU,
                volume_quota=Volume(total=5000),
                time_quota=30,
            ),
        ),
    ],
)
def test_a_rule_becomes_a_urr(rule: ChargingRule, wanted: CreateUrr) -> None:
    assert urr(7, rule) == wanted


def test_slices_of_a_quota_end_at_its_total() -> None:
    rule = ChargingRule(1, volume_quota=400, total_volume=1000)
    account = Account(1).with_slice(rule)
    assert account.granted == 400
    given = []
    while octets := next_slice(account, rule):
        given.append(octets)
        account = account.after(used(1, octets, 0, UsageReportTrigger.VOLQU))
    assert given == [400, 400, 200]
    assert left_of(rule, account).volume_quota == 0
    assert another_slice(3, rule, 200) == UpdateUrr(3, volume_quota=Volume(total=200))


def test_usage_is_summed_by_rating_group_over_upfs_and_flows(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        assert (await rig.post("/ulcl", INSERT))[0] == 200
        # Of another flow, but the same rating group; and one of another.
        flow = {"supi": "ue1", "sdf": [MEC_FLOW]}
        for qfi, group in ((2, 5), (3, 6)):
            charging = {"rating_group": group}
            assert (await rig.post("/flows", flow | {"qfi": qfi, "charging": charging}))[0] == 201
        volth = UsageReportTrigger.VOLTH
        await report(rig, used(1, 100, 200, volth), used(2, 10, 20, volth), used(3, 1, 2, volth))
        await report(rig, used(1, 1000, 2000, UsageReportTrigger.PERIO), upf="upf-edge")
        usage = {account["rating_group"]: account for account in (await rig.get("/sessions"))[0]["usage"]}
        assert (usage[5]["uplink"], usage[5]["downlink"], usage[5]["total"]) == (1110, 2220, 3330)
        assert (usage[5]["duration"], usage[5]["reports"]) == (6, 3)
        assert usage[6]["total"] == 3
        last = rig.event("usage_report")
        assert (last["ue"], last["rating_group"], last["trigger"], last["total"]) == ("ue1", 5, ["PERIO"], 3330)

    run_on_rig(tmp_path, scenario, charged(volume_threshold=300))


def test_local_traffic_is_measured_at_the_edge_and_the_rest_at_the_psa(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        assert (await rig.post("/ulcl", INSERT))[0] == 200
        (edge,) = rig.world.upfs["upf-edge"].values()
        assert {pdr_id: pdr.urr_ids for pdr_id, pdr in edge.pdrs.items()} == {1: (1,), 2: (), 3: (1,), 4: ()}
        (psa,) = rig.world.upfs["upf-cloud"].values()
        assert {pdr.urr_ids for pdr in psa.pdrs.values()} == {(1,)}

    run_on_rig(tmp_path, scenario, charged(volume_threshold=300))


def test_a_quota_that_is_used_up_is_followed_by_another_until_all_is_given(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        request = rig.world.calls[0][1]
        assert isinstance(request, SessionEstablishmentRequest)
        assert request.create_urrs[0].volume_quota == Volume(total=400)
        for octets in (400, 400, 200):
            await report(rig, used(1, octets, 0, UsageReportTrigger.VOLQU))
        assert grants(rig) == [
            UpdateUrr(1, volume_quota=Volume(total=400)),
            UpdateUrr(1, volume_quota=Volume(total=200)),
        ]
        assert rig.kinds("quota_granted", "quota_exhausted") == ["quota_granted", "quota_granted", "quota_exhausted"]

    run_on_rig(tmp_path, scenario, charged(volume_quota=400, total_volume=1000))


def test_a_threshold_brings_no_quota(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        await report(rig, used(1, 300, 0, UsageReportTrigger.VOLTH))
        assert grants(rig) == []

    run_on_rig(tmp_path, scenario, charged(volume_threshold=300, volume_quota=1000))


def test_a_time_quota_is_given_again(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        await report(rig, used(1, 300, 0, UsageReportTrigger.TIMQU))
        assert grants(rig) == [UpdateUrr(1, time_quota=30)]

    run_on_rig(tmp_path, scenario, charged(time_quota=30))


def test_a_restored_session_starts_with_what_is_left(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        await report(rig, used(1, 900, 0, UsageReportTrigger.VOLTH))
        await rig.restart("upf-cloud")
        (psa,) = rig.world.upfs["upf-cloud"].values()
        assert psa.urrs[1].volume_quota == Volume(total=100)
        # The rule itself is as before.
        charging = rig.smf.sessions[0].context.charging
        assert charging is not None
        assert charging.volume_quota == 400

    run_on_rig(tmp_path, scenario, charged(volume_quota=400, total_volume=1000, volume_threshold=900))


def test_usage_told_with_the_deletion_counts(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        rig.world.usage = (used(1, 30, 40, UsageReportTrigger.TERMR),)
        assert (await rig.post(f"{SM_CONTEXTS}/1/release", {}))[0] == 204
        assert rig.event("usage_report")["total"] == 70
        assert rig.kinds()[-1] == "session_released"

    run_on_rig(tmp_path, scenario, charged(volume_threshold=300))


def test_usage_of_a_urr_that_nobody_knows_is_left_out(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        await report(rig, used(8, 30, 40, UsageReportTrigger.VOLTH))
        assert rig.kinds("usage_report") == []

    run_on_rig(tmp_path, scenario, charged(volume_threshold=300))


def test_usage_that_a_upf_tells_again_is_counted_once(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        first = replace(used(1, 100, 200, UsageReportTrigger.VOLTH), start_time=10, end_time=20)
        second = replace(first, sequence=1, start_time=20, end_time=30)
        await report(rig, first)
        await report(rig, first, second)
        # After a restart of the UPF its numbers begin anew, and so does the time.
        await report(rig, replace(first, start_time=40, end_time=50))
        (account,) = (await rig.get("/sessions"))[0]["usage"]
        assert (account["total"], account["reports"]) == (900, 3)

    run_on_rig(tmp_path, scenario, charged(volume_threshold=300))
