"""The table of a session's states: every operation in every state is a transition, or refused and changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core_stub.pfcp.ies import FTeid
from core_stub.smf.config import Flow
from core_stub.smf.core import RefusedError
from core_stub.smf.session import TRANSITIONS, Operation, State
from tests.support.smf import GNB, MEC_FLOW, smf_yaml, with_more_upfs
from tests.support.smf_rig import INSERT, SM_CONTEXTS, Rig, body, run_on_rig

LIVE = (State.INACTIVE, State.ACTIVE, State.LOCAL_BREAKOUT, State.INACTIVE_BREAKOUT, State.LOST)
FLOW = Flow(qfi=5, sdf=(MEC_FLOW,))

OPERATIONS: dict[Operation, Callable[[Rig], Awaitable[Any]]] = {
    Operation.ACTIVATE: lambda rig: rig.smf.activate("1", FTeid(0x99, GNB.ipv4)),
    Operation.DEACTIVATE: lambda rig: rig.smf.deactivate("1"),
    Operation.ADD_FLOW: lambda rig: rig.smf.add_flow("1", FLOW),
    Operation.REMOVE_FLOW: lambda rig: rig.smf.remove_flow("1", 4),
    Operation.INSERT_ULCL: lambda rig: rig.smf.insert_ulcl("1", "upf-edge", (MEC_FLOW,)),
    Operation.RELOCATE_ULCL: lambda rig: rig.smf.relocate_ulcl("1", "upf-edge-2", (MEC_FLOW,)),
    Operation.REMOVE_ULCL: lambda rig: rig.smf.remove_ulcl("1"),
    Operation.REPLACE_PSA: lambda rig: rig.smf.replace_psa("1"),
    Operation.RELEASE: lambda rig: rig.smf.release("1"),
}


async def bring_into(rig: Rig, state: State) -> None:
    """A session in that state, by what leads there."""
    if state in (State.INACTIVE, State.LOST):
        await rig.post(SM_CONTEXTS, body(sscMode=3))
    else:
        context = await rig.active(sscMode=3)
        if state in (State.LOCAL_BREAKOUT, State.INACTIVE_BREAKOUT):
            assert (await rig.post("/ulcl", INSERT))[0] == 200
        if state is State.INACTIVE_BREAKOUT:
            await rig.modify(context, {"upCnxState": "DEACTIVATED"})
    await rig.smf.add_flow("1", Flow(qfi=4, sdf=(MEC_FLOW,)))
    entry = rig.smf.core.known("1")
    if state is State.LOST:
        rig.smf.core.lose(entry, "upf-cloud", "as the test wants it")
    assert entry.session.state is state


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize("state", LIVE)
def test_every_pair(tmp_path: Path, state: State, operation: Operation) -> None:
    async def scenario(rig: Rig) -> None:
        await bring_into(rig, state)
        before, upfs = rig.smf.core.known("1").session, rig.world.snapshot()
        target = TRANSITIONS.get((state, operation))
        if target is None:
            with pytest.raises(RefusedError, match=f"cannot {operation.value}: session 1 is {state.value}"):
                await OPERATIONS[operation](rig)
            assert rig.smf.core.known("1").session == before
            assert rig.world.snapshot() == upfs
        else:
            await OPERATIONS[operation](rig)
            left = rig.smf.core.table.get("1")
            assert (left.session.state if left else State.RELEASED) is target

    run_on_rig(tmp_path, scenario, with_more_upfs(smf_yaml()))


@pytest.mark.parametrize("operation", Operation)
def test_nothing_is_done_on_a_released_session(tmp_path: Path, operation: Operation) -> None:
    assert (State.RELEASED, operation) not in TRANSITIONS

    async def scenario(rig: Rig) -> None:
        await rig.active()
        await rig.smf.release("1")
        with pytest.raises(RefusedError, match="no SM context 1"):
            await OPERATIONS[operation](rig)

    run_on_rig(tmp_path, scenario)


def test_a_procedure_that_waited_for_its_turn_finds_the_session_released(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.active()
        entry = rig.smf.core.known("1")
        async with entry.lock:
            waiting = asyncio.ensure_future(rig.smf.release("1"))
            await asyncio.sleep(0)
            rig.smf.core.table.update(entry, replace(entry.session, state=State.RELEASED))
            rig.smf.core.table.remove(entry)
        with pytest.raises(RefusedError, match="no SM context 1"):
            await waiting

    run_on_rig(tmp_path, scenario)
