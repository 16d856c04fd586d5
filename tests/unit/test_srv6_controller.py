"""The controller's core over a data plane in miniature: packets arrive, whatever fails and whenever."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings

from controllers.srv6.controller import Controller, Emit, Program
from controllers.srv6.fib import BACKUP, MAIN_TABLE
from controllers.srv6.lsdb import Link, Lsdb, fibres
from controllers.srv6.network import Convergence, Measurement, Network
from controllers.srv6.paths import Constraints, FlexAlgo, Metric
from controllers.srv6.policy import (
    CandidatePath,
    DisjointFrom,
    Diversity,
    DynamicPath,
    ExplicitPath,
    PolicyError,
    PolicyId,
    SegmentList,
    SrPolicy,
)
from controllers.srv6.segments import NodeSegment
from controllers.srv6.sids import Behavior, SidError
from controllers.srv6.telemetry import LinkWindow, ListWindow, Window
from controllers.srv6.tilfa import Protection
from tests.support.srv6_forwarding import Packet
from tests.support.srv6_graphs import database, databases, real_map, square
from tests.support.srv6_lab import SrLab, check_cuts, started
from tests.support.srv6_network import TENANT_TABLE, host, network_of

A_TO_C = PolicyId("a", 7, "c")


def colored(db: Lsdb, **options: object) -> SrLab:
    """The network of `db` whose tenant's routes all have color 7."""
    return started(colored_network(db, **options))


def colored_network(db: Lsdb, **options: object) -> Network:
    network = network_of(db, **options)
    return replace(network, tenants=tuple(replace(tenant, color=7) for tenant in network.tenants))


def by_way_of(*nodes: str, preference: int = 100) -> CandidatePath:
    return CandidatePath(ExplicitPath((SegmentList(tuple(map(NodeSegment, nodes))),)), preference)


def route_to_c(lab: SrLab) -> set[tuple[str, ...]]:
    """The routers that packets from a to the host at c pass."""
    packet = Packet(host(lab.controller.network, "c"))
    trails = list(lab.forwarding().trails("a", packet, TENANT_TABLE))
    assert all(trail.delivered for trail in trails)
    return {trail.routers for trail in trails}


@pytest.mark.parametrize("compressed", [True, False])
def test_everybody_reaches_everybody(compressed: bool) -> None:
    assert started(network_of(real_map("topozoo/Abilene"), compressed=compressed)).undelivered() == []


@pytest.mark.parametrize("compressed", [True, False])
def test_no_cut_loses_a_packet_once_it_is_repaired(compressed: bool) -> None:
    check_cuts(network_of(real_map("topozoo/Abilene"), fast_reroute=Protection.LINK, compressed=compressed))


@settings(max_examples=20, deadline=None)
@given(databases(most_nodes=6))
def test_no_cut_loses_a_packet_in_any_small_network(db: Lsdb) -> None:
    check_cuts(network_of(db, fast_reroute=Protection.LINK))


def test_no_cut_loses_a_packet_of_a_flex_algo() -> None:
    db = real_map("topozoo/Abilene")
    fewest_hops = FlexAlgo(128, Metric.HOPS)
    check_cuts(colored_network(db, fast_reroute=Protection.LINK, flex_algos=(fewest_hops,), colors={7: 128}))


def test_traffic_of_a_flex_algo_keeps_to_its_links() -> None:
    red = database([Link("a", "b"), Link("b", "c"), Link("c", "d"), Link("a", "d", affinities=frozenset({"red"}))])
    not_red = FlexAlgo(128, Metric.IGP, Constraints(exclude_any=frozenset({"red"})))
    lab = started(colored_network(red, flex_algos=(not_red,), colors={7: 128}))
    assert route_to_c(lab) == {("a", "b", "c")}
    lab.finish(lab.controller.put_policy(SrPolicy(*A_TO_C, (by_way_of("d", "c"),))))
    assert route_to_c(lab) == {("a", "d", "c")}, "a valid policy comes first"


def test_without_repairs_routers_converge_as_the_news_reaches_them() -> None:
    lab = started(network_of(square(), convergence=Convergence(detection_ms=50, flooding_ms=100)))
    dead = fibres([("a", "b")])
    for end in (("a", "b"), ("b", "a")):
        lab.finish(lab.controller.link_changed(*end, False, 0.0))
    assert lab.controller.timer() == 0.05
    lab.finish(lab.controller.expire(0.05), now=0.05)
    assert "loops" in {trail.end for trail in lab.undelivered(dead)}, "a sends back to d what d still sends to a"
    lab.finish(lab.controller.expire(0.2), now=0.2)
    assert lab.undelivered(dead) == []
    lab.finish(lab.controller.expire(0.3), now=0.3)
    assert [event.kind for event in lab.events] == ["adjacency_down", "adjacency_down", "converged"]


def test_a_link_that_comes_back_before_it_is_detected_is_no_news() -> None:
    lab = started(network_of(square(), convergence=Convergence(detection_ms=50)))
    assert lab.controller.link_changed("a", "b", False, 0.0) == []
    assert lab.controller.link_changed("a", "b", True, 0.04) == []
    assert lab.controller.timer() is None


def test_a_router_that_disappears_is_avoided_and_comes_back() -> None:
    lab = started(network_of(square(), fast_reroute=Protection.NODE))
    before = lab.states
    lab.finish(lab.controller.node_changed("b", False, 0.0))
    assert "b" not in lab.controller.states
    assert lab.undelivered(fibres([("a", "b"), ("b", "c")])) == []
    lab.finish(lab.controller.node_changed("b", True, 1.0), now=1.0)
    assert lab.states == before
    assert [event.kind for event in lab.events] == ["router_down", "converged", "router_up", "converged"]


def test_a_policy_takes_the_flows_of_its_color() -> None:
    lab = colored(square())
    assert route_to_c(lab) == {("a", "b", "c"), ("a", "d", "c")}
    lab.finish(lab.controller.put_policy(SrPolicy(*A_TO_C, (by_way_of("d", "c"),))))
    assert route_to_c(lab) == {("a", "d", "c")}
    lab.finish(lab.controller.put_policy(SrPolicy(*A_TO_C, (by_way_of("b", "c"),))))
    assert route_to_c(lab) == {("a", "b", "c")}, "other candidate paths for the same policy"
    lab.finish(lab.controller.remove_policy(A_TO_C))
    assert route_to_c(lab) == {("a", "b", "c"), ("a", "d", "c")}
    assert [event.kind for event in lab.events] == ["policy_up", "policy_up", "policy_removed"]


def test_the_standby_takes_over_and_hands_back() -> None:
    lab = colored(square())
    paths = (by_way_of("b", "c", preference=200), by_way_of("d", "c"))
    lab.finish(lab.controller.put_policy(SrPolicy(*A_TO_C, paths)))
    lab.finish(lab.controller.node_changed("b", False, 0.0))
    assert route_to_c(lab) == {("a", "d", "c")}
    lab.finish(lab.controller.node_changed("b", True, 1.0), now=1.0)
    assert route_to_c(lab) == {("a", "b", "c")}


def test_a_policy_that_is_down_says_why_and_leaves_its_flows_to_the_igp() -> None:
    lab = colored(square())
    wanted = CandidatePath(DynamicPath(Metric.IGP, delay_bound_us=0))
    lab.finish(lab.controller.put_policy(SrPolicy(*A_TO_C, (wanted,))))
    assert lab.events == [
        Emit(
            "policy_down",
            {**A_TO_C._asdict(), "reasons": ["nothing meets: a delay of at most 0 µs (the least is 2 µs)"]},
        )
    ]
    assert route_to_c(lab) == {("a", "b", "c"), ("a", "d", "c")}


def test_a_policy_that_is_changed_while_routers_converge_is_taken_in_at_the_end() -> None:
    lab = colored(square(), convergence=Convergence(flooding_ms=100))
    lab.finish(lab.controller.put_policy(SrPolicy(*A_TO_C, (by_way_of("d", "c"),))))
    # All that b cut off can tell is c, a hop away; a hears of it from d only, after two more.
    lab.finish(lab.controller.link_changed("c", "b", False, 0.0), now=0.0)
    assert lab.controller.timer() is not None, "not all have heard of it"
    lab.finish(lab.controller.put_policy(SrPolicy(*A_TO_C, (by_way_of("b", "a", "d", "c"),))))
    assert route_to_c(lab) == {("a", "d", "c")}
    lab.finish(lab.controller.expire(1.0), now=1.0)
    assert route_to_c(lab) == {("a", "b", "a", "d", "c")}


def test_the_binding_sid_of_a_policy_that_was_removed_is_free() -> None:
    lab = colored(square())
    lab.finish(lab.controller.put_policy(SrPolicy(*A_TO_C, (by_way_of("d", "c"),))))
    (first,) = lab.controller.policies
    lab.finish(lab.controller.remove_policy(A_TO_C))
    own = replace(SrPolicy("a", 8, "c", (by_way_of("d", "c"),)), binding_sid=first.binding_sid)
    lab.finish(lab.controller.put_policy(own))
    assert [policy.binding_sid and policy.binding_sid.address for policy in lab.controller.policies] == [
        first.binding_sid and first.binding_sid.address
    ]


def test_a_policy_that_cannot_be_changes_nothing() -> None:
    lab = colored(square())
    other = DisjointFrom(PolicyId("a", 8, "c"), Diversity.LINK)
    apart = SrPolicy(*A_TO_C, (CandidatePath(DynamicPath(Metric.IGP, disjoint_from=other)),))
    for impossible in (apart, SrPolicy("x", 7, "c", (by_way_of("c"),))):
        with pytest.raises(PolicyError, match="there is no"):
            lab.controller.put_policy(impossible)
    assert lab.controller.policies == ()
    assert lab.controller.put_policy(SrPolicy("a", 8, "c", (by_way_of("c"),)))


def test_a_policy_that_another_keeps_apart_from_stays() -> None:
    lab = colored(square())
    lab.finish(lab.controller.put_policy(SrPolicy("a", 8, "c", (by_way_of("b", "c"),))))
    other = DisjointFrom(PolicyId("a", 8, "c"), Diversity.LINK)
    lab.finish(
        lab.controller.put_policy(SrPolicy(*A_TO_C, (CandidatePath(DynamicPath(Metric.IGP, disjoint_from=other)),)))
    )
    assert route_to_c(lab) == {("a", "d", "c")}
    with pytest.raises(PolicyError, match="to be disjoint from"):
        lab.controller.remove_policy(PolicyId("a", 8, "c"))
    assert len(lab.controller.policies) == 2


def test_a_binding_sid_leads_into_the_policy_and_out_at_its_endpoint() -> None:
    lab = colored(square())
    lab.finish(lab.controller.put_policy(SrPolicy(*A_TO_C, (by_way_of("d", "c"),))))
    (bound,) = lab.controller.policies
    assert bound.binding_sid is not None
    route = lab.states["a"].routes[MAIN_TABLE, bound.binding_sid.prefix, 1024]
    assert route.local is not None
    assert route.local.behavior is Behavior.END_B6_ENCAPS
    entered = Packet(
        route.local.segments[0], route.local.segments[1:], Packet(lab.controller.network.routers[2].loopback)
    )
    assert {trail.routers for trail in lab.forwarding().trails("a", entered)} == {("a", "d", "c")}


def test_no_backup_stands_beside_several_next_hops() -> None:
    lab = started(network_of(square(), fast_reroute=Protection.LINK))
    backups = [route for route in lab.states["a"].routes.values() if route.metric == BACKUP]
    locators = lab.controller.table.locators
    assert {route.prefix for route in backups} >= {locators["b"].prefix, locators["d"].prefix}
    assert locators["c"].prefix not in {route.prefix for route in backups}


def test_a_restarted_controller_wants_the_same() -> None:
    network = network_of(square())
    first = started(network)
    first.finish(first.controller.put_policy(SrPolicy(*A_TO_C, (by_way_of("d", "c"),))))
    again = Controller(network, first.controller.policies)
    assert again.start()[0] == Program((first.states,))


def test_a_restarted_controller_leaves_out_what_was_removed_and_binding_sids_as_they_were() -> None:
    """Whatever the order: while one is there that keeps apart from another, that one cannot be removed."""
    apart = DynamicPath(Metric.IGP, disjoint_from=DisjointFrom(A_TO_C, Diversity.LINK))
    own = (
        SrPolicy(*A_TO_C, (by_way_of("d", "c"),)),
        SrPolicy("a", 8, "c", (CandidatePath(apart),)),
        SrPolicy("a", 9, "c", (by_way_of("b", "c"),)),
    )
    network = network_of(square(), policies=own)
    lab = started(network)
    removed = (PolicyId("a", 8, "c"), A_TO_C)
    for policy in removed:
        lab.finish(lab.controller.remove_policy(policy))
    lab.finish(lab.controller.put_policy(SrPolicy("a", 10, "c", (by_way_of("d", "c"),))))
    kept, added = lab.controller.policies
    for order in (removed, removed[::-1]):
        assert Controller(network, [added], order).policies == (kept, added)


def test_a_measured_delay_moves_the_path_that_minimises_delay() -> None:
    lab = colored(square(), measurement=Measurement(threshold=0.1, least_us=100))
    lab.finish(lab.controller.put_policy(SrPolicy(*A_TO_C, (CandidatePath(DynamicPath(Metric.DELAY)),))))
    assert route_to_c(lab) == {("a", "b", "c")}
    slow = LinkWindow(("b", "c"), Window(10, 10, least_us=5000.0))
    lab.finish(lab.controller.measured([slow], 0.0))
    assert route_to_c(lab) == {("a", "d", "c")}
    assert Emit("link_delay", {"router": "b", "peer": "c", "delay_us": 5000}) in lab.events
    assert lab.controller.measured([slow], 10.0) == [], "nothing new"
    lab.finish(lab.controller.link_changed("c", "b", False, 10.0), now=10.0)
    round_about = LinkWindow(("b", "c"), Window(10, 10, least_us=9000.0))
    assert lab.controller.measured([round_about], 20.0) == [], "of a link that is down"


def test_a_measured_delay_moves_what_a_flex_algo_routes_by_delay() -> None:
    by_delay = FlexAlgo(128, Metric.DELAY)
    lab = colored(square(), measurement=Measurement(least_us=100), flex_algos=(by_delay,), colors={7: 128})
    assert route_to_c(lab) == {("a", "b", "c"), ("a", "d", "c")}
    slow = LinkWindow(("b", "c"), Window(10, 10, least_us=5000.0))
    lab.finish(lab.controller.measured([slow], 0.0), now=10.0)
    assert route_to_c(lab) == {("a", "d", "c")}


def test_flex_algos_of_more_routers_than_their_locators_have_room_for_are_refused() -> None:
    network = network_of(square())
    more = (replace(network.routers[0], name=f"r{number}") for number in range(0x1000 - len(network.routers)))
    many = (*network.routers, *more)
    with pytest.raises(SidError, match="4096 routers with flex-algos, whose locators have room for 4095"):
        Controller(replace(network, routers=many, flex_algos=(FlexAlgo(128, Metric.DELAY),)))


def test_a_list_without_answers_gives_way_to_the_standby_and_comes_back() -> None:
    lab = colored(square(), measurement=Measurement(lost_windows=2))
    paths = (by_way_of("b", "c", preference=200), by_way_of("d", "c"))
    lab.finish(lab.controller.put_policy(SrPolicy(*A_TO_C, paths)))
    first = A_TO_C, (NodeSegment("b"), NodeSegment("c"))
    for _ in range(2):
        lab.finish(lab.controller.measured([ListWindow(first, Window(10, 0))], 0.0))
    assert route_to_c(lab) == {("a", "d", "c")}
    assert first in lab.controller.measured_lists(), "so that its recovery is seen"
    for _ in range(2):
        lab.finish(lab.controller.measured([ListWindow(first, Window(10, 9))], 0.0))
    assert route_to_c(lab) == {("a", "b", "c")}
    assert [event.kind for event in lab.events] == ["policy_up", "list_down", "policy_up", "list_up", "policy_up"]
