"""The link-state database: what is refused, and what events do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controllers.srv6.lsdb import Link, LsdbError, lsdb
from tests.support.srv6_graphs import database, square


def test_all_problems_at_once() -> None:
    wrong = [Link("a", "a"), Link("a", "x", igp_metric=0), Link("a", "b", delay_us=-1), Link("a", "b", te_metric=0)]
    with pytest.raises(LsdbError) as caught:
        lsdb(["a", "b", "b"], wrong)
    assert caught.value.problems == (
        "node b a second time",
        "link a to b a second time",
        "link a to a: both ends at one node",
        "link a to x: there is no node x",
        "link a to x: IGP metric 0, which has to be at least 1",
        "link a to b: delay -1, which has to be at least 0",
        "link a to b: TE metric 0, which has to be at least 1",
    )


def test_a_link_that_one_end_lost_is_of_no_use_to_either() -> None:
    before = square()
    after = before.link_down(("a", "b"))
    used = {link.id for link in after.usable}
    assert not used & {("a", "b"), ("b", "a")}
    assert len(used) == 6
    assert len(before.usable) == 8, "the value of before is as it was"
    assert after.link_up(("a", "b")) == before


def test_a_direction_alone_is_no_link() -> None:
    assert lsdb("ab", [Link("a", "b")]).usable == ()


def test_a_node_comes_back_with_its_links_as_they_are() -> None:
    gone = square().link_down(("a", "b")).node_down("a")
    assert {link.id for link in gone.usable} == {("b", "c"), ("c", "b"), ("c", "d"), ("d", "c")}
    assert {link.id for link in gone.node_up("a").usable} >= {("a", "d"), ("d", "a")}
    assert ("a", "b") not in {link.id for link in gone.node_up("a").usable}


def test_new_values_of_a_link() -> None:
    before = square()
    assert before.with_link(replace(before.links["a", "b"], delay_us=7)).links["a", "b"].delay_us == 7
    with pytest.raises(LsdbError, match="no node x"):
        before.with_link(Link("a", "x"))


def test_what_shares_a_risk() -> None:
    duct = frozenset({"duct"})
    db = database([Link("a", "b", srlgs=duct), Link("b", "c", srlgs=duct), Link("c", "d")])
    assert db.sharing_risk(("a", "b")) == {("a", "b"), ("b", "a"), ("b", "c"), ("c", "b")}
    assert db.sharing_risk(("d", "c")) == {("d", "c"), ("c", "d")}
