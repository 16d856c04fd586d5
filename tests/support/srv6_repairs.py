"""TI-LFA by simulation: packets go hop by hop by the tables of before the failure, over every equal-cost way."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from controllers.srv6.lsdb import LinkId, Lsdb
from controllers.srv6.paths import Metric, RoutingGraph, routing_graph
from controllers.srv6.segments import NodeSegment, Segment
from controllers.srv6.tilfa import Protection, Repair, failed_links, repairs
from tests.support.srv6_graphs import real_map, walks


def stays_on_post_convergence_path(
    before: RoutingGraph, after: RoutingGraph, repair: Repair, segments: Iterable[Segment]
) -> bool:
    """Whether every way that a packet can take leads to the destination, along post-convergence paths only."""
    onward = after.successors(repair.plr, repair.destination)
    return all(
        way[-1] == repair.destination and all(b in onward.get(a, ()) for a, b in pairwise((repair.plr, *way)))
        for way in walks(before, repair.via, (*segments, NodeSegment(repair.destination)))
    )


def check_link(db: Lsdb, before: RoutingGraph, link: LinkId, protection: Protection) -> int:
    """Every repair of `link` is right, and there is one for each destination that can still be reached."""
    plr, protected = link
    found = repairs(db, before, link, protection)
    for repair in found.values():
        after = before.without(failed_links(db, link, repair.against))
        assert stays_on_post_convergence_path(before, after, repair, repair.segments), repair
    link_only = before.without(failed_links(db, link, Protection.LINK)).spf(plr).distance
    wider = before.without(failed_links(db, link, protection)).spf(plr).distance
    used_by = {node for node in before.spf(plr).distance if protected in before.next_hops(plr, node)}
    assert found.keys() == used_by & link_only.keys()
    assert {node for node, repair in found.items() if repair.against is protection} == used_by & wider.keys()
    return len(found)


def check_map(name: str, protection: Protection) -> None:
    db = real_map(name)
    before = routing_graph(db, Metric.IGP)
    assert sum(check_link(db, before, link.id, protection) for link in db.usable) > len(db.nodes)
