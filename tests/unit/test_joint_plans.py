"""What a plan says and in which order, on two sites: golden sentences and orders; and states that cannot be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controllers.joint.assignment import Assignment, Kind
from controllers.joint.explain import explain
from controllers.joint.model import ColorMove, Demand, DemandMove, Mode, RouteMove, State, StateError
from controllers.joint.ordering import in_order
from controllers.joint.planner import plan
from controllers.joint.problem import Problem
from controllers.joint.quality import Quality, Sla, severity
from tests.support.joint import GOLD, MBIT, PLAIN, flow, two_sites

LOSSY = Quality(10, loss=0.05)


def sentences(state: State, mode: Mode = Mode.JOINT) -> list[str]:
    told = explain(state, plan(state, mode))
    return [*told.moves, *told.violations]


def test_a_demand_leaves_a_transport_that_breaks_its_sla() -> None:
    assert sentences(two_sites(flow("video-1"), on={"video-1": "internet"}, internet=LOSSY)) == [
        "video-1 moved from internet to private on color 10: loss 5 % on internet broke its 1 % bound; "
        "private by hanzhou keeps 14 ms of 30 ms and costs 2.0 more"
    ]


def test_a_demand_goes_where_it_is_cheaper() -> None:
    assert sentences(two_sites(flow("video-1"), on={"video-1": "private"})) == [
        "video-1 moved from private on color 10 to internet: internet is cheaper; "
        "internet keeps 10 ms of 30 ms and costs 2.0 less"
    ]


def test_a_demand_goes_back_to_the_transport_that_it_prefers() -> None:
    video = flow("video-1", preferred=("private", "internet"))
    assert sentences(two_sites(video, on={"video-1": "internet"})) == [
        "video-1 moved from internet to private on color 10: private by hanzhou is preferred; "
        "private by hanzhou keeps 14 ms of 30 ms and costs 2.0 more"
    ]


def test_underlay_goes_before_the_demand_that_needs_it() -> None:
    state = two_sites(flow("video-1"), on={"video-1": "internet"}, internet=LOSSY, color=PLAIN)
    assert plan(state).moves == (
        ColorMove("a-b-private", PLAIN, GOLD),
        DemandMove("video-1", "a-b-internet", "a-b-private"),
    )
    assert sentences(state)[0] == (
        "tunnel a-b-private moved from color 20 to color 10: for video-1, private by nanjing has delay 47 ms of 30 ms; "
        "private by hanzhou keeps 14 ms of 30 ms"
    )


def test_a_policy_leaves_a_route_that_got_slow() -> None:
    only_private = frozenset({"private"})
    state = two_sites(
        flow("video-1", transports=only_private),
        flow("video-2", transports=only_private),
        on={"video-1": "private", "video-2": "private"},
        hanzhou=Quality(40),
    )
    assert plan(state).moves == (RouteMove(GOLD, "hanzhou", "wuhan"),)
    assert sentences(state) == [
        "policy pe1→pe2 color 10 moved from hanzhou to wuhan: for video-1 and 1 more, "
        "private by hanzhou has delay 42 ms of 30 ms; private by wuhan keeps 22 ms of 30 ms"
    ]


@pytest.mark.parametrize(
    ("demand", "mode", "reason"),
    [
        (
            flow("video-1", 12),
            Mode.OVERLAY,
            "private by hanzhou would keep it, but link1 has 10Mbit left of the 12Mbit that it needs",
        ),
        (
            flow("video-1", transports=frozenset({"internet"})),
            Mode.JOINT,
            "private by hanzhou would keep it, but its policy forbids private",
        ),
        (flow("video-1"), Mode.UNDERLAY, "private by hanzhou would keep it, but that is no move of mode underlay"),
    ],
)
def test_what_cannot_be_mended_names_what_stops_it(demand: Demand, mode: Mode, reason: str) -> None:
    state = two_sites(demand, on={"video-1": "internet"}, internet=LOSSY)
    assert sentences(state, mode) == [f"video-1 stays violated: loss 5 % on internet broke its 1 % bound; {reason}"]


def test_the_nearest_tunnel_is_named_where_none_is_good_enough() -> None:
    state = two_sites(flow("robot", sla=Sla(delay_ms=9)), on={"robot": "internet"})
    assert sentences(state) == [
        "robot stays violated: delay 10 ms on internet broke its 9 ms bound; "
        "the nearest, internet, has delay 10 ms of 9 ms"
    ]


def test_a_demand_that_may_be_nowhere_is_taken_off() -> None:
    state = two_sites(flow("secret", transports=frozenset({"lte"})), on={"secret": "internet"})
    assert sentences(state) == [
        "secret moved from internet to nowhere: its policy forbids internet, and nothing else can carry it",
        "secret stays violated: no tunnel carries it; internet would keep it, but its policy forbids internet",
    ]


def test_who_makes_room_goes_first() -> None:
    state = two_sites(flow("a-comes", 8), flow("z-goes", 8), on={"a-comes": "internet", "z-goes": "private"})
    problem = Problem(state, Mode.JOINT)
    target = Assignment(problem)
    target.change(Kind.DEMAND, 0, problem.start_tunnels[1])
    target.change(Kind.DEMAND, 1, problem.start_tunnels[0])
    order = in_order(problem, target)
    assert order.overloads == ()
    assert [number for _, number, _ in order.changes] == [1, 0]


def test_two_that_can_only_change_places_overload_and_it_is_said() -> None:
    state = two_sites(flow("a", 8), flow("b", 7), on={"a": "internet", "b": "private"})
    tight = replace(state, resources=tuple(replace(each, capacity_bps=8 * MBIT) for each in state.resources))
    problem = Problem(tight, Mode.JOINT)
    target = Assignment(problem)
    target.change(Kind.DEMAND, 0, problem.start_tunnels[1])
    target.change(Kind.DEMAND, 1, problem.start_tunnels[0])
    over = [problem.resources[number].name for number in in_order(problem, target).overloads]
    assert over in (["a-internet"], ["a-private", "link1"])


def test_severity_grows_with_what_is_broken() -> None:
    sla = Sla(delay_ms=10, loss=0.0)
    grades = [
        severity(sla, quality)
        for quality in (Quality(10), Quality(11), Quality(40), Quality(10, loss=0.001), Quality(usable=False))
    ]
    assert grades == [0, 100, 107, 109, 200]


def test_all_that_is_wrong_with_a_state_is_said_at_once() -> None:
    state = two_sites(flow("x"), on={})
    with pytest.raises(StateError) as error:
        replace(state, demands=(flow("x"), flow("x", weight=0)), transports=state.transports[:1])
    assert str(error.value) == (
        "demand x: 2 of that name; want one; a-b-internet: transport internet is not there; want one of the state's; "
        "x: weight 0; want above 0"
    )
