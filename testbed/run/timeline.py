"""The steps of a scenario, one after the other, with the probes running; each leaves a window in the record."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from testbed.plan.describe import describe
from testbed.plan.processes import CONTROLLER
from testbed.plan.srv6 import policy_body
from testbed.run.inbox import POLL_S, READY_WITHIN_S
from testbed.run.observe import observed, read_flows
from testbed.run.progress import Progress
from testbed.run.running import Testbed
from testbed.scenario.model import Scenario
from testbed.scenario.steps import (
    ChangePolicy,
    Impair,
    InsertUlcl,
    LinkState,
    Measure,
    Ramp,
    RemoveUlcl,
    Reset,
    Restart,
    Schedule,
)

WARM_UP_S = 1.0
"""Probes run this long before the first step: caches and MAC tables fill, processes settle."""


def play(scenario: Scenario, testbed: Testbed, progress: Progress) -> None:
    """Run the timeline; RunInvalidError if a process dies or a step fails."""
    with observed(testbed):
        _pass_time(testbed, WARM_UP_S)
        testbed.links.begin()
        for step in scenario.timeline:
            match step:
                case Measure():
                    _measure(step, testbed, progress)
                case InsertUlcl():
                    target = step.insert_ulcl
                    _change(step, f"insert {target.upf} as UL CL for {target.ue}", testbed, progress)
                case RemoveUlcl():
                    _change(step, f"remove the UL CL of {step.remove_ulcl.ue}", testbed, progress)
                case LinkState():
                    _set_state(step, testbed, progress)
                case Impair() | Reset() | Ramp():
                    _impair(step, testbed, progress)
                case ChangePolicy():
                    _change_policy(step, testbed, progress)
                case Restart():
                    _restart(step, testbed, progress)
                case Schedule():
                    _schedule(step, testbed, progress)


def _measure(step: Measure, testbed: Testbed, progress: Progress) -> None:
    with progress.doing(f"{step.measure}: measure for {step.duration / 1000:g} s"), _window(step.measure, testbed):
        _pass_time(testbed, step.duration / 1000)


def _change(step: InsertUlcl | RemoveUlcl, what: str, testbed: Testbed, progress: Progress) -> None:
    with progress.doing(f"{step.window}: {what}"), _window(step.window, testbed):
        start = time.time()
        steps = _insert(step, testbed) if isinstance(step, InsertUlcl) else _remove(step, testbed)
        for done in steps:
            progress.say(f"  {(done['t'] - start) * 1000:5.0f} ms  {done['step']}")
        _pass_time(testbed, step.settle / 1000)


def _set_state(step: LinkState, testbed: Testbed, progress: Progress) -> None:
    name, state = step.link.name, step.link.state
    with progress.doing(f"{step.window}: {name} {state}"), _window(step.window, testbed):
        testbed.links.set_up(name, up=state == "up", by=step.window)
        _pass_time(testbed, step.settle / 1000)


def _impair(step: Impair | Reset | Ramp, testbed: Testbed, progress: Progress) -> None:
    """What the plan says for this window, each change at its time however long the one before has taken."""
    changes = sorted((c for c in testbed.plan.changes if c.window == step.window), key=lambda change: change.after_ms)
    names = ", ".join(dict.fromkeys(change.link for change in changes))
    with progress.doing(f"{step.window}: change {names}"), _window(step.window, testbed):
        start = time.monotonic()
        for change in changes:
            _pass_time(testbed, start + change.after_ms / 1000 - time.monotonic())
            if isinstance(step, Reset):
                testbed.links.reset(change.link, by=step.window)
            else:
                testbed.links.set(change.link, change.behaviour, by=step.window)
        progress.say(f"  {names}: {describe(changes[-1].behaviour)}")
        _pass_time(testbed, step.settle / 1000)


def _change_policy(step: ChangePolicy, testbed: Testbed, progress: Progress) -> None:
    key = step.policy.add or step.policy.remove
    assert key is not None, "the file has either"
    name = f"{key.headend} to {key.endpoint}, color {key.color}"
    doing = "add" if step.policy.add else "remove"
    with progress.doing(f"{step.window}: {doing} policy {name}"), _window(step.window, testbed):
        if step.policy.add:
            testbed.ask(CONTROLLER, "POST", "/v1/policies?strict=true", policy_body(step.policy.add))
        else:
            testbed.ask(CONTROLLER, "DELETE", f"/v1/policies/{key.headend}/{key.color}/{key.endpoint}")
        _pass_time(testbed, step.settle / 1000)


def _schedule(step: Schedule, testbed: Testbed, progress: Progress) -> None:
    with progress.doing(f"{step.window}: schedule by {step.schedule}"), _window(step.window, testbed):
        testbed.ask(CONTROLLER, "PUT", "/v1/overlay/mode", {"mode": step.schedule})
        _pass_time(testbed, step.settle / 1000)


def _restart(step: Restart, testbed: Testbed, progress: Progress) -> None:
    """Without warning, as after a crash; what it had in the kernels stays."""
    process = next(process for process in testbed.plan.processes if process.name == step.restart)
    with progress.doing(f"{step.window}: kill {step.restart} and start it again"), _window(step.window, testbed):
        testbed.lab.supervisor.kill(process.name)
        testbed.record.event("killed", process=process.name)
        testbed.lab.supervisor.start_planned(process)
        testbed.lab.supervisor.wait_ready(process.name, READY_WITHIN_S)
        _pass_time(testbed, step.settle / 1000)


def _insert(step: InsertUlcl, testbed: Testbed) -> list[dict[str, Any]]:
    target = step.insert_ulcl
    addresses = {service.name: service.address for service in testbed.plan.services}
    # TS 29.212 §5.4.2: a description is written for the downlink, so the service is its source.
    sdf = [f"permit out ip from {addresses[name]}/32 to assigned" for name in target.services]
    body = {"supi": target.ue, "upf": target.upf, "sdf": sdf}
    answer: dict[str, list[dict[str, Any]]] = testbed.ask(_smf(testbed), "POST", "/ulcl", body)
    return answer["steps"]


def _remove(step: RemoveUlcl, testbed: Testbed) -> list[dict[str, Any]]:
    ue = step.remove_ulcl.ue
    answer: dict[str, list[dict[str, Any]]] = testbed.ask(_smf(testbed), "DELETE", f"/ulcl/{ue}")
    return answer["steps"]


def _smf(testbed: Testbed) -> str:
    assert testbed.plan.smf is not None, "the references were checked: a UL CL needs a session, and that an SMF"
    return testbed.plan.smf


def _pass_time(testbed: Testbed, seconds: float) -> None:
    """Wait, and notice at once when a process dies."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        testbed.alive()
        time.sleep(min(POLL_S, left))


@contextmanager
def _window(name: str, testbed: Testbed) -> Iterator[None]:
    """Record a window of the timeline, with the flow counters read at both ends."""
    start = time.time()
    read_flows(testbed)
    yield
    read_flows(testbed)
    testbed.record.event("window", name=name, start=start, end=time.time())
