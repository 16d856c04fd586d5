"""What each mode of an overlay's scheduling came to: SLA violations, lost packets, cost and moves. Pure.

From the run's events: `mode_changed` begins a mode, `overlay_cost` says what the placement costs from then on,
`sla_violated` that a demand's SLA did not hold for so many seconds, `demand_moved` and `policy_rerouted` are moves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Event = Mapping[str, Any]

_MOVES = frozenset({"demand_moved", "policy_rerouted"})


@dataclass(frozen=True)
class ModeSummary:
    """One mode, from `start` to `end` in Unix seconds.

    `violated_s` is by application: of its demands the one that was violated longest. `cost` is the mean over time.
    """

    mode: str
    start: float
    end: float
    violated_s: Mapping[str, float]
    lost: int
    cost: float
    moves: int


def modes(events: Sequence[Event], lost_at: Iterable[float], applications: Iterable[str]) -> Iterator[ModeSummary]:
    """Each mode that was set in a run, in turn; `lost_at` is when lost packets were sent."""
    changes = [event for event in events if event["kind"] == "mode_changed"]
    last = max((event["end"] for event in events if event["kind"] == "window"), default=0.0)
    lost = tuple(lost_at)
    names = tuple(applications)
    ends = [*(change["t"] for change in changes[1:]), last]
    for change, end in zip(changes, ends, strict=False):  # without a change there is one end too many
        start = change["t"]
        inside = [event for event in events if start <= event["t"] < end]
        yield ModeSummary(
            mode=change["mode"],
            start=start,
            end=end,
            violated_s={name: violated_s(inside, name) for name in names},
            lost=sum(start <= t < end for t in lost),
            cost=_mean_cost(inside, end),
            moves=sum(event["kind"] in _MOVES for event in inside),
        )


def violated_s(events: Iterable[Event], application: str) -> float:
    """How long the application's SLA did not hold: of its demands the one that it did not hold longest for."""
    seconds: Counter[str] = Counter()
    for event in events:
        if event["kind"] == "sla_violated" and event["demand"].partition(":")[0] == application:
            seconds[event["demand"]] += event["seconds"]
    return max(seconds.values(), default=0.0)


def moved(events: Iterable[Event], application: str) -> int:
    """How often demands of the application were moved."""
    return sum(event["kind"] == "demand_moved" and event["demand"].partition(":")[0] == application for event in events)


def _mean_cost(inside: Sequence[Event], end: float) -> float:
    """Of the cost that holds from each event to the next, weighted by time."""
    steps = [(event["t"], float(event["cost"])) for event in inside if "cost" in event]
    until = [*(t for t, _ in steps[1:]), end]
    spans = [(cost, later - t) for (t, cost), later in zip(steps, until, strict=True)]
    total = sum(seconds for _, seconds in spans)
    return sum(cost * seconds for cost, seconds in spans) / total if total else 0.0
