"""What the timeline does to links, decided: impair, reset and ramp as new behaviours at their times."""

from __future__ import annotations

from collections.abc import Iterator

from testbed.plan.model import Behaviour, PlannedChange
from testbed.plan.profiles import Known, LinkPlan, changed
from testbed.scenario.impairment import Change
from testbed.scenario.model import Scenario
from testbed.scenario.steps import Impair, LinkState, Ramp, Reset, Step


def steered_links(scenario: Scenario) -> frozenset[str]:
    """The links that a step names."""
    return frozenset(name for step in scenario.timeline for name in named_links(step))


def named_links(step: Step) -> tuple[str, ...]:
    """The links that one step names."""
    match step:
        case Impair(impair=target) | Reset(reset=target) | Ramp(ramp=target):
            return tuple(target.links)
        case LinkState():
            return (step.link.name,)
        case _:
            return ()


def plan_changes(scenario: Scenario, links: tuple[LinkPlan, ...], known: Known) -> Iterator[PlannedChange]:
    """Every change of every link, in the order of the timeline; each step begins with what the last one left.

    Links that are not there are passed over: `testbed.plan.references` complains about them.
    """
    planned = {link.link.name: link for link in links}
    now = {name: link.behaviour for name, link in planned.items()}
    for step in scenario.timeline:
        for name in filter(planned.__contains__, named_links(step)):
            for after_ms, behaviour in _course(step, now[name], planned[name], known):
                now[name] = behaviour
                yield PlannedChange(step.window, after_ms, name, behaviour)  # type: ignore[union-attr]


def _course(step: Step, now: Behaviour, link: LinkPlan, known: Known) -> Iterator[tuple[float, Behaviour]]:
    """What one link is like, and when, in milliseconds from the start of the step."""
    match step:
        case Impair(impair=change):
            yield 0.0, changed(now, change, link.distance_km, known)
        case Reset():
            yield 0.0, link.behaviour
        case Ramp(ramp=ramp):
            for number in range(ramp.steps + 1):
                done = number / ramp.steps
                values = {name: first + (last - first) * done for name, (first, last) in ramp.spans.items()}
                yield ramp.over * done, changed(now, _as_change(values), link.distance_km, known)
        case _:
            return


def _as_change(values: dict[str, float]) -> Change:
    """Values that are valid already, in the scenario's units."""
    rate = round(values["rate"]) if "rate" in values else None
    return Change.model_construct(
        delay=values.get("delay"), jitter=values.get("jitter"), loss=values.get("loss"), rate=rate
    )
