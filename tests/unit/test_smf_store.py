"""Sessions survive a restart of the SMF: read back as they were, and restored at UPFs that have forgotten them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from core_stub.pfcp.ies import ReportType, UsageReport, UsageReportTrigger, VolumeMeasurement
from core_stub.pfcp.messages import SessionReportRequest
from core_stub.smf.service import Smf
from core_stub.smf.store import Store
from testbed.errors import InputError
from tests.support.smf import MEC_FLOW, World, smf_yaml, with_more_upfs
from tests.support.smf_rig import INSERT, N3, SM_CONTEXTS, Rig, body, rig

FLOW = {"supi": "ue1", "qfi": 2, "sdf": [MEC_FLOW], "mbr": {"uplink": "1Mbit", "downlink": "1Mbit"}}

Part = Callable[[Rig], Awaitable[None]]


def through_a_restart(tmp_path: Path, before: Part, after: Part, data: dict[str, Any] | None = None) -> None:
    """`before` on one SMF, `after` on the next, with the same database and the same UPFs, which have forgotten all."""

    async def whole() -> None:
        world = World()
        for part in (before, after):
            with Store(tmp_path / "smf.db") as store:
                async with rig(tmp_path, data, world=world, store=store) as made:
                    upfs = (data or smf_yaml())["smf"]["pfcp"]["client"]["upf"]
                    world.add_upfs({upf["name"]: upf["address"] for upf in upfs})
                    await part(made)
            for upf in world.upfs:
                world.restart(upf)

    asyncio.run(whole())


async def associated(made: Rig) -> None:
    """All UPFs are up; returns when all has followed that follows."""
    for upf in sorted(made.world.associated):
        made.smf.restoration.on_up(upf)
    await made.smf.core.settled()


def sessions_of(smf: Smf) -> list[Any]:
    """The sessions, but for what a restoration changes: that their UPFs know no CHOOSE IDs."""
    sessions = []
    for session in smf.sessions:
        for n4 in session.n4_sessions:
            session = session.with_n4(replace(n4, restored=False))  # noqa: PLW2901 - part by part
        sessions.append(session)
    return sessions


def test_everything_is_as_it_was(tmp_path: Path) -> None:
    kept: list[Any] = []

    async def before(made: Rig) -> None:
        await made.active()
        local = [{"upf": "upf-edge-2", "sdf": [MEC_FLOW]}]
        assert (await made.post("/ulcl", INSERT | {"localPsas": local}))[0] == 200
        assert (await made.post("/flows", FLOW))[0] == 201
        idle = await made.active(supi="ue2", snssai={"sst": 1}, sscMode=3)
        await made.modify(idle, {"upCnxState": "DEACTIVATED"})
        await made.post(SM_CONTEXTS, body(supi="ue3"))
        await made.post(f"{SM_CONTEXTS}/3/release", {})
        kept.extend((sessions_of(made.smf), made.world.snapshot(), await made.get("/sessions")))

    async def after(made: Rig) -> None:
        assert sessions_of(made.smf) == kept[0]
        assert all(session["gone"] for session in await made.get("/sessions"))
        await associated(made)
        assert sessions_of(made.smf) == kept[0]
        assert await made.get("/sessions") == kept[2]
        was, now = kept[1][0], made.world.upfs
        for upf, sessions in was.items():
            assert now[upf].keys() == sessions.keys()
            for seid, session in sessions.items():
                assert now[upf][seid].f_teids == session.f_teids
                assert now[upf][seid].fars == session.fars
                assert now[upf][seid].pdrs.keys() == session.pdrs.keys()
        assert made.kinds("session_restored", "session_lost") == ["session_restored"] * 4
        # It goes on: addresses, references and SEIDs that are in use are not given out again.
        _, context = await made.post(SM_CONTEXTS, body(supi="ue4"))
        assert (context["smContextRef"], context["ueIpv4Address"]) == ("3", "10.45.0.4")
        assert (await made.delete("/ulcl/ue1"))[0] == 200
        assert (await made.delete("/flows/ue1/2"))[0] == 204
        assert (await made.post(f"{SM_CONTEXTS}/1/release", {}))[0] == 204

    through_a_restart(tmp_path, before, after, with_more_upfs(smf_yaml()))


def test_what_is_charged_is_kept(tmp_path: Path) -> None:
    async def before(made: Rig) -> None:
        await made.active()
        used = UsageReport(1, 0, UsageReportTrigger.PERIO, VolumeMeasurement(300, 100, 200))
        seid = made.smf.sessions[0].psa.cp_seid
        made.smf.reports.take("upf-cloud", SessionReportRequest(seid, ReportType.USAR, usage_reports=(used,)))

    async def after(made: Rig) -> None:
        (account,) = (await made.get("/sessions"))[0]["usage"]
        assert (account["rating_group"], account["total"]) == (5, 300)

    data = smf_yaml()
    data["smf"]["session"][0]["charging"] = {"rating_group": 5}
    through_a_restart(tmp_path, before, after, data)


def test_a_upf_that_is_not_there_any_more_is_replaced(tmp_path: Path) -> None:
    async def before(made: Rig) -> None:
        await made.active()

    async def after(made: Rig) -> None:
        made.world.kill("upf-cloud")
        made.smf.restoration.start()
        await made.smf.core.settled()
        assert [session.psa.upf for session in made.smf.sessions] == ["upf-cloud-2"]

    through_a_restart(tmp_path, before, after, with_more_upfs(smf_yaml()))


def test_a_failed_procedure_is_kept_as_it_ended(tmp_path: Path) -> None:
    async def before(made: Rig) -> None:
        await made.active()
        made.world.fault = (len(made.world.calls) + 4, "request lost")
        assert (await made.post("/ulcl", INSERT))[1]["step"] == "close_n3_uplink"

    async def after(made: Rig) -> None:
        assert (await made.get("/sessions"))[0]["state"] == "local-breakout"

    through_a_restart(tmp_path, before, after)


def test_a_procedure_that_never_ended_has_never_been(tmp_path: Path) -> None:
    async def before(made: Rig) -> None:
        await made.active()
        (session,) = made.smf.sessions
        made.world.gnb_n3 = session.n3
        # The gNB has switched, and then the SMF dies.
        made.world.after_each = lambda: _die_after_the_switch(made)
        with pytest.raises(_DiedError):
            await made.smf.insert_ulcl("1", "upf-edge", (MEC_FLOW,))
        assert made.world.gnb_n3 != session.n3
        made.world.after_each = lambda: None

    async def after(made: Rig) -> None:
        await associated(made)
        assert made.world.upfs["upf-edge"] == {}
        assert made.world.uplink_path() == ["upf-cloud"]
        assert made.world.downlink_path() == ["upf-cloud", "gnb"]

    through_a_restart(tmp_path, before, after)


class _DiedError(Exception):
    """Not a failure of a step: nothing is rolled back."""


def _die_after_the_switch(made: Rig) -> None:
    if made.world.calls[-1][0] == "gnb":
        raise _DiedError


def test_a_pool_that_is_not_configured_any_more_takes_its_sessions_with_it(tmp_path: Path) -> None:
    async def before(made: Rig) -> None:
        await made.active()

    async def after(made: Rig) -> None:
        assert made.smf.sessions == ()
        assert (await made.post(SM_CONTEXTS, body()))[0] == 201

    async def whole() -> None:
        data = smf_yaml()
        for part in (before, after):
            with Store(tmp_path / "smf.db") as store:
                async with rig(tmp_path, data, store=store) as made:
                    await part(made)
            data["smf"]["session"][0]["subnet"] = "10.99.0.0/24"

    asyncio.run(whole())


def test_a_range_that_has_an_address_no_more_takes_its_session_with_it(tmp_path: Path) -> None:
    async def whole() -> None:
        world, data = World(), smf_yaml()
        with Store(tmp_path / "smf.db") as store:
            async with rig(tmp_path, data, world=world, store=store) as made:
                await made.active()
                await made.active(supi="ue2")
        data["smf"]["session"][0]["range"] = "10.45.0.3-10.45.0.5"
        with Store(tmp_path / "smf.db") as store:
            async with rig(tmp_path, data, world=world, store=store) as made:
                assert [session.context.ref for session in made.smf.sessions] == ["2"]
            assert [stored.session.context.ref for stored in store.load()] == ["2"]

    asyncio.run(whole())


def test_a_session_is_released_for_good(tmp_path: Path) -> None:
    async def before(made: Rig) -> None:
        await made.active()
        await made.post(f"{SM_CONTEXTS}/1/release", {})

    async def after(made: Rig) -> None:
        assert made.smf.sessions == ()
        assert (await made.post(SM_CONTEXTS, body()))[1]["ueIpv4Address"] == "10.45.0.2"

    through_a_restart(tmp_path, before, after)


def test_an_address_taken_is_not_given_out(tmp_path: Path) -> None:
    async def before(made: Rig) -> None:
        for number in range(3):
            await made.post(SM_CONTEXTS, body(supi=f"ue{number}"))
        await made.post(f"{SM_CONTEXTS}/1/release", {})

    async def after(made: Rig) -> None:
        given = [(await made.post(SM_CONTEXTS, body(supi=f"ue{number}")))[1] for number in (5, 6, 7)]
        assert [context["ueIpv4Address"] for context in given] == ["10.45.0.2", "10.45.0.5", "10.45.0.6"]
        assert made.smf.core.known("2").session.context.ue_ipv4 == IPv4Address("10.45.0.3")
        await associated(made)
        assert (await made.modify({"smContextRef": "2"}, N3))[0] == 200

    through_a_restart(tmp_path, before, after)


def test_a_file_that_is_none_of_ours_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "smf.db"
    path.write_bytes(b"no database at all, but long enough to be taken for one" * 100)
    with pytest.raises(InputError, match=r"smf\.db: got file is not a database"):
        Store(path)


def test_the_directory_is_made(tmp_path: Path) -> None:
    with Store(tmp_path / "lib" / "bearerlab" / "smf.db") as store:
        assert list(store.load()) == []


def test_a_directory_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"smf\.db: got unable to open database file; want a file of this SMF"):
        Store(tmp_path)


def test_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "smf.db"
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 7")
    db.close()
    with pytest.raises(InputError, match="version 7"):
        Store(path)


def test_a_record_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "smf.db"
    with Store(path):
        pass
    db = sqlite3.connect(path)
    db.execute("INSERT INTO sessions VALUES (3, '{}')")
    db.commit()
    db.close()
    with Store(path) as store, pytest.raises(InputError, match=r"smf\.db session 3"):
        list(store.load())
