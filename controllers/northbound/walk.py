"""The way of a packet along SIDs, node by node; where the IGP has several equal ways, the first of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from controllers.srv6.paths import RoutingGraph
from controllers.srv6.sids import Behavior, Locator, Sid


@dataclass(frozen=True)
class Stop:
    """A node on the way: `onward` the next node, one of `ways` equal ones; `sid` if it is for one of the node's own."""

    node: str
    onward: str | None
    ways: int
    sid: Sid | None


def walk(igp: RoutingGraph, locators: Mapping[str, Locator], headend: str, sids: Sequence[Sid]) -> tuple[Stop, ...]:
    """From `headend` along `sids`; nothing if one of them cannot be reached."""
    nodes = {locator: node for node, locator in locators.items()}
    stops: list[Stop] = []
    here, done = headend, None
    for sid in sids:
        target = nodes[sid.locator]
        stretch, onward = igp.path(here, target), igp.successors(here, target)
        if stretch is None:
            return ()
        for node, following in pairwise(stretch):
            stops.append(Stop(node, following, len(onward[node]), done))
            done = None
        here, done = target, sid
        if sid.behavior is Behavior.END_X:
            stops.append(Stop(target, sid.context, 1, sid))
            here, done = sid.context, None
    return (*stops, Stop(here, None, 0, done))
