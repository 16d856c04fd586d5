"""The gNB's sessions with a user plane and an SMF that only take notes: idle, paging, handover, SSC modes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any, cast

import pytest

from core_stub.gnb import service
from core_stub.gnb.service import AttachedError, Gnb, PduSession, UnknownError
from core_stub.gnb.smf import N3, QosRule, SmContext, SmContextCreated, SmfClient, SmfError, Wish
from core_stub.gnb.userplane import GnbUserPlane
from tests.support.polling import eventually_async

UPF = IPv4Address("10.1.0.9")
GNB = IPv4Address("10.1.0.7")
WISH = Wish(dnn="internet", sscMode=3)
RULE = QosRule(qfi=2, sdf=("permit out ip from 203.0.113.10/32 to assigned",))


class FakeSmf:
    """Answers as an SMF would; `fails` is the call that does not."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.fails: str | None = None
        self.n3 = N3(teid=0x100, ipv4=UPF)
        self.during: Callable[[], None] = lambda: None

    async def create(self, *, supi: str, wish: Wish, gnb: str, pdu_session_id: int, replaces: int | None) -> Any:
        self._called("create", supi, pdu_session_id, replaces)
        ref, address = str(10 + pdu_session_id), f"10.45.0.{pdu_session_id + 1}"
        return SmContextCreated(smContextRef=ref, ueIpv4Address=address, qfi=1, n3=self.n3)

    async def activate(self, ref: str, n3: N3, gnb: str | None = None) -> SmContext:
        self.during()
        self._called("activate", ref, n3.teid, gnb)
        return SmContext(qfi=1, n3=self.n3, flows=(RULE,))

    async def deactivate(self, ref: str) -> None:
        self._called("deactivate", ref)
        self.during()

    async def release(self, ref: str) -> None:
        self._called("release", ref)

    def _called(self, *call: Any) -> None:
        self.calls.append(call)
        if call[0] == self.fails:
            raise SmfError("as the test wants it")


class FakeUserPlane:
    """What a user plane was told."""

    def __init__(self) -> None:
        self.uplinks: dict[IPv4Address, int] = {}
        self.rules: tuple[QosRule, ...] = ()
        self.waiting: set[IPv4Address] = set()
        self.downlinks: set[int] = set()
        self.on_waiting: Callable[[str, IPv4Address], None]
        self.on_end_marker: Callable[[int], None]

    def set_uplink(self, ue: str, address: IPv4Address, tunnel: Any, rules: tuple[QosRule, ...] = ()) -> None:
        self.uplinks[address] = tunnel.teid
        self.rules = rules
        self.waiting.discard(address)

    def wait(self, ue: str, address: IPv4Address) -> None:
        self.waiting.add(address)
        self.uplinks.pop(address, None)

    def set_downlink(self, teid: int, ue: str) -> None:
        self.downlinks.add(teid)

    def end_downlink(self, teid: int) -> None:
        self.downlinks.discard(teid)

    def disconnect(self, ue: str, address: IPv4Address) -> None:
        self.uplinks.pop(address, None)
        self.waiting.discard(address)


class Bench:
    """A gNB with one UE."""

    def __init__(self) -> None:
        self.smf, self.user_plane = FakeSmf(), FakeUserPlane()
        self.events: list[str] = []
        self.gnb = Gnb(
            ues=["ue1"],
            address=GNB,
            smf=cast(SmfClient, self.smf),
            user_plane=cast(GnbUserPlane, self.user_plane),
            report=lambda event, **_: self.events.append(event),
            callback="http://10.1.0.7:7778",
        )

    async def attached(self) -> PduSession:
        session = await self.gnb.attach("ue1", WISH)
        self.smf.calls.clear()
        return session

    async def settled(self) -> None:
        """Everything that was started in the background is done."""
        while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(tasks)

    @property
    def session(self) -> PduSession:
        (session,) = self.gnb.sessions
        return session


def run(scenario: Callable[[Bench], Awaitable[None]]) -> None:
    async def whole() -> None:
        await scenario(Bench())

    asyncio.run(whole())


def test_an_idle_ue_has_no_tunnel_and_gets_another_when_paged() -> None:
    async def scenario(bench: Bench) -> None:
        before = await bench.attached()
        assert before.downlink is not None
        await bench.gnb.deactivate("ue1")
        assert bench.smf.calls == [("deactivate", "11")]
        assert (bench.user_plane.downlinks, bench.user_plane.waiting) == (set(), {before.ipv4})
        assert bench.session.downlink is None
        bench.smf.n3 = N3(teid=0x200, ipv4=UPF)
        for _ in range(2):
            bench.gnb.page("11")
        await bench.settled()
        assert bench.smf.calls == [("deactivate", "11"), ("activate", "11", 2, None)]
        assert bench.user_plane.uplinks == {before.ipv4: 0x200}
        assert bench.user_plane.rules == (RULE,)
        assert bench.user_plane.downlinks == {2}
        assert bench.events[1:] == ["ue_idle", "paged", "paged", "service_request"]

    run(scenario)


def test_an_idle_ue_that_sends_asks_for_service() -> None:
    async def scenario(bench: Bench) -> None:
        session = await bench.attached()
        await bench.gnb.deactivate("ue1")
        bench.user_plane.on_waiting("ue1", session.ipv4)
        await asyncio.sleep(0)
        await bench.settled()
        assert bench.user_plane.uplinks == {session.ipv4: 0x100}

    run(scenario)


def test_a_service_request_that_fails_leaves_the_ue_idle() -> None:
    async def scenario(bench: Bench) -> None:
        session = await bench.attached()
        await bench.gnb.deactivate("ue1")
        bench.smf.fails = "activate"
        bench.gnb.page("11")
        await bench.settled()
        assert bench.events[-1] == "service_request_failed"
        assert (bench.user_plane.downlinks, bench.user_plane.waiting) == (set(), {session.ipv4})
        bench.smf.fails = None
        bench.gnb.page("11")
        await bench.settled()
        assert bench.session.downlink is not None

    run(scenario)


def test_a_switch_of_n3_during_a_service_request_is_the_last_word() -> None:
    async def scenario(bench: Bench) -> None:
        session = await bench.attached()
        await bench.gnb.deactivate("ue1")
        bench.smf.during = lambda: bench.gnb.switch_path("11", N3(teid=0x300, ipv4=UPF))
        bench.gnb.page("11")
        await bench.settled()
        assert bench.user_plane.uplinks == {session.ipv4: 0x300}

    run(scenario)


def test_qos_rules_reach_the_user_plane() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.attached()
        bench.gnb.set_flows("11", (RULE,))
        assert bench.user_plane.rules == (RULE,)
        assert bench.session.flows == (RULE,)
        bench.gnb.switch_path("11", N3(teid=0x300, ipv4=UPF))
        assert bench.user_plane.rules == (RULE,)

    run(scenario)


def test_a_qos_rule_that_no_packet_can_be_held_against_is_refused() -> None:
    with pytest.raises(ValueError, match='protocol "udp"; want "ip" or a number'):
        QosRule(qfi=2, sdf=("permit out udp from any to assigned",))


def test_a_session_released_by_the_smf_is_made_anew_if_it_says_so() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.attached()
        bench.gnb.release("11", reactivate=True)
        assert (list(bench.gnb.sessions), bench.user_plane.downlinks) == ([], set())
        await bench.settled()
        assert bench.smf.calls == [("create", "ue1", 1, None), ("activate", "11", 2, None)]
        assert bench.session.wish == WISH
        bench.smf.calls.clear()
        bench.gnb.release("11", reactivate=False)
        await bench.settled()
        assert (list(bench.gnb.sessions), bench.smf.calls) == ([], [])

    run(scenario)


@pytest.mark.parametrize("fails", [None, "activate"])
@pytest.mark.parametrize("operation", ["attach", "deactivate", "hand over", "take over"])
def test_a_session_released_while_the_gnb_waits_leaves_nothing(operation: str, fails: str | None) -> None:
    async def scenario(bench: Bench) -> None:
        def release() -> None:
            bench.gnb.release("11", reactivate=False)

        async def to_target(_: PduSession) -> None:
            release()

        session = await Bench().attached() if operation == "take over" else None
        if operation in ("deactivate", "hand over"):
            await bench.attached()
        bench.smf.during, bench.smf.fails = release, fails
        match operation:
            case "attach":
                with pytest.raises(SmfError):
                    await bench.gnb.attach("ue1", WISH)
            case "deactivate":
                await bench.gnb.deactivate("ue1")
            case "hand over":
                await bench.gnb.hand_over("ue1", to_target)
            case _:
                assert session is not None
                with pytest.raises(SmfError):
                    await bench.gnb.take_over(replace(session, downlink=None))
        assert list(bench.gnb.sessions) == []
        plane = bench.user_plane
        assert (plane.uplinks, plane.waiting, plane.downlinks) == ({}, set(), set())

    run(scenario)


def test_a_session_that_expires_is_replaced_by_another_beside_it() -> None:
    async def scenario(bench: Bench) -> None:
        old = await bench.attached()
        bench.gnb.replace("11", 2.0)
        await bench.settled()
        assert bench.smf.calls == [("create", "ue1", 2, 1), ("activate", "12", 2, None)]
        assert [session.pdu_session_id for session in bench.gnb.sessions] == [1, 2]
        assert bench.user_plane.uplinks.keys() == {old.ipv4, IPv4Address("10.45.0.3")}
        bench.gnb.release("11", reactivate=False)
        assert bench.user_plane.uplinks.keys() == {IPv4Address("10.45.0.3")}
        await bench.gnb.detach("ue1")
        assert bench.smf.calls[-1] == ("release", "12")

    run(scenario)


def test_a_handover_takes_downlink_until_the_end_marker() -> None:
    async def scenario(bench: Bench) -> None:
        session = await bench.attached()
        target = Bench()
        taken: list[PduSession] = []

        async def to_target(handed: PduSession) -> None:
            taken.append(await target.gnb.take_over(replace(handed, downlink=None)))

        await bench.gnb.hand_over("ue1", to_target)
        assert target.smf.calls == [("activate", "11", 1, "http://10.1.0.7:7778")]
        assert target.user_plane.uplinks == {session.ipv4: 0x100}
        assert (bench.user_plane.uplinks, bench.user_plane.downlinks) == ({}, {1})
        assert list(bench.gnb.sessions) == []
        bench.user_plane.on_end_marker(1)
        await asyncio.sleep(0)
        assert bench.user_plane.downlinks == set()
        assert bench.events[-1] == "handover_complete"

    run(scenario)


def test_an_end_marker_that_is_lost_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_END_MARKER_WITHIN_S", 0.01)

    async def scenario(bench: Bench) -> None:
        await bench.attached()
        await bench.gnb.hand_over("ue1", lambda _: asyncio.sleep(0))
        assert bench.user_plane.downlinks == {1}
        await eventually_async(lambda: bench.user_plane.downlinks, lambda downlinks: not downlinks)
        bench.user_plane.on_end_marker(1)
        await asyncio.sleep(0)
        assert bench.events.count("handover_complete") == 1

    run(scenario)


def test_a_handover_that_the_target_refuses_changes_nothing() -> None:
    async def scenario(bench: Bench) -> None:
        session = await bench.attached()

        async def refuse(_: PduSession) -> None:
            raise SmfError("no")

        with pytest.raises(SmfError):
            await bench.gnb.hand_over("ue1", refuse)
        assert bench.session == session
        bench.user_plane.on_end_marker(1)
        await asyncio.sleep(0)
        assert bench.user_plane.downlinks == {1}

    run(scenario)


def test_a_handover_that_the_smf_refuses_leaves_nothing_at_the_target() -> None:
    async def scenario(bench: Bench) -> None:
        session = await bench.attached()
        target = Bench()
        target.smf.fails = "activate"
        with pytest.raises(SmfError):
            await target.gnb.take_over(replace(session, downlink=None))
        assert (list(target.gnb.sessions), target.user_plane.uplinks, target.user_plane.downlinks) == ([], {}, set())

    run(scenario)


def test_what_makes_no_sense_is_refused() -> None:
    async def scenario(bench: Bench) -> None:
        with pytest.raises(UnknownError, match="ue1 has no PDU session that is active"):
            await bench.gnb.deactivate("ue1")
        with pytest.raises(UnknownError, match="no PDU session has the SM context 9"):
            bench.gnb.page("9")
        session = await bench.attached()
        with pytest.raises(AttachedError):
            await bench.gnb.take_over(session)
        await bench.gnb.deactivate("ue1")
        with pytest.raises(UnknownError, match="ue1 is idle"):
            await bench.gnb.hand_over("ue1", lambda _: asyncio.sleep(0))

    run(scenario)
