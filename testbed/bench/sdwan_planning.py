"""How long a plan takes for an operator's overlay after a brownout, and how far it is from the best plan there is."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from random import Random
from statistics import fmean, median

from controllers.joint import exact, heuristic
from controllers.joint.model import Mode, State
from controllers.joint.planner import plan
from testbed.bench.sdwan_states import brownout, large_state, small_state

REPEATS = 5


@dataclass(frozen=True)
class Gap:
    """The heuristic against the best plan, over many small states.

    `percents` are how much more its plans cost, of those that are equal up to there; `worse` is how many were not.
    """

    percents: tuple[float, ...]
    worse: int

    @property
    def mean_percent(self) -> float:
        """Of all that were equal up to the cost."""
        return fmean(self.percents) if self.percents else 0.0


def replan1000_s(repeats: int = REPEATS) -> float:
    """Seconds, the median, to plan 1,000 flows over 20 CPEs again after a brownout of the internet at five of them."""
    calm = large_state()
    struck = brownout(calm_again(calm))
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        plan(struck)
        seconds.append(time.perf_counter() - start)
    return median(seconds)


def calm_again(state: State) -> State:
    """`state` with the placement that is planned for it: where there is nothing left to gain."""
    return replace(state, placement=plan(state).placement)


def heuristic_gap(states: int = 200) -> Gap:
    """Compare the two solvers on `states` states; the same ones each time."""
    percents, worse = [], 0
    for seed in range(states):
        state = small_state(Random(seed))
        quick, best = plan(state, Mode.JOINT, heuristic.solve).objective, plan(state, Mode.JOINT, exact.solve).objective
        if (quick.violations, quick.overrun_bps) != (best.violations, best.overrun_bps):
            worse += 1
        else:
            percents.append(100 * (quick.price - best.price) / max(1, best.price))
    return Gap(tuple(percents), worse)


def heuristic_gap_percent(states: int = 200) -> float:
    """How much more the heuristic's plans cost than the best ones, in the mean."""
    return heuristic_gap(states).mean_percent
