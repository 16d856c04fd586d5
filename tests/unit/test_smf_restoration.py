"""UPFs that restart or die: sessions are restored as they were, or go elsewhere (TS 23.527 §4.3)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core_stub.pfcp.ies import ApplyAction, SeReqFlags
from core_stub.pfcp.messages import SessionEstablishmentRequest
from core_stub.smf.session import State
from tests.support.smf import GNB, MEC_FLOW, smf_yaml, with_more_upfs
from tests.support.smf_rig import INSERT, SM_CONTEXTS, Rig, body, run_on_rig

FLOW = {"supi": "ue1", "qfi": 2, "sdf": [MEC_FLOW]}


def more_upfs() -> dict[str, Any]:
    return with_more_upfs(smf_yaml())


def restorations(rig: Rig) -> list[tuple[str, SessionEstablishmentRequest]]:
    """The requests with the RESTI flag."""
    return [
        (upf, what)
        for upf, what in rig.world.calls
        if isinstance(what, SessionEstablishmentRequest) and what.flags == SeReqFlags.RESTI
    ]


def test_a_upf_that_restarts_gets_its_session_back_as_it_was(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        assert (await rig.post("/flows", FLOW))[0] == 201
        (session,) = rig.smf.sessions
        before = rig.world.snapshot()
        await rig.restart("upf-cloud")
        ((upf, request),) = restorations(rig)
        assert (upf, request.seid, request.cp_f_seid.seid) == ("upf-cloud", session.psa.up_seid, session.psa.cp_seid)
        uplinks = [pdr.pdi.f_teid for pdr in request.create_pdrs if pdr.pdi.f_teid]
        assert uplinks == [session.uplink.f_teid] * 2
        assert rig.world.upfs["upf-cloud"].keys() == {session.psa.up_seid}
        assert rig.world.downlink_path() == ["upf-cloud", "gnb"]
        assert [after.state for after in rig.smf.sessions] == [State.ACTIVE]
        (kept,) = rig.world.upfs["upf-cloud"].values()
        (was,) = before[0]["upf-cloud"].values()  # type: ignore[index]
        assert (kept.fars, kept.qers, kept.f_teids) == (was.fars, was.qers, was.f_teids)
        assert rig.kinds("session_restored", "session_lost") == ["session_restored"]
        # The gNB was not asked anything.
        assert rig.world.asked == [("set_flows", (2,))]

    run_on_rig(tmp_path, scenario)


def test_a_flow_added_after_a_restoration_names_the_f_teid(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        await rig.restart("upf-cloud")
        assert (await rig.post("/flows", FLOW))[0] == 201
        assert (await rig.delete("/flows/ue1/2"))[0] == 204
        (kept,) = rig.world.upfs["upf-cloud"].values()
        assert set(kept.f_teids.values()) == {rig.smf.sessions[0].uplink.f_teid}

    run_on_rig(tmp_path, scenario)


@pytest.mark.parametrize("upf", ["upf-cloud", "upf-edge", "upf-edge-2"])
def test_each_part_of_a_local_breakout_is_restored(tmp_path: Path, upf: str) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        local = [{"upf": "upf-edge-2", "sdf": [MEC_FLOW]}]
        assert (await rig.post("/ulcl", INSERT | {"localPsas": local}))[0] == 200
        before = rig.world.snapshot()
        await rig.restart(upf)
        after = rig.world.snapshot()
        for name, sessions in before[0].items():  # type: ignore[index]
            for seid, session in sessions.items():
                kept = after[0][name][seid]  # type: ignore[index]
                assert (kept.fars, kept.f_teids, kept.cp_seid) == (session.fars, session.f_teids, session.cp_seid)
        assert rig.smf.sessions[0].state is State.LOCAL_BREAKOUT
        assert (await rig.delete("/ulcl/ue1"))[0] == 200

    run_on_rig(tmp_path, scenario, more_upfs())


def test_an_idle_session_is_restored_idle(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.idle()
        await rig.restart("upf-cloud")
        (kept,) = rig.world.upfs["upf-cloud"].values()
        assert kept.fars[1].apply_action == ApplyAction.BUFF | ApplyAction.NOCP
        assert rig.smf.sessions[0].state is State.INACTIVE

    run_on_rig(tmp_path, scenario)


def test_a_upf_that_restarts_while_it_gets_its_sessions_back_gets_them_again(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()

        def again() -> None:
            rig.world.after_each = lambda: None
            rig.world.restart("upf-cloud")
            rig.smf.restoration.on_restarted("upf-cloud")
            rig.smf.restoration.on_up("upf-cloud")

        rig.world.after_each = again
        await rig.restart("upf-cloud")
        assert len(restorations(rig)) == 2
        assert rig.world.downlink_path() == ["upf-cloud", "gnb"]
        assert rig.smf.core.known("1").gone == frozenset()

    run_on_rig(tmp_path, scenario)


def test_a_hundred_sessions_come_back(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await asyncio.gather(*(rig.active(supi=f"ue{number}") for number in range(100)))
        seids = rig.world.upfs["upf-cloud"].keys() | set()
        await rig.restart("upf-cloud")
        assert rig.world.upfs["upf-cloud"].keys() == seids
        assert len(rig.kinds("session_restored")) == 100

    data = smf_yaml()
    data["smf"]["session"][0]["subnet"] = "10.45.0.0/16"
    run_on_rig(tmp_path, scenario, data)


def test_a_session_made_while_its_upf_restarted_is_restored_too(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        def restart() -> None:
            rig.world.after_each = lambda: None
            rig.world.restart("upf-cloud")
            rig.smf.restoration.on_restarted("upf-cloud")

        rig.world.after_each = restart
        assert (await rig.post(SM_CONTEXTS, body()))[0] == 201
        assert rig.world.upfs["upf-cloud"] == {}
        rig.smf.restoration.on_up("upf-cloud")
        await rig.smf.core.settled()
        assert len(rig.world.upfs["upf-cloud"]) == 1

    run_on_rig(tmp_path, scenario)


def test_a_ulcl_lost_while_it_is_inserted_is_restored(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()

        def lose() -> None:
            if rig.world.upfs["upf-edge"]:
                rig.world.after_each = lambda: None
                rig.world.restart("upf-edge")
                rig.smf.restoration.on_restarted("upf-edge")
                rig.smf.restoration.on_up("upf-edge")

        rig.world.after_each = lose
        assert (await rig.post("/ulcl", INSERT))[0] == 200
        await rig.smf.core.settled()
        assert rig.world.uplink_path() == ["upf-edge", "upf-cloud"]

    run_on_rig(tmp_path, scenario)


def test_a_upf_that_refuses_its_session_loses_it_to_another(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        rig.world.fault = (len(rig.world.calls), "rejected")
        await rig.restart("upf-cloud")
        assert rig.smf.sessions[0].psa.upf == "upf-cloud-2"
        assert rig.world.uplink_path() == ["upf-cloud-2"]
        assert rig.event("session_moved")["psa"] == "upf-cloud-2"

    run_on_rig(tmp_path, scenario, more_upfs())


def test_a_upf_that_cannot_restore_a_session_may_take_it_with_other_f_teids(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        (before,) = rig.smf.sessions
        rig.world.fault = (len(rig.world.calls), "rejected")
        await rig.restart("upf-cloud")
        (after,) = rig.smf.sessions
        assert after.psa.upf == "upf-cloud"
        assert after.n3 != before.n3
        assert rig.world.gnb_n3 == after.n3
        assert rig.world.downlink_path() == ["upf-cloud", "gnb"]

    run_on_rig(tmp_path, scenario)


def test_f_teids_that_were_chosen_anew_are_no_restoration(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        rig.world.ignores_f_teids = True
        await rig.restart("upf-cloud")
        # The gNB is told where uplink goes now.
        assert rig.world.uplink_path() == ["upf-cloud"]
        assert rig.world.downlink_path() == ["upf-cloud", "gnb"]
        assert rig.kinds("session_restored", "session_moved") == ["session_moved"]

    run_on_rig(tmp_path, scenario)


def test_a_psa_that_restarts_while_it_takes_a_session_anew_gets_it_again(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        calls = len(rig.world.calls)
        rig.world.fault = (calls, "rejected")

        def again() -> None:
            rig.world.after_each = lambda: None
            rig.world.restart("upf-cloud")
            rig.smf.restoration.on_restarted("upf-cloud")
            rig.smf.restoration.on_up("upf-cloud")

        rig.world.after_each = again
        await rig.restart("upf-cloud")
        assert rig.world.uplink_path() == ["upf-cloud"]
        assert rig.world.downlink_path() == ["upf-cloud", "gnb"]

    run_on_rig(tmp_path, scenario)


def test_a_session_that_is_lost_stays_lost_and_its_rules_are_as_before(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        (before,) = rig.smf.sessions
        rig.world.refusing = {"upf-cloud", "upf-cloud-2"}
        await rig.restart("upf-cloud")
        rig.world.refusing = set()
        await rig.restart("upf-cloud")
        (after,) = rig.smf.sessions
        assert after == replace(before, state=State.LOST)
        assert rig.world.upfs["upf-cloud"] == {}

    data = more_upfs()
    data["smf"]["session"][0]["charging"] = {"volume_quota": 10, "total_volume": 5}
    run_on_rig(tmp_path, scenario, data)


def test_a_bypass_that_only_fails_to_clear_up_stands(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        assert (await rig.post("/ulcl", INSERT))[0] == 200
        made = sum(1 for whom, _ in rig.world.calls if whom != "sleep")
        rig.world.fault = (made + 3, "request lost")
        await rig.kill("upf-edge")
        assert rig.event("procedure_failed")["step"] == "close_n9_uplink"
        assert rig.smf.sessions[0].state is State.ACTIVE
        assert rig.smf.core.known("1").gone == frozenset()
        assert rig.world.uplink_path() == ["upf-cloud"]

    run_on_rig(tmp_path, scenario)


def test_a_session_that_no_upf_takes_is_lost(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        rig.world.refusing = {"upf-cloud", "upf-cloud-2"}
        await rig.restart("upf-cloud")
        assert [session.state for session in rig.smf.sessions] == [State.LOST]
        assert rig.event("session_lost")["upf"] == "upf-cloud"
        assert (await rig.post(f"{SM_CONTEXTS}/1/release", {}))[0] == 204

    run_on_rig(tmp_path, scenario, more_upfs())


def test_a_session_of_a_dead_upf_can_be_released(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        await rig.kill("upf-cloud")
        assert (await rig.post(f"{SM_CONTEXTS}/1/release", {}))[0] == 204
        rig.world.associated.add("upf-cloud")
        rig.smf.restoration.on_up("upf-cloud")
        await rig.smf.core.settled()
        assert rig.world.upfs["upf-cloud"] == {}
        assert (await rig.post(SM_CONTEXTS, body()))[1]["ueIpv4Address"] == "10.45.0.2"

    run_on_rig(tmp_path, scenario)


# -- UPFs that die ----------------------------------------------------------------------------------------------------


def test_a_dead_psa_is_replaced_with_the_same_address(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        context = await rig.active()
        await rig.kill("upf-cloud")
        (session,) = rig.smf.sessions
        assert (session.psa.upf, str(session.context.ue_ipv4)) == ("upf-cloud-2", context["ueIpv4Address"])
        assert rig.world.gnb_n3 == session.n3
        assert rig.world.uplink_path() == ["upf-cloud-2"]
        assert rig.world.downlink_path("upf-cloud-2") == ["upf-cloud-2", "gnb"]
        assert ("sleep", 1.0) in rig.world.calls
        assert (await rig.get("/sessions"))[0]["gone"] == []

    run_on_rig(tmp_path, scenario, more_upfs())


def test_a_dead_psa_behind_a_ulcl_is_replaced(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        assert (await rig.post("/ulcl", INSERT))[0] == 200
        await rig.kill("upf-cloud")
        assert rig.world.uplink_path() == ["upf-edge", "upf-cloud-2"]
        assert rig.world.downlink_path("upf-cloud-2") == ["upf-cloud-2", "upf-edge", "gnb"]
        assert (await rig.delete("/ulcl/ue1"))[0] == 200
        assert rig.world.uplink_path() == ["upf-cloud-2"]

    run_on_rig(tmp_path, scenario, more_upfs())


def test_an_idle_session_moves_without_the_gnb(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        context = await rig.idle()
        calls = len(rig.world.calls)
        await rig.kill("upf-cloud")
        assert "gnb" not in [whom for whom, _ in rig.world.calls[calls:]]
        _, answer = await rig.modify(context, {"n3": {"teid": GNB.teid, "ipv4": str(GNB.ipv4)}})
        assert answer["n3"]["ipv4"] == "10.1.0.10"
        assert rig.world.downlink_path("upf-cloud-2") == ["upf-cloud-2", "gnb"]

    run_on_rig(tmp_path, scenario, more_upfs())


def test_a_dead_ulcl_is_bypassed(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        local = [{"upf": "upf-edge-2", "sdf": [MEC_FLOW]}]
        assert (await rig.post("/ulcl", INSERT | {"localPsas": local}))[0] == 200
        await rig.kill("upf-edge")
        assert rig.world.uplink_path() == ["upf-cloud"]
        assert rig.world.downlink_path() == ["upf-cloud", "gnb"]
        assert rig.world.upfs["upf-edge-2"] == {}
        assert rig.smf.sessions[0].state is State.ACTIVE
        # It can be put in again elsewhere.
        assert (await rig.post("/ulcl", INSERT | {"upf": "upf-edge-2"}))[0] == 200

    run_on_rig(tmp_path, scenario, more_upfs())


def test_the_flows_of_a_dead_local_psa_go_to_the_psa(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        local = [{"upf": "upf-edge-2", "sdf": [MEC_FLOW]}]
        assert (await rig.post("/ulcl", INSERT | {"sdf": [], "localPsas": local}))[0] == 200
        await rig.kill("upf-edge-2")
        (edge,) = rig.world.upfs["upf-edge"].values()
        assert 11 not in edge.pdrs
        ulcl = rig.smf.sessions[0].ulcl
        assert ulcl is not None
        assert ulcl.local_psas == ()

    run_on_rig(tmp_path, scenario, more_upfs())


def test_a_upf_that_is_back_in_time_keeps_its_sessions(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        rig.world.restart("upf-cloud")
        rig.smf.restoration.on_lost("upf-cloud", "no heartbeat")
        rig.smf.restoration.on_up("upf-cloud")
        await rig.smf.core.settled()
        assert rig.smf.sessions[0].psa.upf == "upf-cloud"
        assert rig.world.downlink_path() == ["upf-cloud", "gnb"]

    run_on_rig(tmp_path, scenario, more_upfs())


def test_a_session_without_another_upf_waits_for_its_own(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        await rig.kill("upf-cloud")
        assert [session.state for session in rig.smf.sessions] == [State.ACTIVE]
        assert (await rig.get("/sessions"))[0]["gone"] == ["upf-cloud"]
        rig.world.associated.add("upf-cloud")
        rig.smf.restoration.on_up("upf-cloud")
        await rig.smf.core.settled()
        assert rig.world.downlink_path() == ["upf-cloud", "gnb"]
        assert rig.kinds("session_lost") == []

    run_on_rig(tmp_path, scenario)


def test_an_address_that_cannot_move_makes_the_ue_start_anew(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        await rig.kill("upf-cloud")
        assert rig.smf.sessions == ()
        assert rig.world.asked == [("release", True)]
        # What the gNB does then.
        context = await rig.active()
        assert (context["ueIpv4Address"], context["n3"]["ipv4"]) == ("10.46.0.2", "10.1.0.10")

    data = more_upfs()
    data["smf"]["session"][0]["upf"] = "upf-cloud"
    data["smf"]["session"].append({"subnet": "10.46.0.0/24", "dnn": "internet", "upf": ["upf-cloud-2"]})
    run_on_rig(tmp_path, scenario, data)


def test_psa_and_ulcl_dead_at_once(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        assert (await rig.post("/ulcl", INSERT))[0] == 200
        rig.world.kill("upf-edge")
        rig.world.kill("upf-cloud")
        rig.smf.restoration.on_lost("upf-edge", "no heartbeat")
        rig.smf.restoration.on_lost("upf-cloud", "no heartbeat")
        await rig.smf.core.settled()
        assert rig.world.uplink_path() == ["upf-cloud-2"]
        assert rig.world.downlink_path("upf-cloud-2") == ["upf-cloud-2", "gnb"]

    run_on_rig(tmp_path, scenario, more_upfs())
