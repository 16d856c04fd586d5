"""The SMF behind its APIs: sessions, refusals as problem details, one procedure at a time, events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from core_stub.pfcp.ies import Cause, ReportType
from core_stub.pfcp.messages import SessionReportRequest
from core_stub.smf.session import State
from tests.support.smf import World
from tests.support.smf_rig import INSERT, N3, SM_CONTEXTS, Rig, Scenario, body, run_on_rig

Run = Callable[[Scenario], None]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a coroutine on a rig."""
    return lambda scenario: run_on_rig(tmp_path, scenario)


def test_a_session_from_creation_to_release(run: Run) -> None:
    async def scenario(rig: Rig) -> None:
        status, context = await rig.post(SM_CONTEXTS, body())
        assert status == 201
        assert context == {
            "smContextRef": "1",
            "ueIpv4Address": "10.45.0.2",
            "qfi": 1,
            "n3": {"teid": context["n3"]["teid"], "ipv4": "10.1.0.9"},
        }
        answer = {"upCnxState": "ACTIVATED", "qfi": 1, "n3": context["n3"]}
        assert await rig.post(f"{SM_CONTEXTS}/1/modify", N3) == (200, answer)
        assert rig.world.downlink_path() == ["upf-cloud", "gnb"]
        assert await rig.post(f"{SM_CONTEXTS}/1/release", {}) == (204, None)
        assert (await rig.post(f"{SM_CONTEXTS}/1/release", {}))[1]["cause"] == "CONTEXT_NOT_FOUND"
        kinds = [event["event"] for event in rig.events if event["event"] != "step"]
        assert kinds == ["session_established", "session_activated", "session_released"]
        # The address is free again.
        assert (await rig.post(SM_CONTEXTS, body()))[1]["ueIpv4Address"] == "10.45.0.2"

    run(scenario)


@pytest.mark.parametrize(
    ("changes", "status", "cause", "detail"),
    [
        ({"dnn": "ims"}, 403, "DNN_NOT_SUPPORTED", 'DNN "ims"; want one of internet'),
        ({"snssai": {"sst": 2}}, 403, "SNSSAI_DENIED", "S-NSSAI 2; DNN internet is in S-NSSAI 1"),
        (
            {"snssai": {"sst": 1, "sd": "00abcd"}},
            403,
            "SNSSAI_DENIED",
            "S-NSSAI 1-00ABCD; DNN internet is in S-NSSAI 1",
        ),
        (
            {"gnb": "10.1.0.7"},
            400,
            "MANDATORY_IE_INCORRECT",
            "gnb: got \"10.1.0.7\"; want text that matches '^https?://'",
        ),
        ({"supi": "ue0"}, 409, "SESSION_EXISTS", "ue0 has a PDU session 1; release it first"),
    ],
)
def test_a_session_that_cannot_be(run: Run, changes: dict[str, object], status: int, cause: str, detail: str) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.post(SM_CONTEXTS, body(supi="ue0"))
        async with rig.sbi.post(SM_CONTEXTS, json=body(**changes)) as response:
            assert response.content_type == "application/problem+json"
            problem = await response.json()
        assert problem == {"status": status, "title": problem["title"], "detail": detail, "cause": cause}
        assert response.status == status
        assert len(rig.smf.sessions) == 1

    run(scenario)


def test_all_problems_of_a_body_at_once(run: Run) -> None:
    async def scenario(rig: Rig) -> None:
        _, problem = await rig.post(f"{SM_CONTEXTS}/1/modify", {"n3": {"teid": 0, "ipv4": "x"}, "n4": 1})
        wrong = [part.partition(":")[0] for part in problem["detail"].split("; ") if not part.startswith("want ")]
        assert wrong == ["n3.teid", "n3.ipv4", "n4"]

    run(scenario)


def test_a_body_that_is_no_json(run: Run) -> None:
    async def scenario(rig: Rig) -> None:
        async with rig.sbi.post(SM_CONTEXTS, data=b"supi") as response:
            assert (response.status, response.content_type) == (400, "application/problem+json")
            assert (await response.json())["detail"] == "body: got no JSON; want a JSON object"

    run(scenario)


def test_an_exhausted_pool(run: Run) -> None:
    async def scenario(rig: Rig) -> None:
        for number in range(5):
            assert (await rig.post(SM_CONTEXTS, body(supi=f"ue{number}")))[0] == 201
        status, problem = await rig.post(SM_CONTEXTS, body(supi="ue9"))
        assert (status, problem["cause"]) == (500, "INSUFFICIENT_RESOURCES")
        assert problem["detail"] == "all 5 addresses of 10.45.0.0/29 are in use"

    run(scenario)


def test_no_sessions_before_the_psa_is_associated(run: Run) -> None:
    async def scenario(rig: Rig) -> None:
        rig.world.associated.clear()
        status, problem = await rig.post(SM_CONTEXTS, body())
        assert (status, problem["cause"]) == (503, "UPF_NOT_RESPONDING")
        assert "upf-cloud is not associated" in problem["detail"]
        rig.world.associated.add("upf-cloud")
        status, context = await rig.post(SM_CONTEXTS, body())
        assert (status, context["ueIpv4Address"]) == (201, "10.45.0.2")

    run(scenario)


def never_answer_again(world: World) -> None:
    """From here on UPFs do what they are told, and nobody hears of it."""

    def next_too() -> None:
        world.fault = (len(world.calls), "answer lost")

    next_too()
    world.after_each = next_too


def answer_again(world: World) -> None:
    world.after_each, world.fault = (lambda: None), None


def test_an_address_that_a_silent_upf_may_have_is_not_given_out_again_before_that_upf_is_lost(run: Run) -> None:
    async def scenario(rig: Rig) -> None:
        never_answer_again(rig.world)
        status, problem = await rig.post(SM_CONTEXTS, body())
        assert (status, problem["cause"]) == (504, "UPF_NOT_RESPONDING")
        assert len(rig.world.upfs["upf-cloud"]) == 1
        answer_again(rig.world)
        assert (await rig.post(SM_CONTEXTS, body()))[1]["ueIpv4Address"] == "10.45.0.3"
        rig.smf.restoration.on_lost("upf-edge", "released")
        assert (await rig.post(SM_CONTEXTS, body(supi="ue2")))[1]["ueIpv4Address"] == "10.45.0.4"
        rig.smf.restoration.on_lost("upf-cloud", "released")
        assert (await rig.post(SM_CONTEXTS, body(supi="ue3")))[1]["ueIpv4Address"] == "10.45.0.2"

    run(scenario)


def test_an_address_of_a_upf_that_answers_late_is_free(run: Run) -> None:
    async def scenario(rig: Rig) -> None:
        rig.world.fault = (0, "answer lost")
        assert (await rig.post(SM_CONTEXTS, body()))[0] == 504
        assert rig.world.upfs["upf-cloud"] == {}
        assert (await rig.post(SM_CONTEXTS, body()))[1]["ueIpv4Address"] == "10.45.0.2"

    run(scenario)


def test_a_ulcl_that_a_silent_upf_may_have_is_replaced_by_the_next(run: Run) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        # The PSA opens its uplink; the edge's answer and all later ones are lost.
        rig.world.after_each = lambda: never_answer_again(rig.world)
        assert (await rig.post("/ulcl", INSERT))[0] == 504
        assert len(rig.world.upfs["upf-edge"]) == 1
        answer_again(rig.world)
        assert (await rig.post("/ulcl", INSERT))[0] == 200
        assert len(rig.world.upfs["upf-edge"]) == 1

    run(scenario)


def test_a_session_whose_ulcl_may_be_left_over_keeps_its_address(run: Run) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        rig.world.after_each = lambda: never_answer_again(rig.world)
        assert (await rig.post("/ulcl", INSERT))[0] == 504
        answer_again(rig.world)
        assert (await rig.post(f"{SM_CONTEXTS}/1/release", {}))[0] == 204
        assert (await rig.post(SM_CONTEXTS, body()))[1]["ueIpv4Address"] == "10.45.0.3"
        rig.smf.restoration.on_lost("upf-edge", "released")
        assert (await rig.post(SM_CONTEXTS, body(supi="ue2")))[1]["ueIpv4Address"] == "10.45.0.2"

    run(scenario)


def test_local_breakout_over_the_management_api(run: Run) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        status, answer = await rig.post("/ulcl", INSERT)
        assert (status, answer["supi"], answer["upf"]) == (200, "ue1", "upf-edge")
        assert [step["step"] for step in answer["steps"]][-2:] == ["guard", "close_n3_uplink"]
        assert rig.world.uplink_path() == ["upf-edge", "upf-cloud"]
        async with rig.management.get("/sessions") as response:
            (session,) = await response.json()
        assert (session["state"], session["ulcl"]["upf"]) == ("local-breakout", "upf-edge")
        assert ("sleep", 0.2) in rig.world.calls
        async with rig.management.delete("/ulcl/ue1") as response:
            answer = await response.json()
        assert (answer["supi"], answer["upf"]) == ("ue1", "upf-edge")
        assert [step["step"] for step in answer["steps"]][-1] == "close_n9_uplink"
        reported = [event["step"] for event in rig.events if event.get("procedure") == "ulcl_removal"]
        assert reported == [step["step"] for step in answer["steps"]]

    run(scenario)


@pytest.mark.parametrize(
    ("changes", "status", "detail"),
    [
        ({"supi": "ue2"}, 404, "ue2 has no PDU session"),
        ({"upf": "upf-moon"}, 404, '"upf-moon"; want one of upf-cloud, upf-edge'),
        ({"upf": "upf-cloud"}, 409, "upf-cloud is the PSA of this session; want another UPF"),
        ({"supi": "ue3"}, 409, "cannot insert a UL CL: session 2 is inactive"),
    ],
)
def test_an_insertion_that_cannot_be(run: Run, changes: dict[str, object], status: int, detail: str) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        await rig.post(SM_CONTEXTS, body(supi="ue3"))
        got, problem = await rig.post("/ulcl", INSERT | changes)
        assert (got, problem["detail"]) == (status, detail)

    run(scenario)


@pytest.mark.parametrize("text", ["deny in ip from any to any", "permit out udp from any to assigned"])
def test_a_flow_description_that_is_none(run: Run, text: str) -> None:
    async def scenario(rig: Rig) -> None:
        status, problem = await rig.post("/ulcl", INSERT | {"sdf": [text]})
        assert (status, problem["cause"]) == (400, "MANDATORY_IE_INCORRECT")
        assert problem["detail"].startswith("sdf[0]: got ")

    run(scenario)


def test_a_failed_insertion_is_told_with_its_step_and_the_session_lives_on(run: Run) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        rig.world.fault = (3, "rejected")
        status, problem = await rig.post("/ulcl", INSERT)
        assert (status, problem["step"]) == (500, "establish_ulcl")
        assert "cause 75" in problem["detail"]
        assert rig.events[-1]["event"] == "procedure_failed"
        rig.world.fault = None
        assert (await rig.post("/ulcl", INSERT))[0] == 200

    run(scenario)


def test_an_insertion_that_only_fails_to_clear_up_stands_and_can_be_removed(run: Run) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        rig.world.fault = (6, "request lost")
        status, problem = await rig.post("/ulcl", INSERT)
        assert (status, problem["cause"], problem["step"]) == (504, "UPF_NOT_RESPONDING", "close_n3_uplink")
        assert rig.smf.sessions[0].state is State.LOCAL_BREAKOUT
        rig.world.fault = None
        async with rig.management.delete("/ulcl/ue1") as response:
            assert response.status == 200
        assert rig.world.uplink_path() == ["upf-cloud"]

    run(scenario)


def test_one_procedure_at_a_time_on_a_session(run: Run) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        answers = await asyncio.gather(rig.post("/ulcl", INSERT), rig.post("/ulcl", INSERT))
        assert sorted(status for status, _ in answers) == [200, 409]
        assert max(answers, key=lambda answer: answer[0])[1]["detail"] == (
            "cannot insert a UL CL: session 1 is local-breakout"
        )
        assert len(rig.world.upfs["upf-edge"]) == 1

    run(scenario)


def test_the_same_session_asked_for_twice_at_once(run: Run) -> None:
    async def scenario(rig: Rig) -> None:
        answers = await asyncio.gather(*(rig.post(SM_CONTEXTS, body()) for _ in range(2)))
        assert sorted(status for status, _ in answers) == [201, 409]

    run(scenario)


def test_a_session_report_is_acknowledged_if_the_session_is_known(run: Run) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        (session,) = rig.smf.sessions
        answer = rig.smf.reports.take("upf-cloud", SessionReportRequest(session.psa.cp_seid, ReportType.DLDR))
        assert (answer.seid, answer.cause) == (session.psa.up_seid, Cause.REQUEST_ACCEPTED)
        assert rig.events[-1] == {
            "event": "session_report",
            "ue": "ue1",
            "ref": "1",
            "upf": "upf-cloud",
            "report": ["DLDR"],
        }
        unknown = rig.smf.reports.take("upf-cloud", SessionReportRequest(99, ReportType.DLDR))
        assert (unknown.seid, unknown.cause) == (0, Cause.SESSION_CONTEXT_NOT_FOUND)

    run(scenario)


def test_an_unknown_path_is_a_problem_too(run: Run) -> None:
    async def scenario(rig: Rig) -> None:
        status, problem = await rig.post("/nsmf-pdusession/v2", {})
        assert (status, problem["title"]) == (404, "Not Found")

    run(scenario)
