"""QoS flows: the rules of a dedicated flow, where they stand, and what a failure leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from core_stub.pfcp.ies import CreateQer, FTeid, GateStatus, SdfFilter
from core_stub.pfcp.messages import SessionEstablishmentRequest, SessionModificationRequest
from tests.support.smf import MEC_FLOW, smf_yaml
from tests.support.smf_rig import INSERT, SM_CONTEXTS, Rig, body, run_on_rig

VOICE = "permit out 17 from 198.51.100.7/32 5004 to assigned"
FLOW = {
    "supi": "ue1",
    "qfi": 2,
    "fiveQi": 1,
    "sdf": [VOICE, MEC_FLOW],
    "precedence": 20,
    "mbr": {"uplink": "128kbit", "downlink": "256kbit"},
    "gbr": {"uplink": "64kbit", "downlink": "64kbit"},
    "charging": {"rating_group": 9, "volume_threshold": 1000},
}


async def added(rig: Rig) -> SessionModificationRequest:
    """The first message that adds the flow."""
    calls = len(rig.world.calls)
    status, answer = await rig.post("/flows", FLOW)
    assert (status, answer) == (201, {"supi": "ue1", "qfi": 2})
    message = rig.world.calls[calls][1]
    assert isinstance(message, SessionModificationRequest)
    return message


def test_a_dedicated_flow_is_laid_out_as_open5gs_does(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        message = await added(rig)
        downlink, uplink = message.create_pdrs
        assert (downlink.pdr_id, downlink.precedence, downlink.far_id) == (101, 20, 1)
        assert (uplink.pdr_id, uplink.precedence, uplink.far_id) == (102, 20, 2)
        # The description once, by the downlink PDR; the uplink PDR names it.
        assert downlink.pdi.sdf_filters == (SdfFilter(VOICE, bidirectional_id=101), SdfFilter(MEC_FLOW, 102))
        assert uplink.pdi.sdf_filters == (SdfFilter(bidirectional_id=101), SdfFilter(bidirectional_id=102))
        # With the CHOOSE ID of the default flow's uplink, the F-TEID is the same.
        assert uplink.pdi.f_teid == FTeid(choose=True, choose_ipv4=True, choose_id=2)
        assert uplink.pdi.qfis == (2,)
        assert message.create_qers == (CreateQer(2, GateStatus.OPEN, GateStatus.OPEN, 128, 256, 64, 64, qfi=2),)
        (urr,) = message.create_urrs
        assert (urr.urr_id, downlink.urr_ids, uplink.urr_ids, uplink.qer_ids) == (2, (2,), (2,), (2,))
        assert rig.world.asked == [("set_flows", (2,))]
        (flow,) = (await rig.get("/sessions"))[0]["flows"]
        assert (flow["qfi"], flow["fiveQi"], flow["gbr"]) == (2, 1, {"uplink": 64, "downlink": 64})

    run_on_rig(tmp_path, scenario)


def test_a_flow_taken_away_leaves_nothing(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        before = rig.world.snapshot()
        await added(rig)
        assert (await rig.delete("/flows/ue1/2"))[0] == 204
        assert rig.world.snapshot() == before
        assert rig.world.asked == [("set_flows", (2,)), ("set_flows", ())]
        assert (await rig.delete("/flows/ue1/2"))[1]["cause"] == "FLOW_NOT_FOUND"

    run_on_rig(tmp_path, scenario)


def test_a_flow_goes_through_a_ulcl(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        assert (await rig.post("/ulcl", INSERT))[0] == 200
        await added(rig)
        (edge,) = rig.world.upfs["upf-edge"].values()
        assert {102, 104} <= edge.pdrs.keys()
        assert edge.f_teids[102] == edge.f_teids[2]
        assert edge.f_teids[104] == edge.f_teids[4]
        assert (edge.pdrs[102].far_id, edge.pdrs[104].far_id) == (2, 1)
        assert (edge.pdrs[102].pdi.qfis, edge.pdrs[104].pdi.qfis) == ((2,), (2,))
        # What leaves at the edge is classified first.
        assert edge.pdrs[3].precedence < 65535

    run_on_rig(tmp_path, scenario)


def test_a_ulcl_inserted_after_the_flow_knows_it_and_so_does_every_way_into_the_psa(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        await added(rig)
        assert (await rig.post("/ulcl", INSERT))[0] == 200
        (edge,) = rig.world.upfs["upf-edge"].values()
        (psa,) = rig.world.upfs["upf-cloud"].values()
        assert {102, 104} <= edge.pdrs.keys()
        assert psa.pdrs.keys() == {1, 3, 101, 103}
        assert psa.f_teids[103] == psa.f_teids[3]
        assert psa.pdrs[103].pdi.sdf_filters == (SdfFilter(VOICE), SdfFilter(MEC_FLOW))
        assert (await rig.delete("/ulcl/ue1"))[0] == 200
        assert psa.pdrs.keys() == {1, 4, 101, 104}

    run_on_rig(tmp_path, scenario)


@pytest.mark.parametrize("fault", ["rejected", "request lost", "answer lost"])
@pytest.mark.parametrize("call", [0, 1, 2])
def test_a_flow_that_fails_leaves_nothing(tmp_path: Path, call: int, fault: str) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        assert (await rig.post("/ulcl", INSERT))[0] == 200
        before = rig.world.snapshot()
        made = sum(1 for whom, _ in rig.world.calls if whom != "sleep")
        rig.world.fault = (made + call, fault)
        status, problem = await rig.post("/flows", FLOW)
        assert (status, problem["step"]) == (500 if fault == "rejected" and call < 2 else 504, _step(call))
        assert rig.world.snapshot() == before
        rig.world.fault = None
        assert (await rig.post("/flows", FLOW))[0] == 201

    def _step(call: int) -> str:
        return "tell_gnb" if call == 2 else "add_flow"

    run_on_rig(tmp_path, scenario)


def test_an_idle_ue_is_told_of_its_flows_with_its_service_request(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        context = await rig.idle()
        await added(rig)
        assert rig.world.asked == []
        _, answer = await rig.modify(context, {"n3": {"teid": 0x77, "ipv4": "10.1.0.7"}})
        assert answer["flows"] == [{"qfi": 2, "sdf": [VOICE, MEC_FLOW]}]

    run_on_rig(tmp_path, scenario)


def test_the_flows_of_the_configuration_are_there_from_the_start(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        _, context = await rig.post(SM_CONTEXTS, body())
        assert context["flows"] == [{"qfi": 2, "sdf": [VOICE]}]
        request = rig.world.calls[0][1]
        assert isinstance(request, SessionEstablishmentRequest)
        assert [pdr.pdr_id for pdr in request.create_pdrs] == [1, 2, 101, 102]
        assert [qer.mbr_downlink_kbps for qer in request.create_qers] == [10_000, None]
        (psa,) = rig.world.upfs["upf-cloud"].values()
        assert psa.f_teids[2] == psa.f_teids[102]

    data = smf_yaml()
    data["smf"]["session"][0] |= {
        "ambr": {"uplink": "10Mbit", "downlink": "10Mbit"},
        "flows": [{"qfi": 2, "sdf": [VOICE]}],
    }
    run_on_rig(tmp_path, scenario, data)


def test_a_session_has_eight_flows_at_most_and_each_qfi_once(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        for qfi in range(2, 9):
            assert (await rig.post("/flows", FLOW | {"qfi": qfi}))[0] == 201
        assert (await rig.post("/flows", FLOW | {"qfi": 9}))[1]["cause"] == "INSUFFICIENT_RESOURCES"
        assert (await rig.post("/flows", FLOW | {"qfi": 8}))[1]["cause"] == "FLOW_EXISTS"
        assert (await rig.post("/flows", FLOW | {"qfi": 1}))[1]["cause"] == "FLOW_EXISTS"
        # A slot that is free again is used again.
        assert (await rig.delete("/flows/ue1/5"))[0] == 204
        assert (await rig.post("/flows", FLOW | {"qfi": 9}))[0] == 201
        (psa,) = rig.world.upfs["upf-cloud"].values()
        assert max(psa.urrs) <= 8

    run_on_rig(tmp_path, scenario)
