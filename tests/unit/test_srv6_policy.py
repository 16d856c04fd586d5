"""SR Policies: values, and what becomes of them over a network."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Network
from typing import Any

import pytest

from controllers.srv6.lsdb import Link, Lsdb
from controllers.srv6.paths import Constraints, Domain, Metric
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
    bind,
    shares,
)
from controllers.srv6.segments import AdjacencySegment, MtuBudget, NodeSegment, Segment
from controllers.srv6.selection import Dataplane, PolicyState, select
from controllers.srv6.sids import Behavior, Sid, SidError, allocate
from tests.support.srv6_graphs import database, square

GBIT = 10**9
TABLE = allocate(IPv6Network("fcbb:bb00::/32"), "abcd", sorted(square().links))
VIA_B, VIA_D = (AdjacencySegment("b", "c"),), (AdjacencySegment("d", "c"),)


def dynamic(preference: int = 100, **wanted: Any) -> CandidatePath:
    return CandidatePath(replace(DynamicPath(Metric.IGP), **wanted), preference)


def explicit(*lists: tuple[Segment, ...], preference: int = 100) -> CandidatePath:
    return CandidatePath(ExplicitPath(tuple(SegmentList(segments) for segments in lists)), preference)


def policy(*candidates: CandidatePath, color: int = 1) -> SrPolicy:
    return SrPolicy("a", color, "c", candidates)


def state(db: Lsdb, *candidates: CandidatePath, encapsulation: Dataplane | None = None) -> PolicyState:
    one = policy(*candidates)
    return select(Domain(db), [one], encapsulation).states[one.id]


def active(found: PolicyState) -> tuple[tuple[Segment, ...], ...]:
    assert found.active is not None, found.invalid
    return tuple(list_.segments for list_ in found.active.lists)


def reason(found: PolicyState) -> str:
    assert found.active is None
    return found.invalid[0].reason


def test_the_highest_preference_is_active_and_the_next_stands_by() -> None:
    candidates = explicit(VIA_B, preference=10), explicit(VIA_D, preference=30), dynamic(20)
    before = state(square(), *candidates)
    assert active(before) == (VIA_D,)
    assert before.standby is not None
    assert before.standby.candidate.preference == 20
    after = state(square().link_down(("c", "d")), *candidates)
    assert after.active is not None
    assert after.active.candidate.preference == 20
    assert after.standby is not None
    assert after.standby.candidate.preference == 10
    assert [invalid.reason for invalid in after.invalid] == ["there is no link from d to c"]


def test_of_equal_preference_the_higher_discriminator_is_active() -> None:
    one, other = explicit(VIA_B), replace(explicit(VIA_D), discriminator=1)
    assert active(state(square(), one, other)) == (VIA_D,)


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        ((), "a segment list has to have a segment and a weight of at least 1"),
        ((NodeSegment("x"),), "x cannot be reached from a"),
        ((NodeSegment("b"),), "the segment list ends at b, not at c"),
        ((AdjacencySegment("a", "c"),), "there is no link from a to c"),
    ],
)
def test_why_an_explicit_path_is_invalid(segments: tuple[Segment, ...], expected: str) -> None:
    assert reason(state(square(), explicit(segments))) == expected


def test_an_explicit_path_is_valid_by_its_valid_lists() -> None:
    found = state(square(), explicit((NodeSegment("x"),), VIA_B))
    assert active(found) == (VIA_B,)
    assert reason(state(square(), explicit())) == "there is no segment list"


def test_weights_share_the_traffic() -> None:
    assert shares([SegmentList(VIA_B, 3), SegmentList(VIA_D)]) == (0.75, 0.25)
    weightless = CandidatePath(ExplicitPath((SegmentList(VIA_B, 0),)))
    assert "a weight of at least 1" in reason(state(square(), weightless))


def test_an_endpoint_out_of_reach() -> None:
    db = database([Link("a", "b"), Link("c", "d")])
    assert reason(state(db, dynamic())) == "c cannot be reached"
    assert reason(state(db, dynamic(bandwidth_bps=GBIT))) == "c cannot be reached"
    assert reason(state(square().node_down("c"), dynamic())) == "node c is not there"
    assert reason(state(database([Link("a", "b")]), dynamic())) == "node c is not there"


GOLD, RED = frozenset({"gold"}), frozenset({"red"})


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"constraints": Constraints(exclude_any=GOLD | RED)}, "affinities without gold, red"),
        ({"constraints": Constraints(include_any=frozenset({"blue"}))}, "affinities with any of blue"),
        ({"constraints": Constraints(include_all=GOLD | RED)}, "affinities with all of gold, red"),
        ({"constraints": Constraints(exclude_srlgs=frozenset({"duct"}))}, "SRLGs without duct"),
        ({"bandwidth_bps": 20 * GBIT}, "20Gbit free on every link"),
        ({"delay_bound_us": 19}, "a delay of at most 19 µs (the least is 20 µs)"),
    ],
)
def test_the_constraint_that_nothing_meets_is_named(wanted: dict[str, Any], expected: str) -> None:
    assert reason(state(coloured_square(), dynamic(**wanted))) == f"nothing meets: {expected}"


def test_constraints_that_nothing_meets_together() -> None:
    wanted: dict[str, Any] = {"constraints": Constraints(exclude_any=GOLD), "delay_bound_us": 20, "bandwidth_bps": 1}
    expected = "nothing meets together: affinities without gold and a delay of at most 20 µs (the least is 200 µs)"
    assert reason(state(coloured_square(), dynamic(**wanted))) == expected


def coloured_square() -> Lsdb:
    """By b gold and 20 µs, by d red and 200 µs; all in one duct, 10 Gbit/s."""
    link = Link("a", "b", delay_us=10, bandwidth_bps=10 * GBIT, affinities=GOLD, srlgs=frozenset({"duct"}))
    slow = replace(link, delay_us=100, affinities=RED)
    ways = [link, replace(link, source="b", target="c")]
    return database([*ways, replace(slow, target="d"), replace(slow, source="d", target="c")])


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"constraints": Constraints(exclude_any=GOLD)}, VIA_D),
        ({"constraints": Constraints(include_any=RED)}, VIA_D),
        ({"constraints": Constraints(include_all=GOLD)}, VIA_B),
        ({"metric": Metric.DELAY}, VIA_B),
        ({"delay_bound_us": 20}, VIA_B),
    ],
)
def test_what_a_dynamic_path_takes(wanted: dict[str, Any], expected: tuple[Segment, ...]) -> None:
    assert active(state(coloured_square(), dynamic(**wanted))) == (expected,)


def test_a_delay_bound_under_another_metric() -> None:
    links = [Link("a", "c", te_metric=1, delay_us=100), Link("a", "b", te_metric=5, delay_us=5), Link("b", "c")]
    wanted = dynamic(metric=Metric.TE, delay_bound_us=50)
    assert active(state(database(links), wanted)) == (VIA_B,)


def test_bandwidth_goes_to_the_better_priority_and_then_the_next_link() -> None:
    wanted = dynamic(bandwidth_bps=6 * GBIT, metric=Metric.DELAY)
    first, second = policy(wanted, color=2), policy(wanted, color=1)
    third = policy(wanted, color=3)
    found = select(Domain(coloured_square()), [third, second, replace(first, priority=1)])
    assert active(found.states[first.id]) == (VIA_B,)
    assert active(found.states[second.id]) == (VIA_D,)
    assert reason(found.states[third.id]) == "nothing meets: 6Gbit free on every link"
    assert found.reservations.reserved_bps["a", "b"] == 6 * GBIT
    assert ("b", "a") not in found.reservations.reserved_bps


def test_what_a_policy_holds_is_no_obstacle_to_itself() -> None:
    books = select(Domain(coloured_square()), [policy(dynamic(bandwidth_bps=6 * GBIT))]).reservations
    (link,) = [link for link in coloured_square().usable if link.id == ("a", "b")]
    assert books.admits(link, PolicyId("a", 1, "c"), 6 * GBIT)
    assert not books.admits(link, PolicyId("a", 2, "c"), 6 * GBIT)
    again = books.reserve(PolicyId("a", 1, "c"), {("a", "d")}, GBIT)
    assert again.reserved_bps == {("a", "d"): GBIT}
    assert again.release(PolicyId("a", 1, "c")).reserved_bps == {}
    assert again.release(PolicyId("x", 1, "c")) == again


def ladder(**risk: Any) -> Lsdb:
    """a to c by b (cheapest), by m and b again, or by d; `risk` of the link a–d."""
    links = [Link("a", "b", 1), Link("b", "c", 1), Link("a", "m", 2), Link("m", "b", 2), Link("b", "n", 2)]
    return database([*links, Link("n", "c", 2), Link("a", "d", 20, **risk), Link("d", "c", 20)])


@pytest.mark.parametrize(("diversity", "through"), [(Diversity.LINK, "m"), (Diversity.NODE, "d")])
def test_disjoint_from_another_policy(diversity: Diversity, through: str) -> None:
    first = policy(dynamic(), color=9)
    second = policy(dynamic(disjoint_from=DisjointFrom(first.id, diversity)))
    found = select(Domain(ladder()), [second, first])
    one, other = found.states[first.id].active, found.states[second.id].active
    assert one is not None
    assert other is not None
    assert one.links == {("a", "b"), ("b", "c")}
    assert ("a", through) in other.links
    assert not one.links & other.links


def test_disjoint_in_risk() -> None:
    duct = frozenset({"duct"})
    db = ladder(srlgs=duct)
    db = db.with_link(replace(db.links["a", "b"], srlgs=duct))
    first = policy(dynamic(), color=9)
    apart = {kind: dynamic(disjoint_from=DisjointFrom(first.id, kind)) for kind in Diversity}
    found = select(Domain(db), [first, policy(apart[Diversity.SRLG])])
    other = found.states[PolicyId("a", 1, "c")].active
    assert other is not None
    assert ("a", "m") in other.links
    shared = square()
    for way in ("ab", "ad"):
        shared = shared.with_link(replace(shared.links[way[0], way[1]], srlgs=duct))
    found = select(Domain(shared), [first, policy(apart[Diversity.SRLG])])
    expected = "nothing meets: srlg-disjoint from policy a→c color 9"
    assert reason(found.states[PolicyId("a", 1, "c")]) == expected


def test_a_standby_apart_from_the_active_path() -> None:
    own = PolicyId("a", 1, "c")
    found = state(square(), dynamic(), dynamic(50, disjoint_from=DisjointFrom(own, Diversity.LINK)))
    assert active(found) == (VIA_B,)
    assert found.standby is not None
    assert found.standby.lists == (SegmentList(VIA_D),)


def test_apart_from_a_policy_that_has_no_path_is_no_constraint() -> None:
    first = policy(explicit((NodeSegment("x"),)), color=9)
    second = policy(dynamic(disjoint_from=DisjointFrom(first.id, Diversity.LINK)))
    assert active(select(Domain(square()), [first, second]).states[second.id]) == (VIA_B,)


def test_policies_that_cannot_be() -> None:
    def apart_from(color: int) -> CandidatePath:
        return dynamic(disjoint_from=DisjointFrom(PolicyId("a", color, "c"), Diversity.LINK))

    circle = [policy(apart_from(2), color=1), policy(apart_from(1), color=2)]
    with pytest.raises(PolicyError, match="wait for each other"):
        select(Domain(square()), circle)
    with pytest.raises(PolicyError, match="no policy a→c color 2 to be disjoint from"):
        select(Domain(square()), circle[:1])
    with pytest.raises(PolicyError, match="a→c color 1 a second time"):
        select(Domain(square()), [policy(), policy()])
    with pytest.raises(PolicyError, match="2 candidate paths of preference 100"):
        policy(dynamic(), dynamic())
    with pytest.raises(PolicyError, match="color from 1 to 4294967295"):
        policy(color=0)
    with pytest.raises(PolicyError, match="one node"):
        SrPolicy("a", 1, "a", ())


def test_segment_lists_over_the_mtu() -> None:
    long = explicit((NodeSegment("b"), NodeSegment("a"), NodeSegment("d"), NodeSegment("c")))
    tight = Dataplane(TABLE, MtuBudget(link_mtu=1580, inner_mtu=1500))
    assert reason(state(square(), long, encapsulation=tight)) == (
        "4 segments add 96 bytes to packets of 1500: 1596, over the MTU 1580"
    )
    assert active(state(square(), long, dynamic(50), encapsulation=tight)) == (VIA_B,)
    packed = replace(tight, compressed=True)
    assert len(active(state(square(), long, encapsulation=packed))[0]) == 4


def test_binding_sids() -> None:
    (one,), table = bind([policy(dynamic())], TABLE)
    (other,), table = bind([policy(dynamic(), color=2)], table)
    assert [str(bound.binding_sid) for bound in (one, other)] == [
        "fcbb:bb00:1:f800:: End.B6.Encaps a→c color 1",
        "fcbb:bb00:1:f801:: End.B6.Encaps a→c color 2",
    ]
    assert bind([policy(dynamic()), one], table) == ((one, one), table), "a policy keeps its own"
    with pytest.raises(SidError, match="collides"):
        bind([replace(other, binding_sid=one.binding_sid)], table)
    assert bind([one], TABLE)[1].sids.keys() - TABLE.sids.keys() == {binding(one).address}


@pytest.mark.parametrize("behavior", [Behavior.END_B6_ENCAPS, Behavior.END_DT4])
def test_a_binding_sid_is_of_its_headend(behavior: Behavior) -> None:
    node = "b" if behavior is Behavior.END_B6_ENCAPS else "a"
    sid = Sid(TABLE.locators[node], 0xF900, behavior)
    with pytest.raises(PolicyError, match=r"want an End.B6.Encaps of a"):
        bind([replace(policy(), binding_sid=sid)], TABLE)


def binding(bound: SrPolicy) -> Sid:
    assert bound.binding_sid is not None
    return bound.binding_sid
