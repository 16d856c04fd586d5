"""Both solvers against trying all there is, and what no plan may do."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from random import Random
from statistics import fmean

import pytest
from hypothesis import given, settings

from controllers.joint import exact, heuristic
from controllers.joint.assignment import Assignment, Kind
from controllers.joint.model import ColorMove, DemandMove, Mode, RouteMove, State
from controllers.joint.planner import SMALL, Solver, best, plan
from controllers.joint.problem import Problem
from controllers.joint.quality import Quality
from testbed.bench.sdwan_planning import calm_again, heuristic_gap
from testbed.bench.sdwan_states import brownout, large_state, small_state
from tests.support.joint import GOLD, every_objective, flow, loads, moved, states, two_sites

SOLVERS = pytest.mark.parametrize("solve", [heuristic.solve, exact.solve], ids=["heuristic", "exact"])


@pytest.mark.parametrize("mode", Mode)
@settings(deadline=None, max_examples=25)
@given(states(most_demands=3))
def test_exact_is_the_best_of_all_there_are(mode: Mode, state: State) -> None:
    assert plan(state, mode, exact.solve).objective == min(every_objective(Problem(state, mode)))


def test_heuristic_is_near_the_exact_one() -> None:
    gap = heuristic_gap(60)
    assert gap.worse <= 1
    assert fmean(gap.percents) <= 1
    assert max(gap.percents) <= 25


def test_no_state_but_a_large_one_is_left_to_the_heuristic(monkeypatch: pytest.MonkeyPatch) -> None:
    missed = 0
    for seed in range(25):
        problem = Problem(small_state(Random(seed), most_demands=SMALL), Mode.JOINT)
        assert best(problem).objective <= heuristic.solve(problem).objective
        missed += best(problem).objective.violations < heuristic.solve(problem).objective.violations
    assert missed
    monkeypatch.setattr(exact, "solve", None)
    assert plan(large_state(sites=4, flows=SMALL + 1)).mode is Mode.JOINT


def test_the_heuristic_plans_where_the_exact_solver_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def give_up(_: Problem) -> Assignment:
        raise exact.SolverError("HiGHS: no")

    problem = Problem(small_state(Random(3)), Mode.JOINT)
    monkeypatch.setattr(exact, "solve", give_up)
    assert best(problem).objective == heuristic.solve(problem).objective


def test_the_solver_writes_nothing_to_standard_output() -> None:
    """Events go there, one JSON object a line."""
    code = (
        "import tests.support.joint as given; from controllers.joint.planner import plan; "
        "plan(given.two_sites(given.flow('x'), on={}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""


@SOLVERS
@pytest.mark.parametrize(("preferred", "transport"), [((), "internet"), (("private", "internet"), "private")])
def test_of_those_that_keep_the_sla_the_preferred_transport_is_taken_whatever_it_costs(
    solve: Solver, preferred: tuple[str, ...], transport: str
) -> None:
    for here in ("private", "internet"):
        found = plan(two_sites(flow("video", preferred=preferred), on={"video": here}), Mode.JOINT, solve)
        assert found.placement.tunnels == {"video": f"a-b-{transport}"}


@SOLVERS
def test_a_preferred_transport_that_breaks_the_sla_is_left(solve: Solver) -> None:
    video = flow("video", preferred=("internet", "private"))
    found = plan(two_sites(video, on={"video": "internet"}, internet=Quality(10, loss=0.05)), Mode.JOINT, solve)
    assert found.placement.tunnels == {"video": "a-b-private"}


@SOLVERS
@settings(deadline=None, max_examples=40)
@given(states(most_demands=6))
def test_plans_keep_policies_and_capacities(solve: Solver, state: State) -> None:
    found = plan(state, Mode.JOINT, solve)
    transports = {tunnel.name: tunnel.transport for tunnel in state.tunnels}
    for demand in state.demands:
        if tunnel := found.placement.tunnels.get(demand.name):
            assert demand.may_use(transports[tunnel])
    before, after = loads(state), loads(replace(state, placement=found.placement))
    for resource in state.resources:
        assert after[resource.name] <= max(resource.capacity_bps, before[resource.name])
    over = {each.name: after[each.name] for each in state.resources if after[each.name] > each.capacity_bps}
    assert {each.resource: each.load_bps for each in found.overruns} == over


@settings(deadline=None, max_examples=60)
@given(states(most_demands=6))
def test_moves_lead_to_the_placement_and_overload_only_what_they_say(state: State) -> None:
    found = plan(state)
    limits = {each.name: max(each.capacity_bps, loads(state)[each.name]) for each in state.resources}
    now, over = state, set[str]()
    for move in found.moves:
        now = moved(now, move)
        over |= {name for name, load in loads(now).items() if load > limits[name]}
    assert now.placement == found.placement
    assert over == set(found.overloads)


@SOLVERS
@pytest.mark.parametrize("mode", Mode)
def test_a_mode_makes_only_its_kind_of_moves(mode: Mode, solve: Solver) -> None:
    allowed = {
        Mode.STATIC: set[type](),
        Mode.OVERLAY: {DemandMove},
        Mode.UNDERLAY: {ColorMove, RouteMove},
        Mode.JOINT: {DemandMove, ColorMove, RouteMove},
    }[mode]
    made = {type(move) for seed in range(25) for move in plan(small_state(Random(seed)), mode, solve).moves}
    assert made == allowed


@SOLVERS
def test_order_of_a_state_decides_nothing(solve: Solver) -> None:
    for seed in range(15):
        state = small_state(Random(seed))
        there = state.placement
        turned = replace(
            state,
            demands=state.demands[::-1],
            tunnels=state.tunnels[::-1],
            policies=tuple(replace(policy, routes=policy.routes[::-1]) for policy in state.policies[::-1]),
            resources=state.resources[::-1],
            placement=replace(there, tunnels=dict(reversed(list(there.tunnels.items())))),
        )
        assert plan(turned, Mode.JOINT, solve) == plan(state, Mode.JOINT, solve)


@SOLVERS
def test_nothing_moves_while_all_is_well_and_little_would_be_saved(solve: Solver) -> None:
    calm = two_sites(flow("video"), on={"video": "private"}, by="wuhan")
    assert plan(calm, Mode.UNDERLAY, solve, saving=0.1).moves == ()
    assert plan(calm, Mode.UNDERLAY, solve, saving=0.01).moves == (RouteMove(GOLD, "wuhan", "hanzhou"),)


def test_a_plan_is_where_there_is_nothing_left_to_do() -> None:
    state = calm_again(large_state(sites=8, flows=120))
    assert plan(state).moves == ()


def test_a_brownout_of_many_flows_is_mended_without_overload() -> None:
    struck = brownout(calm_again(large_state()))
    assert plan(struck, Mode.STATIC).violations
    found = plan(struck)
    assert not found.violations and not found.overruns and not found.overloads


@SOLVERS
def test_room_is_made_for_what_weighs_more(solve: Solver) -> None:
    video, bulk = flow("video", 8, weight=5), flow("bulk", 8, flow("any").sla)
    lossy = Quality(10, loss=0.05)
    state = two_sites(video, bulk, on={"video": "internet", "bulk": "private"}, internet=lossy, hanzhou=Quality(12))
    wuhan_is_slow = replace(
        state,
        policies=tuple(replace(policy, routes=policy.routes[:1]) for policy in state.policies),
    )
    found = plan(wuhan_is_slow, Mode.JOINT, solve)
    assert found.placement.tunnels == {"video": "a-b-private", "bulk": "a-b-internet"}
    assert [violation.demand for violation in found.violations] == ["bulk"]


@settings(deadline=None, max_examples=40)
@given(states(most_demands=6))
def test_an_assignment_that_goes_back_is_as_before(state: State) -> None:
    problem = Problem(state, Mode.JOINT)
    assignment = Assignment(problem)
    before, was = assignment.score, list(assignment.loads)
    mark = assignment.mark()
    for demand, choices in enumerate(problem.tunnel_choices):
        assignment.change(Kind.DEMAND, demand, choices[-1])
    for policy, choices in enumerate(problem.route_choices):
        assignment.change(Kind.ROUTE, policy, choices[-1])
    assignment.back_to(mark)
    assert (assignment.score, assignment.loads) == (before, was)
