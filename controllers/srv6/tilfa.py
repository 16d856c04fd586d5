"""TI-LFA (RFC 9855): how the point of local repair (PLR) goes round a failure before anybody else knows of it.

All others still forward as before the failure; the repair list has to take the packet along the post-convergence path
all the same. Over that path's ECMP graph, with what is *clear* of the failure:

    P space of a node:  those to which all its shortest paths of before are clear
    Q space of a destination:  those from which all shortest paths of before to it are clear

A packet at a node of the Q space needs no more segments. Elsewhere a segment takes it to a node of the P space further
along, or there and across one link. So the fewest segments are found from the destination backwards. The PLR itself
sends over a link of its choice, so the search ends at its post-convergence next hops (the extended P space).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from controllers.srv6.lsdb import LinkId, Lsdb, fibres
from controllers.srv6.paths import RoutingGraph
from controllers.srv6.segments import AdjacencySegment, NodeSegment, Segment, rank


class Protection(StrEnum):
    """What is taken to have failed when a link of the PLR goes down."""

    LINK = "link"
    NODE = "node"
    SRLG = "srlg"


@dataclass(frozen=True)
class Repair:
    """At `plr`, when its link to `protected` fails: packets for `destination` leave to `via` with `segments`.

    It holds if `against` is what has failed.
    """

    plr: str
    protected: str
    destination: str
    via: str
    segments: tuple[Segment, ...]
    against: Protection


def failed_links(database: Lsdb, link: LinkId, protection: Protection) -> frozenset[LinkId]:
    """The links that `protection` takes to be gone with `link`, in both directions; KeyError if there is no such."""
    match protection:
        case Protection.LINK:
            return fibres([link])
        case Protection.SRLG:
            return database.sharing_risk(link)
        case Protection.NODE:
            return fibres(other for other in database.links if link[1] in other)


def repairs(database: Lsdb, before: RoutingGraph, link: LinkId, protection: Protection) -> dict[str, Repair]:
    """Destination → repair, for all whose traffic the PLR `link[0]` sends over `link`; `before` is the IGP's graph.

    Where nothing goes round a failed node or SRLG, such as for the node itself, the repair is against the failure of
    the link alone, which may be all that it is. No entry for what that cuts off too.
    """
    found = _repairs(before, link, failed_links(database, link, Protection.LINK), Protection.LINK)
    if protection is not Protection.LINK:
        found |= _repairs(before, link, failed_links(database, link, protection), protection)
    return dict(sorted(found.items()))


def all_repairs(database: Lsdb, before: RoutingGraph, protection: Protection) -> dict[LinkId, dict[str, Repair]]:
    """The repairs of every link of the network, each at its PLR."""
    return {
        (node, peer): repairs(database, before, (node, peer), protection)
        for node, peers in before.costs.items()
        for peer in peers
    }


def _repairs(before: RoutingGraph, link: LinkId, failed: frozenset[LinkId], against: Protection) -> dict[str, Repair]:
    plr, protected = link
    after = before.without(failed)
    lost = {(a, b): before.costs[a][b] for a, b in failed if b in before.costs.get(a, ())}
    found = {}
    for destination in after.spf(plr).distance:
        if _uses(before, plr, destination, link, lost[link]):
            lists = _fewest(before, lost, after, (plr, destination))
            via = min(after.next_hops(plr, destination), key=lambda hop: (rank(lists[hop]), hop))
            found[destination] = Repair(plr, protected, destination, via, lists[via], against)
    return found


def _fewest(
    before: RoutingGraph, lost: Mapping[LinkId, int], after: RoutingGraph, ends: tuple[str, str]
) -> Mapping[str, tuple[Segment, ...]]:
    """Node of the post-convergence graph between `ends` → the fewest segments from there to the destination."""
    plr, destination = ends
    onward = after.successors(plr, destination)
    best: dict[str, tuple[Segment, ...]] = {}
    for node in sorted(onward, key=lambda node: (-after.spf(plr).distance[node], node)):
        if _clear(before, lost, node, destination):
            best[node] = ()
        elif node != plr:
            best[node] = min(_choices(before, lost, onward, node, best), key=rank)
    return best


def _choices(
    before: RoutingGraph,
    lost: Mapping[LinkId, int],
    onward: Mapping[str, tuple[str, ...]],
    node: str,
    best: Mapping[str, tuple[Segment, ...]],
) -> Iterator[tuple[Segment, ...]]:
    """The lists from `node` by their first segment: to a node of its P space, or there and across a link."""
    space = [node]
    for reached in space:
        if reached != node:
            yield NodeSegment(reached), *best[reached]
        for peer in onward[reached]:
            yield AdjacencySegment(reached, peer), *best[peer]
            if peer not in space and _clear(before, lost, node, peer):
                space.append(peer)


def _clear(before: RoutingGraph, lost: Mapping[LinkId, int], source: str, target: str) -> bool:
    """Whether no link of `lost` (with its cost) is on a shortest path of before."""
    return not any(_uses(before, source, target, link, cost) for link, cost in lost.items())


def _uses(before: RoutingGraph, source: str, target: str, link: LinkId, cost: int) -> bool:
    """Whether a shortest path from `source` to `target` takes `link`."""
    there, across = before.spf(source).distance, before.spf(link[1]).distance
    if link[0] not in there or target not in across:
        return False
    return there[link[0]] + cost + across[target] == there[target]
