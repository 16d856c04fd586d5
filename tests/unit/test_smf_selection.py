"""Pools and UPFs: by DNN and slice, by DNAI and load; what is not there is not chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core_stub.pfcp.ies import LoadControl
from tests.support.smf import smf_yaml, with_more_upfs
from tests.support.smf_rig import SM_CONTEXTS, Rig, body, run_on_rig


def wide(data: dict[str, Any]) -> dict[str, Any]:
    """With room for many sessions."""
    data["smf"]["session"][0]["subnet"] = "10.45.0.0/16"
    return data


def two_psas() -> dict[str, Any]:
    return wide(with_more_upfs(smf_yaml()))


async def psas(rig: Rig, count: int, **changes: object) -> list[str]:
    """The PSAs of so many new sessions."""
    first = len(rig.smf.sessions)
    for number in range(first, first + count):
        status, problem = await rig.post(SM_CONTEXTS, body(supi=f"ue{number}", **changes))
        assert status == 201, problem
    return [session.psa.upf for session in rig.smf.sessions[first:]]


def test_sessions_are_shared_out_evenly(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        assert await psas(rig, 4) == ["upf-cloud", "upf-cloud-2"] * 2

    run_on_rig(tmp_path, scenario, two_psas())


def test_a_upf_of_more_capacity_gets_more(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        chosen = await psas(rig, 8)
        assert (chosen.count("upf-cloud"), chosen.count("upf-cloud-2")) == (6, 2)

    data = two_psas()
    data["smf"]["pfcp"]["client"]["upf"][0]["capacity"] = 3
    run_on_rig(tmp_path, scenario, data)


def test_a_upf_that_says_it_is_loaded_gets_less(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        rig.world.load = LoadControl(1, 75)
        assert await psas(rig, 1) == ["upf-cloud"]
        rig.world.load = None
        assert await psas(rig, 4) == ["upf-cloud-2"] * 4
        associations = {upf["name"]: upf for upf in await rig.get("/associations")}
        assert (associations["upf-cloud"]["load"], associations["upf-cloud"]["sessions"]) == (75, 1)
        # Older information is no news.
        rig.smf.core.loads.learn("upf-cloud", 1, 0)
        assert rig.smf.core.loads.metric("upf-cloud") == 75
        rig.smf.core.loads.learn("upf-cloud", 2, 0)
        assert await psas(rig, 1) == ["upf-cloud"]

    run_on_rig(tmp_path, scenario, two_psas())


def test_a_released_session_is_no_load(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await psas(rig, 1)
        assert (await rig.post(f"{SM_CONTEXTS}/1/release", {}))[0] == 204
        assert await psas(rig, 1) == ["upf-cloud"]
        assert rig.smf.core.table.per_upf["upf-cloud"] == 1

    run_on_rig(tmp_path, scenario, two_psas())


def test_a_dnai_comes_before_load(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        assert await psas(rig, 3, dnai="cloud-2") == ["upf-cloud-2"] * 3
        # Where nobody is at the DNAI, any will do.
        assert await psas(rig, 1, dnai="moon") == ["upf-cloud"]

    run_on_rig(tmp_path, scenario, two_psas())


def test_a_upf_that_is_not_associated_is_not_chosen(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        rig.world.associated.discard("upf-cloud")
        assert await psas(rig, 2) == ["upf-cloud-2"] * 2
        rig.world.associated.discard("upf-cloud-2")
        status, problem = await rig.post(SM_CONTEXTS, body(supi="ue9"))
        assert (status, problem["cause"]) == (503, "UPF_NOT_RESPONDING")
        assert problem["detail"] == "upf-cloud and upf-cloud-2 are not associated"

    run_on_rig(tmp_path, scenario, two_psas())


def test_the_pools_of_a_dnn_are_used_one_after_another(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await psas(rig, 6)
        addresses = [str(session.context.ue_ipv4) for session in rig.smf.sessions]
        assert addresses == [*(f"10.45.0.{number}" for number in range(2, 7)), "10.46.0.2"]

    data = smf_yaml()
    data["smf"]["session"].append({"subnet": "10.46.0.0/24", "dnn": "internet"})
    run_on_rig(tmp_path, scenario, data)


def test_each_slice_of_a_dnn_has_its_pool(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        _, one = await rig.post(SM_CONTEXTS, body())
        _, other = await rig.post(SM_CONTEXTS, body(supi="ue2", snssai={"sst": 2, "sd": "00000A"}))
        assert (one["ueIpv4Address"], one["qfi"]) == ("10.45.0.2", 1)
        assert (other["ueIpv4Address"], other["qfi"]) == ("10.46.0.2", 9)
        _, problem = await rig.post(SM_CONTEXTS, body(supi="ue3", snssai={"sst": 3}))
        assert problem["detail"] == "S-NSSAI 3; DNN internet is in S-NSSAI 1, S-NSSAI 2-00000A"

    data = smf_yaml()
    data["smf"]["session"].append({"subnet": "10.46.0.0/24", "dnn": "internet", "sst": 2, "sd": 10, "qfi": 9})
    run_on_rig(tmp_path, scenario, data)


def test_a_pool_without_a_dnn_is_for_all_others(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        _, context = await rig.post(SM_CONTEXTS, body(dnn="ims"))
        assert context["ueIpv4Address"] == "10.46.0.2"
        _, context = await rig.post(SM_CONTEXTS, body(supi="ue2"))
        assert context["ueIpv4Address"] == "10.45.0.2"
        assert (context["dns"], context["mtu"]) == (["192.0.2.53"], 1400)

    data = smf_yaml()
    data["smf"]["session"].append({"subnet": "10.46.0.0/24"})
    del data["smf"]["pfcp"]["client"]["upf"][0]["dnn"]
    data["smf"] |= {"dns": "192.0.2.53", "mtu": 1400}
    run_on_rig(tmp_path, scenario, data)


def test_a_pool_of_one_upf_brings_its_sessions_there(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        assert await psas(rig, 2) == ["upf-cloud-2"] * 2

    data = two_psas()
    data["smf"]["session"][0]["upf"] = "upf-cloud-2"
    run_on_rig(tmp_path, scenario, data)
