"""The link-state database as a value: what an IGP would have flooded. An event makes a new one.

A link is directed, as in an LSP: the two directions of a fibre may differ in metric and delay. Both have to be up for
either to be used (the two-way connectivity check, ISO 10589 §7.2.8.2), so one end's event is enough. Between two nodes
there is at most one link each way, as in `testbed.graph`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

LinkId = tuple[str, str]
"""The node that sends on the link and the one that receives."""


class LsdbError(ValueError):
    """The values make no database; `problems` has all of what is wrong."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


@dataclass(frozen=True)
class Link:
    """One direction of a link and what is advertised of it (RFC 5305, RFC 8570); `bandwidth_bps` None: no limit."""

    source: str
    target: str
    igp_metric: int = 10
    te_metric: int = 10
    delay_us: int = 0
    bandwidth_bps: int | None = None
    affinities: frozenset[str] = frozenset()
    srlgs: frozenset[str] = frozenset()
    up: bool = True

    @property
    def id(self) -> LinkId:
        """What the database knows the link by."""
        return self.source, self.target

    def both_ways(self) -> tuple[Link, Link]:
        """This direction and the other, alike."""
        return self, replace(self, source=self.target, target=self.source)


@dataclass(frozen=True)
class Lsdb:
    """Nodes and links; made by `lsdb()`, which checks them."""

    nodes: frozenset[str]
    links: Mapping[LinkId, Link]
    nodes_down: frozenset[str] = field(default=frozenset())

    @cached_property
    def usable(self) -> tuple[Link, ...]:
        """The links that can carry traffic, sorted: up at both ends, between nodes that are there."""
        return tuple(link for _, link in sorted(self.links.items()) if self._both_up(link))

    def _both_up(self, link: Link) -> bool:
        back = self.links.get((link.target, link.source))
        return link.up and back is not None and back.up and self.nodes_down.isdisjoint(link.id)

    def with_link(self, link: Link) -> Lsdb:
        """The database after `link` was advertised with other values; LsdbError for what it cannot be."""
        if problems := list(_link_problems(self.nodes, [link])):
            raise LsdbError(problems)
        return replace(self, links={**self.links, link.id: link})

    def link_down(self, link: LinkId) -> Lsdb:
        """The database after one end lost `link`; KeyError if there is none."""
        return self.with_link(replace(self.links[link], up=False))

    def link_up(self, link: LinkId) -> Lsdb:
        """The database after that end has `link` again; KeyError if there is none."""
        return self.with_link(replace(self.links[link], up=True))

    def node_down(self, node: str) -> Lsdb:
        """The database after `node` disappeared. Its links keep their own state for when it comes back."""
        return replace(self, nodes_down=self.nodes_down | {node})

    def node_up(self, node: str) -> Lsdb:
        """The database after `node` came back."""
        return replace(self, nodes_down=self.nodes_down - {node})

    def sharing_risk(self, link: LinkId) -> frozenset[LinkId]:
        """The links that may fail together with `link`: both directions of it and of all in an SRLG of either."""
        srlgs = self.links[link].srlgs
        fate = {other.id for other in self.links.values() if other.srlgs & srlgs} | {link}
        return fibres(fate)


def lsdb(nodes: Iterable[str], links: Iterable[Link]) -> Lsdb:
    """The database of `nodes` and directed `links`; LsdbError with all that is wrong with them."""
    names, all_links = list(nodes), list(links)
    problems = [f"node {name} a second time" for name, times in Counter(names).items() if times > 1]
    repeated = Counter(link.id for link in all_links).items()
    problems += [f"link {source} to {target} a second time" for (source, target), times in repeated if times > 1]
    problems += _link_problems(frozenset(names), all_links)
    if problems:
        raise LsdbError(problems)
    return Lsdb(frozenset(names), {link.id: link for link in all_links})


def fibres(links: Iterable[LinkId]) -> frozenset[LinkId]:
    """`links` in both directions: a cut fibre carries nothing either way."""
    return frozenset(pair for a, b in links for pair in ((a, b), (b, a)))


def _link_problems(nodes: frozenset[str], links: Iterable[Link]) -> Iterator[str]:
    for link in links:
        where = f"link {link.source} to {link.target}"
        if link.source == link.target:
            yield f"{where}: both ends at one node"
        for end in sorted({*link.id} - nodes):
            yield f"{where}: there is no node {end}"
        # A metric of zero would let packets circle at no cost.
        for name, value, least in (
            ("IGP metric", link.igp_metric, 1),
            ("TE metric", link.te_metric, 1),
            ("delay", link.delay_us, 0),
            ("bandwidth", link.bandwidth_bps or 0, 0),
        ):
            if value < least:
                yield f"{where}: {name} {value}, which has to be at least {least}"
