"""The UL CL with several local PSAs, and its relocation: always connected, and undone if a step fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core_stub.pfcp.ies import ApplyAction, SdfFilter
from core_stub.smf.session import State
from tests.support.smf import MEC_FLOW, World, smf_yaml, with_more_upfs
from tests.support.smf_rig import INSERT, Rig, run_on_rig

OTHER_FLOW = "permit out ip from 203.0.113.20/32 to assigned"
THIRD_FLOW = "permit out ip from 203.0.113.30/32 to assigned"
LOCAL = [{"upf": "upf-edge-2", "sdf": [OTHER_FLOW]}, {"dnai": "edge-3", "sdf": [THIRD_FLOW]}]
FAULTS = ["rejected", "request lost", "answer lost"]


def more_upfs() -> dict[str, Any]:
    data = with_more_upfs(smf_yaml())
    data["smf"]["pfcp"]["client"]["upf"].append({"name": "upf-edge-3", "address": "10.1.0.3", "dnai": "edge-3"})
    return data


def always_connected(world: World) -> None:
    """From now on every operation must leave a path up and a path down."""

    def check() -> None:
        assert world.uplink_path()[-1:] == ["upf-cloud"], world.calls[-1]
        assert world.downlink_path()[-1:] == ["gnb"], world.calls[-1]

    world.after_each = check


def made(rig: Rig) -> int:
    """Operations so far, as faults count them."""
    return sum(1 for whom, _ in rig.world.calls if whom != "sleep")


async def active(rig: Rig) -> None:
    context = await rig.active()
    f_teid = rig.smf.sessions[0].n3
    assert context["n3"]["teid"] == f_teid.teid
    rig.world.gnb_n3 = f_teid


def test_several_local_psas_each_for_its_flows(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await active(rig)
        always_connected(rig.world)
        status, answer = await rig.post("/ulcl", INSERT | {"localPsas": LOCAL})
        assert status == 200, answer
        (edge,) = rig.world.upfs["upf-edge"].values()
        filters = {pdr_id: pdr.pdi.sdf_filters for pdr_id, pdr in edge.pdrs.items() if pdr.pdi.sdf_filters}
        assert filters == {
            3: (SdfFilter(MEC_FLOW),),
            11: (SdfFilter(OTHER_FLOW),),
            12: (SdfFilter(THIRD_FLOW),),
        }
        assert {edge.f_teids[number] for number in (2, 3, 11, 12)} == {edge.f_teids[2]}
        for number, upf in ((11, "upf-edge-2"), (12, "upf-edge-3")):
            (local,) = rig.world.upfs[upf].values()
            forwarding = edge.fars[number].forwarding
            assert forwarding is not None
            assert forwarding.outer_header_creation is not None
            assert forwarding.outer_header_creation.teid == local.f_teids[2].teid
            assert local.fars[2].forwarding is not None
            assert local.fars[2].forwarding.outer_header_creation is None
            assert rig.world.downlink_path(upf) == [upf, "upf-edge", "gnb"]
        (session,) = await rig.get("/sessions")
        assert [psa["upf"] for psa in session["ulcl"]["localPsas"]] == ["upf-edge-2", "upf-edge-3"]
        assert (await rig.delete("/ulcl/ue1"))[0] == 200
        assert [rig.world.upfs[upf] for upf in ("upf-edge", "upf-edge-2", "upf-edge-3")] == [{}, {}, {}]

    run_on_rig(tmp_path, scenario, more_upfs())


def test_a_ulcl_that_is_no_local_psa_has_no_n6(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await active(rig)
        assert (await rig.post("/ulcl", {"supi": "ue1", "dnai": "edge", "localPsas": LOCAL[:1]}))[0] == 200
        (edge,) = rig.world.upfs["upf-edge"].values()
        assert edge.pdrs.keys() == {2, 4, 11}

    run_on_rig(tmp_path, scenario, more_upfs())


def test_no_local_psa_sends_downlink_before_the_ulcl_is_there(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await active(rig)
        seen: list[ApplyAction] = []

        def look() -> None:
            seen.extend(session.fars[1].apply_action for session in rig.world.upfs["upf-edge-2"].values())

        rig.world.after_each = look
        assert (await rig.post("/ulcl", INSERT | {"localPsas": LOCAL[:1]}))[0] == 200
        assert seen[0] is ApplyAction.DROP
        assert seen[-1] is ApplyAction.FORW

    run_on_rig(tmp_path, scenario, more_upfs())


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("call", range(7))
def test_an_insertion_with_local_psas_that_fails_goes_back(tmp_path: Path, call: int, fault: str) -> None:
    async def scenario(rig: Rig) -> None:
        await active(rig)
        before = rig.world.snapshot()
        always_connected(rig.world)
        rig.world.fault = (made(rig) + call, fault)
        status, problem = await rig.post("/ulcl", INSERT | {"localPsas": LOCAL})
        assert status in (500, 504), problem
        assert rig.world.snapshot() == before
        rig.world.fault = None
        assert (await rig.post("/ulcl", INSERT | {"localPsas": LOCAL}))[0] == 200

    run_on_rig(tmp_path, scenario, more_upfs())


def test_relocation_is_make_before_break(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await active(rig)
        assert (await rig.post("/ulcl", INSERT))[0] == 200
        way_in = rig.smf.sessions[0].uplink
        always_connected(rig.world)
        status, answer = await rig.put("/ulcl/ue1", {"upf": "upf-edge-2"})
        assert status == 200, answer
        assert [step["step"] for step in answer["steps"]] == [
            "establish_ulcl",
            "move_downlink_to_ulcl",
            "switch_n3_to_ulcl",
            "guard",
            "delete_ulcl",
        ]
        assert rig.world.uplink_path() == ["upf-edge-2", "upf-cloud"]
        assert rig.world.downlink_path() == ["upf-cloud", "upf-edge-2", "gnb"]
        assert rig.world.upfs["upf-edge"] == {}
        (session,) = rig.smf.sessions
        assert (session.state, session.uplink) == (State.LOCAL_BREAKOUT, way_in)
        # The flows came along.
        (edge,) = rig.world.upfs["upf-edge-2"].values()
        assert edge.pdrs[3].pdi.sdf_filters == (SdfFilter(MEC_FLOW),)
        assert rig.event("ulcl_relocated")["old"] == "upf-edge"
        # And back, by DNAI, with other flows.
        assert (await rig.put("/ulcl/ue1", {"dnai": "edge", "sdf": [OTHER_FLOW]}))[0] == 200
        (edge,) = rig.world.upfs["upf-edge"].values()
        assert edge.pdrs[3].pdi.sdf_filters == (SdfFilter(OTHER_FLOW),)
        assert (await rig.delete("/ulcl/ue1"))[0] == 200

    run_on_rig(tmp_path, scenario, more_upfs())


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(
    ("call", "step"), [*enumerate(["establish_ulcl", "move_downlink_to_ulcl", "switch_n3_to_ulcl"])]
)
def test_a_relocation_that_fails_goes_back(tmp_path: Path, call: int, step: str, fault: str) -> None:
    async def scenario(rig: Rig) -> None:
        await active(rig)
        assert (await rig.post("/ulcl", INSERT))[0] == 200
        session, before = rig.smf.sessions[0], rig.world.snapshot()
        always_connected(rig.world)
        rig.world.fault = (made(rig) + call, fault)
        status, problem = await rig.put("/ulcl/ue1", {"upf": "upf-edge-2"})
        assert status in (500, 504)
        assert problem["step"] == step
        assert rig.world.snapshot() == before
        assert rig.smf.sessions[0] == session
        rig.world.fault = None
        assert (await rig.put("/ulcl/ue1", {"upf": "upf-edge-2"}))[0] == 200

    run_on_rig(tmp_path, scenario, more_upfs())


def test_local_psas_stay_where_they_are_when_the_ulcl_moves(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await active(rig)
        assert (await rig.post("/ulcl", INSERT | {"localPsas": LOCAL[1:]}))[0] == 200
        (before,) = rig.world.upfs["upf-edge-3"]
        always_connected(rig.world)
        assert (await rig.put("/ulcl/ue1", {"upf": "upf-edge-2"}))[0] == 200
        (after,) = rig.world.upfs["upf-edge-3"]
        assert after == before
        assert rig.world.downlink_path("upf-edge-3") == ["upf-edge-3", "upf-edge-2", "gnb"]
        # A failure sends their downlink back, too.
        rig.world.fault = (made(rig) + 3, "rejected")
        snapshot = rig.world.snapshot()
        assert (await rig.put("/ulcl/ue1", {"upf": "upf-edge"}))[0] == 504
        assert rig.world.snapshot() == snapshot
        rig.world.fault = None
        status, problem = await rig.put("/ulcl/ue1", {"upf": "upf-edge-3", "sdf": [MEC_FLOW]})
        assert (status, problem["detail"]) == (409, "upf-edge-3 is a local PSA of this session; want another UPF")
        assert (await rig.delete("/ulcl/ue1"))[0] == 200
        assert rig.world.upfs["upf-edge-3"] == {}

    run_on_rig(tmp_path, scenario, more_upfs())


@pytest.mark.parametrize("fault", FAULTS)
def test_an_old_ulcl_that_cannot_be_deleted_is_left_over_and_deleted_later(tmp_path: Path, fault: str) -> None:
    async def scenario(rig: Rig) -> None:
        await active(rig)
        assert (await rig.post("/ulcl", INSERT))[0] == 200
        rig.world.fault = (made(rig) + 3, fault)
        assert (await rig.put("/ulcl/ue1", {"upf": "upf-edge-2"}))[1]["step"] == "delete_ulcl"
        rig.world.fault = None
        (session,) = rig.smf.sessions
        assert [n4.upf for n4 in session.leftovers] == ["upf-edge"]
        assert rig.world.uplink_path() == ["upf-edge-2", "upf-cloud"]
        # Back to where something is left over: that goes first.
        assert (await rig.put("/ulcl/ue1", {"upf": "upf-edge"}))[0] == 200
        assert len(rig.world.upfs["upf-edge"]) == 1

    run_on_rig(tmp_path, scenario, more_upfs())


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        ({"upf": "upf-edge"}, 409, "upf-edge is the UL CL of this session; want another UPF"),
        ({"upf": "upf-cloud"}, 409, "upf-cloud is the PSA of this session; want another UPF"),
        ({"upf": "upf-moon"}, 404, '"upf-moon"; want one of'),
        ({"dnai": "moon"}, 404, 'DNAI "moon": no UPF is there'),
        ({}, 400, "want upf or dnai"),
        (
            {"upf": "upf-edge-2", "localPsas": [{"upf": "upf-edge-2", "sdf": [MEC_FLOW]}]},
            409,
            "upf-edge-2 is asked for twice",
        ),
    ],
)
def test_a_relocation_that_cannot_be(tmp_path: Path, body: dict[str, object], status: int, detail: str) -> None:
    async def scenario(rig: Rig) -> None:
        await active(rig)
        assert (await rig.post("/ulcl", INSERT))[0] == 200
        before = rig.world.snapshot()
        got, problem = await rig.put("/ulcl/ue1", body)
        assert got == status
        assert problem["detail"].startswith(detail)
        assert rig.world.snapshot() == before

    run_on_rig(tmp_path, scenario, more_upfs())


def test_a_relocation_to_the_same_dnai_goes_to_another_upf_there(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        assert (await rig.post("/ulcl", INSERT))[0] == 200
        status, answer = await rig.put("/ulcl/ue1", {"dnai": "edge"})
        assert (status, answer["upf"]) == (200, "upf-edge-2")

    data = with_more_upfs(smf_yaml())
    for upf in data["smf"]["pfcp"]["client"]["upf"]:
        if upf["name"].startswith("upf-edge"):
            # The one that has the UL CL has the least load too.
            upf |= {"dnai": "edge", "capacity": 10 if upf["name"] == "upf-edge" else 1}
    run_on_rig(tmp_path, scenario, data)


def test_a_dnai_whose_upf_is_not_associated(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await active(rig)
        rig.world.associated.discard("upf-edge")
        status, problem = await rig.post("/ulcl", {"supi": "ue1", "dnai": "edge", "sdf": [MEC_FLOW]})
        assert (status, problem["detail"]) == (404, 'DNAI "edge": no UPF there is associated')

    run_on_rig(tmp_path, scenario, more_upfs())
