"""The SMF with the control of our own UPF at the other end, which takes every message and has the rules as meant."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Network
from pathlib import Path
from random import Random
from typing import Any

from core_stub.pfcp.ies import Cause, ReportType, UsageReport, UsageReportTrigger, VolumeMeasurement
from core_stub.pfcp.messages import Response, SessionReportRequest, SessionRequest
from core_stub.upf.control import UpfControl
from core_stub.upf.identifiers import Identifiers
from core_stub.upf.networks import DataNetwork, Networks
from core_stub.upf.predefined import Applications
from core_stub.upf.resolve import Resolver
from core_stub.upf.session import Session
from tests.support.smf import World, smf_yaml, with_more_upfs
from tests.support.smf_rig import INSERT, N3, SM_CONTEXTS, Rig, rig
from tests.support.upf import RecordingUserPlane

SMF = ("10.1.0.2", 8805)
FLOW = {
    "supi": "ue1",
    "qfi": 2,
    "sdf": ["permit out 17 from 198.51.100.7/32 5004 to assigned"],
    "gbr": {"uplink": "64kbit", "downlink": "64kbit"},
    "charging": {"volume_threshold": 1000},
}
OTHER_FLOW = "permit out ip from 203.0.113.20/32 to assigned"
LOCAL = [{"upf": "upf-edge-2", "sdf": [OTHER_FLOW]}]


class RealUpfs(World):
    """UPFs as they are, but for packets; every request has to be accepted."""

    def start(self, upf: str) -> None:
        """The UPF (again), with nothing in it."""
        networks = Networks((DataNetwork(IPv4Network("10.45.0.0/16"), "n6", "internet"),))
        self.controls[upf] = UpfControl(
            n4_address=self.addresses[upf],
            identifiers=Identifiers(self.addresses[upf], networks, Random(len(self.calls))),
            resolver=Resolver(networks, Applications({}), {}),
            user_plane=RecordingUserPlane(),
            on_event=lambda _: None,
            ntp=int,
        )

    def __init__(self) -> None:
        super().__init__()
        self.controls: dict[str, UpfControl] = {}

    def add_upfs(self, addresses: dict[str, str]) -> None:
        super().add_upfs(addresses)
        for upf in self.addresses:
            self.start(upf)

    def restart(self, upf: str) -> None:
        self.start(upf)

    def sessions(self, upf: str) -> list[Session]:
        return list(self.controls[upf].sessions)

    def _apply(self, upf: str, message: SessionRequest) -> Response:
        response = self.controls[upf].handle(SMF, message, 0.0)
        assert getattr(response, "cause", None) is Cause.REQUEST_ACCEPTED, (message, response)
        return response


def run(tmp_path: Path, scenario: Callable[[Rig, RealUpfs], Awaitable[None]]) -> None:
    async def whole() -> None:
        data = with_more_upfs(smf_yaml())
        data["smf"]["session"][0] |= {
            "charging": {"volume_threshold": 1000, "volume_quota": 5000, "total_volume": 8000, "period": 10},
            "ambr": {"uplink": "10Mbit", "downlink": "20Mbit"},
        }
        world = RealUpfs()
        async with rig(tmp_path, data, world=world) as made:
            world.add_upfs({upf["name"]: upf["address"] for upf in data["smf"]["pfcp"]["client"]["upf"]})
            await scenario(made, world)

    asyncio.run(whole())


async def everything_on(made: Rig) -> dict[str, Any]:
    """A session with a flow and a UL CL with two local N6s."""
    context = await made.active()
    assert (await made.post("/flows", FLOW))[0] == 201
    assert (await made.post("/ulcl", INSERT | {"localPsas": LOCAL}))[0] == 200
    return context


def test_a_whole_life(tmp_path: Path) -> None:
    async def scenario(made: Rig, world: RealUpfs) -> None:
        context = await everything_on(made)
        assert (await made.modify(context, {"upCnxState": "DEACTIVATED"}))[0] == 200
        assert (await made.modify(context, N3))[0] == 200
        assert (await made.modify(context, {"n3": {"teid": 0x99, "ipv4": "10.1.0.8"}}))[0] == 200
        assert (await made.delete("/flows/ue1/2"))[0] == 204
        assert (await made.post("/flows", FLOW))[0] == 201
        assert (await made.delete("/ulcl/ue1"))[0] == 200
        assert (await made.post("/ulcl", INSERT | {"upf": "upf-edge-2"}))[0] == 200
        assert (await made.put("/ulcl/ue1", {"upf": "upf-edge"}))[0] == 200
        assert (await made.post(f"{SM_CONTEXTS}/1/release", {}))[0] == 204
        assert all(world.sessions(upf) == [] for upf in world.controls)
        # Every deletion told what was used.
        assert made.kinds("usage_report")

    run(tmp_path, scenario)


def test_every_upf_gets_back_what_it_had(tmp_path: Path) -> None:
    async def scenario(made: Rig, world: RealUpfs) -> None:
        await everything_on(made)
        for upf in ("upf-cloud", "upf-edge", "upf-edge-2"):
            (before,) = world.sessions(upf)
            await made.restart(upf)
            (after,) = world.sessions(upf)
            assert (after.up_seid, after.cp_f_seid, after.f_teids) == (before.up_seid, before.cp_f_seid, before.f_teids)
            assert {far.far_id: (far.apply_action, far.forwarding) for far in after.fars} == {
                far.far_id: (far.apply_action, far.forwarding) for far in before.fars
            }
            assert set(after.qers) == set(before.qers)
            assert numbers(after) == numbers(before)
        assert made.kinds("session_restored", "session_moved", "session_lost") == ["session_restored"] * 3
        # What comes later finds it as it was: shared F-TEIDs, IDs that are free.
        assert (await made.delete("/flows/ue1/2"))[0] == 204
        assert (await made.post("/flows", FLOW))[0] == 201
        assert (await made.delete("/ulcl/ue1"))[0] == 200
        assert (await made.post(f"{SM_CONTEXTS}/1/release", {}))[0] == 204

    run(tmp_path, scenario)


def test_another_psa_takes_all(tmp_path: Path) -> None:
    async def scenario(made: Rig, world: RealUpfs) -> None:
        await everything_on(made)
        (before,) = world.sessions("upf-cloud")
        world.associated.discard("upf-cloud")
        made.smf.restoration.on_lost("upf-cloud", "no heartbeat")
        await made.smf.core.settled()
        (after,) = world.sessions("upf-cloud-2")
        assert numbers(before) == {1, 3, 101, 103}
        assert numbers(after) == {1, 2, 101, 102}
        world.associated.discard("upf-edge")
        made.smf.restoration.on_lost("upf-edge", "no heartbeat")
        await made.smf.core.settled()
        assert (await made.get("/sessions"))[0]["state"] == "active"
        assert (await made.post(f"{SM_CONTEXTS}/1/release", {}))[0] == 204

    run(tmp_path, scenario)


def test_the_upf_gets_the_next_slice_of_the_quota(tmp_path: Path) -> None:
    async def scenario(made: Rig, world: RealUpfs) -> None:
        await made.active()
        assert quota(world) == 5000
        used = UsageReport(1, 0, UsageReportTrigger.VOLQU, VolumeMeasurement(5000, 5000, 0))
        seid = made.smf.core.known("1").session.psa.cp_seid
        made.smf.reports.take("upf-cloud", SessionReportRequest(seid, ReportType.USAR, usage_reports=(used,)))
        await made.smf.core.settled()
        assert quota(world) == 3000

    run(tmp_path, scenario)


def numbers(session: Session) -> set[int]:
    """The IDs of its PDRs."""
    return {pdr.pdr_id for pdr in session.pdrs}


def quota(world: RealUpfs) -> int | None:
    """The volume quota of the one URR at the PSA."""
    (session,) = world.sessions("upf-cloud")
    (urr,) = session.urrs
    return urr.volume_quota.total if urr.volume_quota else None
