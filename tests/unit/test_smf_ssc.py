"""SSC modes: a session that keeps its PSA, one that is made anew, one that is made anew before the old one goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.smf import smf_yaml, with_more_upfs
from tests.support.smf_rig import SM_CONTEXTS, Rig, body, run_on_rig


def more_upfs() -> dict[str, Any]:
    return with_more_upfs(smf_yaml())


def test_mode_1_keeps_its_psa(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        status, problem = await rig.post("/psa", {"supi": "ue1"})
        assert (status, problem["cause"]) == (409, "SSC_MODE")
        assert len(rig.smf.sessions) == 1

    run_on_rig(tmp_path, scenario, more_upfs())


def test_mode_2_releases_and_has_the_ue_ask_anew(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active(sscMode=2)
        assert await rig.post("/psa", {"supi": "ue1"}) == (202, {"supi": "ue1", "upf": "upf-cloud-2"})
        assert rig.world.upfs["upf-cloud"] == {}
        assert rig.world.asked == [("release", True)]
        assert not rig.smf.sessions
        # What the gNB does then: the session goes to the other PSA, though both are as loaded.
        await rig.active(sscMode=2)
        assert rig.smf.sessions[0].psa.upf == "upf-cloud-2"
        # That was for one session.
        await rig.active(supi="ue2")
        assert rig.smf.sessions[1].psa.upf == "upf-cloud"

    run_on_rig(tmp_path, scenario, more_upfs())


def test_mode_3_makes_the_new_session_first(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active(sscMode=3)
        assert (await rig.post("/psa", {"supi": "ue1", "upf": "upf-cloud-2"}))[0] == 202
        assert rig.world.asked == [("replace", 1.5)]
        assert len(rig.world.upfs["upf-cloud"]) == 1
        # What the gNB does then; the old session is there until the new one carries packets, and some time longer.
        status, new = await rig.post(SM_CONTEXTS, body(pduSessionId=2, oldPduSessionId=1, sscMode=3))
        assert status == 201
        await rig.smf.core.settled()
        assert len(rig.smf.sessions) == 2
        await rig.modify(new, {"n3": {"teid": 0x78, "ipv4": "10.1.0.7"}})
        await rig.smf.core.settled()
        assert ("sleep", 1.5) in rig.world.calls
        assert [(session.psa.upf, session.context.request.pdu_session_id) for session in rig.smf.sessions] == [
            ("upf-cloud-2", 2)
        ]
        assert rig.world.upfs["upf-cloud"] == {}
        assert rig.world.asked[-1] == ("release", False)
        # A session that takes the number of the old one is not meant.
        await rig.active(sscMode=3)
        await rig.modify(new, {"upCnxState": "DEACTIVATED"})
        await rig.modify(new, {"n3": {"teid": 0x79, "ipv4": "10.1.0.7"}})
        await rig.smf.core.settled()
        assert len(rig.smf.sessions) == 2

    data = more_upfs()
    data["smf"]["ssc"] = {"lifetime": "1.5s"}
    run_on_rig(tmp_path, scenario, data)


def test_the_mode_of_the_configuration_is_that_of_sessions_that_ask_for_none(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        assert (await rig.get("/sessions"))[0]["sscMode"] == 2
        await rig.active(supi="ue2", sscMode=1)
        assert (await rig.get("/sessions"))[1]["sscMode"] == 1

    data = more_upfs()
    data["smf"]["session"][0]["ssc_mode"] = 2
    run_on_rig(tmp_path, scenario, data)


def test_without_another_psa_nothing_is_released(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active(sscMode=2)
        rig.world.associated.discard("upf-cloud-2")
        status, problem = await rig.post("/psa", {"supi": "ue1"})
        assert (status, problem["cause"]) == (409, "INVALID_UPF")
        assert problem["detail"] == "there is no other PSA for DNN internet that is associated"
        status, problem = await rig.post("/psa", {"supi": "ue1", "upf": "upf-edge"})
        assert problem["detail"] == "upf-edge is no other PSA for DNN internet that is associated"
        assert len(rig.smf.sessions) == 1

    run_on_rig(tmp_path, scenario, more_upfs())


@pytest.mark.parametrize("mode", [2, 3])
def test_a_gnb_that_does_not_answer_is_told_about(tmp_path: Path, mode: int) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active(sscMode=mode)
        made = len(rig.world.calls)
        rig.world.fault = (made + (1 if mode == 2 else 0), "request lost")
        status, problem = await rig.post("/psa", {"supi": "ue1"})
        assert (status, problem["cause"]) == (504, "PEER_NOT_RESPONDING")
        # In mode 3 nothing has changed; in mode 2 the session is gone, and the gNB will find out when it uses it.
        assert len(rig.smf.sessions) == (0 if mode == 2 else 1)

    run_on_rig(tmp_path, scenario, more_upfs())


def test_of_two_sessions_one_has_to_be_named(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active(sscMode=2)
        await rig.active(sscMode=2, pduSessionId=2)
        assert (await rig.post("/psa", {"supi": "ue1"}))[1]["cause"] == "AMBIGUOUS"
        assert (await rig.post("/psa", {"supi": "ue1", "pduSessionId": 2}))[0] == 202
        assert (await rig.post("/psa", {"supi": "ue1", "pduSessionId": 3}))[1]["cause"] == "CONTEXT_NOT_FOUND"

    run_on_rig(tmp_path, scenario, more_upfs())
